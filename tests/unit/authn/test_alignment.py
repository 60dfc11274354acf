# SPDX-License-Identifier: Apache-2.0
"""DMARC alignment by tree walk: whose signature speaks for whose From."""

import pytest

from gateway.authn.alignment import Alignment, decide_alignment
from gateway.authn.dkim import DkimResult, DkimVerdict
from gateway.errors import Deferred
from tests.support.zone import Zone

ZONE = """
_dmarc.example.org "v=DMARC1; p=reject; sp=quarantine"
_dmarc.strict.example "v=DMARC1; p=none; adkim=s; aspf=s"
_dmarc.mixed.example "v=DMARC1; p=none; adkim=s"
_dmarc.co.example "v=DMARC1; psd=y"
_dmarc.own.co.example "v=DMARC1; p=none"
_dmarc.apart.example.org "v=DMARC1; p=none; psd=n"
_dmarc.twice.example "v=DMARC1; p=reject"
_dmarc.twice.example "v=DMARC1; p=none"
_dmarc.odd.example "v=DMARC1; p=whatever; x=1"
_dmarc.spf.example "v=spf1 -all"
_dmarc.down.example !
"""


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("example.org", "example.org"),
        ("a.b.example.org", "example.org"),
        ("norecord.test", "norecord.test"),
        ("a.norecord.test", "a.norecord.test"),
        ("x.apart.example.org", "apart.example.org"),
        ("mail.own.co.example", "own.co.example"),
        ("other.co.example", "other.co.example"),
        ("deep.other.co.example", "other.co.example"),
        ("a.b.c.d.e.f.g.h.i.j.example.org", "example.org"),
    ],
)
async def test_the_organizational_domain(domain: str, expected: str) -> None:
    assert await Alignment(domain, Zone(ZONE)).organizational_domain(domain) == expected


async def test_a_long_name_asks_eight_times_at_most() -> None:
    zone = Zone(ZONE)
    await Alignment("x.example", zone).organizational_domain(".".join("a" * 100) + ".example.org")
    assert len(zone.asked) == 8


@pytest.mark.parametrize(
    ("signed", "author", "aligned"),
    [
        ("example.org", "example.org", True),
        ("example.org", "mail.example.org", True),
        ("mail.example.org", "example.org", True),
        ("a.example.org", "b.example.org", True),
        ("evil.test", "example.org", False),
        ("badexample.org", "example.org", False),
        ("example.org.evil.test", "example.org", False),
        ("apart.example.org", "example.org", False),
        ("own.co.example", "other.co.example", False),
        ("co.example", "own.co.example", False),
        ("example", "own.co.example", False),
        ("mail.strict.example", "strict.example", False),
        ("strict.example", "strict.example", True),
        ("mail.mixed.example", "mixed.example", False),
        ("norecord.test", "a.norecord.test", False),
        ("norecord.test", "norecord.test", True),
        ("twice.example", "a.twice.example", False),
        ("my-corp.example", "my.example", False),
    ],
)
async def test_alignment(signed: str, author: str, aligned: bool) -> None:
    assert await Alignment(author, Zone(ZONE)).aligned(signed) is aligned


async def test_spf_has_its_own_mode_and_strictness_may_be_ours() -> None:
    assert await Alignment("mixed.example", Zone(ZONE)).aligned("mail.mixed.example", spf=True)
    assert not await Alignment("strict.example", Zone(ZONE)).aligned("mail.strict.example", spf=True)
    assert not await Alignment("mail.example.org", Zone(ZONE), strict=True).aligned("example.org")


async def test_the_same_domain_needs_no_dns_and_trouble_is_no_answer() -> None:
    assert await Alignment("down.example", Zone(ZONE)).aligned("down.example")
    with pytest.raises(Deferred):
        await Alignment("down.example", Zone(ZONE)).aligned("mail.down.example")


@pytest.mark.parametrize(
    ("author", "signatures", "expected", "policy"),
    [
        ("example.org", [("pass", "example.org")], "pass", ""),
        ("example.org", [("fail", "example.org"), ("pass", "mail.example.org")], "pass", ""),
        ("example.org", [("pass", "evil.test")], "fail", "reject"),
        ("example.org", [], "fail", "reject"),
        ("sub.example.org", [], "fail", "quarantine"),
        ("example.org", [("temperror", "example.org")], "temperror", ""),
        ("example.org", [("temperror", "evil.test")], "fail", "reject"),
        ("example.org", [("policy", "example.org"), ("permerror", "")], "fail", "reject"),
        ("strict.example", [("pass", "mail.strict.example")], "none", "none"),
        ("norecord.test", [("fail", "norecord.test")], "none", ""),
        ("odd.example", [], "none", "none"),
        ("spf.example", [], "none", ""),
        ("twice.example", [], "none", ""),
        ("down.example", [], "temperror", ""),
        ("down.example", [("pass", "down.example")], "pass", ""),
    ],
)
async def test_the_verdict(author: str, signatures: list[tuple[str, str]], expected: str, policy: str) -> None:
    verdicts = [DkimVerdict(DkimResult(result), domain) for result, domain in signatures]
    found = await decide_alignment(Alignment(author, Zone(ZONE)), author, verdicts)
    assert (found.result.value, found.policy) == (expected, policy)
    assert found.reason
