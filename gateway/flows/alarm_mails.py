# SPDX-License-Identifier: Apache-2.0
"""An alarm mail from the firing to the draft: the task's payload, and in whose name and with which links it goes.

The payload holds what was decided and the event as it stood at that moment; building needs the store no more, and a
later edit cannot change what was promised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.flows.alarm_plans import Reader
from gateway.flows.alarm_recipients import LINK_LIFE, Reached
from gateway.flows.context import Context
from gateway.flows.links import foretell_organizer_url, link_url, mint_account_link, organizer_url
from gateway.imip.build import AlarmFacts
from gateway.imip.facts import Span
from gateway.imip.files import is_inline
from gateway.imip.presentation import Links, Person, Templates
from gateway.itip.alarms import Alarm
from gateway.itip.firings import Firing
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop, build_tree
from gateway.itip.values import Kind, Moment
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.serials import lane
from gateway.store.tasks import Task
from gateway.store.unit import Unit

ALARM_TASK = "CalendarAlarmEmail"


@dataclass(frozen=True, slots=True)
class AlarmWord:
    """One firing that a mail tells of."""

    item: StoredObject
    reader: Reader
    firing: Firing
    is_late: bool
    unreached: tuple[str, ...] = ()  # who was to be reached as well and may not


@dataclass(frozen=True, slots=True)
class AlarmMail:
    """An alarm mail as it was decided: `facts` of one or more events, for one recipient."""

    to: str
    is_own: bool
    identity: str  # the firings it tells of: its Message-ID is made of them
    facts: tuple[AlarmFacts, ...]
    object_id: str  # of the first event


def enqueue_alarm_mail(
    unit: Unit, context: Context, account: Account, recipient: Reached, words: Sequence[AlarmWord], *, now: datetime
) -> None:
    """Owe one mail to one recipient in this transaction; the worker builds and sends it."""
    said = sorted(words, key=lambda word: word.firing.starts_at)
    told = {_said(word): word for word in reversed(said)}  # an alarm for each of two people may reach one in the end
    first = said[0]
    payload = {
        "to": recipient.address,
        "is_own": recipient.is_own,
        "identity": "\x1f".join(_identity(word) for word in said),
        "alarms": [_built(word, is_own=recipient.is_own) for word in reversed(told.values())],
        "told_at": now.isoformat(),
    }
    name, at = context.ids.row("tsk"), min(now, context.clock.now())  # `alarms run` fires ahead of the clock
    unit.tasks.enqueue(
        Task(
            id=name,
            kind=ALARM_TASK,
            account_id=account.id,
            object_id=first.item.id,
            uid=first.item.uid,
            lane=lane(name),  # a reminder waits for no other mail
            payload=payload,
            due_at=at,
            created_at=at,
        )
    )


def parse_alarm_mail(payload: Mapping[str, Any]) -> AlarmMail:
    """Read what `enqueue_alarm_mail` wrote."""
    return AlarmMail(
        to=str(payload["to"]),
        is_own=bool(payload["is_own"]),
        identity=str(payload["identity"]),
        facts=tuple(_facts(alarm, datetime.fromisoformat(payload["told_at"])) for alarm in payload["alarms"]),
        object_id=str(payload["alarms"][0]["object"]),
    )


def alarm_links(unit: Unit, context: Context, account: Account, mail: AlarmMail, token: str) -> Links:
    """Return what can be pressed: the event's page for its owner, and for everybody the way to stop these mails."""
    item = _own_event(unit, account, mail)
    event = foretell_organizer_url(context, item, account) if item else ""
    return Links(event=event, unsubscribe=link_url(context, "unsubscribe", token))


def keep_links(unit: Unit, context: Context, account: Account, mail: AlarmMail, token: str | None) -> None:
    """Let the links of a mail that is queued open something: the event's page, and the way out (RFC 8058)."""
    item = _own_event(unit, account, mail)
    if item is not None:
        organizer_url(unit, context, item)
    if token is not None:
        expires_at = context.clock.now() + LINK_LIFE
        mint_account_link(unit, context, "unsubscribe", account.id, mail.to, expires_at=expires_at, token=token)


def own_template(source: str | None, otherwise: Templates) -> Templates:
    """Return an administrator's own HTML for a kind of mail as a template; ours stands in where it fails."""
    return Templates((("mail.html.j2", source),)) if source else otherwise


def alarm_author(unit: Unit, context: Context, account: Account) -> Person:
    """Return who alarm mails of an account come from: the domain's choice, the instance's, the documented default."""
    domain_name = account.address.rpartition("@")[2]
    domain = unit.accounts.domain(domain_name)
    own: Mapping[str, Any] = domain.settings if domain else {}
    settings = context.policy(unit).alarms
    address = own.get("alarm_from_email") or settings.from_email or f"calendar-notification@{domain_name}"
    return Person(str(address), str(own.get("alarm_from_name") or settings.from_name))


def _own_event(unit: Unit, account: Account, mail: AlarmMail) -> StoredObject | None:
    """Return the event whose page the mail opens: the owner's own only, since whoever has the page decides there."""
    item = unit.objects.get(mail.object_id)
    return item if mail.is_own and item is not None and item.account_id == account.id else None


def _said(word: AlarmWord) -> tuple[object, ...]:
    """What a reader sees of an alarm, as far as two of them may differ."""
    firing = word.firing
    return word.item.id, firing.starts_at, firing.alarm.summary, firing.alarm.description, firing.alarm.attachments


def _identity(word: AlarmWord) -> str:
    firing = word.firing
    return "/".join(
        (word.item.uid, firing.recurrence_id, firing.alarm.id, firing.at.isoformat(), str(firing.repetition))
    )


def _built(word: AlarmWord, *, is_own: bool) -> dict[str, Any]:
    firing = word.firing
    told = _told(firing.component, firing.alarm) if is_own else _told_outside(firing.component)
    start, start_zone = _shown(firing.span.start, firing.starts_at, word.reader)
    end, end_zone = _shown(firing.span.end, firing.ends_at, word.reader)
    return {
        "object": word.item.id,
        "calendar": build_tree(Component("VCALENDAR", (Prop("VERSION", "2.0"), told))),
        "recurrence_id": firing.recurrence_id,
        "start": start.isoformat(),
        "start_zone": start_zone,
        "end": end.isoformat() if firing.ends_at > firing.starts_at else None,
        "end_zone": end_zone,
        "all_day": firing.span.start.is_date,
        "starts_at": None if firing.span.start.is_date else firing.starts_at.isoformat(),
        "summary": firing.alarm.summary,
        "description": firing.alarm.description,
        "fire_at": firing.at.isoformat(),
        "is_late": word.is_late,
        "unreached": word.unreached,
    }


def _told(component: Component, alarm: Alarm) -> Component:
    """The event without its alarms, and with what this alarm attaches (RFC 5545 §3.6.6); no address is fetched."""
    bare = component.without("VALARM")
    kept = (item for item in bare.items if not (item.name == "ATTACH" and isinstance(item, Prop) and is_inline(item)))
    return bare.with_items((*alarm.attachments, *kept))


def _told_outside(component: Component) -> Component:
    """The event as somebody outside may know it: no file and no link of the owner's choice, and nobody's guest list."""
    return component.without("VALARM", "ATTACH", "ATTENDEE")


def _shown(moment: Moment, at: datetime, reader: Reader) -> tuple[datetime, str]:
    """A moment as clock time with its zone: its own where the world knows it, else UTC; "" for floating and days."""
    if moment.kind in (Kind.DATE, Kind.FLOATING):
        return moment.wall, ""
    iana = Zones(reader.calendar).zone(moment.tzid).iana if moment.kind is Kind.ZONED else None
    return (moment.wall, iana) if iana else (at.astimezone(UTC).replace(tzinfo=None), "Etc/UTC")


def _facts(alarm: Mapping[str, Any], told_at: datetime) -> AlarmFacts:
    start = _moment(alarm["start"], alarm["start_zone"])
    end = _moment(alarm["end"], alarm["end_zone"]) if alarm["end"] else None
    fire_at, starts_at = datetime.fromisoformat(alarm["fire_at"]), alarm.get("starts_at")
    return AlarmFacts(
        calendar=alarm["calendar"],
        recurrence_id=alarm["recurrence_id"],
        span=Span(start, end, all_day=bool(alarm["all_day"])),
        summary=alarm["summary"],
        description=alarm["description"],
        late_due_at=fire_at.astimezone(start.tzinfo or UTC) if alarm["is_late"] else None,
        told_at=told_at,
        starts_at=datetime.fromisoformat(starts_at) if starts_at else None,
        unreached=tuple(alarm.get("unreached", ())),  # a task of an older version does not say
    )


def _moment(text: str, zone: str) -> datetime:
    wall = datetime.fromisoformat(text)
    return wall.replace(tzinfo=Zones().zone(zone).tzinfo) if zone else wall
