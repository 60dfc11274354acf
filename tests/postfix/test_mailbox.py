# SPDX-License-Identifier: Apache-2.0
"""From a stranger's server through Postfix and the gateway into a mailbox of Dovecot, and back: what a person gets."""

import asyncio
import base64
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import dkim
import pytest
from nacl.signing import SigningKey

from tests.conftest import missing
from tests.support.dovecot import PASSWORD, Dovecot, installed, private_dovecot
from tests.support.postfix import free_port
from tests.support.site import ALIAS, ANN, GUEST, PLAIN, Site, site
from tests.support.world import UID
from tests.support.zone import Zone

pytestmark = [pytest.mark.postfix, pytest.mark.xdist_group("postfix")]
KEY = SigningKey(b"k" * 32)
RECORD = "v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(KEY.verify_key)).decode()
DNS = Zone(f'm._domainkey.partner.example "{RECORD}"')


def signed(data: bytes) -> bytes:
    """As the guest's server sends it out."""
    field = dkim.sign(
        data, b"m", b"partner.example", base64.b64encode(bytes(KEY)), signature_algorithm=b"ed25519-sha256",
        canonicalize=(b"simple", b"simple"), include_headers=[b"from", b"to", b"subject", b"date", b"message-id"],
    )  # fmt: skip
    return bytes(field) + data


def is_intact(data: bytes) -> bool:
    """What another DKIM implementation says of the mail as it came out of the mailbox."""
    return bool(dkim.verify(data, dnsfunc=lambda name, timeout=5: RECORD.encode()))


@asynccontextmanager
async def dovecot() -> AsyncIterator[Dovecot]:
    if not installed():
        missing("Dovecot (as root)")
    manager = private_dovecot()
    instance = await asyncio.to_thread(manager.__enter__)
    try:
        yield instance
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@asynccontextmanager
async def house(mode: str, folder: Path, more: Callable[[Dovecot], str] = lambda _: "") -> AsyncIterator[
    tuple[Site, Dovecot]
]:  # fmt: skip
    async with dovecot() as mailbox:
        final = f"lmtp:[127.0.0.1]:{mailbox.lmtp}"
        async with site(mode, folder, final, more=more(mailbox), resolver=DNS) as here:
            yield here, mailbox


async def mails(here: Site, mailbox: Dovecot, user: str, count: int) -> list[bytes]:
    """The user's mails, once there are so many."""
    found: list[bytes] = []

    def look() -> bool:
        found[:] = mailbox.mails(user)
        return len(found) >= count

    await here.until(look)
    assert len(found) == count
    return found


@pytest.mark.parametrize("mode", ["filter", "lmtp", "proxy", "milter"])
async def test_an_invitation_goes_out_and_its_answer_counts(mode: str, tmp_path: Path) -> None:
    """The guest finds the invitation in their mailbox and answers it; the signed answer is applied and delivered."""
    async with house(mode, tmp_path) as (here, mailbox):
        plain = signed(PLAIN)
        await here.send(plain)
        [delivered] = await mails(here, mailbox, ANN, 1)
        assert delivered.endswith(plain)
        assert is_intact(delivered)

        await here.invite(send=True)
        [invitation] = await mails(here, mailbox, GUEST, 1)
        answer = signed(answer_to(invitation))
        await here.send(answer)
        *_, delivered = await mails(here, mailbox, ANN, 2)
        assert delivered.endswith(answer)
        assert is_intact(delivered)
        assert b"X-iMIP-Gateway: outcome=applied; rule=reply.applied" in delivered
        assert await here.partstat() == "ACCEPTED"

        await here.send(answer.replace(b"PARTSTAT=ACCEPTED", b"PARTSTAT=DECLINED"))
        forged, told = sorted((await mails(here, mailbox, ANN, 4))[2:], key=lambda mail: b"Please decide" in mail)
        assert b"X-iMIP-Gateway: outcome=held; rule=incoming.unproven" in forged
        assert b"Subject: Please decide" in told
        assert await here.partstat() == "ACCEPTED"
        await here.until(lambda: not here.postfix.queue())
        assert set(here.postfix.statuses()) == {"sent"}


def answer_to(invitation: bytes) -> bytes:
    """What a guest's program makes of an invitation."""
    mail = message_from_bytes(invitation, policy=policy.default)
    part = next(part for part in mail.walk() if part.get_content_type() == "text/calendar")
    calendar = part.get_content().replace("\r\n ", "").splitlines()
    kept = ("BEGIN", "VERSION", "PRODID", "UID", "SEQUENCE", "DTSTAMP", "DTSTART", "ORGANIZER", "END")
    lines = [line for line in calendar if line.partition(":")[0].partition(";")[0] in kept and "TZ" not in line]
    start = lines.index("BEGIN:VEVENT")
    lines[start:start] = ["METHOD:REPLY"]
    lines[-2:-2] = [f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{GUEST}"]
    lines = [line for line in lines if line not in ("BEGIN:STANDARD", "BEGIN:DAYLIGHT", "END:STANDARD", "END:DAYLIGHT")]
    answer = EmailMessage(policy=policy.SMTP)
    answer["From"], answer["To"], answer["Subject"] = GUEST, mail["Reply-To"] or mail["From"], "Accepted: Plan"
    answer["Date"], answer["Message-ID"] = "Mon, 01 Jun 2026 09:30:00 +0000", "<answer@partner.example>"
    answer.set_content("Yes\n")
    answer.add_alternative("\r\n".join([*lines, ""]), subtype="calendar", params={"method": "REPLY"})
    return answer.as_bytes()


async def test_the_door_right_before_the_mailbox(tmp_path: Path) -> None:
    """Postfix delivers to our LMTP door instead of Dovecot's, and we to Dovecot; our own mail still goes to Postfix."""
    door = free_port()
    async with dovecot() as mailbox:
        more = f'next_hop = "lmtp://127.0.0.1:{mailbox.lmtp}"\n'
        async with site("lmtp", tmp_path, f"lmtp:[127.0.0.1]:{mailbox.lmtp}", more=more, resolver=DNS) as here:
            here.postfix.postconf("-X", "content_filter")
            door = here.config.listeners[0].listen.rpartition(":")[2]
            table = f"inline:{{ {{ example.org = lmtp:[127.0.0.1]:{door} }} }}"
            here.postfix.postconf("-e", f"transport_maps={table}")
            await asyncio.to_thread(here.postfix.run, "stop")
            await asyncio.to_thread(here.postfix.run, "start")
            await here.invite(send=True)
            [invitation] = await mails(here, mailbox, GUEST, 1)
            answer = signed(answer_to(invitation))
            await here.send(answer, GUEST, ANN, "bob@example.org")
            [for_ann], [for_bob] = await mails(here, mailbox, ANN, 1), await mails(here, mailbox, "bob@example.org", 1)
            assert for_ann.endswith(answer)
            assert for_bob.endswith(answer)
            assert is_intact(for_ann)
            assert await here.partstat() == "ACCEPTED"
            assert UID.encode() in for_ann


async def test_submission_asks_dovecot_for_the_password(tmp_path: Path) -> None:
    port = free_port()

    def more(mailbox: Dovecot) -> str:
        return f'[[listener]]\nkind = "submission"\nlisten = "127.0.0.1:{port}"\nauth = "dovecot:{mailbox.auth}"\n'

    def submit(password: str, mail_from: str) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
            smtp.login(ANN, password)
            smtp.sendmail(mail_from, [GUEST], PLAIN.replace(GUEST.encode(), mail_from.encode(), 1), ["BODY=8BITMIME"])

    async with house("filter", tmp_path, more) as (here, mailbox):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await asyncio.to_thread(submit, "wrong", ANN)
        with pytest.raises(smtplib.SMTPSenderRefused):
            await asyncio.to_thread(submit, PASSWORD, "bob@example.org")
        await asyncio.to_thread(submit, PASSWORD, ANN)
        await asyncio.to_thread(submit, PASSWORD, ALIAS)  # an address of her account here
        for delivered in await mails(here, mailbox, GUEST, 2):
            assert delivered.endswith(PLAIN.partition(b"\r\n")[2])
