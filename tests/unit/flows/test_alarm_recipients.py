# SPDX-License-Identifier: Apache-2.0
"""Whom a firing reaches: the owner's addresses always, others by policy, and the owner instead of who may not."""

import pytest

from gateway.flows.alarm_view import forecast
from gateway.store.alarms import AlarmConsent
from gateway.store.engine import Store
from gateway.store.sent import Suppression
from gateway.store.unit import Unit
from tests.support.alarms import AlarmWorld, utc

START, BEFORE = "DTSTART:20260601T100000Z", "2026-06-01 08:00"
ANN, EVE, DAN = "ann@example.org", "eve@outside.example", "dan@partner.example"


@pytest.fixture
async def world(store: Store) -> AlarmWorld:
    return await AlarmWorld(store).open()


def alarm(*attendees: str) -> str:
    return f"{START}!TRIGGER:-PT15M|" + "|".join(f"ATTENDEE:mailto:{address}" for address in attendees)


async def reached(world: AlarmWorld) -> list[str]:
    await world.until("2026-06-02 00:00")
    return sorted(to for to, _ in await world.mails())


async def test_outside_is_closed_and_the_owner_is_mailed_instead(world: AlarmWorld) -> None:
    await world.put(alarm(EVE, DAN))
    assert await reached(world) == [ANN]
    entries = await world.store.read(lambda unit: unit.journal.of_uid("ann", "u"))
    refused = {(entry.recipient, entry.outcome, entry.rule) for entry in entries if entry.outcome == "deny"}
    assert refused == {(EVE, "deny", "recipient.denied"), (DAN, "deny", "recipient.denied")}


async def test_an_alias_is_an_own_address_and_needs_nobody_instead(world: AlarmWorld) -> None:
    await world.put(alarm("Ann.Alias@example.org", EVE))
    assert await reached(world) == ["ann.alias@example.org"]


async def test_another_account_here_is_not_ours(world: AlarmWorld) -> None:
    await world.put(alarm("bob@example.org"))
    assert await reached(world) == [ANN]


async def test_what_is_no_mail_address_is_refused_in_sight_even_where_all_are_admitted(world: AlarmWorld) -> None:
    await world.set("alarms.allow_external_rcpts", True)
    await world.put(f"{START}!TRIGGER:-PT15M|ATTENDEE:urn:uuid:1|ATTENDEE:mailto:a@b@c.example")
    found = await world.store.read(lambda unit: forecast(unit, world.context, unit.accounts.all()[0], utc(BEFORE)))
    assert [(each.address, each.rule) for each in found.upcoming[0].recipients] == [
        ("urn:uuid:1", "recipient.malformed"), ("a@b@c.example", "recipient.malformed"), (ANN, "recipient.own"),
    ]  # fmt: skip
    assert await world.until("2026-06-02 00:00") == [
        f"09:45 sent alarm.due {ANN}",
        "09:45 deny recipient.malformed urn:uuid:1",
        "09:45 deny recipient.malformed a@b@c.example",
    ]
    assert await reached(world) == [ANN]


async def test_the_one_switch_admits_everybody_each_with_a_mail(world: AlarmWorld) -> None:
    await world.set("alarms.allow_external_rcpts", True)
    await world.put(alarm(EVE, DAN))
    assert await reached(world) == [DAN, EVE]


async def test_listed_domains(world: AlarmWorld) -> None:
    await world.set("external_recipients.alarms", "domains")
    await world.set("external_recipients.domains", ["partner.example"])
    await world.put(alarm(EVE, DAN))
    assert await reached(world) == [ANN, DAN]


async def test_guests_of_the_event(world: AlarmWorld) -> None:
    await world.set("external_recipients.alarms", "guests")
    await world.put(alarm(EVE, DAN).replace(START, f"{START}|ATTENDEE:mailto:Eve@outside.example"))
    assert await reached(world) == [ANN, EVE]


async def test_opt_in_asks_once_and_mails_after_the_yes(world: AlarmWorld) -> None:
    await world.set("external_recipients.alarms", "opt-in")
    await world.set("alarms.min_trigger_interval", "0s")
    await world.put(alarm(EVE).replace(START, f"{START}|RRULE:FREQ=DAILY;COUNT=3"))
    await world.until("2026-06-02 12:00")
    questions = [task for task in await world.tasks() if task.kind == "Notice"]
    assert [task.payload["to"] for task in questions] == [EVE]
    assert questions[0].payload["page"].startswith("https://cal.example.org/confirm/")
    yes = AlarmConsent("ann", EVE, "confirmed", answered_at=utc("2026-06-02 13:00"))
    await world.store.write(lambda unit: unit.alarms.put_consent(yes))
    await world.until("2026-06-04 00:00")
    assert [to for to, _ in await world.mails()] == [ANN, ANN, EVE]


async def test_who_unsubscribed_or_bounces_gets_none_even_where_all_are_admitted(world: AlarmWorld) -> None:
    def write(unit: Unit) -> None:
        unit.alarms.put_consent(AlarmConsent("ann", EVE, "withdrawn"))
        unit.sent.suppress(Suppression(DAN, "all", "bounced", world.clock.now()))

    await world.store.write(write)
    await world.set("alarms.allow_external_rcpts", True)
    await world.put(alarm(EVE, DAN))
    assert await reached(world) == [ANN]


async def test_the_day_s_cap_of_addresses_outside(world: AlarmWorld) -> None:
    await world.set("alarms.allow_external_rcpts", True)
    await world.set("external_recipients.max_alarm_recipients_per_day", 2)
    await world.put(alarm(*(f"p{number}@outside.example" for number in range(5))))
    assert await reached(world) == [ANN, "p0@outside.example", "p1@outside.example"]


async def test_the_forecast_says_who_is_reached_and_who_not(world: AlarmWorld) -> None:
    await world.put(alarm(EVE) + "?TRIGGER:-PT5M|DESCRIPTION:Reminder")
    account = await world.store.read(lambda unit: unit.accounts.get("ann"))
    assert account is not None
    found = await world.store.read(lambda unit: forecast(unit, world.context, account, world.clock.now()))
    (upcoming,) = found.upcoming
    assert (upcoming.action, upcoming.rule) == ("fire", "alarm.due")
    assert [(r.address, r.action) for r in upcoming.recipients] == [(EVE, "deny"), (ANN, "permit")]
    assert [silent.rule for silent in found.silent] == ["alarm.not-mail"]


async def test_the_forecast_plays_the_interval_through(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260601T120000Z!TRIGGER:-PT1H!TRIGGER:-PT30M", uid="a")
    await world.put("DTSTART:20260601T180000Z!TRIGGER:-PT400M", uid="b")
    account = await world.store.read(lambda unit: unit.accounts.get("ann"))
    assert account is not None
    found = await world.store.read(lambda unit: forecast(unit, world.context, account, world.clock.now()))
    assert [(f"{u.fire_at:%H:%M}", u.action) for u in found.upcoming] == [
        ("11:00", "fire"),
        ("11:20", "gather"),
        ("11:30", "skip"),
    ]
    outcomes = await world.until("2026-06-02 00:00")
    assert [line.split()[:2] for line in outcomes] == [
        ["11:00", "sent"],
        ["11:20", "gather"],
        ["11:30", "skip"],
        ["11:20", "sent"],
    ], "the worker does as was foretold"


async def test_a_refused_address_is_in_the_history_with_its_rule(world: AlarmWorld) -> None:
    await world.put(alarm(EVE))
    await world.at("2026-06-01 09:45")
    fired = await world.store.read(lambda unit: unit.alarms.fired("ann"))
    assert {(each.recipient, each.outcome, each.rule) for each in fired} == {
        (EVE, "deny", "recipient.denied"), ("ann@example.org", "sent", "alarm.due"),
    }  # fmt: skip


async def test_the_forecast_gathers_what_is_due_at_one_moment_and_looks_years_ahead(
    world: AlarmWorld,
) -> None:
    await world.put(alarm(ANN), uid="one")
    await world.put(alarm(ANN), uid="two")
    await world.put("DTSTART:20330601T100000Z!TRIGGER:-PT15M", uid="far")

    def look(unit: Unit) -> list[tuple[str, str]]:
        ann = unit.accounts.get("ann")
        assert ann is not None
        found = forecast(unit, world.context, ann, utc("2026-06-01 08:00"))
        return [(f"{each.fire_at:%Y-%m-%d}", each.rule) for each in found.upcoming]

    assert await world.store.read(look) == [("2026-06-01", "alarm.due")] * 2 + [("2033-06-01", "alarm.due")]
    assert len(await world.at("2026-06-01 09:45")) == 2
    assert len(await world.mails()) == 1
