# SPDX-License-Identifier: Apache-2.0
"""The pages of an answer link as values: the question, what was answered, another time, passing on, not me.

They show what the mail shows, in the words and the order of the mail; what they ask is in `answer_form`.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from gateway.flows.invitation import changes_since
from gateway.http.rsvp.answer_form import Scene, answer_form, comment, form, proposal_form, undo_form
from gateway.http.rsvp.page import Card, Field, Go, Here, Note, Page
from gateway.http.rsvp.reader import settings_form
from gateway.imip.changes import render_changes
from gateway.imip.dates import read_tile
from gateway.imip.facts import EventFacts, Span
from gateway.imip.kinds import ANSWER_TONES, ANSWERS
from gateway.imip.letter import Section, Tile
from gateway.imip.rows import render_guests, render_rows
from gateway.itip.model import Partstat
from policies.rsvp import APPLY, ASK_AGAIN, SAME
from policies.verdict import Verdict

#: Our script, beside the tokens; a page's `base` leads below its own.
SCRIPT = "zone.js"
#: Characters of a text that may stand before the question without pushing it away.
_SHORT = 400
_UNDONE = (Partstat.ACCEPTED, Partstat.TENTATIVE, Partstat.DECLINED, Partstat.NEEDS_ACTION)


def question_page(scene: Scene) -> Page:
    """Return the page that asks for the answer, or says why there is nothing to answer."""
    words, invitation = scene.words, scene.invitation
    notes = list(_fault(scene))
    if not invitation.is_open:
        return _closed_page(scene)
    if invitation.was_rescheduled:
        text = words.say("The event has changed since this link was sent. Please look at the details below.")
        notes.append(Note(text, "change"))
    page = _page(scene, words.label("Will you attend?"), "invite", (*notes, *_so_far(scene)))
    return replace(page, forms=(answer_form(scene),), ways=tuple(_ways(scene)), exits=_exits(scene))


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
    again = replace(answer_form(scene), heading=words.label("Change the answer"), is_quiet=True)
    can_undo = verdict.action == APPLY and before != invitation.partstat and before in _UNDONE
    undo = undo_form(scene, before) if can_undo else None
    return replace(page, undo=undo, changes=None, forms=(again,), ways=tuple(_ways(scene)), exits=_exits(scene))


def proposed_page(scene: Scene) -> Page:
    """Return the page after a proposal."""
    words = scene.words
    notes = (Note(words.say("Nothing changes until the organizer accepts it.")),)
    page = _page(scene, words.say("Your proposal has been sent to the organizer."), "yes", notes)
    return replace(page, ways=(_back(scene),))


def propose_page(scene: Scene) -> Page:
    """Return the page on which another time is proposed."""
    words = scene.words
    page = _page(scene, words.label("Propose another time"), "change", tuple(_fault(scene)))
    return replace(page, forms=(proposal_form(scene),), ways=(_back(scene),))


def delegate_page(scene: Scene) -> Page:
    """Return the page on which the invitation is passed on."""
    words = scene.words
    error = scene.fault if scene.fault_field == "delegate" else ""
    typed = scene.was_typed("delegate")
    fields = [
        Field("email", "delegate", words.label("Mail address of this person"), typed, required=True, error=error,
              limit=254),
        *comment(scene),
    ]  # fmt: skip
    text = words.say("This person receives the invitation, and you no longer take part.")
    asked = form(scene, words.label("Pass on"), fields, text=text)
    page = _page(scene, words.label("Pass the invitation on to somebody else"), "change", tuple(_fault(scene)))
    return replace(page, forms=(asked,), ways=(_back(scene),))


def stranger_page(scene: Scene, *, noted: bool) -> Page:
    """Return the page for somebody whom the mail was not meant for. It shows nothing of the event."""
    words = scene.words
    if noted:
        state = words.say("Thank you. The organizer will be told that this address is wrong.")
        return _bare(scene, state, "yes", ())
    error = scene.fault if scene.fault_field == "sure" else ""
    sure = Field("check", "sure", words.label("This message was not meant for me"), "yes", required=True, error=error)
    asked = form(scene, words.label("Tell the organizer"), [sure])
    page = _bare(scene, words.label("This is not me"), "change", tuple(_fault(scene)))
    return replace(page, forms=(asked,), ways=(_back(scene),))


def _closed_page(scene: Scene) -> Page:
    words, cancelled = scene.words, scene.invitation.verdict.rule == "rsvp.cancelled"
    state = (
        words.say("This event has been canceled.")
        if cancelled
        else words.say("This event is over and can no longer be answered.")
    )
    page = _page(scene, state, "cancel" if cancelled else "neutral", () if cancelled else tuple(_so_far(scene)))
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
    long = tuple(row for row in rows if sum(len(line.text) for line in row.lines) > _SHORT)
    here = None if scene.reader.zone else _here(scene, facts.span)
    hidden = invitation.item.hide_attendees
    show = invitation.policy.rsvp.show_guests and not hidden
    return replace(
        page,
        title=f"{title} · {state}",
        card=Card(
            title,
            tuple(row for row in rows if row not in long),
            Tile(*read_tile(words, facts.span)) if facts.span else None,
            here=here,
        ),
        below=long,
        script=scene.base + "../" + SCRIPT if here else "",
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


def _ways(scene: Scene) -> Iterable[Go]:
    words, settings = scene.words, scene.invitation.policy.rsvp
    if scene.is_part:
        yield _back(scene)
    yield Go(words.label("Add to my calendar"), scene.base + "event.ics")
    if scene.feed:
        yield Go(words.label("Subscribe in my calendar"), scene.feed)
    if settings.allow_proposals:
        yield Go(words.label("Propose another time"), scene.base + "propose")
    if settings.allow_delegation:
        yield Go(words.label("Pass the invitation on to somebody else"), scene.base + "delegate")


def _back(scene: Scene) -> Go:
    return Go(scene.words.label("Back to the invitation"), scene.base + ".")


def _exits(scene: Scene) -> tuple[Go, ...]:
    return (Go(scene.words.label("This is not me"), scene.base + "not-me"),)


def _so_far(scene: Scene) -> Iterable[Note]:
    words, partstat = scene.words, scene.invitation.partstat
    if partstat == Partstat.NEEDS_ACTION:
        return
    answer = words.label(ANSWERS.get(partstat, ANSWERS["NEEDS-ACTION"]))
    invitation = scene.invitation
    if invitation.is_open and invitation.answered_sequence is not None and not invitation.answer_stands:
        text = words.say("Your answer before the event was changed: {answer}. Please answer again.", answer=answer)
        yield Note(text, "change")
        return
    yield Note(words.say("Your answer so far: {answer}", answer=answer), ANSWER_TONES.get(partstat, "neutral"))


def _fault(scene: Scene) -> Iterable[Note]:
    if scene.fault:
        yield Note(scene.fault, "no", "alert")


def _here(scene: Scene, span: Span | None) -> Here | None:
    """Return what a browser needs to say the time in its own zone; days and floating times are the same everywhere."""
    if span is None or span.all_day or span.is_floating:
        return None
    offset = span.start.utcoffset()
    starts, ends = (at.astimezone(UTC).isoformat() if at else "" for at in (span.start, span.end))
    minutes = int(offset.total_seconds() // 60) if offset is not None else 0
    return Here(scene.words.label("In your time zone"), starts, ends, minutes)


def masked(address: str) -> str:
    """Return an address as its owner recognizes it and nobody else learns it.

    >>> masked("lee.kim@partner.example")
    'l…@partner.example'
    """
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}" if at else "…"
