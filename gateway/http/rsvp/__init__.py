# SPDX-License-Identifier: Apache-2.0
"""The pages that links in our mails lead to. Plain HTML forms: no cookie, nothing from elsewhere, no need of script."""

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from gateway.flows.context import Context
from gateway.http.rsvp.answer import AnswerDoor
from gateway.http.rsvp.answer_page import SCRIPT
from gateway.http.rsvp.consent import ConfirmDoor, UnsubscribeDoor
from gateway.http.rsvp.guard import Guard
from gateway.http.rsvp.organizer import OrganizerDoor
from gateway.http.rsvp.render import script


class Rest(Convertor[str]):
    """The rest of a path, line ends included: Starlette's own `path` would let such a link fall through to nothing."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("rest", Rest())


def routes(context: Context) -> list[BaseRoute]:
    """Return the routes of all pages of links; each endpoint takes every method and every rest of the path."""
    guard = Guard(context)
    doors = {"rsvp": AnswerDoor, "organizer": OrganizerDoor, "unsubscribe": UnsubscribeDoor, "confirm": ConfirmDoor}
    pages: list[BaseRoute] = [Route(f"/rsvp/{SCRIPT}", lambda _: script())]
    for purpose, door in doors.items():
        pages += [Route(path, door(context, guard)) for path in (f"/{purpose}", f"/{purpose}/{{rest:rest}}")]
    return pages
