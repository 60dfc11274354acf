# SPDX-License-Identifier: Apache-2.0
"""Every rule id of the incoming half stands in the table, and nothing stands there that is never said."""

import re
from pathlib import Path

from gateway.itip import rules

ENGINE = Path(rules.__file__).parent
ID = re.compile(r'"((?:calendar|message|reply|request|cancel|add|refresh|counter|declinecounter|publish)\.[a-z-]+)"')


def test_the_table_and_the_code_name_the_same_rules() -> None:
    sources = [path for path in ENGINE.glob("*.py") if path.name != "rules.py"]
    said = {found for path in sources for found in ID.findall(path.read_text(encoding="utf-8"))}
    assert said == set(rules.INCOMING)
