# SPDX-License-Identifier: Apache-2.0
"""The values of the engine: what goes in besides calendars, and what comes out (RFC 5546 §1.3, §1.4).

Nothing here acts. `diff` returns a `Change`, `apply` returns an `Outcome`; flows do what they say.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.itip.tree import Component


class Method(StrEnum):
    """iTIP methods (RFC 5546 §1.4)."""

    PUBLISH = "PUBLISH"
    REQUEST = "REQUEST"
    REPLY = "REPLY"
    ADD = "ADD"
    CANCEL = "CANCEL"
    REFRESH = "REFRESH"
    COUNTER = "COUNTER"
    DECLINECOUNTER = "DECLINECOUNTER"


class Partstat(StrEnum):
    """Participation status (RFC 5545 §3.2.12)."""

    NEEDS_ACTION = "NEEDS-ACTION"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    TENTATIVE = "TENTATIVE"
    DELEGATED = "DELEGATED"
    COMPLETED = "COMPLETED"
    IN_PROCESS = "IN-PROCESS"


class PartstatReset(StrEnum):
    """Who resets answers when an instance moves: the server (RFC 6638 §3.2.8) or the client (JMAP)."""

    SERVER = "server"
    CLIENT = "client"


class UninvitedReply(StrEnum):
    """What becomes of an answer from someone who was not invited (RFC 5546 §3.2.3)."""

    REJECT = "reject"
    HOLD = "hold"
    ADD = "add"


#: Properties whose change is worth a mail (RFC 5546 §2.1.4 and what people expect to be told).
SIGNIFICANT: tuple[str, ...] = (
    "DTSTART",
    "DTEND",
    "DURATION",
    "DUE",
    "RRULE",
    "RDATE",
    "EXDATE",
    "STATUS",
    "SUMMARY",
    "LOCATION",
    "DESCRIPTION",
    "CONFERENCE",
    "URL",
    "ATTACH",
)


@dataclass(frozen=True, slots=True)
class DiffSettings:
    """How outgoing messages are derived from a change."""

    significant: tuple[str, ...] = SIGNIFICANT
    partstat_reset: PartstatReset = PartstatReset.CLIENT
    hide_attendees: bool = False  # JMAP hideAttendees: each recipient sees only themself
    send_past_events: bool = False
    bump_every_change: bool = True  # JMAP Calendars §5.9: SEQUENCE rises on any shared change
    one_instance_per_message: bool = True  # Outlook reads only the first VEVENT (interop §2.8)
    #: DTSTAMP of the last message sent for this UID, to any recipient; the new one is strictly later.
    last_dtstamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """How incoming messages are judged against what is stored."""

    uninvited: UninvitedReply = UninvitedReply.HOLD
    max_future_dtstamp: timedelta = timedelta(minutes=5)
    create_unknown: bool = True  # a REQUEST for an unknown UID makes a new object


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One thing a person would notice: `old` or `new` is None where it was added or removed.

    `recurrence_id` is the instance (as written in the object), "" for the whole series.
    """

    name: str
    old: str | None
    new: str | None
    recurrence_id: str = ""


@dataclass(frozen=True, slots=True)
class ItipMessage:
    """One message owed to one or more recipients. `calendar` is complete, with METHOD, VTIMEZONEs and CRLF.

    Addresses are plain (no `mailto:`), spelled as the calendar spells them. `recurrence_ids` holds the
    instances the message is about, "" standing for the master.
    """

    method: Method
    uid: str
    sequence: int
    from_address: str
    to: tuple[str, ...]
    recurrence_ids: tuple[str, ...]
    significant: bool
    reason: str
    calendar: str
    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a change is impossible: a rule id and a sentence."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a stored change owes. Exactly one of `messages`, `nothing`, `error` is the answer to "and now?".

    `stored` is the object as it must be kept (SEQUENCE, DTSTAMP, parameters), None where it was deleted.
    """

    messages: tuple[ItipMessage, ...] = ()
    stored: str | None = None
    nothing: str | None = None
    nothing_rule: str | None = None
    error: Fault | None = None
    skipped: tuple[Fault, ...] = ()  # per recipient: why this one gets nothing


class Verdict(StrEnum):
    """What became of an incoming message."""

    APPLIED = "applied"
    HELD = "held"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AttendeeAnswer:
    """An attendee's answer as it was applied: what `attendee_status` rows and notifications are made of."""

    address: str
    recurrence_id: str  # "" for the whole series
    partstat: str
    sequence: int
    dtstamp: datetime
    comment: str | None = None
    delegated_to: str | None = None
    request_status: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A COUNTER kept as a proposal; never applied by itself (RFC 5546 §3.2.7)."""

    address: str
    recurrence_id: str
    changes: tuple[FieldChange, ...]
    comment: str | None
    calendar: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an incoming message did, or why it did nothing.

    `stored` is the object as it must be kept now (without METHOD): unchanged where nothing was applied,
    None where there is none. `messages` are owed in answer (REFRESH -> REQUEST, ADD to unknown -> REFRESH).
    """

    outcome: Verdict
    rule: str
    reason: str
    method: str = ""
    uid: str = ""
    stored: str | None = None
    messages: tuple[ItipMessage, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    answers: tuple[AttendeeAnswer, ...] = ()
    proposal: Proposal | None = None
    repairs: tuple[str, ...] = ()  # named repairs of a sloppy sender's calendar
    tree: Component | None = field(default=None, compare=False, repr=False)  # `stored`, as reading it gives it


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest answer processed from one attendee for one instance (RFC 5546 §2.1.5)."""

    address: str
    recurrence_id: str
    sequence: int
    dtstamp: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What the store remembers beside the object itself; empty for the pure command line."""

    seen: tuple[Seen, ...] = field(default=())
