# SPDX-License-Identifier: Apache-2.0
"""Our trace line (RFC 5321 §4.4), and how often a mail bears it already."""

import re
from datetime import datetime

from gateway.smtp.door import Client

_NAME = "imip-gateway"
_HELO = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}\Z")
_RCPT = re.compile(r"[!-;=?-~]{1,500}\Z")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HEADER = 128 * 1024


def build_received(client: Client, hostname: str, mail_id: str, recipients: tuple[str, ...], now: datetime) -> bytes:
    """Write our Received field; the recipient stands in it only where there is no other (a Bcc stays blind)."""
    helo = client.helo if _HELO.match(client.helo) else "unknown"
    if client.address is None:
        peer = "local socket"
    else:
        peer = f"[IPv6:{client.address}]" if ":" in client.address else f"[{client.address}]"
    rcpt = f"\r\n\tfor <{recipients[0]}>" if len(recipients) == 1 and _RCPT.match(recipients[0]) else ""
    date = (
        f"{_DAYS[now.weekday()]}, {now.day:02d} {_MONTHS[now.month - 1]} {now.year}"
        f" {now.hour:02d}:{now.minute:02d}:{now.second:02d} +0000"
    )
    return (
        f"Received: from {helo} ({peer})\r\n\tby {hostname} ({_NAME}) with {client.protocol} id {mail_id}{rcpt};\r\n"
        f"\t{date}\r\n"
    ).encode("ascii", "replace")


def count_passes(data: bytes, hostname: str) -> int:
    """How often has this mail been here?"""
    end = data.find(b"\r\n\r\n", 0, _HEADER)
    return data.count(f"\tby {hostname} ({_NAME}) with ".encode(), 0, end if end >= 0 else _HEADER)
