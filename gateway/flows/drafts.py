# SPDX-License-Identifier: Apache-2.0
"""Drafts: all that one mail is built from, gathered in one read of the store, so that building needs no database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from gateway.flows.alarm_mails import (
    ALARM_TASK,
    AlarmMail,
    alarm_author,
    alarm_links,
    own_template,
    parse_alarm_mail,
)
from gateway.flows.context import Context
from gateway.flows.links import link_url
from gateway.flows.notices import NOTICE_TASK
from gateway.flows.owed import REPLACED, Owed, cancels_all, parse_payload
from gateway.flows.presenting import Letterhead, letterhead, present
from gateway.flows.stored import attendee_line
from gateway.imip.build import (
    AutoSubmitted,
    BuiltMail,
    Headers,
    Notice,
    build_alarm_mail,
    build_itip_mail,
    build_notice,
)
from gateway.imip.kinds import Kind
from gateway.imip.message_id import build_keyed_id, build_message_id
from gateway.imip.presentation import Links, Person, Presentation
from gateway.itip.address import normal_address, plain_address, same_address
from gateway.itip.model import ItipMessage, Method
from gateway.itip.tree import Component, parse_tree
from gateway.relay.sign import SigningKey, parse_key
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.outbox import Message, Recipient
from gateway.store.sent import Sent
from gateway.store.serials import lane
from gateway.store.tasks import Task
from gateway.store.unit import Unit
from policies.incoming import party_of
from policies.scheduling import SchedulingSettings

_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{3,250}>")


@dataclass(frozen=True, slots=True)
class Draft:
    """One mail to be: what it says, to whom, in whose name, in which form."""

    said: Owed | Notice | AlarmMail
    recipient: Person
    head: Letterhead
    presentation: Presentation
    keys: tuple[SigningKey, ...]
    message_id: str
    thread: tuple[str, ...] = ()  # Message-IDs of what went to this recipient about the event before
    token: str | None = None  # of the answer link: minted, stored only when the mail is queued
    hide_guests: bool = False
    kind: Kind | None = None  # where the message alone does not tell


def gather(unit: Unit, context: Context, task: Task) -> tuple[Draft, ...]:
    """Read what each mail of a task needs; nothing where the account is gone."""
    account = unit.accounts.get(task.account_id)
    if account is None:
        return ()
    if task.kind == NOTICE_TASK:
        return (_notice_draft(unit, context, task, account),)
    if task.kind == ALARM_TASK:
        return (_alarm_draft(unit, context, account, parse_alarm_mail(task.payload)),)
    item = unit.objects.get(task.object_id) if task.object_id else None
    owed = parse_payload(task.payload)
    told = _told_of_series(owed)
    return tuple(_itip_draft(unit, context, account, item, each, _kind(each, told)) for each in owed)


def _told_of_series(owed: Iterable[Owed]) -> frozenset[str]:
    """Return whom these messages tell that a series has changed."""
    series = (each for each in owed if each.message.method == Method.REQUEST and each.message.changes)
    return frozenset(normal_address(each.recipient) for each in series if not any(each.message.recurrence_ids))


def _kind(owed: Owed, told: frozenset[str]) -> Kind | None:
    """Return the kind of a mail that only repeats an exception of a series that has changed."""
    message = owed.message
    repeats = message.method == Method.REQUEST and any(message.recurrence_ids) and not message.changes
    return Kind.REPEATED if repeats and normal_address(owed.recipient) in told else None


def build(context: Context, draft: Draft, now: datetime) -> BuiltMail:
    """Build one mail (RFC 6047 §2). Pure but for the configuration it is given."""
    head = draft.head
    is_ours = not isinstance(draft.said, Owed)
    headers = Headers(
        from_=head.from_,
        message_id=draft.message_id,
        date=now,
        mail_sender=head.sender,
        reply_to=head.reply_to,
        in_reply_to=draft.thread[-1] if draft.thread else "",
        references=draft.thread[-10:],
        auto_submitted=AutoSubmitted.GENERATED if is_ours else None,  # RFC 3834 §5: a person caused the others
    )
    if isinstance(draft.said, Notice):
        return build_notice(draft.said, draft.recipient, headers=headers, presentation=draft.presentation)
    if isinstance(draft.said, AlarmMail):
        first, *also = draft.said.facts
        owner = None if draft.said.is_own else head.reply_to
        return build_alarm_mail(
            first, draft.recipient, headers=headers, presentation=draft.presentation, also=also, owner=owner
        )
    return build_itip_mail(
        draft.said.message,
        draft.recipient,
        headers=headers,
        presentation=draft.presentation,
        by=head.sender if draft.said.message.changes or draft.said.message.method == Method.CANCEL else None,
        kind=draft.kind,
        hide_guests=draft.hide_guests,
        attached=frozenset(Method(name) for name in context.config.mail.ics_copy),
    )


def _itip_draft(
    unit: Unit, context: Context, account: Account, item: StoredObject | None, owed: Owed, kind: Kind | None
) -> Draft:
    to = normal_address(owed.recipient)
    gone = {mail.message_id for _, mail in replaced(unit, owed, lane(account.id, owed.message.uid, to), lock=False)}
    thread = [sent for sent in unit.sent.thread(account.id, owed.message.uid, to) if sent.message_id not in gone]
    if gone and not invited(thread):  # an invitation stays one, whatever was changed of it before it left
        owed = replace(owed, message=replace(owed.message, changes=()))
    message = owed.message
    calendar = parse_tree(message.calendar)
    line, author = attendee_line(calendar, owed.recipient), attendee_line(calendar, message.from_address)
    name = (author.param("CN") if author else None) or account.name
    acting = owed.by or _sent_by(calendar, message)
    head = letterhead(unit, context, account, Person(message.from_address, name), sent_by=acting)
    token, links = _answer_links(unit, context, owed, item)
    language = (line.param("LANGUAGE") or "") if line else ""
    shown = present(unit, context, account, owed.recipient, language=language, links=links)
    source = context.policy(unit).scheduling.email_template
    return Draft(
        said=owed,
        recipient=Person(owed.recipient, (line.param("CN") or "") if line else ""),
        head=head,
        presentation=replace(shown, templates=own_template(source, shown.templates)),
        keys=signing_keys(unit, context, head.domain),
        message_id=build_message_id(message, owed.recipient, secret=context.key("message-id"), domain=head.domain),
        thread=(*(sent.message_id for sent in thread if sent.message_id), *_answered(unit, account, message)),
        token=token,
        hide_guests=item.hide_attendees if item else False,
        kind=kind,
    )


def _answered(unit: Unit, account: Account, message: ItipMessage) -> tuple[str, ...]:
    """Return the Message-ID of the invitation that is answered, where it came by mail (RFC 5322 §3.6.4)."""
    if party_of(message.method) != "attendee":
        return ()
    found = (unit.journal.answerable(account.id, message.uid) or "").strip()
    bracketed = found if found.startswith("<") else f"<{found}>"
    return (bracketed,) if _MESSAGE_ID.fullmatch(bracketed) else ()


def _sent_by(calendar: Component, message: ItipMessage) -> str:
    """Return who acts for the person whose message it is, "" where nobody does."""
    lines = (line for part in calendar.components for line in part.all("ORGANIZER", "ATTENDEE"))
    own = (line.param("SENT-BY") for line in lines if same_address(line.value, message.from_address))
    return plain_address(next(filter(None, own), ""))


def invited(thread: Iterable[Sent]) -> bool:
    """Whether somebody has been invited, by what went to them about an event."""
    return any(sent.method == Method.REQUEST for sent in thread)


def replaced(unit: Unit, owed: Owed, own_lane: str, *, lock: bool = True) -> tuple[tuple[Recipient, Message], ...]:
    """Return the built mails that never left and need not, since this message says what there is to say."""
    recurrence_id, methods = single(owed.message.recurrence_ids), REPLACED.get(owed.message.method, ())
    return tuple(
        (recipient, mail)
        for recipient, mail in unit.outbox.unsent(own_lane, lock=lock)
        if mail.method in methods and (mail.recurrence_id == recurrence_id or cancels_all(owed.message))
    )


def single(recurrence_ids: tuple[str, ...]) -> str:
    """Return the one instance that a message is about, "" for the series."""
    return recurrence_ids[0][:64] if len(recurrence_ids) == 1 else ""


def _answer_links(unit: Unit, context: Context, owed: Owed, item: StoredObject | None) -> tuple[str | None, Links]:
    """An invitation from here carries answer links, where pages are served and policy permits them."""
    asks = owed.message.method == Method.REQUEST and item is not None and item.is_origin
    return new_answer_links(context, context.policy(unit).scheduling) if asks else (None, Links())


def new_answer_links(context: Context, scheduling: SchedulingSettings) -> tuple[str | None, Links]:
    """Return a fresh token and the links made of it; none where no page is served or they are switched off."""
    if not scheduling.http_rsvp_enable:
        return None, Links()
    token = context.ids.token()
    page = link_url(context, "rsvp", token, scheduling)
    if not page:
        return None, Links()
    return token, Links(accept=f"{page}/accept", tentative=f"{page}/tentative", decline=f"{page}/decline", page=page)


def _notice_draft(unit: Unit, context: Context, task: Task, account: Account) -> Draft:
    facts = task.payload
    domain = account.address.rpartition("@")[2]
    to = str(facts["to"])
    reader = unit.accounts.by_address(normal_address(to))
    service = Person(f"{context.config.mail.service_local_part}@{domain}", context.config.mail.product_name)
    notice = Notice(
        kind=Kind(facts["kind"]),
        calendar=str(facts.get("calendar", "")),
        recurrence_id=str(facts.get("recurrence_id", "")),
        by=Person(facts["by"], facts.get("by_name", "")) if facts.get("by") else None,
        partstat=str(facts.get("partstat", "")),
        comment=str(facts.get("comment", "")),
        address=str(facts.get("address", "")),
        reason=str(facts.get("reason", "")),
        failures=tuple((str(address), str(words)) for address, words in facts.get("failures", ())),
        by_link=bool(facts.get("by_link")),
        attached=str(facts.get("attached", "")),
    )
    return Draft(
        said=notice,
        recipient=Person(to, str(facts.get("to_name") or (reader.name if reader else ""))),
        head=Letterhead(service, None, None, domain),
        presentation=present(
            unit,
            context,
            account,
            to,
            language=str(facts.get("language", "")),
            links=Links(page=str(facts.get("page", ""))),
        ),
        keys=signing_keys(unit, context, domain),
        message_id=build_keyed_id("notice", (task.id,), to, secret=context.key("message-id"), domain=domain),
    )


def _alarm_draft(unit: Unit, context: Context, account: Account, said: AlarmMail) -> Draft:
    author = alarm_author(unit, context, account)
    domain = normal_address(author.address).rpartition("@")[2]
    own_domain = account.address.rpartition("@")[2]
    signs = domain if domain in context.domains(unit) else own_domain
    reader = unit.accounts.by_address(normal_address(said.to))
    token = context.ids.token()
    links = alarm_links(unit, context, account, said, token)
    shown = present(unit, context, account, said.to, links=links)
    return Draft(
        said=said,
        recipient=Person(said.to, reader.name if reader else ""),
        head=Letterhead(author, None, Person(account.address, account.name), signs),
        presentation=replace(shown, templates=own_template(context.policy(unit).alarms.template, shown.templates)),
        keys=signing_keys(unit, context, signs),
        message_id=build_keyed_id("alarm", (said.identity,), said.to, secret=context.key("message-id"), domain=domain),
        token=token if links.unsubscribe else None,
    )


def signing_keys(unit: Unit, context: Context, domain: str) -> tuple[SigningKey, ...]:
    """Return the keys that sign for a domain now; none where something behind us signs."""
    if not context.config.mail.sign_dkim:
        return ()
    keys = unit.accounts.dkim_keys(domain)
    return tuple(_signing_key(key.private_pem, key.selector, key.domain) for key in keys if key.active)


@lru_cache(maxsize=256)
def _signing_key(pem: str, selector: str, domain: str) -> SigningKey:
    """Reading a private key costs more than signing with it."""
    return parse_key(pem.encode(), selector, domain)
