# SPDX-License-Identifier: Apache-2.0
"""`/organizer/TOKEN`: who answered what, when and by which way; what waits for a decision; asking the silent again."""

from collections.abc import Iterable
from dataclasses import replace
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import Refused
from gateway.flows.gathering import Gathering, decide_held, decide_proposal, look_as_organizer, remind
from gateway.flows.presenting import present
from gateway.http.rsvp.dead_end import note
from gateway.http.rsvp.door import BODY_LIMIT, Door, chosen
from gateway.http.rsvp.guard import Path, is_secure, read_form
from gateway.http.rsvp.page import Block, Card, Entry, Field, Form, Note, Option, Page
from gateway.http.rsvp.reader import Reader, choose_reader, settings_form
from gateway.http.rsvp.render import Look, respond
from gateway.imip.changes import render_changes
from gateway.imip.dates import read_tile, render_short_span
from gateway.imip.facts import Span, parse_facts, placed
from gateway.imip.kinds import ANSWER_TONES, ANSWERS, FORMS, Kind
from gateway.imip.letter import Tile
from gateway.imip.rows import render_rows
from gateway.imip.words import Words, mark
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.model import FieldChange
from gateway.itip.staleness import rescheduled_at
from gateway.itip.values import parse_moment_text
from gateway.store.guests import AttendeeStatus
from gateway.store.held import Held
from gateway.store.unit import Unit

_WAYS = {"mail": mark("by mail"), "link": mark("on the web page"), "local": mark("in their calendar")}
_MAX_ENTRIES = 500


class OrganizerDoor(Door):
    """The owner's page of one event."""

    async def get(self, request: Request, path: Path) -> Response:
        gathering, reader, look = await self._see(request, path, {})
        return self._show(request, path, gathering, reader, look)

    async def post(self, request: Request, path: Path) -> Response:
        form = await read_form(request, BODY_LIMIT)
        gathering, reader, look = await self._see(request, path, form)
        try:
            fresh = self.guard.version(request, path.token, form.get("csrf", "")) is not None
        except Refused:
            fresh = False
        if not fresh:
            return self._show(request, path, gathering, reader, look, (note(reader, 403),), 403)
        said, status = await self._do(path, form, reader), 200
        if not form.get("do"):
            said, status = Note(reader.words.say("Please choose one of the answers."), "no", "alert"), 422
        elif said is None:
            said = Note(reader.words.say("This was decided already, or the event has changed meanwhile."), "change")
            status = 409
        self.context.wake()
        gathering, reader, look = await self._see(request, path, form)
        return self._show(request, path, gathering, reader, look, (said,), status)

    async def _do(self, path: Path, form: dict[str, str], reader: Reader) -> Note | None:
        """Do what was pressed and say so; None where it cannot be done any more."""
        words, what, which = reader.words, form.get("do", ""), form.get("id", "")
        write = self.context.store.write
        try:
            if what == "remind":
                count = await write(lambda unit: remind(unit, self.context, path.token))
                text = words.count("{number} person is asked again.", "{number} people are asked again.", count)
                return Note(text, "yes")
            if what in ("release", "reject"):
                release = what == "release"
                await write(lambda unit: decide_held(unit, self.context, path.token, which, release=release))
                return Note(words.say("Your decision has been recorded."), "yes")
            if what in ("accept", "decline"):
                accept = what == "accept"
                await write(lambda unit: decide_proposal(unit, self.context, path.token, which, accept=accept))
                return Note(words.say("Your decision has been recorded."), "yes")
        except Refused as error:
            if error.code in ("not-found", "link-ended"):
                raise
        return None

    async def _see(self, request: Request, path: Path, form: dict[str, str]) -> tuple[Gathering, Reader, Look]:
        def fn(unit: Unit) -> tuple[Gathering, str, str | None, Look]:
            gathering = look_as_organizer(unit, self.context, path.token)
            shown = present(unit, self.context, gathering.account, gathering.account.address)
            return gathering, shown.locale, shown.time_zone, Look(shown.branding)

        gathering, locale, zone, look = await self.context.store.read(fn)
        accepted = request.headers.get("accept-language", "")
        reader = choose_reader(
            chosen(form or request.query_params), known=gathering.account.locale or "", accepted=accepted,
            otherwise=locale, known_zone=zone,
        )  # fmt: skip
        return gathering, reader, look

    def _show(
        self,
        request: Request,
        path: Path,
        gathering: Gathering,
        reader: Reader,
        look: Look,
        notes: tuple[Note, ...] = (),
        status: int = 200,
    ) -> Response:
        page = organizer_page(gathering, reader, self.guard.nonce(path.token))
        return respond(replace(page, notes=notes), look, status, secure=is_secure(request))


def organizer_page(gathering: Gathering, reader: Reader, nonce: str) -> Page:
    """Return the page as a value."""
    words = reader.words
    facts = parse_facts(gathering.item.ical, ("",))
    hidden = (("csrf", nonce), *reader.hidden)
    title = (facts.title if facts else "") or words.label("(no title)")
    rows = tuple(row for row in render_rows(words, facts, reader.zone, brief=True) if row.lines) if facts else ()
    tile = Tile(*read_tile(words, facts.span)) if facts and facts.span else None
    state = _tally(gathering, reader)
    blocks = [Block(words.label("Answers"), tuple(_answers(gathering, reader)), words.say("Nobody is invited."))]
    if gathering.proposals:
        blocks.insert(0, Block(words.label("Proposed changes"), tuple(_proposals(gathering, reader, hidden))))
    if gathering.held:
        blocks.insert(0, Block(words.label("Waiting for your decision"), tuple(_held(gathering, reader, hidden))))
    asides: tuple[Form, ...] = ()
    if gathering.silent:
        text = words.count(
            "{number} person has not answered yet.", "{number} people have not answered yet.", len(gathering.silent)
        )
        sure = Field("check", "do", words.label("Send the invitation to them once more"), "remind", required=True)
        asides = (Form(words.label("Ask again"), (sure,), hidden, text=text, is_quiet=True),)
    return Page(
        language=words.tag,
        direction=words.direction,
        title=f"{title} · {state}",
        state=state,
        before=words.label("Before"),
        now=words.label("Proposed"),
        tone="neutral",
        card=Card(title, rows, tile, gathering.item.status == "CANCELLED"),
        asides=asides,
        blocks=tuple(blocks),
        settings=settings_form(reader, facts.span.start if facts and facts.span and facts.span.start.tzinfo else None),
        settings_label=words.label("Language and time zone"),
        footer=(words.say("Please do not forward it: whoever has it can answer in your name."),),
    )


def _tally(gathering: Gathering, reader: Reader) -> str:
    """Return how many said what, in the order of the answers' table."""
    words = reader.words
    counts = dict.fromkeys(ANSWERS, 0)
    for status in gathering.statuses:
        if not status.recurrence_id and status.partstat in counts:
            counts[status.partstat] += 1
    said = " · ".join(f"{words.label(ANSWERS[name])}: {count}" for name, count in counts.items() if count)
    return said[:1].upper() + said[1:]


def _answers(gathering: Gathering, reader: Reader) -> Iterable[Entry]:
    words = reader.words
    for status in gathering.statuses[:_MAX_ENTRIES]:
        name = _name(gathering, status.address)
        answer = words.label(ANSWERS.get(status.partstat, ANSWERS["NEEDS-ACTION"]))
        details = [answer, *([status.address] if name else []), *_when(gathering, status, reader)]
        if (status.schedule_status or "").startswith(("3.", "5.")):
            details.append(words.say("The message could not be delivered."))
        tone = str(ANSWER_TONES.get(status.partstat, "neutral"))
        comment = status.comment if status.partstat != "NEEDS-ACTION" else None
        yield Entry(name or status.address, tuple(details), comment or "", tone=tone)


def _name(gathering: Gathering, address: str) -> str:
    party = gathering.subject.everyone.get(address)
    return party.name if party and party.name else ""


def _when(gathering: Gathering, status: AttendeeStatus, reader: Reader) -> Iterable[str]:
    words = reader.words
    if status.recurrence_id:
        yield _instance(gathering, status.recurrence_id, reader)
    if status.partstat == "NEEDS-ACTION":
        return  # what was answered before a reschedule is no answer to the new time
    if status.answered_at is not None:
        zone = reader.zone or "UTC"
        yield render_short_span(words, Span(status.answered_at.astimezone(ZoneInfo(zone))))
    if status.via in _WAYS:
        yield words.label(_WAYS[status.via])
    if _is_to_another_time(gathering, status):
        yield words.label("before the event was changed")


def _is_to_another_time(gathering: Gathering, status: AttendeeStatus) -> bool:
    """Tell whether an answer is kept that was given before its event was rescheduled."""
    subject = gathering.subject
    part = subject.component(_key(gathering, status.recurrence_id) or MASTER) or subject.master
    return part is not None and status.sequence is not None and status.sequence < rescheduled_at(part)


def _instance(gathering: Gathering, recurrence_id: str, reader: Reader) -> str:
    key = _key(gathering, recurrence_id)
    try:
        moment = gathering.subject.series.moment_of(key) if key else None
    except Refused:
        moment = None
    if moment is None:
        return recurrence_id
    return render_short_span(reader.words, Span(placed(moment, gathering.subject.zones), None, moment.is_date))


def _key(gathering: Gathering, recurrence_id: str) -> InstanceKey | None:
    try:
        return gathering.subject.series.key_of(parse_moment_text(recurrence_id)) if recurrence_id else MASTER
    except Refused:
        return None


def _proposals(gathering: Gathering, reader: Reader, hidden: tuple[tuple[str, str], ...]) -> Iterable[Entry]:
    words = reader.words
    for proposal in gathering.proposals:
        facts = parse_facts(gathering.item.ical, (proposal.recurrence_id,))
        changes = tuple(
            FieldChange(str(c["name"]), c.get("old"), c.get("new"), str(c.get("recurrence_id") or ""))
            for c in proposal.changes
        )
        rows = render_changes(words, changes, facts, gathering.item.ical) if facts else ()
        said = tuple(f"{row.label}: {row.new or '–'}" for row in rows)
        buttons = (("accept", words.label("Accept the proposal")), ("decline", words.label("Keep the event as it is")))
        forms = (_decision(words, buttons, hidden, proposal.id),)
        name = _name(gathering, proposal.address)
        yield Entry(name or proposal.address, (*([proposal.address] if name else []), *said), proposal.comment or "",
                    forms, "")  # fmt: skip


def _held(gathering: Gathering, reader: Reader, hidden: tuple[tuple[str, str], ...]) -> Iterable[Entry]:
    words = reader.words
    for held in gathering.held:
        buttons = (("release", words.label("Accept it")), ("reject", words.label("Ignore it")))
        forms = (_decision(words, buttons, hidden, held.id),)
        says, comment = _claims(held, words)
        yield Entry(held.from_address, (_why_it_waits(held, words), *says), comment, forms, "")


def _why_it_waits(held: Held, words: Words) -> str:
    if held.rule == "reply.uninvited":
        return words.say(FORMS[Kind.UNINVITED].headline, person=held.from_address)
    return words.label(_ASKS.get(held.method, _ASKS[""]))


def _claims(held: Held, words: Words) -> tuple[tuple[str, ...], str]:
    """Return what an answer that waits says, for whom, and its comment: nobody decides on what they cannot see."""
    facts = parse_facts(held.ical, ("",)) if held.method == "REPLY" else None
    if facts is None:
        return (), ""
    answers = tuple(
        f"{words.isolated(guest.shown)}: {words.label(ANSWERS[guest.partstat])}"
        for guest in facts.guests[:3]
        if guest.partstat in ANSWERS
    )
    return answers, facts.comment


_ASKS = {
    "REPLY": mark("An answer that could not be verified"),
    "": mark("A change that could not be verified"),
}


def _decision(
    words: Words, choices: tuple[tuple[str, str], ...], hidden: tuple[tuple[str, str], ...], which: str
) -> Form:
    """Return the question for one decision: nothing is preselected, so a robot that presses buttons decides nothing."""
    options = tuple(Option(what, text) for what, text in choices)
    field = Field("radios", "do", words.label("Your decision"), options=options, required=True)
    return Form(words.label("Confirm"), (field,), (*hidden, ("id", which)), is_quiet=True)
