# SPDX-License-Identifier: Apache-2.0
"""A database with our schema and nothing in it, made by the migrations once in a process and copied from then on."""

import shutil
from pathlib import Path
from tempfile import mkdtemp

from gateway.store.migrate import migrate

_template: list[Path] = []


async def lay_out(folder: Path) -> str:
    """Put an empty `gateway.db` into a folder and return its URL."""
    if not _template:
        made = Path(mkdtemp(prefix="gw-schema-")) / "gateway.db"
        await migrate(f"sqlite+aiosqlite:///{made}")
        _template.append(made)
    shutil.copy(_template[0], folder / "gateway.db")
    return f"sqlite+aiosqlite:///{folder}/gateway.db"
