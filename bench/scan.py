# SPDX-License-Identifier: Apache-2.0
"""How long does "no calendar here" take? Goals: 5 us at 3 KB, 1 ms per MB, on a machine of calibration 1."""

import os
import random
from base64 import encodebytes
from functools import partial

from bench.measure import Line, best_of, calibration
from gateway.imip.scan import may_hold_calendar

_HEADER = (
    b"Return-Path: <ann@example.org>\r\n"
    b"Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n\tby mail.example.net (Postfix) with ESMTPS\r\n"
    b"\tid 4gZ2Xk1qYyz9sQ; Mon, 23 Nov 2026 10:00:00 +0000 (UTC)\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=2026;\r\n\th=from:to:subject:date;\r\n"
    + b"\tbh=" + b"A" * 43 + b"=;\r\n\tb=" + b"B" * 344 + b"\r\n"
    b"From: Ann Author <ann@example.org>\r\nTo: bob@example.net\r\nSubject: Minutes of the calendar meeting\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
)  # fmt: skip
_BOUNDARY = b"0000000000003d1f4a05f2b1c9d8"


def _text(size: int) -> bytes:
    chance = random.Random(1)
    words = (
        b"the meeting went well and <div style='font-size:11pt'> topics were - as ever - many. see /calendar".split()
    )
    lines = (b" ".join(chance.choice(words) for _ in range(11)) for _ in range(size // 50))
    return b"\r\n".join(lines)[:size] + b"\r\n"


def _part(kind: bytes, body: bytes) -> bytes:
    return b"--" + _BOUNDARY + b"\r\nContent-Type: " + kind + b"\r\n\r\n" + body


def mails() -> dict[str, bytes]:
    """Return the mails that are looked at."""
    multi = b'Content-Type: multipart/%s; boundary="' + _BOUNDARY + b'"\r\n\r\n'
    plain = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    small = _part(b"text/plain; charset=utf-8", _text(700)) + _part(b"text/html; charset=utf-8", _text(1100))
    attached = _part(b"application/pdf; name=a.pdf", encodebytes(os.urandom(770_000)).replace(b"\n", b"\r\n"))
    end = b"--" + _BOUNDARY + b"--\r\n"
    return {
        "3 KB, plain": _HEADER + plain + _text(3000 - len(_HEADER) - len(plain)),
        "3 KB, alternative": _HEADER + multi % b"alternative" + small + end,
        "1 MB, plain": _HEADER + plain + _text(2**20),
        "1 MB, html parts": _HEADER + multi % b"alternative" + small + _part(b"text/html", _text(2**20)) + end,
        "1 MB, attachment": _HEADER + multi % b"mixed" + small + attached + end,
    }


def run() -> list[Line]:
    """Measure each mail."""
    lines = []
    for name, mail in mails().items():
        assert not may_hold_calendar(mail)
        slowness = calibration()
        look = partial(may_hold_calendar, mail)
        seconds = best_of(look, number=3000 if len(mail) < 10_000 else 30) / slowness
        small = len(mail) < 10_000
        per = seconds * 1e6 if small else seconds * 1e3 / (len(mail) / 2**20)
        lines.append(
            Line(
                name,
                per,
                "us" if small else "ms/MB",
                5.0 if small else 1.0,
                above=False,
                note=f"calibration {slowness:.2f}",
            )
        )
    return lines
