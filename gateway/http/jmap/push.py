# SPDX-License-Identifier: Apache-2.0
"""Push over EventSource: a StateChange when anything a listener may see has changed (RFC 8620 §7.3), and a
CalendarAlert when an alert of theirs is due (JMAP Calendars §6.3).

The store is asked at short intervals, so a change made by another process or by mail is pushed as well.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.errors import GatewayError, Refused
from gateway.flows.alerts import AlertWatch, DueAlert
from gateway.flows.context import Context
from gateway.http.auth import Authenticator, Login, is_valid
from gateway.http.jmap.errors import MethodError
from gateway.http.jmap.view import open_view, visible_accounts
from gateway.http.problem import problem
from gateway.jscalendar.values import Json
from gateway.store.changes import Kind
from gateway.store.unit import Unit

_POLL_SECONDS = 1.0
_MIN_PING, _MAX_PING = 5, 900
_MAX_LISTENERS = 8
_ALERT = "CalendarAlert"
_ALERTS = frozenset({_ALERT, "*"})

States = dict[str, dict[str, str]]


class EventSource:
    """The push route."""

    def __init__(self, context: Context, authenticator: Authenticator) -> None:
        self._context = context
        self._authenticator = authenticator
        self._listeners: dict[str, int] = {}

    async def listen(self, request: Request) -> Response:
        """Open a stream of StateChange objects."""
        login = await self._authenticator.login(request, "jmap")
        query = request.query_params
        types = frozenset(query.get("types", "*").split(","))
        ping = query.get("ping", "0")
        if query.get("closeafter", "no") not in ("no", "state") or not (ping.isascii() and ping.isdecimal()):
            return problem(400, "closeafter is state or no, ping a number of seconds")
        if self._listeners.get(login.account.id, 0) >= _MAX_LISTENERS:
            return problem(429, f"At most {_MAX_LISTENERS} event sources for one account")
        seconds = 0 if ping.strip("0") == "" else min(max(int(ping[:6]), _MIN_PING), _MAX_PING)
        close_after = query.get("closeafter") == "state"
        last_seen = request.headers.get("last-event-id", "")
        stream = self._stream(request, login, types, seconds, close_after=close_after, last_seen=last_seen)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    async def _stream(
        self, request: Request, login: Login, types: frozenset[str], ping: int, *, close_after: bool, last_seen: str
    ) -> AsyncIterator[str]:
        account_id = login.account.id
        self._listeners[account_id] = self._listeners.get(account_id, 0) + 1
        try:
            known, watch = await self._states(login, types), AlertWatch(login.account, self._context.clock.now())
            if last_seen and last_seen != _event_id(known):
                yield _event("state", {"@type": "StateChange", "changed": known}, _event_id(known))
                if close_after:
                    return
            else:
                yield ": listening\n\n"
            quiet = 0.0
            while not await request.is_disconnected():
                await asyncio.sleep(_POLL_SECONDS)
                quiet += _POLL_SECONDS
                states = await self._states(login, types)
                changed = _difference(known, states)
                for alert in await self._alerts(watch) if not types.isdisjoint(_ALERTS) else ():
                    quiet = 0.0
                    yield _event("calendarAlert", alert)
                if changed:
                    known, quiet = states, 0.0
                    yield _event("state", {"@type": "StateChange", "changed": changed}, _event_id(known))
                    if close_after:
                        return
                elif ping and quiet >= ping:
                    quiet = 0.0
                    yield _event("ping", {"interval": ping})
        except (GatewayError, MethodError):
            return  # the client connects again and is told then
        finally:
            self._listeners[account_id] -= 1
            if not self._listeners[account_id]:
                del self._listeners[account_id]

    async def _states(self, login: Login, types: frozenset[str]) -> States:
        now = self._context.clock.now()

        def fn(unit: Unit) -> States:
            if not is_valid(unit, login, now):
                raise Refused("unauthenticated", "The login is not valid any more")
            states: States = {}
            for account in visible_accounts(unit, login.account):
                view = open_view(unit, login, account.id)
                found = unit.changes.states(view.log)
                if view.is_own:
                    found[Kind.PERSON] = unit.people.state(view.people)
                wanted = [kind for kind in Kind if "*" in types or kind.value in types]
                states[account.id] = {kind.value: str(found.get(kind, 0)) for kind in wanted}
            return states

        return await self._context.store.read(fn)

    async def _alerts(self, watch: AlertWatch) -> list[Json]:
        """Return the listener's alerts that became due, the soonest first."""
        now = self._context.clock.now()
        due = await self._context.store.read(lambda unit: watch.look(unit, now))
        if watch.is_behind:
            await self._context.store.write(watch.put_off)
        return [_alert_json(alert) for alert in due]


def _alert_json(alert: DueAlert) -> Json:
    return {
        "@type": _ALERT,
        "accountId": alert.account_id,
        "calendarEventId": alert.event_id,
        "uid": alert.uid,
        "recurrenceId": alert.recurrence_id,
        "alertId": alert.alert_id,
    }


def _difference(old: States, new: States) -> States:
    changed = {
        account: {kind: state for kind, state in kinds.items() if old.get(account, {}).get(kind) != state}
        for account, kinds in new.items()
    }
    return {account: kinds for account, kinds in changed.items() if kinds}


def _event_id(states: States) -> str:
    return "-".join(f"{sum(map(int, kinds.values()))}" for _, kinds in sorted(states.items()))


def _event(name: str, data: object, event_id: str = "") -> str:
    lines = [f"event: {name}", f"data: {json.dumps(data, separators=(',', ':'))}"]
    if event_id:
        lines.insert(1, f"id: {event_id}")
    return "\n".join(lines) + "\n\n"
