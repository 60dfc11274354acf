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
