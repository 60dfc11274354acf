# SPDX-License-Identifier: Apache-2.0
"""What every SMTP door does with a mail: follow its recipients to the next hop, look, decide, hand on, report.

Mail that cannot hold a calendar and is not for one of our own addresses never meets a flow: its octets go on as they
came, our Received on top. Other mail is examined first. Nothing is acknowledged before the next hop took it, or, where
a recipient was one of ours and the mail ended with us, before the flow committed. Trouble of ours is temporary.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import perf_counter

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.ids import Ids
from gateway.imip.mail import Direction, Disposition, Envelope, Mail, Origin, Rcpt
from gateway.imip.mail import Door as DoorKind
from gateway.log import bound
from gateway.maillog import Verb, record
from gateway.metrics import Counter, Histogram
from gateway.relay.hop import Handover, RcptResult, Relay, Stage
from gateway.replies import BUG, reply_for
from gateway.smtp.door import Client
from gateway.smtp.message import Message
from gateway.smtp.paths import Path
from gateway.smtp.received import build_received, count_passes

_log = logging.getLogger(__name__)
_mails = Counter("smtp_mails_total", "Mails taken in by SMTP and LMTP doors, by door and result.")
_octets = Counter("smtp_octets_total", "Octets of those mails.")
_seconds = Histogram(
    "smtp_mail_seconds", "From the end of data to our answer.", (0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300)
)

_ADDED = 1024  # octets that our trace lines may add to a mail
_NO_QUEUE = nullcontext()
_VERBS = {2: Verb.RELAYED, 4: Verb.DEFERRED, 5: Verb.REFUSED}


@dataclass(frozen=True, slots=True)
class Passage:
    """A door's collaborators."""

    kind: DoorKind
    direction: Direction
    hostname: str
    relay: Relay
    examine: Callable[[Mail], Awaitable[Disposition]]
    may_hold_calendar: Callable[[bytes], bool]
    is_ours: Callable[[str], bool]  # bounce and token addresses: taken by us, never asked of the next hop
    ids: Ids
    clock: Clock
    may_refuse: bool = False  # submission: a flow's refusal is the author's to mend; elsewhere it would be a bounce
    max_passes: int = 3  # a mail that was here more often is looping, and is no longer looked into
    #: How many large messages may be in memory at once; others wait on disk.
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))


class Transit:
    """One mail on its way through."""

    def __init__(self, passage: Passage, client: Client, path: Path) -> None:
        self.passage, self.client = passage, client
        self.mail_from, self.parameters = path.address, path.parameters
        self.id = passage.ids.row("m")
        self.completion = b""  # header lines that a submitted mail lacked
        self._accepted: list[Rcpt] = []
        self._ours: set[str] = set()
        self._handover: Handover | None = None

    @property
    def accepted(self) -> tuple[Rcpt, ...]:
        return tuple(self._accepted)

    async def rcpt(self, rcpt: Rcpt) -> RcptResult:
        """Offer a recipient to whom it concerns: us, or the next hop."""
        if self.passage.is_ours(rcpt.address):
            self._ours.add(rcpt.address)
            result = RcptResult(rcpt.address, 250, "2.1.5", "Ok", Stage.RCPT)
        else:
            if self._handover is None:
                self._handover = self._begin()
            result = await self._handover.rcpt(rcpt)
        if result.ok:
            self._accepted.append(rcpt)
        return result

    async def data(self, message: Message) -> tuple[RcptResult, ...]:
        """Deal with the message; a result for each accepted recipient, in order."""
        began = perf_counter()
        with bound(mail=self.id, **self._queue_id()):
            results, rule = await self._dealt_with(message)
            self._report(worst_of(results), rule, message.size)
        _seconds.observe(perf_counter() - began)
        return results

    async def abandon(self) -> None:
        """Give up what is not finished."""
        if self._handover is not None:
            await self._handover.abandon()

    # --- inside -------------------------------------------------------------------------------------------------

    async def _dealt_with(self, message: Message) -> tuple[tuple[RcptResult, ...], str]:
        async with self.passage.large if message.is_large else _NO_QUEUE:
            data = await message.whole()
            rule = self._rule(data)
            if rule != "door.examined":
                del data
            else:
                try:
                    disposition = await self.passage.examine(self._mail(data))
                except GatewayError as error:
                    return self._failed(error), "door.trouble"
                if self.client.is_gone():
                    return self._nobody_waits(), "door.gone"
                return await self._pass_on(disposition, data), rule
        if self.client.is_gone():
            return self._nobody_waits(), "door.gone"
        assert self._handover is not None
        return await self._handover.data(message.body(self._received(self._accepted))), rule

    def _rule(self, data: bytes) -> str:
        if self._ours:
            return "door.examined"
        if not self.passage.may_hold_calendar(data):
            return "door.plain"
        looping = count_passes(data, self.passage.hostname) >= self.passage.max_passes
        return "door.loop" if looping else "door.examined"

    async def _pass_on(self, disposition: Disposition, data: bytes) -> tuple[RcptResult, ...]:
        onward = [rcpt for rcpt in self._accepted if rcpt.address not in disposition.consumed]
        results = {
            rcpt: RcptResult(rcpt.address, 250, "2.0.0", f"Ok: done as {self.id}", Stage.OURS)
            for rcpt in self._accepted
        }
        if onward:
            handover, obstacle = await self._handover_for(onward)
            if obstacle is not None:
                return tuple(RcptResult(rcpt.address, *obstacle) for rcpt in self._accepted)
            octets = (disposition.headers, data) if not disposition.drop else (disposition.apply_to(data),)
            passed = await handover.data((self._received(onward), *octets))
            results.update(zip(onward, passed, strict=True))
        return tuple(results[rcpt] for rcpt in self._accepted)

    async def _handover_for(self, onward: list[Rcpt]) -> tuple[Handover, tuple[int, str, str, Stage] | None]:
        """Return a transaction with exactly these recipients; the open one if it is, else a new one."""
        asked = [rcpt for rcpt in self._accepted if rcpt.address not in self._ours]
        if onward == asked and self._handover is not None:
            return self._handover, None
        await self.abandon()
        self._handover = self._begin()
        for rcpt in onward:
            result = await self._handover.rcpt(rcpt)
            if not result.ok:  # accepted before, or one of ours that the flow lets go on: nobody gets it by halves
                everyone = len(onward) == 1 and not result.temporary
                code, enhanced = (result.code, result.enhanced) if everyone else (451, "4.3.0")
                return self._handover, (code, enhanced, f"next hop on <{rcpt.address}>: {result}", Stage.RCPT)
        return self._handover, None

    def _begin(self) -> Handover:
        parameters = tuple(map(_roomier, self.parameters))
        return self.passage.relay.begin(self.mail_from, parameters, xforward=self.client.xforward)

    def _received(self, recipients: list[Rcpt]) -> bytes:
        addresses = tuple(rcpt.address for rcpt in recipients)
        received = build_received(self.client, self.passage.hostname, self.id, addresses, self.passage.clock.now())
        return received + self.completion

    def _failed(self, error: GatewayError) -> tuple[RcptResult, ...]:
        reply = reply_for(error)
        if reply.smtp >= 500 and not self.passage.may_refuse:
            _log.error("a flow refused mail at a door that may not", exc_info=error)
            reply = BUG
        _log.info("mail not taken", extra={"facts": {"code": error.code, **error.context}})
        code = 451 if reply.smtp == 421 else reply.smtp
        return tuple(RcptResult(rcpt.address, code, reply.enhanced, reply.text, Stage.DOT) for rcpt in self._accepted)

    def _nobody_waits(self) -> tuple[RcptResult, ...]:
        """The peer left before the next hop was told anything: it will send the mail again."""
        return tuple(RcptResult(rcpt.address, 451, "4.4.2", "peer left", Stage.DOT) for rcpt in self._accepted)

    def _mail(self, data: bytes) -> Mail:
        xforward, login, passage = self.client.xforward, self.client.login, self.passage
        origin = Origin(
            door=passage.kind,
            direction=passage.direction,
            queue_id=xforward.value("IDENT") if xforward else None,
            client_name=xforward.value("NAME") if xforward else None,
            client_address=(xforward.value("ADDR") if xforward else None) or self.client.address,
            helo=(xforward.value("HELO") if xforward else None) or self.client.helo,
            login=login.name if login else None,
            login_addresses=login.addresses if login else frozenset(),
        )
        envelope = Envelope(self.mail_from, self.accepted, self.parameters)
        return Mail(self.id, envelope, origin, data, self._received(self._accepted))

    def _queue_id(self) -> dict[str, str]:
        queue_id = self.client.xforward.value("IDENT") if self.client.xforward else None
        return {"pfx": queue_id} if queue_id else {}

    def _report(self, worst: RcptResult, rule: str, size: int) -> None:
        passage = self.passage
        verb = _VERBS.get(worst.code // 100, Verb.DEFERRED)
        _mails.add(door=passage.kind.value, result=verb.value)
        _octets.add(size, door=passage.kind.value)
        record(
            verb,
            rule=rule,
            door=passage.kind.value,
            mail_from=self.mail_from,
            rcpt_to=self._accepted[0].address,
            recipients=len(self._accepted),
            size=size,
            reply=str(worst),
        )


def worst_of(results: Sequence[RcptResult]) -> RcptResult:
    """The result to tell where only one can be told: temporary failure, then permanent, then the next hop's success."""
    return max(results, key=lambda result: (not result.ok, result.temporary, result.stage is not Stage.OURS))


def _roomier(parameter: str) -> str:
    """SIZE as it will be when our lines stand on top (RFC 1870 §6.1: an estimate is enough)."""
    name, _, value = parameter.partition("=")
    return f"SIZE={int(value) + _ADDED}" if name.upper() == "SIZE" else parameter
