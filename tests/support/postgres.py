# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL server on a unix socket, for one test run; no network, no durability, stopped by process id."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLACES = ("/usr/lib/postgresql", "/usr/local/bin")


def programs() -> Path | None:
    """Return the folder of initdb and postgres, or None where there is no server."""
    for place in _PLACES:
        found = sorted(Path(place).glob("**/initdb"), reverse=True)
        if found and (found[0].parent / "postgres").exists():
            return found[0].parent
    found_on_path = shutil.which("initdb")
    return Path(found_on_path).parent if found_on_path else None


@contextmanager
def private_postgres() -> Iterator[str]:
    """Yield a URL (`postgresql+asyncpg://.../{database}?host=...`) of a running private server."""
    bin_dir = programs()
    assert bin_dir is not None
    folder = Path(tempfile.mkdtemp(prefix="gw-pg-"))
    data = folder / "data"
    as_user: list[str] = []
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    folder.chmod(0o755)

    def run(*words: str) -> None:
        subprocess.run([*as_user, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    run(str(bin_dir / "initdb"), "-D", str(data), "-U", "gateway", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=50"
    pg_ctl = (str(bin_dir / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"))
    run(*pg_ctl, "-o", options, "start")
    try:
        yield f"postgresql+asyncpg://gateway@/{{database}}?host={folder}"
    finally:
        run(*pg_ctl, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
