# SPDX-License-Identifier: Apache-2.0
"""Time as an argument: a protocol, the system's clock, and a clock that stands where a test or the demo puts it."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the time. Instants are aware and in UTC."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SettableClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware instant")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def set(self, instant: datetime) -> None:
        """Stand at `instant` (aware)."""
        self._now = instant.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Move forward (or back) by a duration."""
        self._now += by


class OffsetClock:
    """The system's clock moved by a fixed offset: time passes, from another day (the demo's clock)."""

    def __init__(self, start: datetime) -> None:
        self._offset = start.astimezone(UTC) - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, by: timedelta) -> None:
        """Jump forward (or back) by a duration and go on from there."""
        self._offset += by
