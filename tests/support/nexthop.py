# SPDX-License-Identifier: Apache-2.0
"""A next hop for tests: a small SMTP or LMTP server on loopback that keeps what it gets and fails when told to.

It is deliberately not built on our own server or client code, so that both are measured against a third party.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

KEYWORDS = (
    "PIPELINING",
    "SIZE 50000000",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT",
)
#: Of a hop that takes BDAT.
CHUNKING = (*KEYWORDS, "CHUNKING")

#: Instead of a reply: say nothing for ever, or close the connection at once.
HANG, DROP = "hang", "drop"


@dataclass
class Taken:
    """One mail as it came."""

    connection: int
    mail: str  # the MAIL command's argument, parameters and all
    rcpts: list[str]  # RCPT arguments that were accepted
    data: bytes  # unstuffed
    xforward: list[str]


@dataclass
class NextHop:
    """The server. `plan[stage]` is a list of replies or HANG/DROP, used up in order; then the normal answer.

    Stages: connect, hello, mail, rcpt, data, dot, rset, quit, and `rcpt:ADDRESS`, `dot:ADDRESS` (LMTP), which stay.
    """

    lmtp: bool = False
    keywords: tuple[str, ...] = KEYWORDS
    plan: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    fixed: dict[str, str] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    ssl_context: object = None  # for STARTTLS
    logins: dict[str, str] = field(default_factory=dict)
    path: Path | None = None
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "NextHop":
        limit = 2**26
        if self.path is not None:
            self._server = await asyncio.start_unix_server(self._serve, self.path, limit=limit)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=limit)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        self.drop_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None

    def drop_all(self) -> None:
        """Close every open connection, as a restarted server would."""
        for writer in list(self._writers):
            writer.transport.abort()

    @property
    def url(self) -> str:
        scheme = "lmtp" if self.lmtp else "smtp"
        return f"{scheme}:unix:{self.path}" if self.path else f"{scheme}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        self.open_now += 1
        try:
            await _Dialog(self, reader, writer, self.connections).run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open_now -= 1
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()


class _Dialog:
    def __init__(self, hop: NextHop, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.hop, self.reader, self.writer, self.number = hop, reader, writer, number
        self.mail: str | None = None
        self.rcpts: list[str] = []
        self.xforward: list[str] = []

    async def say(self, stage: str, normal: str, address: str = "") -> bool:
        """Answer as planned; True if the answer was positive."""
        planned = self.hop.plan.get(stage)
        answer = planned.pop(0) if planned else self.hop.fixed.get(f"{stage}:{address}" if address else stage, normal)
        if answer == HANG:
            await self.writer.drain()
            await asyncio.Event().wait()
        if answer == DROP:
            self.writer.transport.abort()
            raise ConnectionResetError
        self.writer.write(answer.replace("\n", "\r\n").encode() + b"\r\n")
        await self.writer.drain()
        return answer[0] in "23"

    async def run(self) -> None:
        if not await self.say("connect", "220 sink ESMTP"):
            return
        while line := (await self.reader.readuntil(b"\r\n")).decode("utf-8", "surrogateescape").rstrip("\r\n"):
            self.hop.commands.append(line)
            verb, _, argument = line.partition(" ")
            if verb.upper() == "QUIT":
                await self.say("quit", "221 2.0.0 Bye")
                return
            await getattr(self, f"on_{verb.lower()}")(argument)

    async def on_ehlo(self, argument: str) -> None:
        words = ["sink", *self.hop.keywords]
        if self.hop.ssl_context is not None:
            words.append("STARTTLS")
        if self.hop.logins:
            words.append("AUTH PLAIN LOGIN")
        normal = "\n".join(f"250{'-' if at < len(words) - 1 else ' '}{word}" for at, word in enumerate(words))
        await self.say("hello", normal)
        self.mail, self.rcpts = None, []

    on_lhlo = on_ehlo

    async def on_helo(self, argument: str) -> None:
        await self.say("helo", "250 sink")

    async def on_starttls(self, argument: str) -> None:
        if await self.say("starttls", "220 2.0.0 Go on"):
            await self.writer.start_tls(self.hop.ssl_context)  # type: ignore[arg-type]
            self.hop.ssl_context = None

    async def on_auth(self, argument: str) -> None:
        from base64 import b64decode

        words = argument.split()
        if words[0] == "PLAIN":
            _, user, password = b64decode(words[1]).decode().split("\0")
        else:
            self.writer.write(b"334 VXNlcm5hbWU6\r\n")
            user = b64decode(await self.reader.readuntil(b"\r\n")).decode()
            self.writer.write(b"334 UGFzc3dvcmQ6\r\n")
            password = b64decode(await self.reader.readuntil(b"\r\n")).decode()
        good = self.hop.logins.get(user) == password
        await self.say("auth", "235 2.7.0 Welcome" if good else "535 5.7.8 No")

    async def on_xforward(self, argument: str) -> None:
        self.xforward.append(argument)
        await self.say("xforward", "250 2.0.0 Ok")

    async def on_mail(self, argument: str) -> None:
        if self.mail is not None:
            await self.say("nested", "503 5.5.1 Nested MAIL")
        elif await self.say("mail", "250 2.1.0 Ok"):
            self.mail = argument.removeprefix("FROM:")

    async def on_rcpt(self, argument: str) -> None:
        address = argument[argument.index("<") + 1 : argument.index(">")]
        if self.mail is None:
            await self.say("early", "503 5.5.1 Need MAIL")
        elif await self.say("rcpt", "250 2.1.5 Ok", address):
            self.rcpts.append(argument.removeprefix("TO:"))

    async def on_rset(self, argument: str) -> None:
        await self.say("rset", "250 2.0.0 Ok")
        self.mail, self.rcpts, self.xforward = None, [], []

    async def on_noop(self, argument: str) -> None:
        await self.say("noop", "250 2.0.0 Ok")

    async def on_data(self, argument: str) -> None:
        if not self.rcpts:
            await self.say("empty", "554 5.5.1 No valid recipients")
            return
        if not await self.say("data", "354 Go on"):
            return
        lines = []
        while (line := await self.reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        await self._end(b"".join(lines))

    async def on_bdat(self, argument: str) -> None:
        """One chunk, the last (RFC 3030 §2); its octets are read whatever becomes of them."""
        size, _, last = argument.partition(" ")
        assert last == "LAST"
        data = await self.reader.readexactly(int(size))
        if not self.rcpts:
            await self.say("empty", "554 5.5.1 No valid recipients")
        else:
            await self._end(data)

    async def _end(self, data: bytes) -> None:
        taken = Taken(self.number, self.mail or "", self.rcpts, data, self.xforward)
        good = False
        for rcpt in self.rcpts if self.hop.lmtp else [""]:
            address = rcpt[1 : rcpt.index(">")] if rcpt else ""
            good = await self.say("dot", f"250 2.0.0 Ok: queued as {len(self.hop.taken) + 1}", address) or good
        if good:
            self.hop.taken.append(taken)
        self.mail, self.rcpts, self.xforward = None, [], []
