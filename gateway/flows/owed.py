# SPDX-License-Identifier: Apache-2.0
"""What a change owes, as a task's payload; and how quick successive edits become one mail.

A message that no worker has begun may still be replaced: a newer REQUEST takes the place of an unsent one,
and a CANCEL of an invitation that never left takes both away.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from gateway.itip.address import normal_address
from gateway.itip.model import FieldChange, ItipMessage, Method


@dataclass(frozen=True, slots=True)
class Owed:
    """One message to one recipient. `first` tells that this recipient has never been written to about the event.

    `by` is the address of whoever acted, where that is not the person whose message it is.
    """

    message: ItipMessage
    recipient: str
    first: bool = False
    by: str = ""


def build_payload(owed: Iterable[Owed]) -> dict[str, Any]:
    """Return the JSON form of what is owed."""
    return {"owed": [{"to": o.recipient, "first": o.first, "by": o.by, "message": asdict(o.message)} for o in owed]}


def parse_payload(payload: Mapping[str, Any]) -> tuple[Owed, ...]:
    """Read what `build_payload` wrote."""
    return tuple(
        Owed(_message(item["message"]), item["to"], item["first"], item.get("by", "")) for item in payload["owed"]
    )


def coalesce(
    unsent: Iterable[Owed], new: Iterable[Owed], annihilated: Callable[[Owed], None] = lambda owed: None
) -> tuple[Owed, ...]:
    """Merge what is owed but not begun with what is owed now, keeping order; `annihilated` hears of what vanished."""
    left = list(unsent)
    added: list[Owed] = []
    for owed in new:
        older = [known for known in left if _replaces(owed, known)]
        left = [known for known in left if known not in older] if older else left
        if owed.message.method == Method.CANCEL and _was_never_invited(owed, older, (*left, *added)):
            annihilated(owed)
        else:
            added.append(_merged(older, owed))
    return (*left, *added)


def _replaces(new: Owed, old: Owed) -> bool:
    """Whether an unsent message need not be sent since a newer one is: both to one guest, about the same.

    To cancel the whole covers what was to be said of its occurrences.
    """
    if normal_address(old.recipient) != normal_address(new.recipient) or old.message.uid != new.message.uid:
        return False
    if old.message.method not in REPLACED.get(new.message.method, ()):
        return False
    return old.message.recurrence_ids == new.message.recurrence_ids or cancels_all(new.message)


#: Which unsent messages a newer one about the same makes needless.
REPLACED = {
    Method.REQUEST: (Method.REQUEST, Method.CANCEL),
    Method.CANCEL: (Method.REQUEST, Method.CANCEL),
    Method.REPLY: (Method.REPLY,),
}


def cancels_all(message: ItipMessage) -> bool:
    """Whether a message is the end of the whole for its recipient, occurrences and all."""
    return message.method == Method.CANCEL and not any(message.recurrence_ids)


def _was_never_invited(cancel: Owed, older: Iterable[Owed], left: Iterable[Owed]) -> bool:
    """Whether a guest to whom something is cancelled has never heard of it, and now never will.

    Who is about to be invited to the series hears of all its occurrences.
    """
    if not any(old.first and old.message.method == Method.REQUEST for old in older):
        return False
    to = normal_address(cancel.recipient)
    return not any(
        normal_address(known.recipient) == to
        and known.message.method == Method.REQUEST
        and not any(known.message.recurrence_ids)
        for known in left
    )


def _merged(older: Iterable[Owed], new: Owed) -> Owed:
    """Return the newest message, with all that has changed since the guest was last told.

    An invitation stays one, whatever was changed of it before it left.
    """
    if new.message.method != Method.REQUEST:
        return new
    first, changes, is_invitation = new.first, new.message.changes, False
    for old in reversed(tuple(older)):
        first = first or old.first
        changes = _join(old.message.changes, changes)
        is_invitation = old.message.method == Method.REQUEST and old.first and not old.message.changes
    return replace(new, first=first, message=replace(new.message, changes=() if is_invitation else changes))


def _join(old: tuple[FieldChange, ...], new: tuple[FieldChange, ...]) -> tuple[FieldChange, ...]:
    """From a to b and from b to c is from a to c; what came back to where it was is no change."""
    joined = {(change.name, change.recurrence_id): change for change in old}
    for change in new:
        before = joined.get((change.name, change.recurrence_id))
        joined[change.name, change.recurrence_id] = change if before is None else replace(change, old=before.old)
    return tuple(change for change in joined.values() if change.old != change.new)


def _message(item: Mapping[str, Any]) -> ItipMessage:
    return ItipMessage(
        method=Method(item["method"]),
        uid=item["uid"],
        sequence=item["sequence"],
        from_address=item["from_address"],
        to=tuple(item["to"]),
        recurrence_ids=tuple(item["recurrence_ids"]),
        significant=item["significant"],
        reason=item["reason"],
        calendar=item["calendar"],
        changes=tuple(FieldChange(**change) for change in item["changes"]),
    )
