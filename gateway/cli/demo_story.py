# SPDX-License-Identifier: Apache-2.0
"""The demo's story, told from outside: JMAP over HTTP, mail over SMTP, and the folder that is the next hop."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.cli.demo_client import Jmap, Mailbox, get_page, post_answer, send_mail
from gateway.clock import OffsetClock

ANN, BOB, GUEST = "user1@example.org", "user2@example.org", "guest@partner.example"


class Failed(Exception):
    """A step was not seen."""


@dataclass(slots=True)
class Story:
    """Where everything is, and what the story found out so far."""

    http: str
    smtp: str
    next_hop: Path
    password: str
    clock: OffsetClock
    store_event: Callable[[str, str], None]  # address, iCalendar: what `event import` does
    event_id: str = ""
    uid: str = ""
    rsvp_page: str = ""
    mails: list[Any] = field(default_factory=list)

    def jmap(self, address: str) -> Jmap:
        return Jmap(self.http, address, self.password)

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(self.next_hop)


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def seen(condition: object, what: str) -> None:
    """Print what was seen, or fail the demo."""
    if not condition:
        raise Failed(what)
    say(f"   seen: {what}")


def tell(story: Story) -> None:
    """Tell every step; raises `Failed` at the first that is not seen."""
    for number, (title, step) in enumerate(STEPS, 1):
        say(f"\n{number}. {title}")
        step(story)
    say(f"\nAll {len(STEPS)} steps were seen.")


def _create(story: Story) -> None:
    ann = story.jmap(ANN)
    guests = {"p1": _person(ANN, "User One", "accepted", owner=True), "p2": _person(BOB, "User Two"),
              "p3": _person(GUEST, "Guest Outside")}  # fmt: skip
    result = ann.set_event(create={"test1": _event(ann.default_calendar(), guests)})
    created = result["created"]["test1"]
    story.event_id, story.uid = created["id"], created["uid"]
    outcome = result["schedulingOutcome"]["test1"]
    seen(outcome["messages"] == 2, f"event {created['id']} stored, {outcome['messages']} messages owed")
    bob = story.jmap(BOB)
    events = bob.call("CalendarEvent/query", {})["ids"]
    seen(len(events) == 1, "the colleague's calendar has the invitation")
    notes = bob.call("CalendarEventNotification/get", {"ids": None})["list"]
    seen([note["type"] for note in notes] == ["created"], "the colleague has a notification")


def _invitations(story: Story) -> None:
    for mail in (story.mailbox.wait(BOB, "Invitation:"), story.mailbox.wait(GUEST, "Invitation:")):
        story.mails.append(mail)
        seen(mail.calendar_method == "REQUEST", f"{mail.subject!r} from {mail.from_} to {mail.to}")
        seen("/rsvp/" in mail.text, "   text, HTML, text/calendar; method=REQUEST, .ics copy, answer links")
    queue = story.jmap(ANN).call("x:QueuedMessage/get", {"ids": None})["list"]
    seen(
        all(r["status"]["@type"] == "Completed" for m in queue for r in m["recipients"].values()), "the queue is empty"
    )
    story.rsvp_page = story.mailbox.wait(BOB, "Invitation:").link("/rsvp/").removesuffix("/accept")


def _reply_by_mail(story: Story) -> None:
    stored = story.jmap(ANN).event(story.event_id)
    reply = _reply(story, stored.get("sequence", 0), GUEST, "ACCEPTED")
    send_mail(story.smtp, GUEST, ANN, _google_mail(GUEST, ANN, "Accepted: Scheduling", reply, "pass"))
    passed = story.mailbox.wait(ANN, "Accepted: Scheduling")
    seen("outcome=applied" in (passed.gateway or ""), f"mail passed on, X-iMIP-Gateway: {passed.gateway}")
    _status(story, GUEST, "accepted")


def _reply_by_page(story: Story) -> None:
    page = get_page(story.rsvp_page)
    seen(page.status == 200 and "Scheduling reproduction test" in page.text, "GET shows the event on the page")
    _status(story, BOB, "needs-action")
    done = post_answer(story.rsvp_page, page, "tentative", "Maybe later")
    seen(done.status in (200, 303), "POST records the answer")
    _status(story, BOB, "tentative")


def _reschedule(story: Story) -> None:
    result = story.jmap(ANN).set_event(update={story.event_id: {"start": "2026-06-07T15:00:00"}})
    seen(result["schedulingOutcome"][story.event_id]["messages"] == 2, "two updates owed")
    mail = story.mailbox.wait(GUEST, "Updated invitation:")
    seen("15:00" in mail.text or "3:00" in mail.text, f"{mail.subject!r}: old and new time in the text")


def _remove_guest(story: Story) -> None:
    result = story.jmap(ANN).set_event(update={story.event_id: {"participants/p3": None}})
    seen(story.event_id in result["updated"], "guest removed")
    mail = story.mailbox.wait(GUEST, "Cancel")
    seen(mail.calendar_method == "CANCEL", f"{mail.subject!r} to {mail.to}")
    seen(story.mailbox.count(BOB, "Cancel") == 0, "no cancellation to the colleague")


def _alarm(story: Story) -> None:
    story.store_event(
        ANN, _with_alarm("Plan", "20260607T120000Z", "ACTION:DISPLAY", "DESCRIPTION:@email Bring the plan")
    )
    story.clock.advance(timedelta(days=6, hours=3, minutes=5))
    mail = story.mailbox.wait(ANN, "Reminder:")
    seen("Bring the plan" in mail.text and "@email" not in mail.text, f"{mail.subject!r} to {mail.to}")


def _alarm_outside(story: Story) -> None:
    ann = story.jmap(ANN)
    mailed = ("ACTION:EMAIL", "DESCRIPTION:It begins soon", f"ATTENDEE:mailto:{GUEST}")
    story.store_event(ANN, _with_alarm("Outside alarm one", "20260609T120000Z", *mailed))
    story.clock.advance(timedelta(days=2))
    mail = story.mailbox.wait(ANN, "Reminder: Outside alarm one")
    seen(story.mailbox.count(GUEST, "Reminder:") == 0, f"refused by policy: {mail.to} is mailed, the outsider is not")
    ann.call("x:CalendarAlarm/set", {"update": {"singleton": {"allowExternalRcpts": True}}})
    story.store_event(ANN, _with_alarm("Outside alarm two", "20260611T120000Z", *mailed))
    story.clock.advance(timedelta(days=2))
    mail = story.mailbox.wait(GUEST, "Reminder: Outside alarm two")
    seen(mail.to, f"allowed by the administrator: {mail.subject!r} to {mail.to}")


def _forgery(story: Story) -> None:
    stored = story.jmap(ANN).event(story.event_id)
    reply = _reply(story, stored.get("sequence", 0), BOB, "DECLINED")
    send_mail(story.smtp, "mallory@evil.example", ANN, _google_mail(BOB, ANN, "Declined: forged", reply, "fail"))
    passed = story.mailbox.wait(ANN, "Declined: forged")
    seen("outcome=refused" in (passed.gateway or "") or "outcome=ignored" in (passed.gateway or ""),
         f"mail passed on, nothing applied: {passed.gateway}")  # fmt: skip
    people = story.jmap(ANN).event(story.event_id)["participants"].values()
    status = next(p["participationStatus"] for p in people if BOB in p["calendarAddress"])
    seen(status != "declined", f"the colleague's answer is still {status}")


STEPS: tuple[tuple[str, Callable[[Story], None]], ...] = (
    ("An event with two guests is created over JMAP, sendSchedulingMessages: true", _create),
    ("The invitations reach the next hop", _invitations),
    ("The guest outside answers by mail, as Google sends it", _reply_by_mail),
    ("The colleague answers on the page", _reply_by_page),
    ("The meeting moves", _reschedule),
    ("The guest outside is removed", _remove_guest),
    ("An alarm marked @email fires", _alarm),
    ("An alarm names an outsider: refused by policy, then allowed", _alarm_outside),
    ("Somebody forges an answer", _forgery),
)


def _status(story: Story, address: str, wanted: str) -> None:
    people = story.jmap(ANN).event(story.event_id)["participants"].values()
    status = next(p["participationStatus"] for p in people if address in p["calendarAddress"])
    seen(status == wanted, f"the organizer's event says {address}: {status}")


def _person(address: str, name: str, status: str = "needs-action", *, owner: bool = False) -> dict[str, Any]:
    person = {
        "@type": "Participant", "calendarAddress": f"mailto:{address}", "name": name, "kind": "individual",
        "roles": {"owner": True, "attendee": True} if owner else {"attendee": True},
        "participationStatus": status, "expectReply": not owner,
    }  # fmt: skip
    return person if owner else {**person, "sendTo": {"imip": f"mailto:{address}"}}


def _event(calendar: str, participants: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "Event", "title": "Scheduling reproduction test", "description": "<p>Test event</p>",
        "start": "2026-06-07T12:00:00", "duration": "PT30M", "timeZone": "Africa/Djibouti", "showWithoutTime": False,
        "status": "confirmed", "freeBusyStatus": "busy", "privacy": "public", "calendarIds": {calendar: True},
        "participants": participants,
    }  # fmt: skip


def _with_alarm(title: str, start: str, *alarm: str) -> str:
    uid = title.lower().replace(" ", "-")
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//demo//EN", "BEGIN:VEVENT", f"UID:{uid}@demo",
        "DTSTAMP:20260601T080000Z", f"DTSTART:{start}", "DURATION:PT1H", f"SUMMARY:{title}",
        "BEGIN:VALARM", "TRIGGER:-PT1H", *alarm, "END:VALARM", "END:VEVENT", "END:VCALENDAR", "",
    )  # fmt: skip
    return "\r\n".join(lines)


def _reply(story: Story, sequence: int, attendee: str, partstat: str) -> str:
    stamp = f"{story.clock.now():%Y%m%dT%H%M%SZ}"
    lines = (
        "BEGIN:VCALENDAR", "PRODID:-//Example Inc//Example Calendar 70.9054//EN", "VERSION:2.0", "CALSCALE:GREGORIAN",
        "METHOD:REPLY", "BEGIN:VEVENT", "DTSTART:20260607T090000Z", "DTEND:20260607T093000Z", f"DTSTAMP:{stamp}",
        f"ORGANIZER;CN=User One:mailto:{ANN}", f"UID:{story.uid}",
        f"ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT={partstat};X-NUM-GUESTS=0:mailto:{attendee}",
        f"SEQUENCE:{sequence}", "STATUS:CONFIRMED", "SUMMARY:Scheduling reproduction test", "END:VEVENT",
        "END:VCALENDAR", "",
    )  # fmt: skip
    return "\r\n".join(lines)


def _google_mail(from_: str, to: str, subject: str, calendar: str, dmarc: str) -> bytes:
    domain = from_.partition("@")[2]
    return (
        f"Authentication-Results: mx.example.org; dmarc={dmarc} header.from={domain}\r\n"
        f"Received: from mail.{domain} by mx.example.org with ESMTPS; Mon, 1 Jun 2026 08:00:00 +0000\r\n"
        f"From: {from_}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject.replace(' ', '')}@{domain}>\r\n"
        "Date: Mon, 1 Jun 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b1"\r\n\r\n'
        f"--b1\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n{subject}\r\n"
        "--b1\r\nContent-Type: text/calendar; charset=UTF-8; method=REPLY\r\n"
        f"Content-Transfer-Encoding: 7bit\r\n\r\n{calendar}\r\n--b1--\r\n"
    ).encode()
