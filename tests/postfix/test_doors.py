# SPDX-License-Identifier: Apache-2.0
"""A real Postfix before every door, wired by `postfix apply`: mail through, answers applied, octets intact."""

from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.support.site import ANN, GUEST, PLAIN, files, reply, with_sink

pytestmark = [pytest.mark.postfix, pytest.mark.xdist_group("postfix")]


@pytest.mark.parametrize(
    ("mode", "sockets"),
    [("filter", False), ("lmtp", False), ("lmtp", True), ("proxy", False), ("milter", False), ("milter", True)],
)
async def test_through_postfix(mode: str, sockets: bool, tmp_path: Path) -> None:
    """Plain mail byte for byte, a proven answer applied, a refuted one not, both delivered; then undone."""
    async with with_sink(mode, tmp_path, sockets=sockets) as (here, mailbox):
        await here.invite()
        await here.send(PLAIN)
        await here.until(lambda: len(mailbox.taken) == 1)
        assert mailbox.taken[0].data.endswith(PLAIN), "below our trace lines every octet is as it was sent"
        await here.send(reply("DECLINED", dmarc="fail", number=2))
        await here.until(lambda: len(mailbox.taken) == 2)
        assert await here.partstat() == "NEEDS-ACTION"
        await here.send(reply("ACCEPTED", number=3))
        await here.until(lambda: len(mailbox.taken) == 3)
        assert await here.partstat() == "ACCEPTED"
        refuted, applied = (mail.data for mail in mailbox.taken[1:])
        assert b"X-iMIP-Gateway: outcome=refused; rule=incoming.refuted" in refuted
        assert b"X-iMIP-Gateway: outcome=applied; rule=reply." in applied
        assert applied.endswith(reply("ACCEPTED", number=3))
        await here.until(lambda: not here.postfix.queue())
        assert set(here.postfix.statuses()) == {"sent"}
        assert here.running is not None
        traced = await here.running.context.store.read(lambda unit: unit.journal.trace("<3@partner.example>"))
        if mode != "proxy":  # before the queue there is no queue id yet
            assert traced[0].queue_id, "our journal names Postfix's queue id"
        before = files(here.postfix)
        assert main(["postfix", "undo", "--config-dir", str(here.postfix.config_dir), "--no-reload"]) == 0
        assert files(here.postfix) != before
        assert "content_filter" not in files(here.postfix)[0]


async def test_several_recipients_each_have_their_own_fate(tmp_path: Path) -> None:
    async with with_sink("filter", tmp_path) as (here, mailbox):
        mailbox.fixed["rcpt:nobody@example.org"] = "550 5.1.1 no such user"
        await here.send(PLAIN, GUEST, ANN, "other@example.org", "nobody@example.org")
        await here.until(lambda: "bounced" in here.postfix.statuses())
        rcpts = [word for mail in mailbox.taken if mail.data.endswith(PLAIN) for word in mail.rcpts]
        assert sorted(word[1 : word.index(">")] for word in rcpts) == [ANN, "other@example.org"], "each has it once"
