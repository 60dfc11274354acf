# SPDX-License-Identifier: Apache-2.0
"""Read delivery reports (RFC 3464; RFC 6533 for international ones): what became of which recipient.

What a report says is a claim: it counts only together with a signed token (`gateway.imip.verp`) in the address it came
to or in its envelope id. Reports that are no RFC 3464 at all are read by `gateway.imip.dsn_plain`.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.imip.contenttype import parse_content_type
from gateway.imip.headers import HeaderBlock, parse_headers
from gateway.imip.mime import clean_line

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_RETURNED_TYPES = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_MAX_STATUS_BYTES, _MAX_GROUPS, _MAX_PARTS = 256 * 1024, 200, 50


class Action(StrEnum):
    """What happened to a recipient (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


#: By the subject of the enhanced status, as where the next hop says no at once (`policies.retry`).
_FAILED = {"1": "5.2", "7": "5.3"}


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One group of a report. `original` is whom we wrote to, `final` where it ended (both may be absent)."""

    action: Action
    status: str  # RFC 3463; "5.0.0" and the like where the report gives none
    original: str = ""
    final: str = ""
    diagnostic: str = ""
    remote_mta: str = ""

    @property
    def is_final(self) -> bool:
        """A delay is no end; everything else is (RFC 3464 §2.3.3)."""
        return self.action is not Action.DELAYED

    @property
    def is_dead_address(self) -> bool:
        """Tell whether the mailbox or domain does not exist: worth remembering, unlike a full disk or a policy."""
        return self.action is Action.FAILED and self.status in ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")

    @property
    def schedule_status(self) -> str:
        """Return what the attendee's SCHEDULE-STATUS becomes (RFC 6638 §3.2.9)."""
        if self.action is Action.FAILED:
            return _FAILED.get("".join(self.status.split(".")[1:2]), "5.1")
        return "1.2" if self.action is Action.DELIVERED else "1.1"


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery report: the envelope id as we gave it, the returned message's id, and its recipients."""

    envelope_id: str = ""
    reporting_mta: str = ""
    message_id: str = ""
    recipients: tuple[ReportedRecipient, ...] = ()


def parse_report(data: bytes, block: HeaderBlock | None = None) -> Report | None:
    """Return the delivery report that a mail is, or None where it is none. Never fails."""
    top = block if block is not None else parse_headers(data)
    kind = parse_content_type(top.first("content-type"))
    if kind.value != "multipart/report" and kind.value not in _STATUS_TYPES:
        return None
    if kind.value in _STATUS_TYPES:
        return _report(data[top.body :], top, "")
    if kind.get("report-type").lower() not in ("delivery-status", ""):  # disposition-notification, feedback-report
        return None
    status, message_id = None, ""
    for part, body in _parts(data, top.body, kind.get("boundary")):
        part_type = parse_content_type(part.first("content-type")).value
        if part_type in _STATUS_TYPES and status is None:
            status = _decoded(part, body)
        elif part_type in _RETURNED_TYPES:
            returned = parse_headers(_decoded(part, body).lstrip(b"\r\n"), max_bytes=65_536)
            message_id = _first_id(returned.first("message-id") or "")
    return None if status is None else _report(status, top, message_id)


def _report(status: bytes, top: HeaderBlock, message_id: str) -> Report:
    groups = [parse_headers(group) for group in _BLANK_LINE.split(status[:_MAX_STATUS_BYTES].strip())[:_MAX_GROUPS]]
    first = groups[0] if groups else top
    own = groups if first.first("action") else groups[1:]
    found = (_recipient(group) for group in own)
    return Report(
        envelope_id=clean_line(first.first("original-envelope-id") or "", 200),
        reporting_mta=_typed(first.first("reporting-mta")),
        message_id=message_id,
        recipients=tuple(recipient for recipient in found if recipient is not None),
    )


def _recipient(group: HeaderBlock) -> ReportedRecipient | None:
    word = (group.first("action") or "").partition("(")[0].strip().lower()
    if word not in list(Action):
        return None
    action = Action(word)
    diagnostic = _typed(group.first("diagnostic-code"))
    return ReportedRecipient(
        action,
        _status(group.first("status") or "", diagnostic, action),
        _address(group.first("original-recipient")),
        _address(group.first("final-recipient")),
        diagnostic,
        _typed(group.first("remote-mta")),
    )


def _status(given: str, diagnostic: str, action: Action) -> str:
    """Return the given status; a vague `5.0.0` gives way to what the remote server said in its own words."""
    found, said = _STATUS.search(given), _STATUS.search(diagnostic)
    if found and found[0][1:] != ".0.0":
        return found[0]
    default = {Action.FAILED: "5.0.0", Action.DELAYED: "4.0.0"}.get(action, "2.0.0")
    best = said or found
    return best[0] if best and best[1] == default[0] else default


def _typed(value: str | None) -> str:
    """Return what follows `smtp;` or `dns;` (RFC 3464 §2.1.2)."""
    kind, semicolon, rest = (value or "").partition(";")
    return clean_line(rest if semicolon else kind, 400)


def _address(value: str | None) -> str:
    return _typed(value).strip("<> ")[:320]


def _first_id(text: str) -> str:
    found = _MESSAGE_ID.search(text)
    return found[0] if found else ""


def _parts(data: bytes, start: int, boundary: str) -> Iterator[tuple[HeaderBlock, bytes]]:
    """Yield header and body of each part of a multipart; reports are flat."""
    if not boundary:
        return
    mark = re.compile(rb"^--" + re.escape(boundary.encode("utf-8", "replace")) + rb"(--)?[ \t]*\r?$\n?", re.MULTILINE)
    last = None
    for count, found in enumerate(mark.finditer(data, start)):
        if last is not None:
            piece = data[last : found.start()]
            head = parse_headers(piece, max_bytes=32_768)
            yield head, piece[head.body :]
        last = found.end()
        if found[1] or count >= _MAX_PARTS:
            return
    if last is not None:  # cut off on the way
        head = parse_headers(data[last:], max_bytes=32_768)
        yield head, data[last + head.body :]


def _decoded(part: HeaderBlock, body: bytes) -> bytes:
    encoding = (part.first("content-transfer-encoding") or "").strip().lower()
    body = body[: 2 * _MAX_STATUS_BYTES]
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding == "base64":
        try:
            return binascii.a2b_base64(body)
        except binascii.Error:
            return b""
    return body
