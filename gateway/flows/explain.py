# SPDX-License-Identifier: Apache-2.0
"""What a mail would do: the real pipeline on the real store, without the commit; and what became of one that came."""

from typing import Any, NoReturn

from gateway.authn.resolver import Resolver
from gateway.flows.context import Context
from gateway.flows.incoming_mail import Read, read_mail, take_mail
from gateway.imip.headers import parse_facts, parse_headers
from gateway.imip.mail import Direction, Disposition, Door, Envelope, Mail, Origin, Rcpt
from gateway.itip.address import plain_address
from gateway.store.journal import Entry
from gateway.store.unit import Unit


class _Undone(Exception):
    """Ends a transaction so that nothing of it stays, and brings its result out."""

    def __init__(self, disposition: Disposition | None) -> None:
        self.disposition = disposition


async def explain_mail(
    context: Context, resolver: Resolver, data: bytes, recipients: tuple[str, ...], mail_from: str | None = None
) -> dict[str, Any]:
    """Run a mail through the pipeline and return each step, rule and change; nothing is kept."""
    header = parse_facts(parse_headers(data))
    sent_by = mail_from if mail_from is not None else header.header_from.address or ""
    mail = Mail(
        id=context.ids.row("m"),
        envelope=Envelope(sent_by, tuple(Rcpt(plain_address(recipient)) for recipient in recipients)),
        origin=Origin(door=Door.FILTER, direction=Direction.INBOUND),
        data=data,
    )
    read = await read_mail(context, resolver, mail)
    disposition = await _without_commit(context, read)
    return _document(read, disposition)


async def _without_commit(context: Context, read: Read) -> Disposition | None:
    def fn(unit: Unit) -> NoReturn:
        unit.held.forget(read.fingerprint)  # explained as if it came for the first time
        raise _Undone(take_mail(unit, context, read))

    try:
        await context.store.write(fn)
    except _Undone as undone:
        return undone.disposition


def _document(read: Read, disposition: Disposition | None) -> dict[str, Any]:
    recipients = read.mail.envelope.recipients
    taken = disposition.consumed if disposition else frozenset()
    outcomes = disposition.outcomes if disposition else ()
    deferred = [] if disposition else [_DEFERRED]
    return {
        "mail": {
            "message_id": read.header.message_id,
            "mail_from": read.mail.envelope.mail_from,
            "header_from": read.header.header_from.address,
            "recipients": list(recipients),
            "signed": read.found.signed,
            "notes": [f"{note.code} in part {note.path}" for note in read.found.notes],
        },
        "evidence": {
            **dict(read.evidence.lines),
            "address": read.author.address,
            "trust": str(read.author.trust),
            "rule": read.author.rule,
            "reason": read.author.reason,
        },
        "parts": [
            {
                "recipient": outcome.recipient,
                "method": outcome.method,
                "uid": outcome.uid,
                "outcome": outcome.outcome,
                "rule": outcome.rule,
                "reason": outcome.reason,
                "changes": list(outcome.changes),
            }
            for outcome in outcomes
        ]
        + deferred,
        "passed_on": [recipient for recipient in recipients if recipient not in taken],
    }


_DEFERRED = {
    "recipient": "", "method": "", "uid": "", "outcome": "deferred", "rule": "incoming.wait",
    "reason": "Who sent it is not known yet, because the DNS gave no answer; the mail would be put off", "changes": [],
}  # fmt: skip


async def trace_mail(context: Context, name: str) -> tuple[Entry, ...]:
    """Return everything recorded of one mail: by our id, its Message-ID or Postfix's queue id, in order."""
    return await context.store.read(lambda unit: unit.journal.trace(name))
