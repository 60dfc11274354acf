# SPDX-License-Identifier: Apache-2.0
"""The relays that are compared, each a process: `stock PORT`, `filter HOP`, `lmtp HOP SOCKET`, `milter SOCKET`.

Prints its port; for each line on stdin it prints the processor seconds it has used so far.
"""

import asyncio
import gc
import logging
import sys
from time import process_time
from typing import Any


async def stock(sink: str) -> int:
    """The obvious thing: aiosmtpd's own class, one aiosmtplib.send for each mail."""
    import aiosmtplib
    from aiosmtpd.smtp import SMTP

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            await aiosmtplib.send(
                envelope.original_content,
                sender=envelope.mail_from,
                recipients=envelope.rcpt_tos,
                hostname="127.0.0.1",
                port=int(sink),
                start_tls=False,
            )
            return "250 OK"

    logging.getLogger("mail.log").setLevel(logging.WARNING)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="stock", loop=loop), "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def ours(hop: str, listen: str = "127.0.0.1:0") -> int:
    """Our content filter, its scan and its log line included; over LMTP where it listens on a unix socket."""
    from gateway.clock import SystemClock
    from gateway.config.listeners import parse_address
    from gateway.ids import RandomIds
    from gateway.imip.mail import PASS, Direction, Disposition, Door, Mail
    from gateway.imip.scan import may_hold_calendar
    from gateway.log import start_logging
    from gateway.relay.opening import open_relay
    from gateway.smtp.door import Limits
    from gateway.smtp.filter import FilterDoor
    from gateway.smtp.listener import Binding, SmtpListener
    from gateway.smtp.lmtp import LmtpDoor
    from gateway.smtp.passage import Passage

    async def examine(mail: Mail) -> Disposition:
        return PASS

    start_logging()
    address = parse_address(listen)
    passage = Passage(
        Door.LMTP if address.path else Door.FILTER,
        Direction.INBOUND,
        "ours",
        open_relay(hop, hostname="ours"),
        examine,
        may_hold_calendar,
        lambda address: False,
        RandomIds(),
        SystemClock(),
    )
    door = LmtpDoor(passage) if address.path else FilterDoor(passage)
    listener = SmtpListener(Binding(address, socket_mode=0o666), door, Limits(), hostname="ours")
    await listener.start()
    gc.freeze()  # as `imip-gateway serve` does
    gc.set_threshold(10_000)
    return 0 if address.path else int(listener.address.rpartition(":")[2])


async def lmtp(hop: str, path: str) -> int:
    """Our LMTP door on a unix socket."""
    return await ours(hop, f"unix:{path}")


async def milter(path: str) -> int:
    """Our milter, its scan and its log line included. It listens on a unix socket: over TCP Postfix waits for ACKs."""
    from gateway.config.listeners import Listener
    from gateway.ids import RandomIds
    from gateway.imip.mail import PASS, Disposition, Mail
    from gateway.imip.scan import may_hold_calendar
    from gateway.log import start_logging
    from gateway.milter.listener import MilterListener
    from gateway.milter.session import MilterServices

    async def examine(mail: Mail) -> Disposition:
        return PASS

    async def nobody(login: str) -> frozenset[str]:
        return frozenset()

    start_logging()
    ids = RandomIds()
    services = MilterServices(examine, may_hold_calendar, lambda address: False, nobody, lambda: ids.row("m"))
    listener = MilterListener(Listener(kind="milter", listen=f"unix:{path}", socket_mode="0666"), services)
    await listener.start()
    gc.freeze()
    gc.set_threshold(10_000)
    return 0


async def main() -> None:
    """Serve until stdin ends."""
    start: dict[str, Any] = {"stock": stock, "filter": ours, "lmtp": lmtp, "milter": milter}
    port = await start[sys.argv[1]](*sys.argv[2:])
    print(port, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(process_time(), flush=True)


if __name__ == "__main__":
    if sys.argv[1] != "stock":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
