# SPDX-License-Identifier: Apache-2.0
"""The world of a story made of the pure core alone: diff on the way out, apply on the way in, texts in a dict."""

from dataclasses import replace
from datetime import datetime

from gateway.itip.diff import diff
from gateway.itip.inbound import apply_data
from gateway.itip.model import ApplySettings, DiffSettings, ItipMessage, PartstatReset
from gateway.itip.objects import read_object
from gateway.itip.parse import Reading, parse_calendar
from gateway.itip.tree import Component
from tests.support.scenario import Account, Letter, Result


class PureWorld:
    """Calendars of a story; nothing but the engine."""

    has_policies = False

    def __init__(self, *, reset: PartstatReset = PartstatReset.SERVER) -> None:
        self.texts: dict[tuple[str, str], str] = {}
        self.diff_settings = DiffSettings(partstat_reset=reset)
        self.apply_settings = ApplySettings()
        self._last_stamp: dict[str, datetime] = {}

    def account(self, account: Account) -> None:
        """Nothing to do: a calendar is there when something is put into it."""

    def put(self, account: Account, calendar: str, now: datetime) -> Result:
        new = _tree(calendar)
        return self._change(account, read_object(new).uid, new, now)

    def delete(self, account: Account, uid: str, now: datetime) -> Result:
        return self._change(account, uid, None, now)

    def mail(self, bearer: str, account: Account, calendar: str, now: datetime) -> Result:
        reading = parse_calendar(calendar)
        uid = read_object(reading.calendar).uid if isinstance(reading, Reading) else ""
        stored = self.stored(account, uid)
        outcome = apply_data(
            calendar,
            None if stored is None else _tree(stored),
            sender_address=bearer,
            addresses=account.addresses,
            now=now,
            settings=self.apply_settings,
        )
        if outcome.stored is not None:
            self.texts[account.name, uid] = outcome.stored
        return Result(str(outcome.outcome), outcome.rule, outcome.reason, _letters(outcome.messages))

    def rsvp(self, organizer: Account, guest: str, calendar: str, now: datetime) -> Result:
        return self.mail(guest, organizer, calendar, now)

    def stored(self, account: Account, uid: str) -> str | None:
        return self.texts.get((account.name, uid))

    def _change(self, account: Account, uid: str, new: Component | None, now: datetime) -> Result:
        stored = self.stored(account, uid)
        settings = replace(self.diff_settings, last_dtstamp=self._last_stamp.get(uid))
        old = None if stored is None else _tree(stored)
        change = diff(old, new, addresses=account.addresses, now=now, settings=settings)
        if change.error is not None:
            return Result("error", change.error.rule, change.error.reason)
        if change.stored is None:
            self.texts.pop((account.name, uid), None)
        else:
            self.texts[account.name, uid] = change.stored
        if change.messages:
            self._last_stamp[uid] = now
        outcome = "" if change.nothing is None else "nothing"
        return Result(outcome, change.nothing_rule or "", change.nothing or "", _letters(change.messages))


def _letters(messages: tuple[ItipMessage, ...]) -> tuple[Letter, ...]:
    return tuple(
        Letter(str(each.method), each.from_address, to, each.sequence, each.recurrence_ids, each.calendar)
        for each in messages
        for to in each.to
    )


def _tree(calendar: str) -> Component:
    reading = parse_calendar(calendar)
    assert isinstance(reading, Reading), reading
    return reading.calendar
