# SPDX-License-Identifier: Apache-2.0
"""From tasks to built mails: gather, build and sign outside any transaction, then queue them and drop the task.

A worker that dies before the last step leaves the task; nothing was queued. The Message-ID says what the
message means, so a second building makes the same message.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.errors import GatewayError
from gateway.flows.context import Context

from gateway.flows.links import mint_link, rsvp_expiry
from gateway.flows.notices import NOTICE_TASK
from gateway.flows.owed import Owed, parse_payload
from gateway.flows.presenting import Letterhead, letterhead, present
from gateway.flows.stored import attendee_line
from gateway.imip.build import BuiltMail, build_itip_mail, build_notice
from gateway.imip.compose import Occasion
from gateway.imip.facts import parse_facts
from gateway.imip.kinds import Kind
from gateway.imip.message_id import build_keyed_id, build_message_id
from gateway.imip.presentation import Links, Person, Presentation
from gateway.imip.verp import build_bounce_address
from gateway.itip.address import normal_address
from gateway.itip.model import Method
from gateway.itip.tree import parse_tree
from gateway.itip.values import parse_utc
from gateway.relay.sign import Signer, SigningKey
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.outbox import Message, Recipient
from gateway.store.sent import Sent, fingerprint
from gateway.store.serials import lane
from gateway.store.tasks import Task
from gateway.store.unit import Unit
from policies.retry import RetrySettings, wait_after

_log = logging.getLogger(__name__)
MAX_TASK_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Draft:
    """All that one mail is built from, gathered in one read of the store; building needs no database."""

    owed: Owed | None
    occasion: Occasion | None
    recipient: Person
    head: Letterhead
    presentation: Presentation
    keys: tuple[SigningKey, ...]
    message_id: str
    thread: tuple[str, ...]
    token: str | None  # of the answer link, minted but not yet stored


async def build_due(context: Context, signer: Signer, *, worker: str) -> int:
    """Build the mails of every task that is due; the number of tasks settled."""
    now, options = context.clock.now(), context.config.workers
    tasks = await context.store.write(
        lambda unit: unit.tasks.claim(now=now, lease=options.lease, by=worker, limit=options.batch)
    )
    for task in tasks:
        try:
            drafts = await context.store.read(lambda unit, task=task: gather(unit, context, task))
            mails = await asyncio.to_thread(_build_all, context, signer, drafts, now)
        except GatewayError as error:
            await context.store.write(lambda unit, task=task, error=error: _put_off(unit, context, task, str(error)))
            continue
        await context.store.write(lambda unit, task=task, mails=mails: queue(unit, context, task, mails))
    return len(tasks)


def gather(unit: Unit, context: Context, task: Task) -> tuple[Draft, ...]:
    """Read what each mail of a task needs."""
    account = unit.accounts.get(task.account_id)
    if account is None:
        return ()
    item = unit.objects.get(task.object_id) if task.object_id else None
    if task.kind == NOTICE_TASK:
        return (_notice_draft(unit, context, task, account),)
    return tuple(_itip_draft(unit, context, account, item, owed) for owed in parse_payload(task.payload))


def _itip_draft(
    unit: Unit, context: Context, account: Account, item: StoredObject | None, owed: Owed
) -> Draft:
    message = owed.message
    line = attendee_line(parse_tree(message.calendar), owed.recipient)
    author = attendee_line(parse_tree(message.calendar), message.from_address)
    person = Person(message.from_address, (author.param("CN") if author else None) or account.name)
    head = letterhead(unit, context, account, person)
    policy = context.policy(unit)
    token = None
    links = Links()
    wants_answer = message.method == Method.REQUEST and policy.scheduling.http_rsvp_enable and item is not None
    if wants_answer and context.public_url:
        token = context.ids.token()
        page = f"{context.public_url}/rsvp/{token}"
        links = Links(f"{page}/accept", f"{page}/tentative", f"{page}/decline", page)
    language = (line.param("LANGUAGE") or "") if line else ""
    thread = unit.sent.thread(account.id, message.uid, normal_address(owed.recipient))
    return Draft(
        owed=owed,
        occasion=None,
        recipient=Person(owed.recipient, (line.param("CN") or "") if line else ""),
        head=head,
        presentation=present(unit, context, account, owed.recipient, language=language, links=links),
        keys=_keys(unit, context, head.domain),
        message_id=build_message_id(
            message, owed.recipient, secret=context.key("message-id"), domain=head.domain
        ),
        thread=tuple(sent.message_id for sent in thread if sent.message_id),
        token=token,
    )


def _notice_draft(unit: Unit, context: Context, task: Task, account: Account) -> Draft:
    facts = task.payload
    domain = account.address.rpartition("@")[2]
    to = str(facts["to"])
    reader = unit.accounts.by_address(normal_address(to))
    service = Person(f"{context.config.mail.service_local_part}@{domain}", context.config.mail.product_name)
    occasion = Occasion(
        kind=Kind(facts["kind"]),
        reader=Person(to, reader.name if reader else ""),
        by=Person(facts["by"], facts.get("by_name", "")) if facts.get("by") else None,
        facts=parse_facts(facts["calendar"]) if facts.get("calendar") else None,
        calendar=facts.get("calendar", ""),
        comment=facts.get("comment", ""),
        partstat=facts.get("partstat", ""),
        address=facts.get("address", ""),
        reason=facts.get("reason", ""),
        at=context.clock.now(),
        by_link=bool(facts.get("by_link")),
    )
    return Draft(
        owed=None,
        occasion=occasion,
        recipient=occasion.reader,
        head=Letterhead(service, None, None, domain),
        presentation=present(unit, context, account, to, links=Links(page=facts.get("page", ""))),
        keys=_keys(unit, context, domain),
        message_id=build_keyed_id("notice", (task.id,), to, secret=context.key("message-id"), domain=domain),
        thread=(),
        token=None,
    )


def _keys(unit: Unit, context: Context, domain: str) -> tuple[SigningKey, ...]:
    if not context.config.mail.sign_dkim:
        return ()
    keys = unit.accounts.dkim_keys(domain)
    return tuple(SigningKey(key.domain, key.selector, key.private_pem) for key in keys if key.active)


def _build_all(
    context: Context, signer: Signer, drafts: Sequence[Draft], now: datetime
) -> tuple[tuple[Draft, BuiltMail, bytes], ...]:
    built = []
    for draft in drafts:
        mail = build(context, draft, now)
        built.append((draft, mail, signer.sign(mail.data, draft.keys)))
    return tuple(built)


def build(context: Context, draft: Draft, now: datetime) -> BuiltMail:
    """Build one mail from its draft (RFC 6047 §2)."""
    head = draft.head
    if draft.owed is None or draft.occasion is not None:
        assert draft.occasion is not None  # a draft has one of the two
        return build_notice(
            draft.occasion, from_=head.from_, message_id=draft.message_id, date=now, presentation=draft.presentation
        )
    message = draft.owed.message
    return build_itip_mail(
        message,
        draft.recipient,
        from_=head.from_,
        sender=head.sender,
        reply_to=head.reply_to,
        message_id=draft.message_id,
        in_reply_to=draft.thread[-1] if draft.thread else None,
        references=draft.thread[-10:],
        date=now,
        presentation=draft.presentation,
        attach_ics=message.method in context.config.mail.ics_copy,
    )


def queue(
    unit: Unit, context: Context, task: Task, mails: Sequence[tuple[Draft, BuiltMail, bytes]]
) -> None:
    """Put built mails in the outbox, remember what went to whom, and drop the task: all or nothing."""
    if not unit.tasks.owns(task):
        return  # another worker has it; what we built was never seen
    account = unit.accounts.get(task.account_id)
    item = unit.objects.get(task.object_id) if task.object_id else None
    for draft, mail, data in mails:
        if account is not None:
            _queue_one(unit, context, task, account, item, draft, mail, data)
    unit.tasks.finish(task.id)


def _queue_one(
    unit: Unit,
    context: Context,
    task: Task,
    account: Account,
    item: StoredObject | None,
    draft: Draft,
    mail: BuiltMail,
    data: bytes,
) -> None:
    now = context.clock.now()
    message = draft.owed.message if draft.owed else None
    to = normal_address(draft.recipient.address)
    bounce_token = context.ids.token()
    own_lane = lane(account.id, task.uid, to) if message else lane(task.id)
    if message is not None:
        _supersede(unit, own_lane, message.recurrence_ids, now)
        _remember(unit, account, draft, to, now)
    if item is not None and draft.token and message is not None:
        mint_link(
            unit, context, "rsvp", item, to, expires_at=rsvp_expiry(item, context.policy(unit), now),
            recurrence_id=_single(message.recurrence_ids), token=draft.token,
        )  # fmt: skip
    domain = account.address.rpartition("@")[2]
    queued = Message(
        id=context.ids.row("msg"),
        account_id=account.id,
        task_id=task.id,
        uid=task.uid,
        method=message.method if message else "NOTICE",
        mail_from=build_bounce_address(
            bounce_token, f"{context.config.mail.bounce_local_part}@{domain}", key=context.key("bounce")
        ),
        message_id=mail.message_id,
        data=data,
        created_at=now,
        recurrence_id=_single(message.recurrence_ids) if message else "",
        sequence=message.sequence if message else 0,
        object_id=task.object_id,
    )
    attendee = to if message is not None and message.method in (Method.REQUEST, Method.CANCEL) else None
    recipient = Recipient(
        id=context.ids.row("rcp"),
        message_id=queued.id,
        address=draft.recipient.address,
        lane=own_lane,
        bounce_token=bounce_token,
        due_at=now,
        attendee=attendee,
    )
    unit.outbox.enqueue(queued, (recipient,))


def _supersede(unit: Unit, own_lane: str, recurrence_ids: tuple[str, ...], now: datetime) -> None:
    """A built REQUEST about the same instances that never left is replaced by the newer message."""
    for recipient, older in unit.outbox.unstarted(own_lane, now):
        if older.method == Method.REQUEST and older.recurrence_id == _single(recurrence_ids):
            unit.outbox.settle(recipient.id, state="dropped", reply="superseded by a newer message", finished_at=now)


def _remember(unit: Unit, account: Account, draft: Draft, to: str, now: datetime) -> None:
    message = draft.owed.message if draft.owed else None
    if message is None:
        return
    event = next(iter(parse_tree(message.calendar).children("VEVENT", "VTODO")), None)
    stamp = event.value("DTSTAMP") if event else None
    dtstamp = parse_utc(stamp) if stamp else now
    recurrence_id = _single(message.recurrence_ids)
    mark = stamp or ""
    unit.sent.remember(
        Sent(
            account_id=account.id,
            fingerprint=fingerprint(message.uid, recurrence_id, message.method, message.sequence, to, mark),
            uid=message.uid,
            recurrence_id=recurrence_id,
            recipient=to,
            method=message.method,
            sequence=message.sequence,
            dtstamp=dtstamp,
            by="gateway",
            sent_at=now,
            message_id=draft.message_id,
        )
    )


def _single(recurrence_ids: tuple[str, ...]) -> str:
    """The one instance a message is about, "" for the series."""
    return recurrence_ids[0][:64] if len(recurrence_ids) == 1 else ""


def _put_off(unit: Unit, context: Context, task: Task, failure: str) -> None:
    now = context.clock.now()
    if task.attempts + 1 >= MAX_TASK_ATTEMPTS:
        unit.tasks.fail(task.id, at=now, failure=failure)
    else:
        wait: timedelta = wait_after(task.attempts + 1, RetrySettings(), 0.5)
        unit.tasks.retry(task.id, due_at=now + wait, failure=failure)


