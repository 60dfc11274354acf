# SPDX-License-Identifier: Apache-2.0
"""What came in a mail and is read for nobody: on record all the same, so that a trace finds it and says why."""

from collections.abc import Iterable

from gateway.flows.context import Context
from gateway.imip.leaves import Note
from gateway.imip.mail import Mail, PartOutcome
from gateway.imip.parse import CalendarPart
from gateway.store.journal import Entry
from gateway.store.unit import Unit

NOT_OPENED = "incoming.not-opened"
WHY = {
    "tnef": "Outlook's winmail.dat is not opened; let its sender write plain text or HTML",
    "encrypted": "It is encrypted",
    "opaque-signed": "It is wrapped into its signature",
    "nested-message": "A forwarded message is not entered: who forwards is not who invites",
    "too-deep": "Its parts are nested too deeply",
    "too-many-parts": "It has too many parts",
    "too-many-calendars": "It has too many calendars",
}


def record_unopened(unit: Unit, context: Context, mail: Mail, message_id: str | None, notes: Iterable[Note]) -> None:
    """Record what of a mail without a calendar was not looked into; the mail passes as it is."""
    for note in notes:
        _record(unit, context, mail, message_id, NOT_OPENED, f"{WHY[note.code]} (part {note.path})")


def record_nobody_here(
    unit: Unit, context: Context, mail: Mail, message_id: str | None, part: CalendarPart
) -> PartOutcome:
    """Record a calendar for nobody who has an account."""
    rule, reason = "incoming.nobody-here", "No recipient of this mail has a calendar here"
    _record(unit, context, mail, message_id, rule, reason, part.uid, part.method)
    return PartOutcome("", part.method, part.uid, "none", rule, reason)


def _record(
    unit: Unit, context: Context, mail: Mail, message_id: str | None, rule: str, reason: str, uid: str = "",
    method: str = "",
) -> None:  # fmt: skip
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="incoming",
            outcome="none",
            rule=rule,
            reason=reason,
            mail_id=mail.id,
            message_id=message_id,
            queue_id=mail.origin.queue_id,
            recipient=", ".join(mail.envelope.recipients)[:320],
            uid=uid[:1024],
            method=method[:32],
        )
    )
