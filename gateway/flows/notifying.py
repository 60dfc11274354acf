# SPDX-License-Identifier: Apache-2.0
"""Tell a person, in their own account, what somebody else did to their event (JMAP CalendarEventNotification)."""

from collections.abc import Mapping
from typing import Any

from gateway.flows.context import Context
from gateway.flows.stored import answered_lines
from gateway.itip.address import normal_address
from gateway.itip.merge import partstat_of
from gateway.itip.model import Outcome, Verdict
from gateway.itip.objects import read_object
from gateway.itip.tree import Component, Prop, build_tree, parse_tree
from gateway.jscalendar.alone import only_part
from gateway.jscalendar.convert import from_ical
from gateway.jscalendar.patch import diff_objects
from gateway.jscalendar.values import Json
from gateway.store.accounts import Account
from gateway.store.notifications import Notification
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

#: Guests up to which a notification names all of them.
_CROWD = 100


def notify_change(
    unit: Unit,
    context: Context,
    account: Account,
    by_address: str,
    old: StoredObject | None,
    outcome: Outcome,
    new: StoredObject | None = None,
) -> None:
    """Add one notification; nothing where the event says the same as before and no proposal was made."""
    text = new.ical if new else outcome.stored
    new = new or old
    old_tree, new_tree = (context.trees.read(ical) if ical else None for ical in (old.ical if old else None, text))
    by = _changed_by(unit, by_address, new_tree or old_tree)
    comments = [answer.comment for answer in outcome.answers if answer.comment]
    proposal = outcome.proposal
    comment = (proposal.comment if proposal else None) or (comments[0] if comments else None)
    if old_tree is not None and new_tree is not None and old is not None and new is not None and not proposal:
        is_one = not old.alone and not new.alone and bool(new_tree.children("VEVENT"))
        texts = _answered_texts(old_tree, new_tree) if is_one else None
        if texts is not None:
            kept = dict(zip(("ical_before", "ical_after"), texts, strict=True))
            _add(unit, context, account, by, new.id, comment, type="updated", **kept)
            return
    if old_tree is not None and new_tree is not None:
        old_tree, new_tree = _without_the_crowd(old_tree, new_tree)
    before, after = _events(old, old_tree), _events(new, new_tree)
    proposed_tree = parse_tree(proposal.calendar) if proposal is not None else None
    if proposed_tree is not None and proposed_tree.children("VEVENT"):
        proposed = from_ical(proposed_tree)
        after = dict.fromkeys(list(before)[:1], proposed)
    for event_id, event in after.items():
        _notify(unit, context, account, by, event_id, before.get(event_id), event, comment)


def _events(item: StoredObject | None, calendar: Component | None) -> dict[str, Json]:
    """Return the CalendarEvents that an object is shown as, by id; what is not stored has no id, a task is none."""
    if calendar is None or not calendar.children("VEVENT"):
        return {}
    if item is None or not item.alone:
        return {item.id if item is not None else "": from_ical(calendar)}
    keys = dict(zip(item.event_ids, item.alone, strict=True))
    return {event_id: from_ical(only_part(calendar, key)) for event_id, key in keys.items()}


def _notify(
    unit: Unit,
    context: Context,
    account: Account,
    by: Mapping[str, Any],
    event_id: str,
    before: Json | None,
    after: Json,
    comment: str | None,
) -> None:
    patch = diff_objects(before, after) if before is not None else None
    if before is not None and not patch:
        return
    kind, event = ("created", after) if before is None else ("updated", before)
    _add(unit, context, account, by, event_id, comment, type=kind, event=event, event_patch=patch)


def told(notification: Notification) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Return the event that a notification shows, and the patch; both are written out only when somebody asks."""
    if notification.ical_before is None or notification.ical_after is None:
        return notification.event, notification.event_patch
    before, after = (from_ical(parse_tree(text)) for text in (notification.ical_before, notification.ical_after))
    return before, diff_objects(before, after)


def _changed_by(unit: Unit, by_address: str, calendar: Component | None) -> Mapping[str, Any]:
    """Return the Person who did it, named as in their account here, else as the event names them."""
    address = normal_address(by_address)
    person = unit.accounts.by_address(address)
    party = None
    if person is None and calendar is not None:
        subject = read_object(calendar)
        is_organizer = subject.organizer is not None and subject.organizer.address == address
        party = subject.organizer if is_organizer else subject.everyone.get(address)
    return {
        "name": person.name if person else party.name if party else "",
        "email": address,
        "principalId": person.id if person else None,
        "calendarAddress": f"mailto:{address}",
    }


def _add(
    unit: Unit,
    context: Context,
    account: Account,
    by: Mapping[str, Any],
    event_id: str,
    comment: str | None,
    **told: Any,
) -> None:
    unit.notifications.add(
        Notification(
            id=context.ids.row("ntf"),
            account_id=account.id,
            object_id=event_id,
            changed_by=by,
            created_at=context.clock.now(),
            comment=comment,
            **told,
        )
    )


def _answered_texts(old: Component, new: Component) -> tuple[str, str] | None:
    """Return both texts where all that happened is that guests answer otherwise now, else None.

    Where there are very many guests, those of whom nothing changed are left out: each notification keeps the event.
    """
    lines = answered_lines(old, new)
    if lines is None or all(partstat_of(before) == partstat_of(now) for before, now in lines):
        return None
    if sum(len(part.all("ATTENDEE")) for part in old.components) > _CROWD:
        old, new = _lean(old, new)
    return build_tree(old), build_tree(new)


def _lean(old: Component, new: Component) -> tuple[Component, Component]:
    """Leave out the guests' lines that are the same in both; all others stand at the same places."""
    pairs = [
        _lean(before, now) if isinstance(before, Component) and isinstance(now, Component) else (before, now)
        for before, now in zip(old.items, new.items, strict=True)
        if before is not now or before.name != "ATTENDEE"
    ]
    return old.with_items(before for before, _ in pairs), new.with_items(now for _, now in pairs)


def notify_invitation(unit: Unit, context: Context, account: Account, by_address: str, message: Component) -> None:
    """Tell of an invitation that did not become an event by itself."""
    invitation = Outcome(Verdict.HELD, "", "", stored=build_tree(message.without("METHOD")))
    notify_change(unit, context, account, by_address, None, invitation)


def _without_the_crowd(old: Component, new: Component) -> tuple[Component, Component]:
    """Leave out guests of whom nothing changed where there are very many: each notification keeps the whole event."""
    kept = {each.raw for part in old.components for each in part.all("ATTENDEE")}
    if len(kept) <= _CROWD:
        return old, new
    kept &= {each.raw for part in new.components for each in part.all("ATTENDEE")} - {None}

    def lean(calendar: Component) -> Component:
        return calendar.with_items(
            item.with_items(line for line in item.items if not (isinstance(line, Prop) and line.raw in kept))
            if isinstance(item, Component)
            else item
            for item in calendar.items
        )

    return lean(old), lean(new)
