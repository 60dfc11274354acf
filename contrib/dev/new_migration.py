# SPDX-License-Identifier: Apache-2.0
"""Write the next migration step from the difference between the steps and `gateway/store/schema.py`.

python contrib/dev/new_migration.py "what changed"           # the next step
python contrib/dev/new_migration.py --first                  # rewrite step 0001 (before the first release only)
"""

import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.store import migrate  # the path comes first

VERSIONS = Path(migrate.__file__).parent / "migrations" / "versions"


def main() -> None:
    message = sys.argv[1]
    if message == "--first":
        message = "The first schema"
        for old in VERSIONS.glob("0*.py"):
            old.unlink()
    number = f"{len(list(VERSIONS.glob('0*.py'))) + 1:04d}"
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        if number != "0001":
            command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=number)
    made = next(VERSIONS.glob(f"{number}_*.py"))
    text = made.read_text().replace("gateway.store.columns.Instant()", "Instant()")
    text = text.replace(
        "from alembic import op\n", "from alembic import op\n\nfrom gateway.store.columns import Instant\n"
    )
    made.write_text(text)
    print(made)


main()
