# SPDX-License-Identifier: Apache-2.0
"""`/unsubscribe/TOKEN` and `/confirm/TOKEN`: people outside stop an account's alarm mails, or agree to them.

Unsubscribing takes one POST and no nonce (RFC 8058 §3.1): a mail program does it for its reader. So its token can do
nothing else. Agreeing takes a choice in our form.
"""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import Refused
from gateway.flows.consents import Standing, look_at_consent, say
from gateway.flows.presenting import present
from gateway.http.body import read_body
from gateway.http.rsvp.door import BODY_LIMIT, Door, chosen
from gateway.http.rsvp.guard import Path, is_secure, read_form
from gateway.http.rsvp.page import Field, Form, Note, Option, Page
from gateway.http.rsvp.reader import Reader, choose_reader, settings_form
from gateway.http.rsvp.render import Look, respond
from gateway.store.unit import Unit
from policies.external_recipients import Consent

_ONE_CLICK = ("List-Unsubscribe", "One-Click")
_SMALL = 4096


class ConsentDoor(Door):
    """What both pages share: look, choose the words, respond."""

    purpose = ""

    async def see(self, request: Request, path: Path, form: dict[str, str]) -> tuple[Standing, Reader, Look]:
        def fn(unit: Unit) -> tuple[Standing, str, Look]:
            standing = look_at_consent(unit, self.context, self.purpose, path.token)
            shown = present(unit, self.context, standing.account, standing.address)
            return standing, shown.locale, Look(shown.branding)

        standing, otherwise, look = await self.context.store.read(fn)
        accepted = request.headers.get("accept-language", "")
        reader = choose_reader(chosen(form or request.query_params), known="", accepted=accepted, otherwise=otherwise)
        return standing, reader, look

    async def tell(self, path: Path, consent: Consent) -> Standing:
        return await self.context.store.write(lambda unit: say(unit, self.context, self.purpose, path.token, consent))


class UnsubscribeDoor(ConsentDoor):
    """One POST stops the mails; GET only asks."""

    purpose = "unsubscribe"

    async def get(self, request: Request, path: Path) -> Response:
        standing, reader, look = await self.see(request, path, {})
        words = reader.words
        if standing.consent is Consent.WITHDRAWN:
            return self._stopped(request, standing, reader, look)
        form = Form(words.label("Stop reminders"), (), (_ONE_CLICK, *reader.hidden))
        state = words.say("Stop reminders to {address}?", address=standing.address)
        return respond(_page(reader, state, "change", form), look, secure=is_secure(request))

    async def post(self, request: Request, path: Path) -> Response:
        body = await read_body(request, _SMALL)
        if b"List-Unsubscribe" not in body or b"One-Click" not in body:  # form or multipart: RFC 8058 §3.2 permits both
            raise Refused("usage", "Send List-Unsubscribe=One-Click")
        await self.tell(path, Consent.WITHDRAWN)
        standing, reader, look = await self.see(request, path, {})
        return self._stopped(request, standing, reader, look)

    def _stopped(self, request: Request, standing: Standing, reader: Reader, look: Look) -> Response:
        state = reader.words.say("No more reminders will be sent to {address}.", address=standing.address)
        return respond(_page(reader, state, "yes", None), look, secure=is_secure(request))


class ConfirmDoor(ConsentDoor):
    """The one question to somebody outside: may this account remind you by mail?"""

    purpose = "confirm"

    async def get(self, request: Request, path: Path) -> Response:
        standing, reader, look = await self.see(request, path, {})
        return self._ask(request, path, standing, reader, look)

    async def post(self, request: Request, path: Path) -> Response:
        form = await read_form(request, BODY_LIMIT)
        standing, reader, look = await self.see(request, path, form)
        consent = {"yes": Consent.CONFIRMED, "no": Consent.WITHDRAWN}.get(form.get("agree", ""))
        try:
            fresh = self.guard.version(request, path.token, form.get("csrf", "")) is not None
        except Refused:
            fresh = False
        if consent is None or not fresh:
            return self._ask(request, path, standing, reader, look, 422 if fresh else 403)
        standing = await self.tell(path, consent)
        return self._ask(request, path, standing, reader, look)

    def _ask(
        self, request: Request, path: Path, standing: Standing, reader: Reader, look: Look, status: int = 200
    ) -> Response:
        words = reader.words
        person = standing.account.name or standing.account.address
        state = words.say(
            "{person} would like to send calendar reminders to {address}.", person=person, address=standing.address
        )
        said = {
            Consent.CONFIRMED: words.say(
                "Thank you. Reminders may now be sent to {address}.", address=standing.address
            ),
            Consent.WITHDRAWN: words.say("No more reminders will be sent to {address}.", address=standing.address),
        }.get(standing.consent)
        choices = (Option("yes", words.label("I agree")), Option("no", words.label("I do not agree")))
        field = Field("radios", "agree", words.label("Your answer"), options=choices, required=True)
        hidden = (("csrf", self.guard.nonce(path.token)), *reader.hidden)
        page = _page(
            reader, said or state, "yes" if said else "invite", Form(words.label("Send answer"), (field,), hidden)
        )
        faults = {403: words.say("This page was open for too long. Please send your answer again.")}
        faults[422] = words.say("Please choose one of the answers.")
        notes = (Note(faults[status], "no", "alert"),) if status in faults else ()
        return respond(replace(page, notes=notes), look, status, secure=is_secure(request))


def _page(reader: Reader, state: str, tone: str, form: Form | None) -> Page:
    words = reader.words
    return Page(
        language=words.tag,
        direction=words.direction,
        title=state,
        state=state,
        tone=tone,
        forms=(form,) if form else (),
        settings=settings_form(reader, None),
        settings_label=words.label("Language"),
    )
