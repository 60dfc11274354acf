# SPDX-License-Identifier: Apache-2.0
"""Forged, hijacked and replayed scheduling mails: a little world to attack, and one mail for each way to try.

Carol (carol@example.net, ours) organizes `tea` with Bob and Dave, and is a guest of Alice's `talk`. Mallory owns
evil.example with every record in order. example.org and partner.example sign their mail; example.org asks to reject
what it did not sign. Our border writes Authentication-Results as mx.example.net.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import dkim
from nacl.signing import SigningKey

from tests.support.calendars import calendar, component
from tests.support.zone import Zone

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CAROL, ALICE, BOB = "carol@example.net", "alice@example.org", "bob@example.org"
DAVE, MALLORY, ERIN = "dave@partner.example", "mallory@evil.example", "erin@example.net"
BORDER_ID = "mx.example.net"
KEY = SigningKey(hashlib.sha256(b"the key of every domain in this world").digest())
DOMAINS = ("example.org", "evil.example", "partner.example", "xn--strae-oqa.example")


def dns() -> Zone:
    """The DNS of this world."""
    zone = Zone('_dmarc.example.org "v=DMARC1; p=reject"\n_dmarc.evil.example "v=DMARC1; p=none"')
    public = base64.b64encode(bytes(KEY.verify_key)).decode()
    for domain in DOMAINS:
        zone.add(f"s._domainkey.{domain}", f"v=DKIM1; k=ed25519; p={public}")
    return zone


def event(uid: str, organizer: str, guests: tuple[str, ...], *extra: str, sequence: int = 1) -> str:
    """One event as everybody has it."""
    who = (f"ORGANIZER:mailto:{organizer}", *(f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{guest}" for guest in guests))
    when = ("DTSTART:20261201T150000Z", "DTEND:20261201T160000Z")
    return component(*when, f"SUMMARY:{uid.title()}", *who, f"SEQUENCE:{sequence}", *extra, uid=uid)


#: What is stored before each attack, and must be stored after it.
TEA = calendar(event("tea", CAROL, (BOB, DAVE)))
TALK = calendar(event("talk", ALICE, (CAROL, BOB)))


def reply(*attendees: str, uid: str = "tea", partstat: str = "DECLINED", dtstamp: str = "20261123T110000Z") -> str:
    """An answer for these attendees, whoever sends it."""
    answers = [f"ATTENDEE;PARTSTAT={partstat}:mailto:{attendee}" for attendee in attendees]
    return calendar(
        component(f"ORGANIZER:mailto:{CAROL}", *answers, "SEQUENCE:1", uid=uid, dtstamp=dtstamp), method="REPLY"
    )


def cancel(organizer: str = ALICE, uid: str = "talk") -> str:
    """A cancellation in this organizer's name."""
    cancelled = event(uid, organizer, (CAROL, BOB), "STATUS:CANCELLED", sequence=9)
    return calendar(cancelled.replace("20261101T090000Z", "20261123T110000Z"), method="CANCEL")


def request(organizer: str = ALICE, uid: str = "talk", *extra: str) -> str:
    """An update in this organizer's name that moves people to a place of the attacker's choice."""
    update = event(uid, organizer, (CAROL, BOB, MALLORY), "LOCATION:https://evil.example/room", *extra, sequence=9)
    return calendar(update.replace("20261101T090000Z", "20261123T110000Z"), method="REQUEST")


def mail(author: str, text: str, *headers: str, method: str = "", top: tuple[str, ...] = ()) -> bytes:
    """A mail with one calendar. `author` is the whole From field value; `headers` come before it, `top` above all."""
    method = method or text.partition("METHOD:")[2].partition("\r\n")[0]
    lines = (
        *top,
        *headers,
        *((f"From: {author}",) if author is not None else ()),
        f"To: {CAROL}",
        "Subject: Tea",
        "Date: Mon, 23 Nov 2026 11:00:00 +0000",
        "MIME-Version: 1.0",
        f"Content-Type: text/calendar; charset=utf-8; method={method}",
        "",
        text,
    )
    return "\r\n".join(lines).encode()


def signed(data: bytes, domain: str = "example.org", *, length: bool = False) -> bytes:
    """The mail with a good signature of this domain, whatever its From says; made by another program than ours."""
    names = [
        *(b"from", b"to", b"subject", b"date", b"content-type"),
    ]
    field = dkim.DKIM(data).sign(
        b"s",
        domain.encode(),
        base64.b64encode(bytes(KEY)),
        signature_algorithm=b"ed25519-sha256",
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=names,
        length=length,
    )
    return bytes(field) + data


def bordered(data: bytes, *results: str) -> bytes:
    """The mail as our border passes it on: its results on top, then its Received line."""
    fields = "".join(f"Authentication-Results: {BORDER_ID}; {result}\r\n" for result in results)
    return (
        fields + f"Received: from client.example by {BORDER_ID}; Mon, 23 Nov 2026 11:00:01 +0000\r\n"
    ).encode() + data


@dataclass(frozen=True, slots=True)
class Spoof:
    """One attack. `said` is the rule that must refuse, hold or ignore it, "" where there is nothing to judge."""

    name: str
    data: bytes
    said: str
    to: str = CAROL
    mail_from: str = MALLORY


def in_from(author: str) -> bytes:
    """An answer for Bob by a mail with this From field and Bob's domain's good signature."""
    if "FROM :" in author:  # the signing program does not read this spelling; nor would it be signed
        return signed(mail(MALLORY, reply(BOB)), "evil.example").replace(b"From:", f"FROM : {BOB}\r\nFrom:".encode())
    return signed(mail(author, reply(BOB)))


GOOD = f"Authentication-Results: {BORDER_ID}; dmarc=pass header.from=example.org"
FORGED_RESULTS = {
    "below our border's line": GOOD,
    "in capitals": GOOD.upper().replace("DMARC=PASS", "dmarc=pass"),
    "with comments": GOOD.replace(BORDER_ID, f"(a;) {BORDER_ID} (1) ").replace(
        "dmarc=", "(dkim=fail;) dmarc (x) = (y) "
    ),
    "in quotes": f'Authentication-Results: "{BORDER_ID}" 1; dmarc=pass header.from=example.org',
    "folded": GOOD.replace("; ", ";\r\n\t"),
    "with an obsolete colon": GOOD.replace("Results:", "Results :"),
    "that breaks in a quote": f'Authentication-Results: {BORDER_ID}; dmarc=pass reason="',
    "with junk": GOOD + " junk",
    "twice in one": f"Authentication-Results: evil.example; x=y; {BORDER_ID}; dmarc=pass header.from=example.org",
    "of a lookalike": GOOD.replace(BORDER_ID, "mx.example.net.evil.example"),
}
FROM_TRICKS = {
    "two addresses": f"{BOB}, {MALLORY}",
    "two addresses, one in angles": f"{BOB} <{MALLORY}>",
    "two in angles": f"<{MALLORY}> <{BOB}>",
    "a group": f"Friends: {BOB};",
    "nothing": "",
    "a comment": f"({BOB})",
    "a comment inside": "bob(x)@example.org",
    "an open comment": f"(Bob {BOB}",
    "an encoded address": "=?utf-8?q?bob=40example.org?=",
    "an encoded local part": "=?utf-8?b?Ym9i?=@example.org",
    "a quoted local part": f'"{BOB}>"@example.org',
    "a quoted address": f'"{BOB}"@example.org',
    "a trailing dot": "bob@example.org.",
    "a route": f"<@evil.example:{BOB}>",
    "a control character": "bob\x00@example.org",
    "an address literal": "bob@[192.0.2.1]",
    "another field of it": f"{MALLORY}\r\nFrom: {BOB}",
    "another spelling of the field": f"{MALLORY}\r\nFROM : {BOB}",
}

SPOOFS: tuple[Spoof, ...] = (
    Spoof("an answer without any proof, for a domain that asks for it", mail(BOB, reply(BOB)), "incoming.refuted"),
    Spoof("an answer without any proof", mail(DAVE, reply(DAVE)), "incoming.unproven"),
    Spoof("Mallory answers for Bob", signed(mail(MALLORY, reply(BOB)), "evil.example"), "incoming.other-author"),
    Spoof("a signature of an unrelated domain", signed(mail(BOB, reply(BOB)), "evil.example"), "incoming.refuted"),
    Spoof("a signature of a domain whose name only looks mapped",
          signed(mail("bob@straße.example", reply("bob@strasse.example")), "xn--strae-oqa.example"),
          "incoming.other-author"),
    Spoof("Bob's name beside Mallory's address",
          signed(mail(f'"Bob <{BOB}>" <{MALLORY}>', reply(BOB)), "evil.example"), "incoming.other-author"),
    Spoof("Sender says Bob", signed(mail(MALLORY, reply(BOB), f"Sender: {BOB}"), "evil.example"),
          "incoming.other-author"),
    Spoof("Reply-To says Bob, and so does the envelope",
          signed(mail(MALLORY, reply(BOB), f"Reply-To: {BOB}"), "evil.example"), "incoming.other-author",
          mail_from=BOB),
    Spoof("a calendar behind the signed length",
          signed(mail(BOB, ""), length=True) + reply(BOB).encode(), "incoming.refuted"),
    Spoof("a changed body under an old signature",
          signed(mail(BOB, reply(BOB, partstat="ACCEPTED"))).replace(b"ACCEPTED", b"DECLINED"), "incoming.refuted"),
    Spoof("SPF of a shared provider", bordered(mail(DAVE, reply(DAVE)), "spf=pass smtp.mailfrom=x@shared.example"),
          "incoming.unproven"),
    Spoof("a seal of an unknown forwarder",
          bordered(mail(DAVE, reply(DAVE), "ARC-Seal: i=1; a=rsa-sha256; d=evil.example; cv=none; b=x",
                        "ARC-Authentication-Results: i=1; evil.example; dmarc=pass header.from=partner.example"),
                   "arc=pass"), "incoming.unproven"),
    Spoof("our border's pass is for another From",
          bordered(mail(BOB, reply(BOB)), "dmarc=pass header.from=evil.example"), "incoming.refuted"),
    Spoof("our border says no, a forgery below says yes",
          bordered(mail(BOB, reply(BOB), GOOD), "dmarc=fail header.from=example.org"), "incoming.refuted"),
    Spoof("our user's address from outside", mail(CAROL, request(CAROL, "tea")), "incoming.refuted"),
    Spoof("our colleague's address from outside", mail(ERIN, reply(ERIN)), "incoming.refuted"),
    Spoof("a null sender", signed(mail(BOB, reply(BOB))), "incoming.null-sender", mail_from=""),
    Spoof("a cancellation by who knows the UID", mail(ALICE, cancel()), "incoming.refuted"),
    Spoof("Mallory cancels in Alice's name", signed(mail(MALLORY, cancel()), "evil.example"), "incoming.other-author"),
    Spoof("Mallory cancels as her own organizer", signed(mail(MALLORY, cancel(MALLORY)), "evil.example"),
          "incoming.other-author"),
    Spoof("Mallory writes herself into SENT-BY",
          signed(mail(MALLORY, cancel().replace("ORGANIZER:", f'ORGANIZER;SENT-BY="mailto:{MALLORY}":')),
                 "evil.example"),
          "incoming.other-author"),
    Spoof("Mallory takes the event over", signed(mail(MALLORY, request(MALLORY)), "evil.example"),
          "incoming.other-author"),
    Spoof("a guest moves the meeting", signed(mail(BOB, request())), "incoming.same-domain"),
    Spoof("a guest of ours' meeting moves it", signed(mail(BOB, request(CAROL, "tea"))),
          "incoming.you-are-the-organizer"),
    Spoof("a guest makes himself organizer of our meeting", signed(mail(BOB, request(BOB, "tea"))),
          "incoming.you-are-the-organizer"),
    Spoof("a cancellation as a plain file",
          signed(mail(ALICE, cancel()).replace(b"text/calendar; charset=utf-8; method=CANCEL",
                                               b"application/octet-stream; name=invite.ics")), "incoming.file"),
    Spoof("a cancellation that the mail does not declare",
          signed(mail(ALICE, cancel()).replace(b"; method=CANCEL", b"")), "incoming.unmarked-cancel"),
    Spoof("a change through a list", signed(mail(ALICE, request(), "List-Id: <talks.example.org>")), "incoming.list"),
    Spoof("a forwarded cancellation",
          signed(mail(MALLORY, mail(ALICE, cancel()).decode()).replace(b"text/calendar", b"message/rfc822", 1),
                 "evil.example"), ""),
    Spoof("a calendar revealed by a second Content-Type",
          b"Content-Type: text/calendar; method=CANCEL\r\n"
          + signed(mail(ALICE, cancel()).replace(b"text/calendar", b"text/plain")),
          "incoming.part"),
    *(Spoof(f"forged results {name}", bordered(mail(BOB, reply(BOB), field)), "incoming.refuted")
      for name, field in FORGED_RESULTS.items()),
    *(Spoof(f"From with {name}", in_from(author), "incoming.no-author") for name, author in FROM_TRICKS.items()),
)  # fmt: skip
