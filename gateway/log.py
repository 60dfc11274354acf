# SPDX-License-Identifier: Apache-2.0
"""Log lines of `key=value` pairs that join with Postfix's: each carries our mail id and Postfix's queue id.

Messages are plain words; facts go in `extra={"facts": {...}}`. Values are quoted where they hold a space
or could forge a line (a CR or LF in a header never makes a second line). No bodies, tokens or titles.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 (never mutated)

_PLAIN = re.compile(r"[!#-<>-\[\]-~]+\Z")
_RSVP_PATH = re.compile(r"(/(?:rsvp|unsubscribe|organizer|confirm)/)[^/\s?\"]+")


@contextmanager
def bound(**facts: str) -> Iterator[None]:
    """Put facts such as `mail=`, `conn=` and `pfx=` (Postfix queue id) on every line logged inside."""
    token = _context.set({**_context.get(), **facts})
    try:
        yield
    finally:
        _context.reset(token)


def redact(text: str) -> str:
    """Hide the secret part of our own links (RFC 9700 §4.2.4 spirit: bearer secrets never reach a log)."""
    return _RSVP_PATH.sub(r"\1…", text) if "/" in text else text


def quote(value: object) -> str:
    """Write one value so that a line stays one line and splits at spaces only."""
    text = redact(str(value))
    if _PLAIN.match(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        escaped = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped)
    return f'"{escaped}"'


class KeyValueFormatter(logging.Formatter):
    """`2026-11-23T10:00:00Z INFO gateway.relay sent mail=m4k2 rule=relay.accepted`."""

    _second, _time = 0, ""  # a busy gateway writes many lines in a second

    def format(self, record: logging.LogRecord) -> str:
        given = record.__dict__.get("facts")
        facts: dict[str, object] = {**_context.get(), **(given if isinstance(given, dict) else {})}
        message = record.getMessage()
        if not message.isprintable():
            message = "".join(c if c.isprintable() else "?" for c in message)
        words = [self._clock(record), record.levelname, record.name, redact(message)]
        words += [f"{key}={quote(value)}" for key, value in facts.items() if value is not None]
        line = " ".join(words)
        if record.exc_info:
            line += "\n" + redact(self.formatException(record.exc_info))
        return line

    def _clock(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second, self._time = second, self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        return self._time


def start_logging(level: str = "INFO") -> None:
    """Send every log line to standard error in our form; call once, from the composition root."""
    handler = logging.StreamHandler()
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Neither thread, process nor source line stands in our lines; to find them costs as much as to write the line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as the logging documentation's "Optimization" has it
    for chatty in ("mail.log", "alembic", "aiosqlite", "uvicorn"):  # aiosmtpd logs every command at INFO
        logging.getLogger(chatty).setLevel(logging.WARNING)
