# SPDX-License-Identifier: Apache-2.0
"""Delivery reports as mail servers write them, and what only looks like one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imip.dsn import Action, Report, parse_report


def report(
    *groups: str, returned: str = "Message-ID: <itip.abc@cal.example.org>\r\nSubject: x", encoding: str = ""
) -> bytes:
    status = "\r\n\r\n".join(group.strip().replace("\n", "\r\n") for group in groups) + "\r\n"
    head = f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    if encoding == "base64":
        status = base64.encodebytes(status.encode()).decode()
    return (
        "From: MAILER-DAEMON@mx.partner.example\r\nTo: bounce+x@cal.example.org\r\nSubject: Undelivered\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n boundary="b1"\r\n\r\n'
        "preamble\r\n--b1\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        f"--b1\r\nContent-Type: message/delivery-status\r\n{head}\r\n{status}\r\n"
        f"--b1\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n\r\n--b1--\r\n"
    ).encode()


MESSAGE = """Reporting-MTA: dns; mx.partner.example
Original-Envelope-Id: rcp1-abcdefghijklmnop
Arrival-Date: Mon, 26 Oct 2026 08:12:44 +0000"""
POSTFIX = """Final-Recipient: rfc822; lee@partner.example
Original-Recipient: rfc822;lee@partner.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.partner.example
Diagnostic-Code: smtp; 550 5.1.1 <lee@partner.example>: Recipient address
    rejected: User unknown"""
EXCHANGE = """Final-recipient: RFC822;lee@partner.example
Action: failed
Status: 5.0.0
Diagnostic-Code: smtp;550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup"""


def test_a_failure_is_read_with_all_that_identifies_it() -> None:
    found = parse_report(report(MESSAGE, POSTFIX))
    assert found is not None
    assert found.envelope_id == "rcp1-abcdefghijklmnop"
    assert found.message_id == "<itip.abc@cal.example.org>"
    assert found.reporting_mta == "mx.partner.example"
    (recipient,) = found.recipients
    assert (recipient.action, recipient.status) == (Action.FAILED, "5.1.1")
    assert recipient.original == recipient.final == "lee@partner.example"
    assert "User unknown" in recipient.diagnostic
    assert recipient.remote_mta == "mail.partner.example"
    assert recipient.is_final
    assert recipient.is_dead_address
    assert recipient.schedule_status == "5.2"


def test_a_vague_status_gives_way_to_the_remote_servers_words() -> None:
    found = parse_report(report(MESSAGE, EXCHANGE))
    assert found is not None
    assert found.recipients[0].status == "5.7.133"
    assert not found.recipients[0].is_dead_address
    assert found.recipients[0].schedule_status == "5.3"


@pytest.mark.parametrize(
    ("action", "status", "final", "schedule_status"),
    [
        ("delayed", "4.4.1", False, "1.1"),
        ("Delivered", "2.0.0", True, "1.2"),
        ("relayed (to a system without DSN)", "2.0.0", True, "1.1"),
        ("EXPANDED", "2.0.0", True, "1.1"),
        ("failed", "4.4.7", True, "5.1"),
    ],
)
def test_every_action_means_something_else(action: str, status: str, final: bool, schedule_status: str) -> None:
    found = parse_report(report(MESSAGE, f"Final-Recipient: rfc822;a@b.example\nAction: {action}\nStatus: {status}"))
    assert found is not None
    (recipient,) = found.recipients
    assert (recipient.status, recipient.is_final, recipient.schedule_status) == (status, final, schedule_status)


def test_several_recipients_keep_their_own_results() -> None:
    found = parse_report(report(MESSAGE, POSTFIX, EXCHANGE.replace("lee", "noor").replace("failed", "delayed")))
    assert found is not None
    assert [(r.final, r.action) for r in found.recipients] == [
        ("lee@partner.example", Action.FAILED),
        ("noor@partner.example", Action.DELAYED),
    ]


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
def test_the_status_part_may_be_encoded(encoding: str) -> None:
    found = parse_report(report(MESSAGE, POSTFIX, encoding=encoding))
    assert found is not None
    assert found.recipients[0].status == "5.1.1"


def test_an_international_address_is_read() -> None:
    group = "Final-Recipient: utf-8; 用户@例え.example\nAction: failed\nStatus: 5.1.1"
    found = parse_report(report(MESSAGE, group))
    assert found is not None
    assert found.recipients[0].final == "用户@例え.example"


def test_a_report_without_the_group_of_the_message_is_read() -> None:
    found = parse_report(report(POSTFIX))
    assert found is not None
    assert len(found.recipients) == 1


def test_line_feeds_alone_and_a_missing_end_are_tolerated() -> None:
    data = report(MESSAGE, POSTFIX).replace(b"\r\n", b"\n").replace(b"\n--b1--", b"")
    found = parse_report(data)
    assert found is not None
    assert found.recipients[0].status == "5.1.1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Subject: Hi. This is the qmail-send program\r\n\r\n<lee@partner.example>:\r\nno mailbox here\r\n",
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\n--b--\r\n",
        b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b--\r\n",
    ],
)
def test_what_is_no_report_is_none(data: bytes) -> None:
    assert parse_report(data) is None


def test_control_characters_do_not_reach_us() -> None:
    group = "Final-Recipient: rfc822;a@b.example\nAction: failed\nDiagnostic-Code: smtp; 550 \x1b[31mred\x00 \x07bell"
    found = parse_report(report(MESSAGE, group))
    assert found is not None
    assert found.recipients[0].diagnostic.isprintable()


def test_a_huge_report_is_cut_not_followed() -> None:
    found = parse_report(report(MESSAGE, *[POSTFIX] * 5000))
    assert found is not None
    assert len(found.recipients) < 200


@given(st.binary(max_size=2000))
def test_nothing_makes_it_fail(noise: bytes) -> None:
    head = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    status = b"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + noise
    assert isinstance(parse_report(head + status), Report)
    parse_report(noise)
