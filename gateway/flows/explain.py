# SPDX-License-Identifier: Apache-2.0
"""What a mail would do: the real pipeline on the real store, without the commit; and what became of one that came."""

from datetime import timedelta
from typing import Any, NoReturn

from gateway.authn.resolver import Resolver
from gateway.flows.context import Context
from gateway.flows.incoming_mail import Read, read_mail, take_mail
from gateway.imip.headers import parse_facts, parse_headers
from gateway.imip.mail import PASS, Direction, Disposition, Door, Envelope, Mail, Origin, Rcpt
from gateway.itip.address import plain_address
from gateway.store.journal import Entry
from gateway.store.unit import Unit


class _Undone(Exception):
    """Ends a transaction so that nothing of it stays, and brings its result out."""

    def __init__(self, disposition: Disposition | None, *, put_off: bool) -> None:
        self.disposition, self.put_off = disposition, put_off


async def explain_mail(
    context: Context, resolver: Resolver, data: bytes, recipients: tuple[str, ...], mail_from: str | None = None
) -> dict[str, Any]:
    """Run a mail through the pipeline and return each step, rule and change; nothing is kept."""
    header = parse_facts(parse_headers(data))
    sent_by = mail_from if mail_from is not None else header.header_from.address or _SOMEBODY
    mail = Mail(
        id=context.ids.row("m"),
        envelope=Envelope(sent_by, tuple(Rcpt(plain_address(recipient)) for recipient in recipients)),
        origin=Origin(door=Door.FILTER, direction=Direction.INBOUND),
        data=data,
    )
    read = await read_mail(context, resolver, mail)
    disposition, put_off = await _without_commit(context, read)
    return _document(read, disposition or PASS, put_off=put_off)


async def _without_commit(context: Context, read: Read) -> tuple[Disposition | None, bool]:
    """What becomes of the mail, and whether it would first be put off because the DNS gives no answer."""

    def fn(unit: Unit) -> NoReturn:
        unit.held.forget(read.fingerprint)  # explained as if it came for the first time
        disposition = take_mail(unit, context, read, careful=True)
        put_off = disposition is None
        if put_off:  # and then as if it had come again until waiting is over
            unit.held.forget(read.fingerprint)
            unit.held.remember(read.fingerprint, read.mail.id, {}, context.clock.now() - _LONG_AGO)
            disposition = take_mail(unit, context, read, careful=True)
        raise _Undone(disposition, put_off=put_off)

    try:
        await context.store.write(fn)
    except _Undone as undone:
        return undone.disposition, undone.put_off


def _document(read: Read, disposition: Disposition, *, put_off: bool) -> dict[str, Any]:
    recipients = read.mail.envelope.recipients
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
            for outcome in disposition.outcomes
        ],
        "put_off": _PUT_OFF if put_off else None,
        "passed_on": [recipient for recipient in recipients if recipient not in disposition.consumed],
    }


_PUT_OFF = "The DNS gave no answer, so the mail would be put off; the outcome is the one after that, if it stays so"
_SOMEBODY = "somebody@unknown.invalid"  # the envelope of a mail whose From names nobody; a null sender says more
_LONG_AGO = timedelta(days=3)  # longer than `incoming.retry_unknown` may be


async def trace_mail(context: Context, name: str) -> tuple[Entry, ...]:
    """Return everything recorded of one mail: by our id, its Message-ID or Postfix's queue id, in order."""
    return await context.store.read(lambda unit: unit.journal.trace(name))
