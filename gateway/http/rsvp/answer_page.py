# SPDX-License-Identifier: Apache-2.0
"""The pages of an answer link as values: the question, what was answered, another time, passing on, not me.

They show what the mail shows, in the words and the order of the mail. An answer is never preselected: the one whose
button was pressed in the mail is named and stands first, and is still to be chosen (interop H02).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.flows.invitation import Choice, Invitation, changes_since
from gateway.http.rsvp.page import Card, Field, Form, Go, Note, Option, Page
from gateway.http.rsvp.reader import Reader, settings_form
from gateway.imip.changes import render_changes
from gateway.imip.dates import read_tile, render_short_span
from gateway.imip.facts import EventFacts, parse_facts
from gateway.imip.kinds import ANSWER_TONES, ANSWERS
from gateway.imip.letter import Section, Tile
from gateway.imip.rows import render_guests, render_rows
from gateway.imip.words import Words, mark
from policies.rsvp import APPLY, ASK_AGAIN, SAME
from policies.verdict import Verdict

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

    @property
    def words(self) -> Words:
        return self.reader.words

    @property
    def facts(self) -> EventFacts | None:
        return parse_facts(self.invitation.calendar, (self.invitation.recurrence_id,))

    def was_typed(self, name: str) -> str:
        return dict(self.typed).get(name, "")


def question_page(scene: Scene) -> Page:
    """Return the page that asks for the answer, or says why there is nothing to answer."""
    words, invitation = scene.words, scene.invitation
    notes = list(_fault(scene))
    if not invitation.is_open:
        return _closed_page(scene)
    if invitation.was_rescheduled:
        text = words.say("The event has changed since this link was sent. Please look at the details below.")
        notes.append(Note(text, "change"))
    if invitation.partstat != "NEEDS-ACTION":
        answer = words.label(ANSWERS.get(invitation.partstat, ANSWERS["NEEDS-ACTION"]))
        tone = ANSWER_TONES.get(invitation.partstat, "neutral")
        notes.append(Note(words.say("Your answer so far: {answer}", answer=answer), tone))
    page = _page(scene, words.label("Will you attend?"), "invite", tuple(notes))
    return replace(page, forms=(_answer_form(scene),), ways=tuple(_ways(scene)))


def answered_page(scene: Scene, verdict: Verdict, before: str) -> Page:
    """Return the page after an answer: what is stored now, and how to change it."""
    words, invitation = scene.words, scene.invitation
    if verdict.action not in (APPLY, SAME):
        return _asked_again(scene, verdict)
    answer = words.label(ANSWERS.get(invitation.partstat, ANSWERS["NEEDS-ACTION"]))
    tone = ANSWER_TONES.get(invitation.partstat, "neutral")
    notes = [Note(words.say("You can change your answer on this page until the event is over."))]
    if verdict.action == APPLY:
        notes.insert(0, Note(words.say("The organizer has been told.")))
    page = _page(scene, words.say("Your answer has been recorded: {answer}", answer=answer), str(tone), tuple(notes))
    forms = [replace(_answer_form(scene), heading=words.label("Change the answer"), is_quiet=True)]
    if verdict.action == APPLY and before != invitation.partstat:
        forms.insert(0, _undo(scene, before))
    return replace(page, changes=None, forms=tuple(forms), ways=tuple(_ways(scene)))


def proposed_page(scene: Scene) -> Page:
    """Return the page after a proposal."""
    words = scene.words
    notes = (Note(words.say("Nothing changes until the organizer accepts it.")),)
    page = _page(scene, words.say("Your proposal has been sent to the organizer."), "yes", notes)
    return replace(page, ways=(Go(words.label("Back to the invitation"), scene.base + "."),))


def propose_page(scene: Scene) -> Page:
    """Return the page on which another time is proposed. The present time stands in the form and is refused."""
    words, facts = scene.words, scene.facts
    span = facts.span if facts else None
    whole_days = bool(span and span.all_day)
    start, end = (_moment(at, whole_days) for at in present_times(scene))
    kind = "date" if whole_days else "datetime-local"
    fields = [
        Field(kind, "start", words.label("Begins"), scene.was_typed("start") or start, required=True,
              error=scene.fault if scene.fault_field == "start" else ""),
        Field(kind, "end", words.label("Ends"), scene.was_typed("end") or end, required=True),
        *_comment(scene),
    ]  # fmt: skip
    text = words.say("Times are in the time zone of the event.") if span and span.start.tzinfo else ""
    form = _form(scene, words.label("Send proposal"), fields, text=text)
    page = _page(scene, words.label("Propose another time"), "change", tuple(_fault(scene)))
    return replace(page, forms=(form,), ways=(Go(words.label("Back to the invitation"), scene.base + "."),))


def delegate_page(scene: Scene) -> Page:
    """Return the page on which the invitation is passed on."""
    words = scene.words
    error = scene.fault if scene.fault_field == "delegate" else ""
    typed = scene.was_typed("delegate")
    fields = [
        Field("email", "delegate", words.label("Mail address of this person"), typed, required=True, error=error,
              limit=254),
        *_comment(scene),
    ]  # fmt: skip
    text = words.say("This person receives the invitation, and you no longer take part.")
    form = _form(scene, words.label("Pass on"), fields, text=text)
    page = _page(scene, words.label("Pass the invitation on to somebody else"), "change", tuple(_fault(scene)))
    return replace(page, forms=(form,), ways=(Go(words.label("Back to the invitation"), scene.base + "."),))


def stranger_page(scene: Scene, *, noted: bool) -> Page:
    """Return the page for somebody whom the mail was not meant for. It shows nothing of the event."""
    words = scene.words
    if noted:
        state = words.say("Thank you. The organizer will be told that this address is wrong.")
        return _bare(scene, state, "yes", ())
    sure = Field("check", "sure", words.label("This message was not meant for me"), "yes", required=True)
    form = _form(scene, words.label("Tell the organizer"), [sure])
    page = _bare(scene, words.label("This is not me"), "change", tuple(_fault(scene)))
    return replace(page, forms=(form,), ways=(Go(words.label("Back to the invitation"), scene.base + "."),))


def _closed_page(scene: Scene) -> Page:
    words, cancelled = scene.words, scene.invitation.verdict.rule == "rsvp.cancelled"
    state = (
        words.say("This event has been canceled.")
        if cancelled
        else words.say("This event is over and can no longer be answered.")
    )
    page = _page(scene, state, "cancel" if cancelled else "neutral", ())
    card = replace(page.card, is_over=cancelled) if page.card else None
    return replace(page, card=card, changes=None)


def _asked_again(scene: Scene, verdict: Verdict) -> Page:
    """Return the question once more, and say why: the time moved, or two answers came at once."""
    words = scene.words
    if not scene.invitation.is_open:
        return _closed_page(scene)
    if verdict.rule == "rsvp.burst":
        text = words.say("Another answer was given a moment ago. Please choose once more.")
    elif verdict.action == ASK_AGAIN:
        text = words.say("The event has changed meanwhile, and your answer has not been recorded. Please answer again.")
    else:
        text = words.say("Please choose one of the answers.")
    page = question_page(scene)
    return replace(page, notes=(Note(text, "change", "alert"), *(n for n in page.notes if n.tone != "change")))


def _page(scene: Scene, state: str, tone: str, notes: tuple[Note, ...]) -> Page:
    words, facts, invitation = scene.words, scene.facts, scene.invitation
    at = facts.span.start if facts and facts.span and facts.span.start.tzinfo else None
    page = _bare(scene, state, tone, notes, at)
    if facts is None:
        return page
    title = facts.title or words.label("(no title)")
    shown = replace(facts, guest_count=max(facts.guest_count, invitation.guest_count))
    rows = tuple(row for row in render_rows(words, facts, scene.reader.zone, brief=False) if row.lines)
    hidden = invitation.item.hide_attendees
    show = invitation.policy.rsvp.show_guests and not hidden
    return replace(
        page,
        title=f"{title} · {state}",
        card=Card(title, rows, Tile(*read_tile(words, facts.span)) if facts.span else None),
        changes=_changes(scene, facts),
        guests=render_guests(words, shown, hidden=hidden) if show or hidden else None,
        settings_label=words.label("Language and time zone"),
    )


def _bare(scene: Scene, state: str, tone: str, notes: tuple[Note, ...], at: datetime | None = None) -> Page:
    words = scene.words
    return Page(
        language=words.tag,
        direction=words.direction,
        title=state,
        state=state,
        before=words.label("Before"),
        now=words.label("Now"),
        tone=tone,
        notes=notes,
        settings=settings_form(scene.reader, at),
        settings_label=words.label("Language"),
        footer=(words.say("You answer as {address}.", address=masked(scene.invitation.guest.spelled)),),
    )


def _changes(scene: Scene, facts: EventFacts) -> Section | None:
    """Say what is different from the mail: who comes from an old mail must not accept a time that is gone."""
    words = scene.words
    rows = render_changes(words, changes_since(scene.invitation), facts, scene.invitation.calendar)
    return Section(words.label("What has changed"), changes=rows) if rows else None


def _answer_form(scene: Scene) -> Form:
    words = scene.words
    order = sorted(CHOICES, key=lambda value: value != scene.hint)
    options = tuple(Option(value, words.label(CHOICES[value][0])) for value in order)
    error = scene.fault if scene.fault_field == "status" else ""
    asked = words.say(_HINTED[scene.hint]) if scene.hint else words.label("Your answer")
    fields = [Field("radios", "status", asked, options=options, required=True, error=error), *_occurrences(scene)]
    return _form(scene, words.label("Send answer"), [*fields, *_comment(scene)])


def _occurrences(scene: Scene) -> Iterable[Field]:
    words = scene.words
    if not scene.choices:
        return
    whole = Option("", words.label("The whole series"), not scene.was_typed("occurrence"))
    options = [whole]
    for choice in scene.choices:
        note = words.label(ANSWERS.get(choice.partstat, "")) if choice.partstat in ANSWERS else ""
        label = render_short_span(words, choice.span)
        chosen = choice.recurrence_id == scene.was_typed("occurrence")
        options.append(Option(choice.recurrence_id, f"{label} · {note}" if note else label, chosen))
    yield Field("select", "occurrence", words.label("This answer is for"), options=tuple(options))


def _comment(scene: Scene) -> Iterable[Field]:
    settings = scene.invitation.policy.rsvp
    if settings.allow_comment and settings.comment_max_length:
        label = scene.words.label("Message to the organizer (optional)")
        yield Field("area", "comment", label, scene.was_typed("comment"), limit=settings.comment_max_length)


def _undo(scene: Scene, before: str) -> Form:
    words = scene.words
    hidden = (("status", before.lower()), ("occurrence", scene.invitation.recurrence_id))
    form = _form(scene, words.label("Undo"), [])
    answer = words.label(ANSWERS.get(before, ANSWERS["NEEDS-ACTION"]))
    text = words.say("Before it was: {answer}", answer=answer)
    return replace(form, hidden=(*form.hidden, *hidden), text=text, is_quiet=True)


def _form(scene: Scene, submit: str, fields: Iterable[Field], *, text: str = "") -> Form:
    return Form(submit, tuple(fields), (("csrf", scene.nonce), *scene.reader.hidden), text=text)


def _ways(scene: Scene) -> Iterable[Go]:
    words, settings = scene.words, scene.invitation.policy.rsvp
    yield Go(words.label("Add to my calendar"), scene.base + "event.ics")
    if settings.allow_proposals:
        yield Go(words.label("Propose another time"), scene.base + "propose")
    if settings.allow_delegation:
        yield Go(words.label("Pass the invitation on to somebody else"), scene.base + "delegate")
    yield Go(words.label("This is not me"), scene.base + "not-me")


def _fault(scene: Scene) -> Iterable[Note]:
    if scene.fault:
        yield Note(scene.fault, "no", "alert")


def present_times(scene: Scene) -> tuple[datetime | None, datetime | None]:
    """Return start and end as the proposal's form shows them; the last day of whole days, not the one after."""
    facts = scene.facts
    span = facts.span if facts else None
    if span is None:
        return None, None
    end = span.end or span.start
    return span.start, end - timedelta(days=1) if span.all_day and span.end else end


def _moment(at: datetime | None, whole_days: bool) -> str:
    if at is None:
        return ""
    return at.strftime("%Y-%m-%d" if whole_days else "%Y-%m-%dT%H:%M")


def masked(address: str) -> str:
    """Return an address as its owner recognizes it and nobody else learns it.

    >>> masked("lee.kim@partner.example")
    'l…@partner.example'
    """
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}" if at else "…"
