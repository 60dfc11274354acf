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
    """One message to one recipient. `first` tells that this recipient has never been written to about the event."""

    message: ItipMessage
    recipient: str
    first: bool = False


def build_payload(owed: Iterable[Owed]) -> dict[str, Any]:
    """Return the JSON form of what is owed."""
    return {"owed": [{"to": o.recipient, "first": o.first, "message": asdict(o.message)} for o in owed]}


def parse_payload(payload: Mapping[str, Any]) -> tuple[Owed, ...]:
    """Read what `build_payload` wrote."""
    return tuple(Owed(_message(item["message"]), item["to"], item["first"]) for item in payload["owed"])


def coalesce(
    unsent: Iterable[Owed], new: Iterable[Owed], annihilated: Callable[[Owed], None] = lambda owed: None
) -> tuple[Owed, ...]:
    """Merge what is owed but not begun with what is owed now, keeping order; `annihilated` hears of what vanished."""
    result = list(unsent)
    for owed in new:
        older = [known for known in result if _same_subject(known, owed)]
        merged: Owed | None = owed
        for known in older:
            if (replaced := _replaces(known, merged)) is not _KEEP:
                result.remove(known)
                merged = replaced
        if merged is None:
            annihilated(owed)
        else:
            result.append(merged)
    return tuple(result)


#: `_replaces` says: both stay, in order.
_KEEP = Owed(ItipMessage(Method.PUBLISH, "", 0, "", (), (), False, "", ""), "")


def _replaces(old: Owed, new: Owed | None) -> Owed | None:
    """Return what stands for both messages, None where they take each other away, `_KEEP` where both stay."""
    if new is None:
        return _KEEP
    match (old.message.method, new.message.method):
        case (Method.REQUEST, Method.CANCEL) if old.first:
            return None
        case (Method.REQUEST | Method.CANCEL, Method.REQUEST) | (Method.REQUEST, Method.CANCEL):
            changes = _join(old.message.changes, new.message.changes)
            return replace(new, first=old.first or new.first, message=replace(new.message, changes=changes))
        case (Method.REPLY, Method.REPLY):
            return new
        case _:
            return _KEEP


def _same_subject(old: Owed, new: Owed) -> bool:
    """Same guest and same instances; what is said of the whole series also covers its instances."""
    if normal_address(old.recipient) != normal_address(new.recipient) or old.message.uid != new.message.uid:
        return False
    return old.message.recurrence_ids == new.message.recurrence_ids


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
