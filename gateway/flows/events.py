# SPDX-License-Identifier: Apache-2.0
"""Events as operators see them: import from iCalendar, find by UID, describe with the guests' answers."""

from typing import Any

from gateway.errors import Refused
from gateway.flows.calendar_change import ChangeRequest, ChangeResult, change_object
from gateway.flows.context import Context
from gateway.flows.stored import split_by_uid
from gateway.itip.known_answers import with_known_answers
from gateway.itip.tree import parse_tree
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit


async def import_calendar(
    context: Context, account: Account, data: bytes | str, *, send: bool
) -> tuple[ChangeResult, ...]:
    """Store each scheduling object of a calendar (RFC 5545 §3.4 may hold many); no mail unless `send`.

    Of an event that the account organizes, the answers that came since the calendar was written are kept.

    Raises:
        Refused: not a calendar, or an object that cannot be stored: then none of it is.
    """
    objects = split_by_uid(parse_tree(data))

    def fn(unit: Unit) -> tuple[ChangeResult, ...]:
        results = []
        for uid, calendar in objects:
            item = next(iter(unit.objects.by_uid(account.id, uid)), None)
            if item is not None and item.is_origin:
                calendar = with_known_answers(calendar, parse_tree(item.ical))
            request = ChangeRequest(
                account=account, ical=calendar, item=item, send=send, asked=send, source="import",
                refuse_unreachable=False,
            )  # fmt: skip
            results.append(change_object(unit, context, request))
        return tuple(results)

    results = await context.store.write(fn)
    context.wake()
    return results


async def find_event(context: Context, account: Account, uid: str) -> StoredObject:
    """Return an account's event by UID.

    Raises:
        Refused: `not-found`.
    """
    found = await context.store.read(lambda unit: unit.objects.by_uid(account.id, uid))
    if not found:
        raise Refused("not-found", f"{account.address} has no event {uid}")
    return found[0]


async def describe(context: Context, item: StoredObject) -> dict[str, Any]:
    """Return an event with what is known of each guest."""

    def fn(unit: Unit) -> dict[str, Any]:
        places = unit.objects.places(item.id)
        calendar = unit.calendars.get(places[0].calendar_id) if places else None
        return {
            "uid": item.uid,
            "calendar": calendar.name if calendar else None,
            "ical": item.ical,
            "participants": [
                {
                    "address": status.address,
                    "partstat": status.partstat,
                    "schedule_status": status.schedule_status,
                    "updated_at": status.updated_at,
                    "recurrence_id": status.recurrence_id or None,
                    "via": status.via,
                    "comment": status.comment,
                }
                for status in unit.guests.statuses(item.id)
            ],
        }

    return await context.store.read(fn)
