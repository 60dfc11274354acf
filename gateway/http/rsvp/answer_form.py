# SPDX-License-Identifier: Apache-2.0
"""What an answer page asks: the answer, for which occurrence, a message, another time, undo.

An answer is never preselected: the one whose button was pressed in the mail is named and stands first, and is still to
be chosen (interop H02).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.flows.invitation import Choice, Invitation
from gateway.http.rsvp.page import Field, Form, Option
from gateway.http.rsvp.reader import Reader
from gateway.imip.dates import render_short_span
from gateway.imip.facts import EventFacts, Span, parse_facts
from gateway.imip.kinds import ANSWER_TONES, ANSWERS
from gateway.imip.words import Words, mark

#: Posted value -> the sentence beside its button, and PARTSTAT.
CHOICES: dict[str, tuple[str, str]] = {
    "accepted": (mark("Yes, I will attend"), "ACCEPTED"),
    "tentative": (mark("I am not sure yet"), "TENTATIVE"),
    "declined": (mark("No, I will not attend"), "DECLINED"),
}
#: Last word of the path -> the answer that the button in the mail stood for.
HINTS = {"accept": "accepted", "tentative": "tentative", "decline": "declined"}
_HINTED = {
    "accepted": mark("You chose “yes” in the message. Please confirm it here."),
    "tentative": mark("You chose “maybe” in the message. Please confirm it here."),
    "declined": mark("You chose “no” in the message. Please confirm it here."),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One request for a page: who reads, the invitation, where we are, and what the form holds already."""

    reader: Reader
    invitation: Invitation
    base: str
    nonce: str
    now: datetime
    hint: str = ""
    choices: tuple[Choice, ...] = ()
    typed: tuple[tuple[str, str], ...] = ()  # what was typed before the form was refused
    fault: str = ""
    fault_field: str = ""
    feed: str = ""

    @property
    def words(self) -> Words:
        return self.reader.words

    @property
    def facts(self) -> EventFacts | None:
        return parse_facts(self.invitation.calendar, (self.invitation.recurrence_id,))

    @property
    def is_part(self) -> bool:
        """Whether this is one occurrence of a series all of which the link is for."""
        return bool(self.invitation.recurrence_id and not self.invitation.link.recurrence_id)

    def was_typed(self, name: str) -> str:
        return dict(self.typed).get(name, "")


def answer_form(scene: Scene) -> Form:
    """Return the question."""
    words = scene.words
    order = sorted(CHOICES, key=lambda value: value != scene.hint)
    options = tuple(
        Option(value, words.label(CHOICES[value][0]), tone=str(ANSWER_TONES[CHOICES[value][1]])) for value in order
    )
    error = scene.fault if scene.fault_field == "status" else ""
    asked = words.say(_HINTED[scene.hint]) if scene.hint else words.label("Your answer")
    whose = tuple(_occurrences(scene, words.label("This answer is for")))
    fields = [Field("radios", "status", asked, options=options, required=True, error=error), *whose, *comment(scene)]
    return form(scene, words.label("Send answer"), fields)


def undo_form(scene: Scene, before: str) -> Form:
    """Return the button that puts the answer back."""
    words = scene.words
    undo = form(scene, words.label("Undo"), [])
    answer = words.label(ANSWERS.get(before, ANSWERS["NEEDS-ACTION"]))
    text = words.say("Before it was: {answer}", answer=answer)
    return replace(undo, hidden=(*undo.hidden, ("status", before.lower())), text=text, is_quiet=True)


def proposal_form(scene: Scene) -> Form:
    """Return the form for another time. The present time stands in it and is refused."""
    words, facts = scene.words, scene.facts
    span = facts.span if facts else None
    whole_days = bool(span and span.all_day)
    start, end = (_moment(at, whole_days) for at in present_times(scene))
    kind = "date" if whole_days else "datetime-local"
    fields = [
        *_occurrences(scene, words.label("This proposal is for")),
        Field(kind, "start", words.label("Begins"), scene.was_typed("start") or start, required=True,
              error=scene.fault if scene.fault_field == "start" else ""),
        Field(kind, "end", words.label("Ends"), scene.was_typed("end") or end, required=True,
              error=scene.fault if scene.fault_field == "end" else ""),
        *comment(scene),
    ]  # fmt: skip
    text = words.say("Times are in the time zone of the event.") if span and span.start.tzinfo else ""
    return form(scene, words.label("Send proposal"), fields, text=text)


def form(scene: Scene, submit: str, fields: Iterable[Field], *, text: str = "") -> Form:
    """Return a form with what every one of them carries along, the occurrence that the page is about too."""
    part = (("occurrence", scene.invitation.recurrence_id),) if scene.is_part else ()
    return Form(submit, tuple(fields), (("csrf", scene.nonce), *part, *scene.reader.hidden), text=text)


def comment(scene: Scene) -> Iterable[Field]:
    """Yield the field for a message to the organizer, where there may be one."""
    settings = scene.invitation.policy.rsvp
    if settings.allow_comment and settings.comment_max_length:
        label = scene.words.label("Message to the organizer (optional)")
        error = scene.fault if scene.fault_field == "comment" else ""
        limit = settings.comment_max_length
        yield Field("area", "comment", label, scene.was_typed("comment"), limit=limit, error=error)


def present_times(scene: Scene) -> tuple[datetime | None, datetime | None]:
    """Return start and end as the proposal's form shows them; the last day of whole days, not the one after."""
    facts = scene.facts
    if facts is None or facts.span is None:
        return None, None
    return form_times(replace(facts.span, end=facts.span.end or (facts.due.start if facts.due else None)))


def form_times(span: Span) -> tuple[datetime, datetime]:
    """Return start and end as a form writes them."""
    end = span.end or span.start
    return span.start, end - timedelta(days=1) if span.all_day and span.end else end


def _occurrences(scene: Scene, label: str) -> Iterable[Field]:
    words = scene.words
    if not scene.choices:
        return
    whole = Option("", words.label("The whole series"), not scene.was_typed("occurrence"))
    options = [whole]
    for choice in scene.choices:
        note = words.label(ANSWERS.get(choice.partstat, "")) if choice.partstat in ANSWERS else ""
        text = render_short_span(words, choice.span)
        chosen = choice.recurrence_id == scene.was_typed("occurrence")
        options.append(Option(choice.recurrence_id, f"{text} · {note}" if note else text, chosen))
    yield Field("select", "occurrence", label, options=tuple(options))


def _moment(at: datetime | None, whole_days: bool) -> str:
    if at is None:
        return ""
    return at.strftime("%Y-%m-%d" if whole_days else "%Y-%m-%dT%H:%M")
