# SPDX-License-Identifier: Apache-2.0
"""The links in alarm mails: stopping them, and answering the one question."""

import email
import re
from email import policy
from email.message import EmailMessage

import pytest

from gateway.errors import Refused
from gateway.flows.build_mails import build_due
from gateway.flows.consents import look_at_consent, say, set_wanted
from gateway.store.engine import Store
from policies.external_recipients import Consent
from tests.support.alarms import AlarmWorld

SERIES = "DTSTART:20260601T100000Z|RRULE:FREQ=DAILY;COUNT=3|SUMMARY:Meeting!TRIGGER:-PT15M"
ANN, EVE = "ann@example.org", "eve@outside.example"


@pytest.fixture
async def world(store: Store) -> AlarmWorld:
    return await AlarmWorld(store).open()


async def last_mail(world: AlarmWorld) -> EmailMessage:
    while await build_due(world.context, worker="test"):
        pass
    queued = await world.store.read(lambda unit: unit.outbox.queued())
    mail = email.message_from_bytes(queued[-1].data, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def token_of(mail: EmailMessage, page: str) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    found = re.search(rf"https://cal\.example\.org/{page}/(\S+)", body.get_content())
    assert found is not None, body.get_content()
    return found[1]


async def test_who_unsubscribes_gets_no_more_and_the_owner_is_mailed_instead(world: AlarmWorld) -> None:
    await world.set("alarms.allow_external_rcpts", True)
    await world.put(f"{SERIES}|ATTENDEE:mailto:{EVE}")
    await world.at("2026-06-01 09:45")
    token = token_of(await last_mail(world), "unsubscribe")
    looked = await world.store.read(lambda unit: look_at_consent(unit, world.context, "unsubscribe", token))
    assert (looked.address, looked.is_own, looked.consent) == (EVE, False, "unknown")
    for _ in range(2):  # one click may come twice
        said = await world.store.write(lambda unit: say(unit, world.context, "unsubscribe", token, Consent.WITHDRAWN))
        assert said.consent == "withdrawn"
    assert await world.at("2026-06-02 09:45") == [
        f"2026-06-02 09:45 sent alarm.due {ANN}",
        f"2026-06-02 09:45 deny recipient.withdrawn {EVE}",
    ]


async def test_an_account_s_own_stop_switches_its_alarm_mails_off_until_it_wants_them(world: AlarmWorld) -> None:
    await world.put(SERIES)
    await world.at("2026-06-01 09:45")
    token = token_of(await last_mail(world), "unsubscribe")
    await world.store.write(lambda unit: say(unit, world.context, "unsubscribe", token, Consent.WITHDRAWN))
    assert await world.at("2026-06-02 09:45") == ["2026-06-02 09:45 skip alarm.unwanted"]
    account = await world.store.read(lambda unit: unit.accounts.get("ann"))
    assert account is not None
    await world.store.write(lambda unit: set_wanted(unit, account, wanted=True))
    assert await world.at("2026-06-03 09:45") == [f"2026-06-03 09:45 sent alarm.due {ANN}"]


@pytest.mark.parametrize(("consent", "reached"), [(Consent.CONFIRMED, EVE), (Consent.WITHDRAWN, ANN)])
async def test_the_question_is_answered_by_the_link_in_it(world: AlarmWorld, consent: Consent, reached: str) -> None:
    await world.set("external_recipients.alarms", "opt-in")
    await world.put(f"{SERIES}|ATTENDEE:mailto:{EVE}")
    await world.at("2026-06-01 09:45")
    while await build_due(world.context, worker="test"):
        pass
    queued = await world.store.read(lambda unit: unit.outbox.queued())
    parsed = [email.message_from_bytes(message.data, policy=policy.default) for message in queued]
    question = next(mail for mail in parsed if mail["To"] == EVE)
    assert isinstance(question, EmailMessage)
    assert question["Auto-Submitted"] == "auto-generated"
    assert "Meeting" not in str(question), "a stranger learns nothing of the event before the yes"
    token = token_of(question, "confirm")
    await world.store.write(lambda unit: say(unit, world.context, "confirm", token, consent))
    assert f"2026-06-02 09:45 sent alarm.due {reached}" in await world.at("2026-06-02 09:45")


async def test_looking_changes_nothing(world: AlarmWorld) -> None:
    await world.set("alarms.allow_external_rcpts", True)
    await world.put(f"{SERIES}|ATTENDEE:mailto:{EVE}")
    await world.at("2026-06-01 09:45")
    token = token_of(await last_mail(world), "unsubscribe")
    for _ in range(3):
        await world.store.read(lambda unit: look_at_consent(unit, world.context, "unsubscribe", token))
    assert await world.at("2026-06-02 09:45") == [f"2026-06-02 09:45 sent alarm.due {EVE}"]


async def test_links_that_are_unknown_of_another_purpose_or_old_are_refused(world: AlarmWorld) -> None:
    await world.put(SERIES)
    await world.at("2026-06-01 09:45")
    token = token_of(await last_mail(world), "unsubscribe")
    with pytest.raises(Refused):
        unknown = "no-such-token"
        await world.store.write(lambda unit: say(unit, world.context, "unsubscribe", unknown, Consent.WITHDRAWN))
    with pytest.raises(Refused):
        await world.store.write(lambda unit: say(unit, world.context, "confirm", token, Consent.CONFIRMED))
    await world.at("2028-06-01 09:45")
    with pytest.raises(Refused):
        await world.store.write(lambda unit: say(unit, world.context, "unsubscribe", token, Consent.WITHDRAWN))
