# SPDX-License-Identifier: Apache-2.0
"""Which kind of mail a message makes, and the subject and headline of each kind: two tables of whole sentences."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.imip.facts import EventFacts, Guest
from gateway.imip.letter import Tone
from gateway.imip.words import mark
from gateway.itip.address import same_address
from gateway.itip.model import ItipMessage, Method


class Kind(StrEnum):
    """What a mail is about. The values are the names that `mail preview` takes."""

    INVITATION = "invitation"
    DELEGATED_TO_YOU = "delegated-to-you"
    UPDATE = "update"
    REPEATED = "repeated"  # an exception of a series that has changed: as it was, sent again since programs drop it
    CANCELLATION = "cancellation"
    REMOVED = "removed"
    PUBLISHED = "published"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    TENTATIVE = "tentative"
    DELEGATED = "delegated"
    REPLY = "reply"
    COUNTER = "counter"
    PROPOSAL_DECLINED = "proposal-declined"
    REFRESH = "refresh"
    ALARM = "alarm"
    NOT_DELIVERED = "not-delivered"
    DELAYED = "delayed"
    ANSWER_RECORDED = "answer-recorded"
    HELD = "held"
    UNINVITED = "uninvited"
    CONSENT = "consent"
    ANSWERS = "answers"
    WRONG_ADDRESS = "wrong-address"
    TEST = "test"


class Scope(StrEnum):
    """How much of a series a mail is about."""

    EVENT = "event"
    SERIES = "series"
    OCCURRENCE = "occurrence"


@dataclass(frozen=True, slots=True)
class Form:
    """The fixed words of a kind: subject with `{event}`, headline by scope (`event` where a scope has no own)."""

    tone: Tone
    subject: str
    headline: str
    series: str = ""
    occurrence: str = ""

    def headline_for(self, scope: Scope) -> str:
        own = {Scope.SERIES: self.series, Scope.OCCURRENCE: self.occurrence}.get(scope, "")
        return own or self.headline


FORMS: dict[Kind, Form] = {
    Kind.INVITATION: Form(
        Tone.INVITE,
        mark("Invitation: {event}"),
        mark("{person} invites you to this event."),
        mark("{person} invites you to this series of events."),
        mark("{person} invites you to one event of a series: {date}."),
    ),
    Kind.DELEGATED_TO_YOU: Form(
        Tone.INVITE,
        mark("Invitation: {event}"),
        mark("{person} has passed this invitation on to you."),
    ),
    Kind.UPDATE: Form(
        Tone.CHANGE,
        mark("Updated invitation: {event}"),
        mark("{person} has changed this event."),
        mark("{person} has changed this series of events."),
        mark("{person} has changed one event of a series: {date}."),
    ),
    Kind.REPEATED: Form(
        Tone.CHANGE, mark("Updated invitation: {event}"), mark("{person} has changed this series of events.")
    ),
    Kind.CANCELLATION: Form(
        Tone.CANCEL,
        mark("Canceled: {event}"),
        mark("{person} has canceled this event."),
        mark("{person} has canceled this series of events."),
        mark("{person} has canceled one event of a series: {date}."),
    ),
    Kind.REMOVED: Form(
        Tone.CANCEL,
        mark("Canceled: {event}"),
        mark("You are no longer invited: {person} has changed the guest list."),
        "",
        mark("You are no longer invited to one event of a series: {date}. {person} has changed the guest list."),
    ),
    Kind.PUBLISHED: Form(
        Tone.NEUTRAL,
        mark("For your information: {event}"),
        mark("{person} sends you this event for your information. No answer is expected."),
    ),
    Kind.ACCEPTED: Form(Tone.YES, mark("Accepted: {event}"), mark("{person} accepts the invitation.")),
    Kind.DECLINED: Form(Tone.NO, mark("Declined: {event}"), mark("{person} declines the invitation.")),
    Kind.TENTATIVE: Form(Tone.MAYBE, mark("Tentative: {event}"), mark("{person} may attend but is not sure yet.")),
    Kind.DELEGATED: Form(
        Tone.MAYBE, mark("Delegated: {event}"), mark("{person} has passed the invitation on to {delegate}.")
    ),
    Kind.REPLY: Form(Tone.NEUTRAL, mark("Answer: {event}"), mark("{person} has not decided yet.")),
    Kind.COUNTER: Form(
        Tone.CHANGE,
        mark("Change proposed: {event}"),
        mark("{person} proposes a change. Nothing changes until you accept it."),
    ),
    Kind.PROPOSAL_DECLINED: Form(
        Tone.NO,
        mark("Proposal declined: {event}"),
        mark("{person} does not take up your proposal. The event stays as it was."),
    ),
    Kind.REFRESH: Form(
        Tone.NEUTRAL, mark("Event requested: {event}"), mark("{person} asks for the current version of this event.")
    ),
    Kind.ALARM: Form(Tone.INVITE, mark("Reminder: {event}"), mark("This event begins {in_time}.")),
    Kind.NOT_DELIVERED: Form(
        Tone.NO,
        mark("Not delivered: {event}"),
        mark("The message about this event could not be delivered to {address}."),
    ),
    Kind.DELAYED: Form(
        Tone.MAYBE,
        mark("Delayed: {event}"),
        mark("The message about this event has not reached {address} yet. Delivery is being retried."),
    ),
    Kind.ANSWER_RECORDED: Form(
        Tone.NEUTRAL, mark("Answer recorded: {event}"), mark("Your answer has been recorded: {answer}")
    ),
    Kind.HELD: Form(
        Tone.CHANGE,
        mark("Please decide: {event}"),
        mark("A change from {person} is waiting for your decision, because its origin could not be verified."),
    ),
    Kind.UNINVITED: Form(
        Tone.CHANGE,
        mark("Please decide: {event}"),
        mark("{person} answers, but is not on the guest list. Nothing changes until you decide."),
    ),
    Kind.CONSENT: Form(
        Tone.NEUTRAL,
        mark("Reminders from {person}: do you agree?"),
        mark("{person} would like to send calendar reminders to {address}."),
    ),
    Kind.ANSWERS: Form(
        Tone.NEUTRAL, mark("Answers so far: {event}"), mark("New answers to your invitation have come in.")
    ),
    Kind.WRONG_ADDRESS: Form(
        Tone.CHANGE,
        mark("Wrong address? {event}"),
        mark("Somebody who received this invitation at {address} says that it was not meant for them."),
    ),
    Kind.TEST: Form(
        Tone.NEUTRAL,
        mark("Test message from {service}"),
        mark("This is a test. Calendar mail reaches you; there is nothing to do."),
    ),
}

#: What an answer is called, by PARTSTAT (RFC 5545 §3.2.12).
ANSWERS: dict[str, str] = {
    "ACCEPTED": mark("accepted"),
    "DECLINED": mark("declined"),
    "TENTATIVE": mark("maybe"),
    "DELEGATED": mark("passed on"),
    "NEEDS-ACTION": mark("no answer yet"),
}
_REPLIES = {
    "ACCEPTED": Kind.ACCEPTED,
    "DECLINED": Kind.DECLINED,
    "TENTATIVE": Kind.TENTATIVE,
    "DELEGATED": Kind.DELEGATED,
}
ANSWER_TONES = {"ACCEPTED": Tone.YES, "DECLINED": Tone.NO, "TENTATIVE": Tone.MAYBE}


def classify(message: ItipMessage, facts: EventFacts, recipient: str) -> Kind:
    """Return the kind of mail that a message makes for one recipient."""
    if message.method in (Method.REQUEST, Method.ADD):
        if message.changes:
            return Kind.UPDATE
        own = find_guest(facts, recipient)
        return Kind.DELEGATED_TO_YOU if own and own.delegated_from else Kind.INVITATION
    if message.method == Method.CANCEL:
        return Kind.CANCELLATION if facts.status == "CANCELLED" else Kind.REMOVED
    if message.method == Method.REPLY:
        guest = find_guest(facts, message.from_address)
        return _REPLIES.get(guest.partstat if guest else "", Kind.REPLY)
    return {
        Method.PUBLISH: Kind.PUBLISHED,
        Method.COUNTER: Kind.COUNTER,
        Method.DECLINECOUNTER: Kind.PROPOSAL_DECLINED,
        Method.REFRESH: Kind.REFRESH,
    }[message.method]


def scope_of(facts: EventFacts) -> Scope:
    """Return whether a mail is about a single event, a whole series or one occurrence."""
    if facts.occurrence is not None:
        return Scope.OCCURRENCE
    return Scope.SERIES if facts.is_series else Scope.EVENT


def find_guest(facts: EventFacts, address: str) -> Guest | None:
    """Return the guest with this address; a calendar that names one guest only names that one."""
    for guest in facts.guests:
        if same_address(guest.address, address):
            return guest
    return None
