# SPDX-License-Identifier: Apache-2.0
"""What a person's own program has mailed already: remembered, so that nobody gets the same from us as well.

Program and server often both write: the program stores the event and mails it, in either order. Whatever the order,
the mail that left first is the one, by UID, instance, SEQUENCE, METHOD and recipient. An answer has no SEQUENCE of its
own, so of answers the last one counts: what was mailed last is not mailed again.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from gateway.flows.context import Context
from gateway.flows.owed import Owed, build_payload, parse_payload
from gateway.flows.stored import dtstamp_of
from gateway.itip.address import normal_address
from gateway.itip.model import ItipMessage, Method
from gateway.itip.objects import SchedulingObject, read_object
from gateway.itip.tree import Component, parse_tree
from gateway.store.journal import Entry
from gateway.store.sent import Sent, fingerprint
from gateway.store.serials import lane
from gateway.store.unit import Unit
from policies.verdict import Verdict

MAILED = Verdict("sent-by-client", "recipient.sent-by-client", "The person's own program has sent this message")
_DROPPED = "the person's own program has sent it"
_MASTER = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a person's own program, as far as it matters for not saying it again."""

    uid: str
    method: str
    sequence: int
    recurrence_ids: tuple[str, ...]  # _MASTER first where the series itself is meant
    dtstamp: datetime
    partstat: str = ""

    def covers(self, message: ItipMessage) -> bool:
        """Whether who got this need not get that."""
        if message.method != self.method or message.sequence > self.sequence:
            return False
        return self.recurrence_ids[:1] == (_MASTER,) or set(message.recurrence_ids) <= set(self.recurrence_ids)


def read_said(message: Component, own: frozenset[str], now: datetime) -> Said:
    """Return what a message says; `own` are the normal addresses of its author."""
    subject = read_object(message)
    recurrence_ids = tuple(part.value("RECURRENCE-ID") or _MASTER for part in subject.components)
    stamps = [stamp for part in subject.components if (stamp := dtstamp_of(part)) is not None]
    return Said(
        uid=subject.uid,
        method=message.value("METHOD") or "",
        sequence=subject.sequence,
        recurrence_ids=tuple(sorted(recurrence_ids)),
        dtstamp=max(stamps, default=now),
        partstat=_partstat(subject, own),
    )


def remember_mailed(
    unit: Unit, context: Context, account_id: str, said: Said, told: frozenset[str], message_id: str | None
) -> None:
    """Note whom the program wrote to, and drop what we owe them of the same and have not sent."""
    now = context.clock.now()
    _drop_owed(unit, account_id, said, told, now)
    for address in sorted(told):
        for recurrence_id in said.recurrence_ids:
            unit.sent.remember(
                Sent(
                    account_id=account_id,
                    fingerprint=_fingerprint(said, recurrence_id, address, said.dtstamp),
                    uid=said.uid,
                    recurrence_id=recurrence_id[:64],
                    recipient=address,
                    method=said.method,
                    sequence=said.sequence,
                    dtstamp=said.dtstamp,
                    by="client",
                    sent_at=now,
                    message_id=message_id,
                )
            )
        for recipient, queued in unit.outbox.unsent(lane(account_id, said.uid, address)):
            same = said.recurrence_ids[:1] == (_MASTER,) or queued.recurrence_id in said.recurrence_ids
            if same and queued.method == said.method and queued.sequence <= said.sequence:
                unit.outbox.settle(recipient.id, state="dropped", reply=_DROPPED, finished_at=now)


def was_mailed(unit: Unit, account_id: str, owed: Owed, *, since: datetime | None = None) -> bool:
    """Whether the person's own program has sent one of our messages to its recipient already.

    Without `since` only answers and cancellations are looked at: what else a program mails is stored, and a change of
    it is news.
    """
    message, to = owed.message, normal_address(owed.recipient)
    if since is None and message.method not in (Method.REPLY, Method.CANCEL):
        return False
    ids = message.recurrence_ids or (_MASTER,)
    sent = [row for row in unit.sent.thread(account_id, message.uid, to) if row.recurrence_id in (_MASTER, ids[0])]
    last = max((row for row in sent if row.method == message.method), key=lambda row: row.sent_at, default=None)
    if last is None or last.by != "client" or last.sequence < message.sequence:
        return False
    if since is not None and last.sent_at < since:
        return False
    if message.method != Method.REPLY:
        return True
    now = read_said(parse_tree(message.calendar), frozenset({normal_address(message.from_address)}), last.dtstamp)
    said = replace(now, sequence=last.sequence)
    return last.fingerprint == _fingerprint(said, last.recurrence_id, to, last.dtstamp)


def told_by_us(unit: Unit, account_id: str, said: Said, told: frozenset[str], *, since: datetime) -> frozenset[str]:
    """Return who of those that a program writes to has the same message from us, and since when it matters."""
    return frozenset(
        address
        for address in told
        for row in unit.sent.thread(account_id, said.uid, address)
        if row.by == "gateway"
        and row.sent_at >= since
        and (row.method, row.sequence) == (said.method, said.sequence)
        and row.recurrence_id in said.recurrence_ids
        and unit.outbox.is_on_its_way(lane(account_id, said.uid, address), row.message_id or "")
    )


def _drop_owed(unit: Unit, account_id: str, said: Said, told: frozenset[str], now: datetime) -> None:
    for task in unit.tasks.unstarted(lane(account_id, said.uid), now):
        owed = parse_payload(task.payload)
        needless = [each for each in owed if normal_address(each.recipient) in told and said.covers(each.message)]
        left = tuple(each for each in owed if each not in needless)
        if not left:
            unit.tasks.finish(task.id)
        elif needless:
            unit.tasks.update(task.id, payload={**task.payload, **build_payload(left)})
        for each in needless:
            _record_dropped(unit, account_id, each, now)


def _record_dropped(unit: Unit, account_id: str, owed: Owed, now: datetime) -> None:
    to = normal_address(owed.recipient)
    unit.journal.write(
        Entry(
            at=now,
            stage="change",
            outcome=MAILED.action,
            rule=MAILED.rule,
            reason=MAILED.reason,
            account_id=account_id,
            recipient=to,
            uid=owed.message.uid,
            method=owed.message.method,
        )
    )


def _fingerprint(said: Said, recurrence_id: str, recipient: str, dtstamp: datetime) -> str:
    mark = f"{said.partstat} {dtstamp:%Y%m%dT%H%M%SZ}"
    return fingerprint(said.uid, recurrence_id, said.method, said.sequence, recipient, mark)


def _partstat(subject: SchedulingObject, own: frozenset[str]) -> str:
    return next((party.partstat for address, party in subject.everyone.items() if address in own), "")
