# SPDX-License-Identifier: Apache-2.0
"""The composition root: configuration -> adapters -> flows -> listeners and workers; start, drain, stop."""

import os
import secrets
from pathlib import Path

from gateway.clock import Clock, SystemClock
from gateway.config import Config
from gateway.errors import Misconfigured
from gateway.flows.context import Context
from gateway.ids import Ids, RandomIds
from gateway.store.engine import open_store
from gateway.store.migrate import migrate

SECRET_BYTES = 32


async def open_context(
    config: Config, *, clock: Clock | None = None, ids: Ids | None = None, public_url: str | None = None
) -> Context:
    """Open the store (bringing its schema up to date) and the secret, and give what every flow needs.

    Raises:
        Misconfigured: a folder or the secret file cannot be used.
        Deferred: the database cannot be reached.
    """
    url = store_url(config)
    secret = load_secret(config)
    await migrate(url)
    return Context(
        store=open_store(url, pool_size=config.store.pool_size, busy_timeout=config.store.busy_timeout),
        clock=clock or SystemClock(),
        ids=ids or RandomIds(),
        config=config,
        secret=secret,
        public_url=public_url or config.public_url,
    )


def store_url(config: Config) -> str:
    """Return the database's URL: the configured one, or SQLite in the data folder."""
    return config.store.url or f"sqlite+aiosqlite:///{config.gateway.data_dir / 'gateway.db'}"


def load_secret(config: Config) -> bytes:
    """Read the instance's secret; on first start make it, readable by us alone.

    Raises:
        Misconfigured: `secret-file` when it cannot be read or made, or is too short.
    """
    path = config.gateway.secret_file
    if path == Path():
        path = config.gateway.data_dir / "secret"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        else:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                secret = secrets.token_bytes(SECRET_BYTES)
                file.write(secret.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise Misconfigured("secret-file", f"The secret file {path} cannot be used: {error}") from error
    if len(secret) < SECRET_BYTES:
        raise Misconfigured("secret-file", f"The secret in {path} is shorter than {SECRET_BYTES} bytes")
    return secret
