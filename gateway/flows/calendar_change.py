# SPDX-License-Identifier: Apache-2.0
"""An object is stored or deleted: work out what that owes, and write the change and its outbox rows together.

Every change that asked for scheduling ends in exactly one of: a task, a `Refused`, or a recorded sentence why
nothing goes out. The doors (JMAP, CalDAV, submission, command line) call `change_object` inside their own
write transaction, so that several changes of one request may share it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import Refused
from gateway.flows.accounts import may
from gateway.flows.alarm_plans import plan_alarms
from gateway.flows.context import Context
from gateway.flows.enqueue import ANNIHILATED, enqueue_messages
from gateway.flows.local import deliver_locally
from gateway.flows.recipients import Addressed, judge_recipients
from gateway.flows.stored import guests_of, stored_object
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.diff import diff
from gateway.itip.model import Change, DiffSettings, Fault, PartstatReset
from gateway.itip.staleness import sequence_of
from gateway.itip.tree import Component, Prop, build_tree, parse_tree
from gateway.maillog import Verb, record
from gateway.store.accounts import Account
from gateway.store.guests import AttendeeStatus
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.limits import QUIET, REFUSE, ObjectFacts, SendFacts, decide_object, decide_send
from policies.verdict import Verdict

#: The engine's rule for a guest whom no mail can reach.
UNREACHABLE = "change.unreachable"


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """What a door asks for. `ical` None deletes; `item` None creates; `places` None leaves the calendars alone."""

    account: Account
    ical: Component | None
    item: StoredObject | None = None
    places: tuple[tuple[str, str], ...] | None = None  # calendar id, resource name
    send: bool = False  # JMAP sendSchedulingMessages; True is the default of CalDAV
    asked: bool = True  # the person asked for it; False where it is only the protocol's default
    source: str = "jmap"
    actor: str = ""  # address of whoever acts, where that is not the account's own
    partstat_reset: PartstatReset = PartstatReset.CLIENT
    refuse_unreachable: bool = True  # JMAP noSupportedScheduleMethods; elsewhere the guest's status says so
    is_draft: bool | None = None
    hide_attendees: bool | None = None
    properties: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What became of it. `nothing` is the sentence why no message goes out, None where `messages` do."""

    item: StoredObject | None
    messages: int
    rule: str
    nothing: str | None


def change_object(unit: Unit, context: Context, request: ChangeRequest) -> ChangeResult:
    """Store, update or delete one object, with everything that this owes.

    Raises:
        Refused: the object or its messages are not possible; nothing is written (the caller's transaction ends).
    """
    account, old = request.account, request.item
    draft = bool(old.is_draft if old and request.is_draft is None else request.is_draft)
    hidden = bool(old.hide_attendees if old and request.hide_attendees is None else request.hide_attendees)
    addresses = unit.accounts.addresses(account.id)
    change = _diff(unit, context, request, addresses, hide_attendees=hidden)
    if change.error is not None:
        raise Refused("bad-calendar", change.error.reason, rule=change.error.rule)
    item = _store(unit, context, request, change, draft=draft, hidden=hidden)
    shown = item or old
    if shown is None:
        raise Refused("not-found", "There is nothing to delete")
    addressed, verdict = _decide(unit, context, request, change, shown, draft=draft)
    if item is not None:
        _note_guests(unit, context, item, addressed)
        plan_alarms(unit, context, item, account)
    messages = enqueue_messages(unit, context, account, shown, addressed, verdict.rule) if addressed else 0
    if addressed and not messages:
        verdict = ANNIHILATED
    for sent in addressed:
        deliver_locally(unit, context, account, sent)
    _revoke_links(unit, context, shown, item)
    result = ChangeResult(item, messages, verdict.rule, None if messages else verdict.reason)
    _journal(unit, context, request, shown, result, verdict, change.skipped)
    return result


def _diff(
    unit: Unit, context: Context, request: ChangeRequest, addresses: tuple[str, ...], *, hide_attendees: bool
) -> Change:
    old = request.item
    if request.ical is not None:
        text_size = len(build_tree(request.ical))
        limits = context.policy(unit).limits
        measured = decide_object(ObjectFacts(text_size, len(guests_of(request.ical))), limits)
        if measured.action == REFUSE:
            raise Refused("too-large", measured.reason, rule=measured.rule)
    uid = old.uid if old else (request.ical and _uid(request.ical)) or ""
    settings = DiffSettings(
        partstat_reset=request.partstat_reset,
        hide_attendees=hide_attendees,
        last_dtstamp=unit.sent.last_dtstamp(request.account.id, uid),
    )
    was_draft = old is not None and old.is_draft
    before = None if old is None or was_draft else parse_tree(old.ical)
    if request.ical is None and before is None:
        return Change(nothing="A draft was deleted; nobody had been told of it", nothing_rule="change.draft")
    new = request.ical
    if new is not None and before is None:
        last = unit.sent.last_sequence(request.account.id, uid)
        new = new if last is None else _beyond(new, last, normal_addresses(addresses))
    return diff(before, new, addresses=addresses, now=context.clock.now(), settings=settings)


def _beyond(calendar: Component, last: int, own: frozenset[str]) -> Component:
    """Let an organizer's object that was deleted and is here again count on from its cancellation (RFC 5546 §2.1.4)."""

    def counted(child: Component) -> Component:
        organizer = child.value("ORGANIZER")
        if organizer is None or normal_address(organizer) not in own or sequence_of(child) > last:
            return child
        return child.with_prop(Prop("SEQUENCE", str(last + 1)))

    return calendar.with_items(counted(i) if isinstance(i, Component) else i for i in calendar.items)


def _uid(ical: Component) -> str:
    return next((text for child in ical.components if (text := child.text("UID"))), "")


def _store(
    unit: Unit, context: Context, request: ChangeRequest, change: Change, *, draft: bool, hidden: bool
) -> StoredObject | None:
    """Write the object as the engine says it must be kept."""
    old, account = request.item, request.account
    if request.ical is None:
        if old is not None:
            unit.objects.remove(old)
        return None
    text = change.stored or build_tree(request.ical)
    addresses = unit.accounts.addresses(account.id)
    item = stored_object(text, account=account, addresses=addresses, context=context, old=old, source=request.source)
    properties = dict(old.properties if old else {}) if request.properties is None else dict(request.properties)
    item = replace(item, is_draft=draft, hide_attendees=hidden, properties=properties)
    if old is None:
        places = request.places
        if places is None:
            default = unit.calendars.default(account.id)
            if default is None:
                raise Refused("not-found", "The account has no calendar")
            places = ((default.id, f"{item.id}.ics"),)
        unit.objects.add(item, places)
    else:
        unit.objects.update(item)
        if request.places is not None:
            unit.objects.set_places(item, request.places)
    return item


def _decide(
    unit: Unit, context: Context, request: ChangeRequest, change: Change, item: StoredObject, *, draft: bool
) -> tuple[tuple[Addressed, ...], Verdict]:
    """Judge every message and every recipient; what stays goes out, and the verdict says by which rule."""
    account, policy = request.account, context.policy(unit)
    wanted = request.send and not draft and policy.scheduling.enable and may(account, "scheduling-send")
    unreachable = next((fault.reason for fault in change.skipped if fault.rule == UNREACHABLE), None)
    if wanted and unreachable and request.refuse_unreachable:  # draft-ietf-jmap-calendars §5.9.2
        raise Refused("no-supported-schedule-methods", f"No supported scheduling method: {unreachable}")
    for holds, rule, reason in (
        (draft, "change.draft", "The event is a draft"),
        (not request.send, "change.not-asked", "Scheduling messages were not asked for"),
        (not change.messages, change.nothing_rule or "change.nothing", change.nothing or "Nobody has to be told"),
    ):
        if holds:
            return (), Verdict(QUIET, rule, reason)
    by = "" if request.actor == account.address else request.actor
    addressed, denied = judge_recipients(unit, context, account, item, change.messages, by)
    now = context.clock.now()
    outside = {normal_address(a.recipient) for a in addressed if not a.local}
    today = unit.sent.outside_today(account.id, f"{now:%Y-%m-%d}")
    facts = SendFacts(
        now=now,
        recipients=len({normal_address(a.recipient) for a in addressed}),
        ends_at=item.ends_at,
        permitted=may(account, "scheduling-send"),
        asked=request.asked,
        importing=request.source == "import",
        new_outside_recipients=len(outside - today),
        outside_recipients_today=len(today),
        messages_last_hour=unit.sent.count_last_hour(account.id, now) + unit.tasks.owed(account.id),
        writes_last_minute=unit.objects.count_last_minute(account.id, now),
    )
    verdict = decide_send(facts, policy.limits, policy.scheduling)
    if verdict.action == REFUSE:
        raise Refused("over-limit", verdict.reason, rule=verdict.rule)
    if verdict.action == QUIET:
        return (), verdict
    if not addressed:
        return (), denied[0].verdict if denied else Verdict(QUIET, "change.nothing", "Nobody has to be told")
    for address in outside:
        unit.sent.add_outside(account.id, f"{now:%Y-%m-%d}", address)
    return addressed, verdict


def _note_guests(unit: Unit, context: Context, item: StoredObject, addressed: tuple[Addressed, ...]) -> None:
    """Keep the guests' rows in step with the calendar text; whoever is written to now stands at 1.0 (queued)."""
    now = context.clock.now()
    written_to = {normal_address(a.recipient) for a in addressed}
    known = {(status.address, status.recurrence_id): status for status in unit.guests.statuses(item.id)}
    for guest in guests_of(parse_tree(item.ical)):
        status = known.get((guest.address, guest.recurrence_id))
        fresh = status or AttendeeStatus(item.id, guest.address, guest.recurrence_id, guest.partstat, now)
        changed = replace(fresh, partstat=guest.partstat)
        if guest.address in written_to and not guest.recurrence_id:
            changed = replace(changed, schedule_status="1.0", status_text=None, updated_at=now)
        if changed != status:
            unit.guests.put_status(changed)
    for address in written_to:  # everyone we write to is someone we know when they write back
        unit.accounts.know(item.account_id, address, since=now, reason="written to")


def _revoke_links(unit: Unit, context: Context, shown: StoredObject, item: StoredObject | None) -> None:
    """An answer link dies with the invitation: event gone, guest removed. Of a cancelled one its page says so."""
    if item is None:
        unit.links.revoke(context.clock.now(), shown.id)
        return
    guests = {guest.address for guest in guests_of(parse_tree(item.ical))}
    for link in unit.links.of_object(item.id):
        if link.purpose == "rsvp" and link.revoked_at is None and link.attendee not in guests:
            unit.links.revoke(context.clock.now(), item.id, link.attendee)


def _journal(
    unit: Unit,
    context: Context,
    request: ChangeRequest,
    item: StoredObject,
    result: ChangeResult,
    verdict: Verdict,
    skipped: tuple[Fault, ...],
) -> None:
    outcome = "sent" if result.messages else "nothing"
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="change",
            outcome=outcome,
            rule=verdict.rule,
            reason=verdict.reason,
            account_id=request.account.id,
            uid=item.uid,
            facts={
                "messages": result.messages,
                "source": request.source,
                "actor": request.actor,
                "skipped": [f"{fault.rule}: {fault.reason}" for fault in skipped[:50]],
            },
        )
    )
    verb = Verb.QUEUED if result.messages else Verb.SKIPPED
    record(verb, rule=verdict.rule, account=request.account.address, uid=item.uid, messages=result.messages)
