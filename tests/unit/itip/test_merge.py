# SPDX-License-Identifier: Apache-2.0
"""What is the user's own beside an event or a task: no mail plants it, no mail takes it away."""

from gateway.itip.merge import OwnAnswer, merged
from gateway.itip.tree import parse_tree

HEAD = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART:20260607T120000Z\r\nSUMMARY:{title}\r\n{line}"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)


def event(title: str, line: str = ""):  # type: ignore[no-untyped-def]
    return parse_tree(HEAD.format(title=title, line=line)).children("VEVENT")[0]


def task(*lines: str):  # type: ignore[no-untyped-def]
    text = "".join(f"{line}\r\n" for line in ("BEGIN:VCALENDAR", "BEGIN:VTODO", "UID:u", *lines, "END:VTODO"))
    return parse_tree(text + "END:VCALENDAR\r\n").children("VTODO")[0]


def test_a_strangers_mail_plants_no_members() -> None:
    planted = event("New", "JSPROP;JSPTR=mayInviteOthers:true\r\n")
    assert merged(planted, None, me=frozenset(), answer=OwnAnswer.KEPT).first("JSPROP") is None


def test_the_users_own_members_survive_an_update() -> None:
    mine = event("Old", 'JSPROP;JSPTR="example.com:note":"mine"\r\n')
    update = event("New", 'JSPROP;JSPTR="example.com:note":"theirs"\r\n')
    kept = merged(update, mine, me=frozenset(), answer=OwnAnswer.KEPT)
    assert (kept.text("SUMMARY"), [line.value for line in kept.all("JSPROP")]) == ("New", ['"mine"'])


def test_how_far_one_is_with_a_task_stays() -> None:
    mine = task("STATUS:IN-PROCESS", "PERCENT-COMPLETE:50", "TRANSP:OPAQUE")
    assert merged(task("SUMMARY:New"), mine, me=frozenset(), answer=OwnAnswer.LEARNT).value("STATUS") == "IN-PROCESS"
    cancelled = merged(task("STATUS:CANCELLED"), mine, me=frozenset(), answer=OwnAnswer.LEARNT)
    assert cancelled.value("STATUS") == "CANCELLED"
