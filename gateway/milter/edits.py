# SPDX-License-Identifier: Apache-2.0
"""What a flow decided on a mail, written as the milter protocol's answers at the end of the message."""

from gateway.imip.mail import Disposition
from gateway.milter.incoming import Incoming
from gateway.milter.wire import (
    Actions,
    Answer,
    Bargain,
    build_delete_header,
    build_delete_rcpt,
    build_insert_header,
    build_packet,
)


def build_edits(incoming: Incoming, disposition: Disposition, bargain: Bargain) -> bytes:
    """Write what a disposition asks for; deletions from the last to the first, or their numbers would shift."""
    if disposition.consumed and set(disposition.consumed) >= {rcpt.address for rcpt in incoming.rcpt_to}:
        return build_packet(Answer.DISCARD)
    packets = []
    if bargain.actions & Actions.CHANGE_HEADERS:
        doomed = _doomed(incoming, disposition)
        packets += [build_delete_header(name, occurrence) for name, occurrence in reversed(doomed)]
    if bargain.actions & Actions.ADD_HEADERS:
        for name, value in reversed(parse_header_lines(disposition.headers)):
            packets.append(build_insert_header(0, name, value if bargain.leading_space else value.lstrip(" ")))
    if bargain.actions & Actions.DELETE_RCPT:
        packets += [build_delete_rcpt(address) for address in sorted(disposition.consumed)]
    return b"".join((*packets, build_packet(Answer.ACCEPT)))


def _doomed(incoming: Incoming, disposition: Disposition) -> list[tuple[str, int]]:
    """Name the fields within the octets to be dropped, each by its number among those of its name."""
    seen: dict[str, int] = {}
    doomed, end = [], 0
    for octets, whole in incoming.fields:
        name, start, end = octets.decode("latin-1"), end, end + len(whole)
        occurrence = seen[name.lower()] = seen.get(name.lower(), 0) + 1
        if any(first <= start and end <= last for first, last in disposition.drop):
            doomed.append((name, occurrence))
    return doomed


def parse_header_lines(headers: bytes) -> list[tuple[str, str]]:
    """Split complete header lines into names and values; folds become LF, as the protocol has them."""
    fields: list[tuple[str, str]] = []
    for line in headers.decode("utf-8", "surrogateescape").split("\r\n"):
        if line[:1] in (" ", "\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value}\n{line}")
        elif ":" in line:
            name, _, value = line.partition(":")
            fields.append((name, value))
    return fields
