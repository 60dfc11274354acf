# SPDX-License-Identifier: Apache-2.0
"""The mail that an alarm becomes: in whose name, in which words, with which way out."""

import email
from email import policy
from email.message import EmailMessage

import pytest

from gateway.flows.build_mails import build_due
from gateway.store.engine import Store
from gateway.store.links import hash_token
from gateway.store.unit import Unit
from tests.support.alarms import AlarmWorld

START = "DTSTART;TZID=Europe/Berlin:20260601T120000|DTEND;TZID=Europe/Berlin:20260601T130000|SUMMARY:Weekly meeting"
ANN, EVE = "ann@example.org", "eve@outside.example"


@pytest.fixture
async def world(store: Store) -> AlarmWorld:
    return await AlarmWorld(store).open()


async def mails(world: AlarmWorld) -> list[EmailMessage]:
    """Build what is owed and return it as mails, oldest first."""
    while await build_due(world.context, worker="test"):
        pass
    queued = await world.store.read(lambda unit: unit.outbox.queued())
    parsed = [email.message_from_bytes(message.data, policy=policy.default) for message in queued]
    return [mail for mail in parsed if isinstance(mail, EmailMessage)]


def text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_a_reminder_says_what_when_where_and_why(world: AlarmWorld) -> None:
    await world.put(f"{START}|LOCATION:Room 7!TRIGGER:-PT15M|DESCRIPTION:Bring the plan @email")
    await world.at("2026-06-01 09:45")
    (mail,) = await mails(world)
    assert mail["From"] == "Calendar <calendar-notification@example.org>"
    assert (mail["To"], mail["Reply-To"]) == ("Ann <ann@example.org>", "Ann <ann@example.org>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "Weekly meeting" in mail["Subject"]
    said = text(mail)
    assert "Room 7" in said
    assert "Bring the plan" in said
    assert "@email" not in said
    assert "12:00" in said
    assert "Open the event: https://cal.example.org/organizer/" in said.replace("\n", " ")
    assert not any(part.get_content_type() == "text/calendar" for part in mail.walk())


async def test_the_alarm_s_own_summary_names_it_and_a_bare_marker_does_not(world: AlarmWorld) -> None:
    await world.set("alarms.min_trigger_interval", "0s")
    await world.put(f"{START}?TRIGGER:-PT15M|SUMMARY:@email|DESCRIPTION:@email!TRIGGER:-PT10M|SUMMARY:Leave now")
    await world.until("2026-06-01 10:00")
    first, second = await mails(world)
    assert "Weekly meeting" in first["Subject"]
    assert "Leave now" in second["Subject"]


async def test_a_floating_event_begins_by_the_clock_of_its_calendar_and_a_day_has_no_hour(world: AlarmWorld) -> None:
    await world.set("alarms.min_trigger_interval", "0s")
    await world.put("DTSTART:20260601T100000|SUMMARY:Tea!TRIGGER:-PT15M", uid="floating")
    await world.put("DTSTART;VALUE=DATE:20260602|SUMMARY:Feast!TRIGGER:-PT14H", uid="day")
    await world.at("2026-06-01 09:45")
    (tea,) = await mails(world)
    assert text(tea).startswith("This event begins in 15 minutes.")
    await world.at("2026-06-01 10:00")
    (feast,) = (mail for mail in await mails(world) if "Feast" in mail["Subject"])
    assert text(feast).startswith("This is the reminder you asked for.")


async def test_a_late_one_says_so(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260601T200000Z|SUMMARY:Dinner!TRIGGER:-PT10H")
    world.clock.advance(world.clock.now() - world.clock.now())
    await world.at("2026-06-01 12:00")
    (mail,) = await mails(world)
    assert "late" in text(mail)


async def test_gathered_alarms_share_one_mail(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260601T120000Z|SUMMARY:Lunch!TRIGGER:-PT1H", uid="a")
    await world.put("DTSTART:20260601T130000Z|SUMMARY:Walk!TRIGGER:-PT2H", uid="b")
    await world.at("2026-06-01 11:00")
    (mail,) = await mails(world)
    assert "Lunch" in text(mail)
    assert "Walk" in text(mail)


async def test_name_and_address_of_the_instance_and_of_the_domain(world: AlarmWorld) -> None:
    from gateway.store.accounts import Domain

    await world.set("alarms.min_trigger_interval", "0s")
    await world.set("alarms.from_name", "Reminders")
    await world.set("alarms.from_email", "remind@example.org")
    await world.put(f"{START}!TRIGGER:-PT15M!TRIGGER:-PT10M")
    await world.at("2026-06-01 09:45")
    assert (await mails(world))[0]["From"] == "Reminders <remind@example.org>"
    own = {"alarm_from_name": "House", "alarm_from_email": "bell@example.org"}
    await world.store.write(lambda unit: unit.accounts.put_domain(Domain("example.org", own, world.clock.now())))
    await world.at("2026-06-01 09:50")
    assert (await mails(world))[1]["From"] == "House <bell@example.org>"


async def test_somebody_outside_gets_a_way_out_and_no_link_to_the_calendar(world: AlarmWorld) -> None:
    await world.set("alarms.allow_external_rcpts", True)
    await world.put(f"{START}!TRIGGER:-PT15M|ATTENDEE:mailto:{EVE}")
    await world.at("2026-06-01 09:45")
    (mail,) = await mails(world)
    assert mail["To"] == EVE
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    way_out = str(mail["List-Unsubscribe"]).strip("<>")
    assert way_out.startswith("https://cal.example.org/unsubscribe/")
    assert "/organizer/" not in text(mail)

    def link(unit: Unit) -> tuple[str, str, str]:
        found = unit.links.by_token(way_out.rpartition("/")[2])
        assert found is not None
        assert found.token_hash == hash_token(way_out.rpartition("/")[2])
        return found.purpose, found.account_id, found.attendee

    assert await world.store.read(link) == ("unsubscribe", "ann", EVE)


async def test_who_may_not_be_mailed_is_told_to_the_owner_and_to_nobody_else(world: AlarmWorld) -> None:
    await world.set("external_recipients.alarms", "domains")
    await world.set("external_recipients.domains", ["partner.example"])
    await world.put(f"{START}!TRIGGER:-PT15M|ATTENDEE:mailto:{EVE}|ATTENDEE:mailto:dan@partner.example")
    await world.at("2026-06-01 09:45")
    said = {mail["To"].addresses[0].addr_spec: text(mail) for mail in await mails(world)}
    told = f"This reminder was also meant for: {EVE}. The rules of this service did not let it be sent there."
    assert told in said[ANN]
    assert EVE not in said["dan@partner.example"]
    assert "the calendar of Ann has a reminder for dan@partner.example." in said["dan@partner.example"]


async def test_a_hostile_event_cannot_write_headers_or_markup(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260601T120000Z|SUMMARY:Hi\\nBcc: x@y.example\\n<script>alert(1)</script>!TRIGGER:-PT1H")
    await world.at("2026-06-01 11:00")
    (mail,) = await mails(world)
    assert mail["Bcc"] is None
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()


async def test_an_own_template_is_used_and_a_broken_one_does_not_stop_the_mail(world: AlarmWorld) -> None:
    await world.set("alarms.min_trigger_interval", "0s")
    await world.set("alarms.template", "<h1>{{ event_title }}</h1>")
    await world.put(f"{START}!TRIGGER:-PT15M!TRIGGER:-PT10M")
    await world.at("2026-06-01 09:45")
    await mails(world)
    await world.set("alarms.template", "{{ broken")
    await world.at("2026-06-01 09:50")
    first, second = (mail.get_body(("html",)) for mail in await mails(world))
    assert first is not None
    assert second is not None
    assert first.get_content().strip() == "<h1>Weekly meeting</h1>"
    assert second.get_content().lstrip().startswith("<!DOCTYPE html>")


async def test_an_event_edited_between_firing_and_building_is_told_as_it_was(world: AlarmWorld) -> None:
    await world.put(f"{START}!TRIGGER:-PT15M")
    await world.at("2026-06-01 09:45")
    await world.delete()
    (mail,) = await mails(world)
    assert "Weekly meeting" in text(mail)


async def test_what_an_email_alarm_attaches_goes_with_it_and_addresses_are_named(world: AlarmWorld) -> None:
    file = "ATTACH;VALUE=BINARY;ENCODING=BASE64;FMTTYPE=application/pdf;FILENAME=plän.pdf:JVBERg=="
    page, event_file = "ATTACH:https://x.example/agenda", "ATTACH;VALUE=BINARY;ENCODING=BASE64:QUJD"
    await world.put(f"{START}|{event_file}!TRIGGER:-PT15M|{file}|{page}|ATTACH;ENCODING=BASE64;VALUE=BINARY:not base64")
    await world.at("2026-06-01 09:45")
    (mail,) = await mails(world)
    (attached,) = mail.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("application/pdf", "plän.pdf")
    assert attached.get_content() == b"%PDF"
    assert "https://x.example/agenda" in text(mail)


async def test_a_sound_is_no_file_to_mail_and_no_file_makes_an_invitation(world: AlarmWorld) -> None:
    sound = "ATTACH;VALUE=URI:https://x.example/chord"
    await world.put(f"{START}!ACTION:AUDIO|TRIGGER:-PT15M|DESCRIPTION:@email|{sound}")
    invitation = "ATTACH;VALUE=BINARY;ENCODING=BASE64;FMTTYPE=text/calendar;FILENAME=../a.ics:QkVHSU4="
    await world.put(f"{START}!TRIGGER:-PT15M|{invitation}", uid="v")
    await world.at("2026-06-01 09:45")
    (mail,) = await mails(world)
    assert "chord" not in text(mail)
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/octet-stream"]
    assert [part.get_filename() for part in mail.iter_attachments()] == ["_a.ics"]


async def test_the_owner_sees_the_guests_and_somebody_outside_gets_neither_them_nor_a_file(world: AlarmWorld) -> None:
    await world.set("alarms.allow_external_rcpts", True)
    guests = "ORGANIZER:mailto:ann@example.org|ATTENDEE;CN=Bob Guest;PARTSTAT=ACCEPTED:mailto:bob@guest.example"
    attached = "ATTACH:https://x.example/agenda|ATTACH;ENCODING=BASE64;VALUE=BINARY:QUJD"
    to = f"ATTENDEE:mailto:{ANN}|ATTENDEE:mailto:{EVE}"
    await world.put(f"{START}|{guests}!TRIGGER:-PT15M|{to}|{attached}")
    await world.at("2026-06-01 09:45")
    by_reader = {mail["To"]: mail for mail in await mails(world)}
    own, outside = by_reader[f"Ann <{ANN}>"], by_reader[EVE]
    assert ("Bob Guest" in text(own), "agenda" in text(own), own.get_content_subtype()) == (True, True, "mixed")
    assert ("Bob" in text(outside), "agenda" in text(outside), outside.get_content_subtype()) == (
        False,
        False,
        "alternative",
    )


async def test_a_mail_of_several_says_what_each_alarm_says(world: AlarmWorld) -> None:
    await world.put(f"{START}!TRIGGER:-PT15M|DESCRIPTION:Bring the plan")
    await world.put(f"{START.replace('Weekly meeting', 'Call')}!TRIGGER:-PT15M|DESCRIPTION:Dial 99", uid="v")
    await world.at("2026-06-01 09:45")
    (mail,) = await mails(world)
    assert "Bring the plan" in text(mail)
    assert "Dial 99" in text(mail)


async def test_a_to_do_is_reminded_of_at_a_moment_even_without_dates_and_not_once_done(world: AlarmWorld) -> None:
    at = "TRIGGER;VALUE=DATE-TIME:20260601T094500Z"
    for uid, lines in (
        ("open", "SUMMARY:Rent"),
        ("done", "SUMMARY:Tax|STATUS:COMPLETED"),
        ("past", "COMPLETED:20260501T0Z"),
    ):
        await world.put(f"{lines}!{at}", uid=uid, kind="VTODO")
    assert await world.at("2026-06-01 09:45") == [f"09:45 sent alarm.due {ANN}"]
    (mail,) = await mails(world)
    assert mail["Subject"].startswith("Reminder: Rent")
    assert "This is the reminder you asked for." in text(mail)


async def test_two_alarms_that_say_the_same_to_one_reader_are_told_once(world: AlarmWorld) -> None:
    await world.put(f"{START}!TRIGGER:-PT15M|ATTENDEE:mailto:{ANN}!TRIGGER:-PT15M|ATTENDEE:mailto:{EVE}")
    assert sorted(each.split()[1] for each in await world.at("2026-06-01 09:45")) == ["deny", "sent", "sent"]
    (mail,) = await mails(world)
    assert text(mail).count("Weekly meeting") == 1
