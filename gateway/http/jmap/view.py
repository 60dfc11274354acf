# SPDX-License-Identifier: Apache-2.0
"""Whose data a caller sees: their own account, or what somebody shares with them (RFC 9670, JMAP Calendars §5).

Every method opens a `View` inside its transaction; there is no other way to an account's data. An account that shares
nothing with the caller is answered as one that does not exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.http.auth import Login
from gateway.http.jmap.errors import MethodError
from gateway.itip.address import normal_addresses
from gateway.store.accounts import Account
from gateway.store.calendars import Calendar, Share
from gateway.store.directory import domain_key
from gateway.store.unit import Unit

#: JMAP CalendarRights in the order of the draft.
RIGHTS = (
    "mayReadFreeBusy",
    "mayReadItems",
    "mayWriteAll",
    "mayWriteOwn",
    "mayUpdatePrivate",
    "mayRSVP",
    "mayShare",
    "mayDelete",
)


@dataclass(frozen=True, slots=True)
class View:
    """An account as one caller may see it."""

    account: Account
    caller: Account
    calendars: Mapping[str, Calendar]
    shares: Mapping[str, Share]  # by calendar; empty in one's own account
    addresses: frozenset[str]  # the caller's own, in normal form

    @property
    def is_own(self) -> bool:
        return self.account.id == self.caller.id

    @property
    def log(self) -> str:
        """The key under which changes that this caller sees are counted."""
        return self.account.id if self.is_own else f"{self.account.id}/{self.caller.id}"

    @property
    def people(self) -> tuple[str, str]:
        """The keys under which changes of people whom this caller sees are counted."""
        return domain_key(self.caller.address), self.caller.id

    def may(self, right: str, calendar_id: str) -> bool:
        """Tell whether the caller has a right in a calendar."""
        if calendar_id not in self.calendars:
            return False
        return self.is_own or self.shares[calendar_id].rights.get(right, False) is True

    def may_any(self, right: str, calendar_ids: tuple[str, ...]) -> bool:
        return any(self.may(right, calendar_id) for calendar_id in calendar_ids)

    def may_all(self, right: str, calendar_ids: tuple[str, ...]) -> bool:
        return bool(calendar_ids) and all(self.may(right, calendar_id) for calendar_id in calendar_ids)


def open_view(unit: Unit, login: Login, account_id: str) -> View:
    """Return what a caller sees of an account.

    Raises:
        MethodError: `accountNotFound` for one that is not theirs and shares nothing with them.
    """
    caller = unit.accounts.get(login.account.id)
    if caller is None or caller.disabled:
        raise MethodError("accountNotFound")
    addresses = normal_addresses(unit.accounts.addresses(caller.id))
    if account_id == caller.id:
        own = {calendar.id: calendar for calendar in unit.calendars.of(caller.id)}
        return View(caller, caller, own, {}, addresses)
    shared = [(c, share) for c, share in unit.calendars.shared_with(caller.id) if c.account_id == account_id]
    account = unit.accounts.get(account_id) if shared else None
    if account is None:
        raise MethodError("accountNotFound")
    calendars = {calendar.id: calendar for calendar, _ in shared}
    return View(account, caller, calendars, {calendar.id: share for calendar, share in shared}, addresses)


def visible_accounts(unit: Unit, caller: Account) -> tuple[Account, ...]:
    """Return the caller's account and those that share a calendar with them."""
    owners = dict.fromkeys(calendar.account_id for calendar, _ in unit.calendars.shared_with(caller.id))
    others = (unit.accounts.get(owner) for owner in owners)
    return (caller, *(account for account in others if account is not None))
