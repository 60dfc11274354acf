# SPDX-License-Identifier: Apache-2.0
"""One milter connection: the stages of a mail, the moment at which it is looked at, and what Postfix is told.

Mail whose header rules out a calendar is accepted at the end of the header, so its body costs nothing. All
other mail is kept in memory as received and looked at when it is complete. A mail comes back after ABORT or a
fresh MAIL: nothing of one mail may stay for the next (three mails in one session are a test).
"""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from gateway.errors import Deferred, GatewayError
from gateway.imip.mail import Direction, Disposition, Door, Mail, Origin
from gateway.maillog import Verb, record
from gateway.metrics import Counter
from gateway.milter import wire
from gateway.milter.edits import build_edits
from gateway.milter.incoming import Incoming
from gateway.milter.wire import Answer, Command, Packet
from gateway.replies import BUG, reply_for

_log = logging.getLogger(__name__)
MAILS = Counter("imip_milter_mails_total", "Mails seen by the milter: passed (no calendar), examined, or deferred.")

#: A mail of several parts shows only in its body what they are.
_MULTIPART = re.compile(rb"^content-type:(?:[^\n]|\n[ \t])*?multipart/", re.IGNORECASE | re.MULTILINE)
_TCP_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_LASTING = (Command.CONNECT.encode(), Command.HELO.encode(), Command.MAIL.encode())  # said before a mail begins
_ALL = frozenset((Command.MAIL, Command.RCPT, Command.HEADER, Command.BODY))  # answered, until agreed otherwise


@dataclass(frozen=True, slots=True)
class MilterServices:
    """What a session needs: the flow, the scan, and who is who."""

    examine: Callable[[Mail], Awaitable[Disposition]]
    may_hold_calendar: Callable[[bytes], bool]
    is_ours: Callable[[str], bool]
    addresses_of_login: Callable[[str], Awaitable[frozenset[str]]]
    new_id: Callable[[], str]
    admits: Callable[[str | None], bool] = lambda address: True  # by the peer's address, None over a unix socket
    direction: Direction = Direction.INBOUND
    max_message_size: int = 50 << 20


class MilterSession(asyncio.Protocol):
    """Speaks with one Postfix smtpd process for one SMTP session."""

    def __init__(self, services: MilterServices, register: Callable[["MilterSession", bool], None]) -> None:
        self._services = services
        self._register = register
        self._reader = wire.PacketReader()
        self._transport: asyncio.Transport | None = None
        self._tcp: socket.socket | None = None  # where acknowledgements are delayed
        self._bargain = wire.Bargain(b"", wire.WANTED_ACTIONS, False, _ALL)
        self._macros: dict[bytes, Packet] = {}  # by the command they belong to, the last of each
        self._mail: Incoming | None = None
        self.work: asyncio.Task[None] | None = None  # the look at a complete mail, while it lasts
        self._draining = False

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else None
        if not self._services.admits(address):
            _log.warning("milter connection refused", extra={"facts": {"peer": address}})
            self.close()
            return
        self._tcp = transport.get_extra_info("socket") if address is not None else None
        self._register(self, True)

    def connection_lost(self, error: Exception | None) -> None:
        self._register(self, False)

    def data_received(self, octets: bytes) -> None:
        self._acknowledge_quickly()
        try:
            for packet in self._reader.feed(octets):
                self._take(packet)
        except GatewayError as error:
            _log.warning("milter connection dropped", extra={"facts": {"reason": error.public}})
            self.close()

    def drain(self) -> None:
        """Finish the mail at hand, then close."""
        self._draining = True
        if self.work is None and self._mail is None:
            self.close()

    def _acknowledge_quickly(self) -> None:
        """Unanswered packets make the sender wait for a delayed TCP acknowledgement; 40 ms each without this."""
        if self._tcp is not None and _TCP_QUICKACK is not None:
            with contextlib.suppress(OSError):
                self._tcp.setsockopt(socket.IPPROTO_TCP, _TCP_QUICKACK, 1)

    def _send(self, *packets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(packets))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # the stages

    def _take(self, packet: Packet) -> None:
        step = self._STEPS.get(packet.command)
        if step is not None:
            step(self, packet)
        else:  # a command of a later protocol: going on is always right
            self._send(wire.build_packet(Answer.CONTINUE))

    def _negotiate(self, packet: Packet) -> None:
        self._bargain = wire.negotiate(packet.data[:12])
        self._send(self._bargain.answer)

    def _go_on(self, command: Command) -> None:
        if command in self._bargain.answered:
            self._send(wire.build_packet(Answer.CONTINUE))

    def _macro(self, packet: Packet) -> None:
        self._macros[packet.data[:1]] = packet

    def _connect(self, packet: Packet) -> None:
        self._send(wire.build_packet(Answer.CONTINUE))

    def _mail_from(self, packet: Packet) -> None:
        self._mail = Incoming(packet)
        self._macros = {stage: macros for stage, macros in self._macros.items() if stage in _LASTING}
        self._go_on(Command.MAIL)

    def _rcpt_to(self, packet: Packet) -> None:
        if self._mail is not None:
            self._mail.recipients.append(packet)
        self._go_on(Command.RCPT)

    def _header(self, packet: Packet) -> None:
        name, separator, value = packet.data.removesuffix(b"\0").partition(b"\0")
        if self._mail is not None and separator:
            value = value.partition(b"\0")[0].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            colon = b":" if self._bargain.leading_space else b": "
            self._mail.fields.append((name, b"%b%b%b\r\n" % (name, colon, value)))
        self._go_on(Command.HEADER)

    def _headers_end(self, packet: Packet) -> None:
        mail = self._mail
        if mail is None or not (self._is_ours(mail) or self._goes_on(mail)):
            MAILS.add(outcome="passed")
            self._finish(wire.build_packet(Answer.ACCEPT))
            return
        self._send(wire.build_packet(Answer.CONTINUE))

    def _is_ours(self, mail: Incoming) -> bool:
        return any(self._services.is_ours(rcpt.address) for rcpt in mail.rcpt_to)

    def _goes_on(self, mail: Incoming) -> bool:
        """Whether the header leaves open that there is a calendar: the scan reads it, which knows every spelling."""
        header = mail.header
        return bool(_MULTIPART.search(header)) or self._services.may_hold_calendar(header + b"\r\n")

    def _body(self, packet: Packet) -> None:
        mail = self._mail
        if mail is not None:
            mail.size += len(packet.data)
            if mail.size <= self._services.max_message_size:
                mail.body.append(packet.data)
        self._go_on(Command.BODY)

    def _body_end(self, packet: Packet) -> None:
        mail = self._mail
        if mail is None:
            self._send(wire.build_packet(Answer.CONTINUE))
            return
        mail.body.append(packet.data)
        mail.size += len(packet.data)
        data = b"".join((mail.header, b"\r\n", *mail.body))
        fits = mail.size <= self._services.max_message_size
        if not fits or not (self._is_ours(mail) or self._services.may_hold_calendar(data)):
            MAILS.add(outcome="passed")
            self._finish(wire.build_packet(Answer.ACCEPT))
            return
        self.work = asyncio.get_running_loop().create_task(self._look_at(mail, data))

    def _abort(self, packet: Packet) -> None:
        self._mail = None

    def _quit(self, packet: Packet) -> None:
        self.close()

    def _quit_new(self, packet: Packet) -> None:
        self._mail = None
        self._macros.clear()

    _STEPS: dict[str, Callable[["MilterSession", Packet], None]] = {  # noqa: RUF012  # a constant table
        Command.NEGOTIATE: _negotiate,
        Command.MACRO: _macro,
        Command.CONNECT: _connect,
        Command.HELO: _connect,
        Command.MAIL: _mail_from,
        Command.RCPT: _rcpt_to,
        Command.DATA: _connect,
        Command.UNKNOWN: _connect,
        Command.HEADER: _header,
        Command.HEADERS_END: _headers_end,
        Command.BODY: _body,
        Command.BODY_END: _body_end,
        Command.ABORT: _abort,
        Command.QUIT: _quit,
        Command.QUIT_NEW: _quit_new,
    }

    # the look

    async def _look_at(self, incoming: Incoming, data: bytes) -> None:
        """Examine one mail; trouble of ours, a bug included, is always temporary to the peer."""
        mail_id = self._services.new_id()
        try:
            mail = await self._build_mail(mail_id, incoming, data)
            disposition = await self._services.examine(mail)
            answer = build_edits(incoming, disposition, self._bargain)
            MAILS.add(outcome="examined")
        except Deferred as error:
            queue_id = self._known("i")
            record(Verb.DEFERRED, rule=error.code, mail=mail_id, pfx=queue_id, door=Door.MILTER, reason=error.public)
            answer = wire.build_reply(reply_for(error).smtp_line)
            MAILS.add(outcome="deferred")
        except Exception:
            _log.exception("milter failed", extra={"facts": {"mail": mail_id}})
            answer = wire.build_reply(BUG.smtp_line)
            MAILS.add(outcome="deferred")
        self.work = None
        self._finish(answer)

    async def _build_mail(self, mail_id: str, incoming: Incoming, data: bytes) -> Mail:
        login = self._known("auth_authen") or None
        addresses = await self._services.addresses_of_login(login) if login else frozenset()
        origin = Origin(
            door=Door.MILTER,
            direction=self._services.direction,
            queue_id=self._known("i"),
            client_name=self._known("client_name"),
            client_address=self._known("client_addr"),
            login=login,
            login_addresses=addresses,
        )
        return Mail(mail_id, incoming.envelope, origin, data)

    def _known(self, name: str) -> str | None:
        """Return a macro's value; the latest stage that has it speaks."""
        values = (wire.parse_macros(packet)[1].get(name) for packet in reversed(self._macros.values()))
        return next((value for value in values if value is not None), None)

    def _finish(self, answer: bytes) -> None:
        self._mail = None
        self._send(answer)
        if self._draining:
            self.close()
