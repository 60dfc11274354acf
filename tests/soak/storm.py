# SPDX-License-Identifier: Apache-2.0
"""Mail in bursts through a real Postfix while the gateway is killed at random: what was lost, what was doubled?

Four kinds of mail take turns, each with its own meaning: one without a calendar, an answer, an invitation, and an
answer that nobody vouches for. A mail may reach the mailbox twice where a kill struck between the next hop's word and
ours (RFC 5321 §6.1); what it does to the calendar may not.
"""

import asyncio
import random
import signal
import smtplib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.flows.accounts import NewAccount, add_account, find_account
from gateway.flows.context import Context
from gateway.flows.events import import_calendar
from gateway.itip.tree import parse_tree
from gateway.store.unit import Unit
from tests.support.served import House, context_of, house
from tests.support.site import ANN, GUEST, PLAIN, reply
from tests.support.world import UID, event

_MORE = '[policy.scheduling]\nauto_add_invitations = "authenticated"\n'


@dataclass
class Storm:
    """So many mails, so many kills; `faults` says what went wrong with which mail."""

    mails: int
    kills: int
    seed: int = 1
    faults: list[str] = field(default_factory=list)
    again: int = 0  # mails that reached the mailbox a second time
    deferred: int = 0

    def kinds(self) -> Iterator[tuple[int, str, bytes]]:
        """Every mail: its number, what it is, its octets."""
        for number in range(self.mails):
            kind = ("plain", "answer", "invitation", "unproven")[number % 4]
            yield number, kind, _mail(kind, number)


def _guest(number: int) -> str:
    return f"guest{number}@partner.example"


def _mail(kind: str, number: int) -> bytes:
    uid = f"{UID}-{number}"
    answer = reply("ACCEPTED", number=number, uid=uid, attendee=_guest(number))
    if kind == "plain":
        return PLAIN.replace(b"<p@", f"<{number}@".encode())
    if kind == "answer":
        return answer
    if kind == "unproven":
        return answer.partition(b"\r\n")[2]
    guest, ann = _guest(number).encode(), ANN.encode()
    for old, new in (
        (b"REPLY", b"REQUEST"),
        (b"ATTENDEE;PARTSTAT=ACCEPTED:mailto:" + guest, b"DTSTART:20300101T120000Z\r\nATTENDEE:mailto:" + ann),
        (b"ORGANIZER:mailto:" + ann, b"ORGANIZER:mailto:" + guest),
    ):
        answer = answer.replace(old, new)
    return answer


async def blow(storm: Storm, folder: Path) -> Storm:
    """Let the storm pass over a site and look at what it left."""

    async def people(context: Context) -> None:
        ann = await add_account(context, NewAccount(ANN))
        for number, kind, _ in storm.kinds():
            if kind in ("answer", "unproven"):
                text = event(_guest(number)).replace(f"UID:{UID}", f"UID:{UID}-{number}")
                await import_calendar(context, ann, text, send=False)

    async with house(folder, "lmtp", people, lambda _: _MORE) as here:
        await _strike(storm, here)
        await here.until(lambda: len(_arrived(here)) >= storm.mails, 120)
        await here.until(lambda: not here.postfix.queue(), 120)
        storm.deferred = here.postfix.statuses().count("deferred")
        if "bounced" in here.postfix.statuses():
            storm.faults.append("something bounced")
        _look_at_mailbox(storm, here)
        async with context_of(here.gateway.file) as context:
            ann = await find_account(context, ANN)
            await context.store.read(lambda unit: _look_at_effects(storm, unit, ann.id))
    return storm


async def _strike(storm: Storm, here: House) -> None:
    """Send burst after burst; kill within each, at a moment that chance chooses."""
    chance = random.Random(storm.seed)
    mails = list(storm.kinds())
    size = -(-len(mails) // storm.kills)
    for first in range(0, len(mails), size):
        burst = asyncio.create_task(asyncio.to_thread(_send, here.postfix.port, mails[first : first + size]))
        before = len(here.mailbox.taken)
        await here.until(lambda before=before: len(here.mailbox.taken) > before, 120)
        await asyncio.sleep(chance.uniform(0, 0.004 * size))
        here.gateway.stop(signal.SIGKILL)
        await burst
        await asyncio.to_thread(here.gateway.start)
        await asyncio.to_thread(here.postfix.flush)


def _send(port: int, mails: list[tuple[int, str, bytes]]) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
        for _, _, data in mails:
            smtp.sendmail(GUEST, [ANN], data, ["BODY=8BITMIME"])


def _arrived(here: House) -> list[bytes]:
    """The guests' mails as they came, without trace lines; what Ann is told by us (something waits) is none of them."""
    letters = (mail.data for mail in here.mailbox.taken if b"From: guest" in mail.data)
    return [data[data.rindex(b"From: guest") :] for data in letters]


def _look_at_mailbox(storm: Storm, here: House) -> None:
    bodies = Counter(_arrived(here))
    for number, kind, data in storm.kinds():
        count = bodies[data[data.rindex(b"From: guest") :]]
        storm.again += max(0, count - 1)
        if not count:
            storm.faults.append(f"{kind} {number} is lost")


def _look_at_effects(storm: Storm, unit: Unit, account_id: str) -> None:
    """Each effect once: a row in the journal, the guest's answer, the new event, what waits, what was told."""
    expected = {"answer": "applied", "invitation": "applied", "unproven": "held"}
    waiting = Counter(held.uid for held in unit.held.waiting(account_id))
    told = Counter(notification.object_id for notification in unit.notifications.of(account_id))
    for number, kind, _ in storm.kinds():
        uid = f"{UID}-{number}"
        entries = [entry.outcome for entry in unit.journal.trace(f"<{number}@partner.example>")]
        if entries != ([expected[kind]] if kind in expected else []):
            storm.faults.append(f"{kind} {number} is in the journal as {entries}")
        items = unit.objects.by_uid(account_id, uid)
        if len(items) != (kind != "plain"):
            storm.faults.append(f"{kind} {number} has {len(items)} events")
        if waiting[uid] != (kind == "unproven"):
            storm.faults.append(f"{kind} {number} waits {waiting[uid]} times")
        if items and told[items[0].id] != (kind != "unproven"):
            storm.faults.append(f"{kind} {number} was told {told[items[0].id]} times")
        if items and kind in ("answer", "unproven"):
            guest = next(parse_tree(items[0].ical).components).first("ATTENDEE")
            partstat = guest.param("PARTSTAT") if guest else None
            if (partstat == "ACCEPTED") is not (kind == "answer"):
                storm.faults.append(f"{kind} {number} left its guest as {partstat}")
