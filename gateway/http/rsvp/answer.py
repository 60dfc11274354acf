# SPDX-License-Identifier: Apache-2.0
"""`/rsvp/TOKEN`: GET and HEAD show, POST answers. Below it: another time, passing on, not me, the file."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import Refused
from gateway.flows import rsvp
from gateway.flows.invitation import Invitation, choices, event_feed, event_file, look, look_at_feed
from gateway.flows.link_arrival import Answered
from gateway.flows.links import FEED_LENGTH, feed_url
from gateway.flows.presenting import present
from gateway.flows.rsvp_proposal import GivenProposal, propose
from gateway.http.rsvp import answer_page as pages
from gateway.http.rsvp.answer_fault import answer_fault, proposal_fault, read_wall
from gateway.http.rsvp.answer_form import CHOICES, HINTS, Scene
from gateway.http.rsvp.dead_end import note
from gateway.http.rsvp.door import BODY_LIMIT, Door, chosen
from gateway.http.rsvp.guard import Path, caller, is_secure, read_form
from gateway.http.rsvp.page import Page
from gateway.http.rsvp.reader import choose_reader
from gateway.http.rsvp.render import SAFE, Look, respond
from gateway.store.unit import Unit
from policies.rsvp import APPLY, SAME
from policies.verdict import Verdict

_BELOW: dict[str, Callable[[Scene], Page]] = {
    "propose": pages.propose_page,
    "delegate": pages.delegate_page,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """An invitation, and how it is shown to its guest."""

    invitation: Invitation
    locale: str
    zone: str | None
    otherwise: str
    look: Look


class AnswerDoor(Door):
    """The pages of an answer link."""

    async def get(self, request: Request, path: Path) -> Response:
        if path.action == "event.ics" and len(path.token) == FEED_LENGTH:
            followed = await self.context.store.read(lambda unit: look_at_feed(unit, self.context, path.token))
            return _calendar(event_feed(followed))
        seen = await self._look(path)
        if path.action == "event.ics":
            return self._file(request, seen)
        scene = self._scene(request, path, seen)
        page = self._shown(path, scene)
        works = seen.invitation.is_open or path.action == "not-me"
        return self._respond(request, seen, page, 200 if works else 410)

    def _shown(self, path: Path, scene: Scene) -> Page:
        if scene.invitation.is_open and self._permits(path.action, scene.invitation):
            return _BELOW[path.action](scene)
        if path.action == "not-me":
            return pages.stranger_page(scene, noted=False)
        return pages.question_page(scene)

    def _permits(self, action: str, invitation: Invitation) -> bool:
        settings = invitation.policy.rsvp
        return {"propose": settings.allow_proposals, "delegate": settings.allow_delegation}.get(action, False)

    async def post(self, request: Request, path: Path) -> Response:
        form = await read_form(request, BODY_LIMIT)
        try:
            version, typed = self.guard.version(request, path.token, form.get("csrf", "")), tuple(form.items())
        except Refused:
            version, typed = None, ()
        answers = path.action == "delegate" or form.get("status", "").lower() in (*CHOICES, "needs-action")
        if version is not None and answers and path.action not in ("not-me", "propose"):
            return await self._give(request, path, form, version)
        seen = await self._look(path)
        if path.action != "not-me" and not seen.invitation.is_open:
            return self._closed(request, path, seen, form)
        if version is None:
            return self._again(request, path, seen, form, typed)
        if path.action == "not-me":
            return await self._not_me(request, path, seen, form)
        if path.action == "propose":
            return await self._propose(request, path, seen, form, version)
        return self._refuse(
            request, path, seen, form, *answer_fault(self._scene(request, path, seen), path.action, form)
        )

    async def _give(self, request: Request, path: Path, form: dict[str, str], version: str) -> Response:
        """Give the answer, and look at what is wrong with the form only where it cannot be given."""
        given = rsvp.GivenAnswer(
            token=path.token,
            partstat="DELEGATED" if path.action == "delegate" else form.get("status", "").upper(),
            version=version,
            comment=form.get("comment", "").strip(),
            recurrence_id=form.get("occurrence", ""),
            delegate=form.get("delegate", "").strip(),
            caller=caller(request, self.context),
        )

        def fn(unit: Unit) -> tuple[Answered, Seen]:
            answered = rsvp.answer(unit, self.context, given)
            return answered, self._see(unit, answered.invitation)

        try:
            answered, seen = await self.context.store.write(fn)
        except Refused as error:
            if error.code != "usage":
                raise
            seen = await self._look(path)
            if not seen.invitation.is_open:
                return self._closed(request, path, seen, form)
            fault = answer_fault(self._scene(request, path, seen), path.action, form)
            return self._refuse(request, path, seen, form, *fault)
        self.context.wake()
        scene = self._scene(request, path, seen, form)
        page = pages.answered_page(scene, answered.verdict, answered.before)
        return self._respond(request, seen, page, _status(answered.verdict))

    async def _propose(self, request: Request, path: Path, seen: Seen, form: dict[str, str], version: str) -> Response:
        scene = self._scene(request, path, seen, form)
        start, end = (read_wall(form.get(name, "")) for name in ("start", "end"))
        fault = proposal_fault(scene, form, start, end)
        if start is None or end is None or fault is not None:
            return self._refuse(request, path, seen, form, *(fault or ("start", "")))
        given = GivenProposal(
            path.token, version, start, end, form.get("comment", "").strip(), form.get("occurrence", ""),
            caller(request, self.context),
        )  # fmt: skip
        proposed = await self.context.store.write(lambda unit: propose(unit, self.context, given))
        self.context.wake()
        if proposed.verdict.action != APPLY:
            page = pages.answered_page(scene, proposed.verdict, proposed.before)
            return self._respond(request, seen, page, _status(proposed.verdict))
        return self._respond(request, seen, pages.proposed_page(scene))

    async def _not_me(self, request: Request, path: Path, seen: Seen, form: dict[str, str]) -> Response:
        scene = self._scene(request, path, seen)
        if form.get("sure") != "yes":
            return self._refuse(request, path, seen, form, "sure", scene.words.say("Please tick the box first."))
        who = caller(request, self.context)
        await self.context.store.write(lambda unit: rsvp.report_stranger(unit, self.context, path.token, who))
        self.context.wake()
        return self._respond(request, seen, pages.stranger_page(scene, noted=True))

    def _refuse(
        self, request: Request, path: Path, seen: Seen, form: dict[str, str], field: str, text: str
    ) -> Response:
        scene = self._scene(request, path, seen, form, fault=text, field=field)
        return self._respond(request, seen, self._shown(path, scene), 422)

    def _again(
        self, request: Request, path: Path, seen: Seen, form: dict[str, str], typed: tuple[tuple[str, str], ...]
    ) -> Response:
        """Show the form once more, with a nonce that is good: the old one was too old, or none of ours."""
        scene = replace(self._scene(request, path, seen, form), typed=typed)
        page = self._shown(path, scene)
        notes = (note(scene.reader, 403), *page.notes)
        return self._respond(request, seen, replace(page, notes=notes), 403)

    def _closed(self, request: Request, path: Path, seen: Seen, form: dict[str, str]) -> Response:
        return self._respond(request, seen, pages.question_page(self._scene(request, path, seen, form)), 410)

    async def _look(self, path: Path) -> Seen:
        return await self.context.store.read(lambda unit: self._see(unit, look(unit, self.context, path.token)))

    def _see(self, unit: Unit, invitation: Invitation) -> Seen:
        guest = invitation.guest
        account = invitation.account
        language = guest.prop.param("LANGUAGE") or ""
        shown = present(unit, self.context, account, guest.spelled, language=language)
        reader = unit.accounts.by_address(guest.address)
        known = (reader.locale if reader else None) or language
        template = invitation.policy.scheduling.http_rsvp_template
        return Seen(invitation, known or "", shown.time_zone, shown.locale, Look(shown.branding, template))

    def _scene(
        self,
        request: Request,
        path: Path,
        seen: Seen,
        form: dict[str, str] | None = None,
        *,
        fault: str = "",
        field: str = "",
    ) -> Scene:
        reader = choose_reader(
            chosen(form if form is not None else request.query_params),
            known=seen.locale,
            accepted=request.headers.get("accept-language", ""),
            otherwise=seen.otherwise,
            known_zone=seen.zone,
        )
        now = self.context.clock.now()
        return Scene(
            reader=reader,
            invitation=seen.invitation,
            base=path.base,
            nonce=self.guard.nonce(path.token, seen.invitation.version),
            now=now,
            hint=HINTS.get(path.action, "") if form is None or fault else "",
            choices=choices(seen.invitation, now) if seen.invitation.is_open else (),
            typed=tuple(form.items()) if form and fault else (),
            fault=fault,
            fault_field=field,
            feed=feed_url(self.context, seen.invitation.link, seen.invitation.policy.scheduling),
        )

    def _file(self, request: Request, seen: Seen) -> Response:
        if not seen.invitation.is_open:
            raise Refused("link-ended", "The event is over")
        return _calendar(event_file(seen.invitation))

    def _respond(self, request: Request, seen: Seen, page: Page, status: int = 200) -> Response:
        return respond(page, seen.look, status, secure=is_secure(request))


def _status(verdict: Verdict) -> int:
    """200 counts, 409 asks again (nothing was stored), 410 can no longer be answered."""
    if verdict.action in (APPLY, SAME):
        return 200
    return 409 if verdict.action == "ask-again" else 410


def _calendar(text: str) -> Response:
    headers = {**SAFE, "Content-Disposition": 'attachment; filename="event.ics"'}
    return Response(text.encode("utf-8", "surrogateescape"), headers=headers, media_type="text/calendar")
