# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway itip diff | apply`: the pure engine on files, nothing stored and nothing sent.

A file may be `-` for standard input or `none` for "no such object". What the engine answers, refusals included, is an
answer: exit status 0. Statuses other than 0 are for files that are missing (66) or that are no calendar (65).
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.cli.output import answer
from gateway.clock import SystemClock
from gateway.errors import Refused
from gateway.itip.diff import diff
from gateway.itip.inbound import apply_data
from gateway.itip.model import (
    ApplySettings,
    Change,
    DiffSettings,
    Fault,
    FieldChange,
    ItipMessage,
    Outcome,
    PartstatReset,
    UninvitedReply,
    Verdict,
)
from gateway.itip.parse import Reading, parse_calendar
from gateway.itip.tree import Component
from gateway.itip.values import parse_utc
from gateway.replies import reply_for


class Unreadable(Refused):
    """A file holds no calendar that can be read."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    out = verbs.add_parser("diff", help="the messages that a change owes")
    out.add_argument("old", metavar="OLD", help="the object before: a file, - or none")
    out.add_argument("new", metavar="NEW", help="the object after: a file, - or none")
    out.add_argument("--partstat-reset", choices=[str(mode) for mode in PartstatReset], help="who resets answers")
    out.add_argument("--hide-attendees", action="store_true", help="each guest sees only themself")
    out.set_defaults(func=_diff)
    into = verbs.add_parser("apply", help="what an incoming message does to a stored object")
    into.add_argument("message", metavar="MESSAGE", help="the iTIP object that came: a file or -")
    into.add_argument("stored", metavar="STORED", help="the stored object: a file, - or none")
    into.add_argument("--from", dest="bearer", metavar="ADDRESS", required=True, help="who sent it, authenticated")
    into.add_argument("--uninvited", choices=[str(mode) for mode in UninvitedReply], help="answers of the uninvited")
    into.set_defaults(func=_apply)
    for verb in (out, into):
        verb.add_argument(
            "--as", dest="addresses", metavar="ADDRESS", action="append", required=True, help="whose calendar it is"
        )
        verb.add_argument("--now", metavar="T", type=_instant, help="the present instant, such as 2026-11-23T09:00:00Z")


def _diff(args: argparse.Namespace) -> int:
    settings = DiffSettings(hide_attendees=args.hide_attendees)
    if args.partstat_reset:
        settings = dataclasses.replace(settings, partstat_reset=PartstatReset(args.partstat_reset))
    try:
        change = diff(_object(args.old), _object(args.new), addresses=args.addresses, now=_now(args), settings=settings)
    except Unreadable as error:
        return _complained(args, _change_document(Change(error=Fault("object.unreadable", error.public))), error)
    return answer(args, _change_document(change), _change_text(change))


def _apply(args: argparse.Namespace) -> int:
    settings = ApplySettings()
    if args.uninvited:
        settings = dataclasses.replace(settings, uninvited=UninvitedReply(args.uninvited))
    try:
        stored = _object(args.stored)
    except Unreadable as error:
        unread = Outcome(Verdict.REFUSED, "object.unreadable", error.public)
        return _complained(args, _outcome_document(unread), error)
    outcome = apply_data(
        _octets(args.message),
        stored,
        sender_address=args.bearer,
        addresses=args.addresses,
        now=_now(args),
        settings=settings,
    )
    return answer(args, _outcome_document(outcome), _outcome_text(outcome))


def _complained(args: argparse.Namespace, document: dict[str, Any], error: Unreadable) -> int:
    """Answer in the verb's own shape where it is read by a program; people get the complaint of every command."""
    if not args.json:
        raise error
    answer(args, document, ())
    return reply_for(error).exit_status


def _change_document(change: Change) -> dict[str, Any]:
    return {
        "messages": [_message_document(message) for message in change.messages],
        "stored": change.stored,
        "nothing": change.nothing,
        "nothing_rule": change.nothing_rule,
        "error": None if change.error is None else {"rule": change.error.rule, "reason": change.error.reason},
        "skipped": [{"rule": fault.rule, "reason": fault.reason} for fault in change.skipped],
    }


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    return {
        "outcome": str(outcome.outcome),
        "rule": outcome.rule,
        "reason": outcome.reason,
        "stored": outcome.stored,
        "messages": [_message_document(message) for message in outcome.messages],
        "method": outcome.method,
        "uid": outcome.uid,
        "changes": [dataclasses.asdict(change) for change in outcome.changes],
        "answers": [dataclasses.asdict(found) for found in outcome.answers],
        "proposal": None if outcome.proposal is None else dataclasses.asdict(outcome.proposal),
        "repairs": list(outcome.repairs),
    }


def _message_document(message: ItipMessage) -> dict[str, Any]:
    return {
        "method": str(message.method),
        "uid": message.uid,
        "sequence": message.sequence,
        "from": message.from_address,
        "to": list(message.to),
        "recurrence_ids": [instance for instance in message.recurrence_ids if instance],  # none = the whole event
        "significant": message.significant,
        "reason": message.reason,
        "calendar": message.calendar,
        "changes": [dataclasses.asdict(change) for change in message.changes],
    }


def _change_text(change: Change) -> Iterable[str]:
    if change.error is not None:
        yield f"error: {change.error.reason} [{change.error.rule}]"
    if change.nothing is not None:
        yield f"nothing to send: {change.nothing} [{change.nothing_rule}]"
    yield from _messages_text(change.messages)
    yield from (f"not told: {fault.reason} [{fault.rule}]" for fault in change.skipped)


def _outcome_text(outcome: Outcome) -> Iterable[str]:
    yield f"{outcome.outcome}: {outcome.reason} [{outcome.rule}]"
    yield from _fields_text(outcome.changes)
    if outcome.proposal is not None:
        yield f"  proposed by {outcome.proposal.address}:"
        yield from _fields_text(outcome.proposal.changes)
    yield from (f"  repaired: {name}" for name in outcome.repairs)
    yield from _messages_text(outcome.messages)
    if outcome.stored is not None:
        yield ""
        yield outcome.stored


def _messages_text(messages: Iterable[ItipMessage]) -> Iterable[str]:
    for message in messages:
        yield f"{message.method} to {', '.join(message.to)} (SEQUENCE {message.sequence}): {message.reason}"
        yield from _fields_text(message.changes)
        yield ""
        yield message.calendar


def _fields_text(changes: Iterable[FieldChange]) -> Iterable[str]:
    for change in changes:
        where = f" at {change.recurrence_id}" if change.recurrence_id else ""
        yield f"  {change.name}{where}: {change.old or '(none)'} -> {change.new or '(none)'}"


def _octets(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Refused("not-found", f"{name}: {error.strerror or error}") from None


def _object(name: str) -> Component | None:
    if name == "none":
        return None
    reading = parse_calendar(_octets(name))
    if isinstance(reading, Reading):
        return reading.calendar
    raise Unreadable("bad-calendar", f"{name}: {reading.reason}")


def _now(args: argparse.Namespace) -> datetime:
    given: datetime | None = args.now
    return SystemClock().now() if given is None else given


def _instant(text: str) -> datetime:
    """Read `--now`: ISO 8601 or iCalendar's form; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except ValueError:
        pass
    try:
        return parse_utc(text)
    except Refused as error:
        raise argparse.ArgumentTypeError(error.public) from None
