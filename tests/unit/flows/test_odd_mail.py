# SPDX-License-Identifier: Apache-2.0
"""Mail with octets and lengths that no database likes: each ends in an outcome, on either, and never costs the mail."""

import pytest

from gateway.flows.explain import explain_mail
from gateway.store.engine import Store
from tests.support.spoofed import World
from tests.support.spoofs import ALICE, BOB, CAROL, mail, reply, request, signed
from tests.support.zone import Zone

GOOD = signed(mail(BOB, reply(BOB)))
TASK = request(uid="todo").replace("VEVENT", "VTODO").replace("STATUS:CONFIRMED", "STATUS:NEEDS-ACTION")


@pytest.fixture
async def world(any_store: Store) -> World:
    return await World(any_store).open()


@pytest.mark.parametrize(
    "field",
    [b"Message-ID: <r\xff@x>", b"Message-ID: <r\x00@x>", b"Message-ID: <" + b"r" * 600 + b"@x>",
     b"References: <\xfe\x00@x> <" + b"a" * 800 + b"@x>", b"In-Reply-To: <\xe9@x>"],
    ids=["8-bit", "NUL", "long", "references", "in-reply-to"],
)  # fmt: skip
async def test_odd_identifiers_do_not_matter(world: World, field: bytes) -> None:
    data = b"\r\n".join(line for line in GOOD.split(b"\r\n") if not line.startswith(b"Message-ID"))
    [outcome] = (await world.receive(field + b"\r\n" + data)).outcomes
    assert (outcome.outcome, outcome.rule) == ("applied", "reply.applied")


async def test_a_long_message_id_is_found_again(world: World) -> None:
    long = b"<" + b"r" * 600 + b"@x>"
    data = b"\r\n".join(line for line in GOOD.split(b"\r\n") if not line.startswith(b"Message-ID"))
    await world.receive(b"Message-ID: " + long + b"\r\n" + data)
    assert await world.context.store.read(lambda unit: unit.journal.trace(long.decode()))


async def test_a_name_in_another_charset_names_the_same_author(world: World) -> None:
    """Old programs write the name in From in their own charset, as it is."""
    [outcome] = (await world.receive(signed(mail(f"B@b <{BOB}>", reply(BOB)).replace(b"B@b", b"B\xf6b")))).outcomes
    assert outcome.outcome == "applied"


async def test_octets_that_are_no_text_name_nobody(world: World) -> None:
    [outcome] = (await world.receive(signed(mail("b@b@example.org", reply(BOB)).replace(b"b@b@", b"b\xf6b@")))).outcomes
    assert (outcome.outcome, outcome.rule) == ("refused", "incoming.no-author")


async def test_a_recipient_that_is_no_text_is_nobody_here(world: World) -> None:
    [outcome] = (await world.receive(GOOD, to="c\udcffrol@example.net")).outcomes
    assert (outcome.outcome, outcome.rule) == ("none", "incoming.nobody-here")


@pytest.mark.parametrize(
    "text",
    [request(uid="u" * 3000), request(ALICE, "new", f"ATTENDEE:mailto:{'c' * 600}@example.net")],
    ids=["UID", "attendee"],
)
async def test_what_no_store_takes_is_passed_by_and_the_rest_of_the_mail_counts(world: World, text: str) -> None:
    await world.know(ALICE)
    [outcome] = (await world.receive(signed(mail(ALICE, text)))).outcomes
    assert (outcome.outcome, outcome.rule) == ("ignored", "incoming.unreadable")
    assert not await world.context.store.read(lambda unit: unit.notifications.of(outcome.recipient))


async def test_a_task_comes_in(world: World) -> None:
    await world.know(ALICE)
    [outcome] = (await world.receive(signed(mail(ALICE, TASK)))).outcomes
    assert (outcome.outcome, outcome.rule) == ("applied", "request.new")


async def test_explain_says_what_becomes_of_a_mail_whose_author_the_dns_cannot_tell(world: World) -> None:
    """Put off first, and each part has its outcome for the time after."""
    document = await explain_mail(
        world.context, Zone("s._domainkey.example.org !\n_dmarc.example.org !"), GOOD, (CAROL,)
    )
    assert "put off" in document["put_off"]
    [part] = document["parts"]
    assert (part["method"], part["outcome"], part["rule"]) == ("REPLY", "held", "incoming.unproven")
    assert (await explain_mail(world.context, world.dns, GOOD, (CAROL,)))["put_off"] is None


async def test_what_cannot_be_read_says_why(world: World) -> None:
    data = signed(mail(BOB, reply(BOB)).replace(b"MIME-Version", b"Content-Transfer-Encoding: x-uue\r\nMIME-Version"))
    [outcome] = (await world.receive(data.replace(b"BEGIN:VCALENDAR", b"M0D5%1TE."))).outcomes
    assert (outcome.outcome, outcome.rule) == ("ignored", "incoming.unreadable")
    assert "transfer encoding" in outcome.reason


async def test_a_forgery_above_a_mail_that_was_here_before_is_taken_out(world: World) -> None:
    """The second copy is told what the first was; what is forged in it is looked for anew."""
    data = b"Message-ID: <r@x>\r\n" + GOOD
    first = await world.receive(data)
    forged = b"X-Mailer: x\r\nX-iMIP-Gateway: outcome=applied; rule=trust.login; id=m0\r\n" + data
    second = await world.receive(forged)
    assert second.headers == first.headers
    assert second.apply_to(forged) == first.headers + b"X-Mailer: x\r\n" + data
    assert (await world.receive(data)).apply_to(data) == first.headers + data


TNEF = b"Message-ID: <w@x>\r\n" + mail(ALICE, "x", method="REQUEST").replace(
    b"text/calendar; charset=utf-8; method=REQUEST", b"application/ms-tnef; name=winmail.dat"
)


async def test_winmail_is_on_record_and_passes_as_it_is(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "gateway.mail"):
        assert (await world.receive(TNEF)).apply_to(TNEF) == TNEF
        assert (await world.receive(TNEF)).apply_to(TNEF) == TNEF
    [entry] = await world.context.store.read(lambda unit: unit.journal.trace("<w@x>"))
    assert (entry.outcome, entry.rule) == ("none", "incoming.not-opened")
    assert "winmail.dat" in entry.reason
    assert [record.facts["reason"] for record in caplog.records] == ["tnef", "tnef"]


async def test_a_guest_is_invited_by_an_address_with_a_tag(world: World) -> None:
    """Mail to carol+tennis@ is Carol's (interop Q81)."""
    await world.know(ALICE)
    tagged = CAROL.replace("@", "+tennis@")
    data = signed(mail(ALICE, request(ALICE, "tennis").replace(f":mailto:{CAROL}", f":mailto:{tagged}")))
    [outcome] = (await world.receive(data, to=tagged)).outcomes
    assert (outcome.outcome, outcome.rule) == ("applied", "request.new")


async def test_a_cancellation_of_nothing_says_so(world: World) -> None:
    """Google sends such (interop Q32)."""
    text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n"
    [outcome] = (await world.receive(signed(mail(ALICE, text)))).outcomes
    assert (outcome.outcome, outcome.rule) == ("ignored", "message.empty")


async def test_what_is_too_large_is_known_by_what_the_mail_says_of_it(world: World) -> None:
    text = request(ALICE, "new", "DESCRIPTION:" + "x" * 600_000)
    [outcome] = (await world.receive(signed(mail(ALICE, text)))).outcomes
    assert (outcome.method, outcome.outcome, outcome.rule) == ("REQUEST", "ignored", "incoming.unreadable")
