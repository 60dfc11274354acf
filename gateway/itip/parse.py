# SPDX-License-Identifier: Apache-2.0
"""Octets to a scheduling message: what it is, what it is about, and every complaint as a value (RFC 5546 §1.4, §3).

`parse_calendar` is for the doors: it decodes what senders claim is UTF-8 and gives a tree. `read_message` is for the
engine: it mends what `quirks` knows, and says which method, kind, UID and components there are. Neither raises.
"""

import re
from dataclasses import dataclass, replace

from gateway.errors import Refused
from gateway.itip.model import Fault, Method
from gateway.itip.objects import KINDS, read_organizer
from gateway.itip.quirks import mend_calendar
from gateway.itip.tree import DEFAULT_LIMITS, Component, Prop, TreeLimits, escape_text, parse_tree

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CONTROL_OCTETS = bytes((*range(9), 11, 12, *range(14, 32), 127))
_OCTET_FOLD = re.compile(rb"\r?\n[ \t]")
_ABSURD_SEQUENCE = 2**53
#: What one message may hold, so that a hostile one is answered at once. Nobody means more: a series brings its
#: exceptions along, other messages are about some of its occurrences, an ADD is about one or two.
MAX_WITH_SERIES, MAX_OCCURRENCES, MAX_ADDED = 400, 100, 50
MAX_ATTENDEES = 12_000
_GLOBAL_OBJECT_ID = "040000008200E00074C5B7101A82E008"


@dataclass(frozen=True, slots=True)
class Reading:
    """A calendar as it was read, and the names of the repairs that reading took."""

    calendar: Component
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SchedulingMessage:
    """An iTIP message, mended: all `components` are of one `kind` and carry one `uid`."""

    method: Method
    kind: str
    uid: str
    calendar: Component
    components: tuple[Component, ...]
    repairs: tuple[str, ...]

    @property
    def organizer(self) -> Prop | None:
        """The first ORGANIZER of the message; Exchange sends replies without one (interop Q40)."""
        return next((found for part in self.components if (found := part.first("ORGANIZER")) is not None), None)


def parse_calendar(
    data: bytes | str, *, charset: str | None = None, method: str | None = None, limits: TreeLimits = DEFAULT_LIMITS
) -> Reading | Fault:
    """Read octets as the doors get them. `charset` and `method` are what the mail's Content-Type claims.

    UTF-8 is tried first whatever was declared, since declarations lie (interop Q16); the METHOD inside wins over
    the parameter, and only where there is none the parameter counts (interop Q08, Q10).
    """
    if len(data) > limits.max_bytes:
        return Fault("calendar.too-large", f"The calendar is larger than {limits.max_bytes} bytes")
    repairs: list[str] = []
    text = _decode(data, charset, repairs) if isinstance(data, bytes) else data
    if _has_control(data, text):
        text = _CONTROL.sub("", text)
        repairs.append("control-characters")
    try:
        calendar = parse_tree(text, limits)
    except Refused as error:
        return Fault("calendar.unreadable", error.public)
    if method and calendar.first("METHOD") is None:
        calendar = calendar.with_items((Prop("METHOD", method.strip().upper()), *calendar.items))
        repairs.append("method-from-mail")
    return Reading(calendar, tuple(repairs))


def _has_control(data: bytes | str, text: str) -> bool:
    """Whether there are control characters; octets without any, which most are, tell it ten times faster."""
    if isinstance(data, bytes) and len(data.translate(None, _CONTROL_OCTETS)) == len(data):
        return False
    return _CONTROL.search(text) is not None


def read_message(calendar: Component) -> SchedulingMessage | Fault:
    """Say what a calendar asks for, or why it is no scheduling message."""
    method = _method(calendar)
    if isinstance(method, Fault):
        return method
    fault = _too_much(calendar, method)
    if fault is not None:
        return fault
    calendar, repairs = mend_calendar(calendar)
    components = calendar.children(*KINDS)
    if not components:
        return Fault("message.empty", f"The {method} holds nothing to schedule")
    kinds = {component.name for component in components}
    if len(kinds) > 1:
        return Fault("message.several-kinds", f"The {method} mixes {' and '.join(sorted(kinds))}; one kind is allowed")
    uid = (components[0].text("UID") or "").strip()
    if not uid:
        return Fault("message.no-uid", f"The {method} has no UID, so nobody can tell what it is about")
    for component in components:
        if not same_uid((component.text("UID") or "").strip(), uid):
            return Fault("message.several-uids", f"The {method} speaks of several objects at once; one UID is allowed")
    organizers = {each.address for each in map(read_organizer, components) if each is not None}
    if len(organizers) > 1:
        return Fault("message.several-organizers", f"The {method} names {len(organizers)} organizers; one is allowed")
    message = SchedulingMessage(method, components[0].name, uid, calendar, components, repairs)
    return message if len(components) == 1 else under_uid(message, uid)


def under_uid(message: SchedulingMessage, uid: str) -> SchedulingMessage:
    """Return a message whose components all carry this spelling of their UID (see `same_uid`)."""
    others = {id(each) for each in message.components if (each.text("UID") or "").strip() != uid}
    if not others:
        return message

    def named(item: Prop | Component) -> Prop | Component:
        is_other = isinstance(item, Component) and id(item) in others
        return item.with_prop(Prop("UID", escape_text(uid))) if isinstance(item, Component) and is_other else item

    calendar = message.calendar.with_items(map(named, message.calendar.items))
    return replace(message, uid=uid, calendar=calendar, components=calendar.children(message.kind))


def series_uid(uid: str) -> str:
    """Return the UID of the series where Exchange put an instance's date into it, else the UID itself."""
    if not uid.upper().startswith(_GLOBAL_OBJECT_ID) or len(uid) < 40:
        return uid
    return uid[:32] + "00000000" + uid[40:]


def same_uid(first: str, second: str) -> bool:
    """Tell whether two UIDs name one object: as octets, or Exchange's ids but for the instance's date (interop Q44)."""
    if first == second:
        return True
    if len(first) != len(second) or not first.upper().startswith(_GLOBAL_OBJECT_ID):
        return False
    return series_uid(first).upper() == series_uid(second).upper()


def _method(calendar: Component) -> Method | Fault:
    methods = [prop.value.strip().upper() for prop in calendar.all("METHOD")]
    if not methods or not methods[0]:
        return Fault("message.no-method", "The calendar has no METHOD, so it asks for nothing")
    if len(set(methods)) > 1:  # interop Q71
        return Fault("message.several-methods", "The calendar names two different METHODs")
    try:
        return Method(methods[0])
    except ValueError:
        return Fault("message.unknown-method", f"METHOD {methods[0][:40]!r} is none of iTIP's")


def _too_much(calendar: Component, method: Method) -> Fault | None:
    attendees, components = 0, calendar.children(*KINDS)
    for component in components:
        attendees += sum(1 for item in component.items if item.name == "ATTENDEE")
        digits = (component.value("SEQUENCE") or "").strip()
        if digits.isascii() and digits.isdigit() and (len(digits) > 16 or int(digits) > _ABSURD_SEQUENCE):
            return Fault("message.absurd-sequence", "SEQUENCE is beyond anything a calendar counts")  # interop Q34
    asks = method in (Method.REQUEST, Method.PUBLISH)
    has_series = asks and any(component.first("RECURRENCE-ID") is None for component in components)
    most = MAX_WITH_SERIES if has_series else MAX_ADDED if method is Method.ADD else MAX_OCCURRENCES
    if len(components) > most:
        return Fault("message.too-many-instances", f"More than {most} components in one {method}")
    if attendees > MAX_ATTENDEES:
        return Fault("message.too-many-attendees", f"More than {MAX_ATTENDEES} attendees in one message")
    return None


def _decode(data: bytes, charset: str | None, repairs: list[str]) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        repairs.append("utf-16")
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    unfolded = _OCTET_FOLD.sub(b"", data)  # a fold may cut a UTF-8 sequence in two (interop Q17)
    for encoding, repair in (("utf-8", "fold-inside-character"), (charset, "charset-declared"), ("latin-1", "latin-1")):
        try:
            text = unfolded.decode(encoding) if encoding else None
        except (UnicodeDecodeError, LookupError):
            continue
        if text is not None:
            repairs.append(repair)
            return text
    raise AssertionError("latin-1 reads every octet")
