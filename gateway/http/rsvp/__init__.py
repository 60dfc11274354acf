# SPDX-License-Identifier: Apache-2.0
"""The pages that links in our mails lead to. Plain HTML forms: no script, no cookie, nothing from elsewhere."""

from starlette.routing import BaseRoute, Route

from gateway.flows.context import Context
from gateway.http.rsvp.answer import AnswerDoor
from gateway.http.rsvp.consent import ConfirmDoor, UnsubscribeDoor
from gateway.http.rsvp.guard import Guard
from gateway.http.rsvp.organizer import OrganizerDoor


def routes(context: Context) -> list[BaseRoute]:
    """Return the routes of all pages of links; each endpoint takes every method and every rest of the path."""
    guard = Guard(context)
    doors = {"rsvp": AnswerDoor, "organizer": OrganizerDoor, "unsubscribe": UnsubscribeDoor, "confirm": ConfirmDoor}
    return [Route(f"/{purpose}/{{rest:path}}", door(context, guard)) for purpose, door in doors.items()]
