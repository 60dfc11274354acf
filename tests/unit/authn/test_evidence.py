# SPDX-License-Identifier: Apache-2.0
"""Everything known about an author in one value, for each way a mail can come."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.authn.evidence import SenderEvidence, gather_evidence, reply_tokens
from gateway.config import AuthnOptions
from gateway.imip.headers import parse_headers
from gateway.imip.mail import Direction, Door, Envelope, Mail, Origin, Rcpt
from gateway.relay.sign import DkimSigner, dns_record, make_key, parse_key
from policies.sender_trust import SenderTrustSettings
from tests.support.zone import Zone

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = make_key("ed25519")
BORDER = AuthnOptions(trusted_authserv_ids=("mx.example.net",), trusted_arc_sealers=("list.example",))
BODY = b"Subject: x\r\n\r\nbody\r\n"


def zone(extra: str = "") -> Zone:
    found = Zone(extra)
    for domain in ("example.org", "evil.example"):
        record = dns_record(KEY, "s", domain)
        found.add(record.name, record.text)
    return found


def signed(mail: bytes, domain: str = "example.org", author: str = "example.org") -> bytes:
    as_author = mail.replace(author.encode(), domain.encode()) if author != domain else mail
    field = DkimSigner([parse_key(KEY, "s", domain)]).sign(as_author, NOW)
    return field + mail


async def gather(
    data: bytes, *, names: Zone | None = None, options: AuthnOptions = BORDER, **origin: Any
) -> SenderEvidence:
    where = Origin(**{"door": Door.FILTER, "direction": Direction.INBOUND} | origin)
    mail = Mail("m1", Envelope("bounce@example.org", (Rcpt("carol@example.net"),)), where, data)
    return await gather_evidence(
        mail,
        parse_headers(data),
        resolver=names if names is not None else zone(),
        trust=options,
        now=NOW,
        local_domains=("Example.NET",),
    )


def said(evidence: SenderEvidence) -> tuple[str, str]:
    assert ("trust", f"{evidence.trust.action} ({evidence.trust.rule}): {evidence.trust.reason}") in evidence.lines
    return evidence.trust.action, evidence.trust.rule


ALICE = b"From: Alice <Alice@example.org>\r\n" + BODY


async def test_our_own_look_at_a_signature() -> None:
    evidence = await gather(signed(ALICE))
    assert said(evidence) == ("strong", "trust.dkim")
    assert evidence.address == "alice@example.org"


async def test_the_borders_word_spares_the_dns() -> None:
    names = zone()
    data = b"Authentication-Results: mx.example.net; dmarc=pass header.from=example.org\r\n" + ALICE
    assert said(await gather(data, names=names)) == ("strong", "trust.border.dmarc")
    assert names.asked == []


async def test_the_borders_word_about_another_domain_is_no_word() -> None:
    data = b"Authentication-Results: mx.example.net; dmarc=pass header.from=evil.example\r\n" + ALICE
    assert said(await gather(data)) == ("none", "trust.none")


async def test_results_below_our_hosts_line_count_where_that_is_their_place() -> None:
    data = (
        b"Received: from a by mx.example.net\r\n"
        b"Authentication-Results: mx.example.net; dmarc=pass header.from=example.org\r\n" + ALICE
    )
    evidence = await gather(data)
    assert said(evidence) == ("none", "trust.none")
    assert [data[start:end][:22] for start, end in evidence.drop] == [b"Authentication-Results"]
    below = AuthnOptions(trusted_authserv_ids=("mx.example.net",), received_above_authres=1)
    assert said(await gather(data, options=below)) == ("strong", "trust.border.dmarc")
    assert said(await gather(data, options=below, door=Door.MILTER)) == ("none", "trust.none")


async def test_a_login_speaks_for_its_addresses_only() -> None:
    data = b"From: carol@example.net\r\n" + BODY
    carol = {"login": "carol", "login_addresses": frozenset(("Carol@example.net",))}
    assert said(await gather(data, **carol)) == ("strong", "trust.login")
    dave = {"login": "dave", "login_addresses": frozenset(("dave@example.net",))}
    assert said(await gather(data, **dave)) == ("refuted", "trust.login.other")
    border = b"Authentication-Results: mx.example.net; auth=pass smtp.auth=carol@example.net\r\n"
    assert said(await gather(border + data)) == ("strong", "trust.login")


async def test_an_outbound_listener_speaks_for_our_domains() -> None:
    ours = b"From: carol@example.net\r\n" + BODY
    assert said(await gather(ours, direction=Direction.OUTBOUND)) == ("strong", "trust.outbound")
    assert said(await gather(ours)) == ("refuted", "trust.ours-from-outside")
    assert said(await gather(ALICE, direction=Direction.OUTBOUND)) == ("none", "trust.none")


POSTFIX = (
    "Received: from {helo} (host.example [192.0.2.1])\r\n\t(using TLSv1.3 with cipher X (256/256 bits))\r\n"
    "\t(Client did not present a certificate)\r\n"
    "\tby mx.example.net (Postfix) with {protocol} id {id}\r\n"
    "\tfor <dave@example.net>; Mon, 23 Nov 2026 10:00:00 +0000\r\n"
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"protocol": "ESMTPSA"}, "strong"),
        ({"protocol": "ESMTPA"}, "strong"),
        ({"protocol": "UTF8SMTPSA"}, "strong"),
        ({"protocol": "ESMTPS"}, "refuted"),
        ({"protocol": "ESMTP"}, "refuted"),
        ({"protocol": "ESMTPSA", "id": "4gOther"}, "refuted"),
        ({"protocol": "ESMTPS", "helo": "x by mx.example.net (Postfix) with ESMTPSA id 4gZ2Xk1qYyz9sQ"}, "refuted"),
    ],
)
async def test_a_login_that_our_own_postfix_noted_counts(words: dict[str, str], expected: str) -> None:
    """The queue id proves the line: XFORWARD told it to us, and no stranger knows it before."""
    line = POSTFIX.format(**{"helo": "laptop", "id": "4gZ2Xk1qYyz9sQ"} | words).encode()
    ours = b"From: carol@example.net\r\n" + BODY
    assert (await gather(line + ours, queue_id="4gZ2Xk1qYyz9sQ")).trust.action == expected
    assert (await gather(line + ours)).trust.action == "refuted"
    assert (await gather(line + ours, queue_id="4gZ2Xk1qYyz9sQ", door=Door.MILTER)).trust.action == "refuted"
    another = POSTFIX.format(helo="a", protocol="ESMTPS", id="4gZ2Xk1qYyz9sQ").encode()
    assert (await gather(another + line + ours, queue_id="4gZ2Xk1qYyz9sQ")).trust.action == "refuted"


async def test_spf_is_weak_and_must_be_aligned() -> None:
    for mailbox, expected in (("bounce@example.org", "weak"), ("bounce@shared.example", "none")):
        data = f"Authentication-Results: mx.example.net; spf=pass smtp.mailfrom={mailbox}\r\n".encode() + ALICE
        assert (await gather(data)).trust.action == expected


async def test_an_aligned_signature_that_the_border_found() -> None:
    data = b"Authentication-Results: mx.example.net; dkim=pass header.d=mail.example.org\r\n" + ALICE
    names = zone('_dmarc.example.org "v=DMARC1; p=none"')
    assert said(await gather(data, names=names)) == ("strong", "trust.border.dkim")


ARC = (
    b"ARC-Seal: i=1; a=rsa-sha256; d=%s; cv=none; b=x\r\n"
    b"ARC-Authentication-Results: i=1; list.example; dmarc=pass header.from=example.org\r\n"
)


@pytest.mark.parametrize(
    ("sealer", "chain", "expected"),
    [(b"list.example", b"pass", "weak"), (b"list.example", b"fail", "refuted"), (b"evil.example", b"pass", "refuted")],
)
async def test_arc_counts_from_a_trusted_sealer_with_a_chain_that_holds(
    sealer: bytes, chain: bytes, expected: str
) -> None:
    border = b"Authentication-Results: mx.example.net; dmarc=fail header.from=example.org; arc=" + chain + b"\r\n"
    evidence = await gather(border + ARC % sealer + ALICE)
    assert evidence.trust.action == expected
    assert evidence.arc_sealer == ("list.example" if expected == "weak" else "")


async def test_dns_trouble_is_unknown() -> None:
    assert said(await gather(signed(ALICE), names=Zone("s._domainkey.example.org !"))) == ("unknown", "trust.unknown")
    assert said(await gather(ALICE, names=Zone("_dmarc.example.org !"))) == ("unknown", "trust.unknown")


class Silent:
    """A resolver whose servers never answer."""

    async def txt(self, name: str) -> tuple[str, ...]:
        import asyncio

        await asyncio.Event().wait()
        return ()


async def test_a_late_answer_is_unknown() -> None:
    options = AuthnOptions(dns_timeout=timedelta(milliseconds=20))
    evidence = await gather(signed(ALICE), names=Silent(), options=options)  # type: ignore[arg-type]  # any resolver
    assert said(evidence) == ("unknown", "trust.unknown")


async def test_the_domain_that_asks_for_signatures_and_the_one_that_does_not() -> None:
    assert said(await gather(ALICE, names=zone('_dmarc.example.org "v=DMARC1; p=reject"')))[0] == "refuted"
    assert said(await gather(ALICE))[0] == "none"


async def test_strictness_of_our_own() -> None:
    data = signed(b"From: alice@mail.example.org\r\n" + BODY, "example.org", "mail.example.org")
    names = zone('_dmarc.example.org "v=DMARC1; p=none"')
    assert said(await gather(data, names=names))[0] == "none"  # h= signed From with another domain: the test's own lie
    mail = Mail("m", Envelope("", ()), Origin(Door.FILTER, Direction.INBOUND), b"From: a@mail.example.org\r\n" + BODY)
    strict = SenderTrustSettings(strict_alignment=True)
    border = b"Authentication-Results: mx.example.net; dkim=pass header.d=example.org\r\n" + mail.data
    for policy, expected in ((SenderTrustSettings(), "strong"), (strict, "none")):
        evidence = await gather_evidence(
            mail, parse_headers(border), resolver=names, trust=BORDER, now=NOW, policy=policy
        )
        assert evidence.trust.action == expected


async def test_forged_marks_and_results_are_listed_for_dropping_in_order() -> None:
    data = (
        b"X-iMIP-Gateway: outcome=applied; id=0\r\nReceived: x\r\nX-iMIP-Gateway: outcome=none\r\n"
        b"Authentication-Results: mx.example.net; dmarc=pass header.from=example.org\r\n" + ALICE
    )
    evidence = await gather(data)
    assert [data[start:end].split(b":")[0] for start, end in evidence.drop] == [
        b"X-iMIP-Gateway",
        b"X-iMIP-Gateway",
        b"Authentication-Results",
    ]


async def test_without_a_from_no_server_is_asked() -> None:
    names = zone()
    evidence = await gather(b"From: a@example.org, b@example.org\r\n" + BODY, names=names)
    assert said(evidence) == ("none", "trust.from.unreadable")
    assert (evidence.address, names.asked) == ("", [])


def test_tokens_are_found_in_the_recipients() -> None:
    assert reply_tokens(["cal+k3vq@example.net", "carol@example.net", "cal+k3vq@example.net"]) == ("k3vq",)
