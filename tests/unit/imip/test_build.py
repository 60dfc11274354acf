# SPDX-License-Identifier: Apache-2.0
"""Every kind of mail in every language, read back by independent parsers: the standard library and icalendar."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser

import icalendar
import pytest

from gateway.imip.build import AutoSubmitted, Headers, build_itip_mail
from gateway.imip.presentation import Branding, Colours, Links, Logo, Person, Presentation
from gateway.imip.samples import SAMPLES, WRITTEN_AT, Scene, build_sample, sample_links
from gateway.imip.words import LANGUAGES
from gateway.itip.model import ItipMessage, Method

LINKS = sample_links("https://calendar.example.org")
SHOWN = Presentation(links=LINKS)
#: What a mail of ours may carry in its head.
HEADERS = {
    "From", "Sender", "Reply-To", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "List-Unsubscribe", "List-Unsubscribe-Post", "Content-Language", "MIME-Version",
    "Content-Type", "Content-Transfer-Encoding", "X-iMIP-Gateway-Id",
}  # fmt: skip
SCHEDULING = (
    "invitation",
    "update",
    "cancellation",
    "accepted",
    "counter",
    "proposal-declined",
    "refresh",
    "published",
)


def sample(name: str, presentation: Presentation = SHOWN) -> EmailMessage:
    return parsed(build_sample(name, domain="example.org", presentation=presentation).data)


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


class Tags(HTMLParser):
    """What a reader's program meets: every tag and its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_every_kind_is_whole_in_every_language(language: str) -> None:
    for name in SAMPLES:
        message = sample(name, replace(SHOWN, locale=language))
        text, html = body(message, "plain"), body(message, "html")
        tags = Tags(html).seen
        assert set(message.keys()) <= HEADERS
        assert message["Content-Language"] == language
        assert re.search(r"[{}\[\]|]", f"{message['Subject']}{text}") is None, name
        assert len(html.encode()) < 40_000
        root = next(attrs for tag, attrs in tags if tag == "html")
        assert root == {"lang": language, "dir": "rtl" if language in ("ar", "he") else "ltr"}
        assert sum(tag == "h1" for tag, _ in tags) == 1
        assert not [tag for tag, _ in tags if tag in ("script", "form", "iframe", "img")]


@pytest.mark.parametrize("name", SCHEDULING)
def test_the_calendar_is_what_another_library_reads(name: str) -> None:
    message = sample(name)
    (part,) = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    calendar = icalendar.Calendar.from_ical(part.get_content())
    assert part.get_param("method") == calendar["METHOD"]
    assert part.get_param("component") == "VEVENT"
    assert part.get_content_charset() == "utf-8"
    assert part["Content-Transfer-Encoding"] == "base64"
    assert part.get_content_disposition() is None
    assert [str(event["SUMMARY"]) for event in calendar.walk("VEVENT")] == ["Budget review"]


@pytest.mark.parametrize(("name", "is_attached"), [("invitation", True), ("cancellation", True), ("accepted", False)])
def test_the_layout_shows_buttons_everywhere(name: str, is_attached: bool) -> None:  # a table's column
    message = sample(name)
    kinds = [part.get_content_type() for part in message.walk()]
    alternatives = ["multipart/alternative", "text/plain", "text/html", "text/calendar"]
    if is_attached:
        assert kinds == ["multipart/mixed", *alternatives, "application/ics"]
        copies = [part.get_content() for part in message.walk() if not part.is_multipart()]
        assert copies[2].encode() == copies[3]
    else:
        assert kinds == alternatives


@pytest.mark.parametrize("name", ["alarm", "not-delivered", "consent", "test"])
def test_what_asks_no_calendar_program_carries_no_calendar(name: str) -> None:
    assert not [part for part in sample(name).walk() if "calendar" in part.get_content_type()]


def test_text_and_html_say_the_same() -> None:
    for name in SAMPLES:
        message = sample(name)
        shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body(message, "html").partition("<body")[2]))
        text = body(message, "plain")
        for fact in ("Room Aurora, Via Roma 12", "Budget review", "10:00", "Every week on Tuesday", "Video call"):
            assert (fact in shown) == (fact in text), f"{name}: {fact}"


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", ["Before: ", "Guests:\n"]), ("fr", ["Avant\xa0: ", "Invités\xa0:\n"]), ("ja", ["変更前：", "ゲスト：\n"])],
)
def test_labels_end_as_their_language_ends_them(language: str, said: list[str]) -> None:
    message = sample("update", replace(SHOWN, locale=language))
    text = body(message, "plain").replace("\r\n", "\n")
    assert [words for words in said if words not in text] == []
    assert said[0].rstrip() in body(message, "html")


def test_buttons_lead_to_the_answer_page_and_nowhere_else() -> None:
    hrefs = {str(attrs["href"]) for tag, attrs in Tags(body(sample("invitation"), "html")).seen if tag == "a"}
    foreign = {"https://meet.example.org/budget", "https://files.example.org/2025/budget"}
    assert hrefs == {LINKS.accept, LINKS.tentative, LINKS.decline} | foreign


def test_without_links_nobody_is_asked_to_press() -> None:
    message = sample("invitation", Presentation())
    assert "Will you attend?" not in body(message, "html") + body(message, "plain")


def test_answers_and_cancellations_carry_no_answer_links() -> None:
    for name in ("accepted", "cancellation", "removed", "counter", "alarm"):
        assert "/rsvp/" not in body(sample(name), "html") + body(sample(name), "plain")


def test_the_same_message_is_the_same_mail() -> None:
    assert all(
        build_sample(name, domain="example.org", presentation=SHOWN)
        == build_sample(name, domain="example.org", presentation=SHOWN)
        for name in SAMPLES
    )


def test_a_guests_own_time_stands_beside_that_of_the_event() -> None:
    text = body(sample("invitation", replace(SHOWN, time_zone="America/New_York")), "plain")
    assert "In your time zone: Tuesday, November 3, 2026, 4:00\xa0AM – 5:00\xa0AM (Eastern Standard Time" in text
    assert "In your time zone" not in body(sample("invitation", replace(SHOWN, time_zone="Europe/Berlin")), "plain")


def test_an_update_shows_old_and_new_in_text_and_html() -> None:
    message = sample("update")
    for part in (body(message, "plain"), body(message, "html")):
        assert part.index("Room Borea") < part.index("Room Aurora")
        assert part.index("9:00\xa0AM") < part.index("11:00\xa0AM")


def test_hidden_guests_are_named_to_nobody() -> None:
    scene = Scene("example.org", SHOWN, WRITTEN_AT)
    calendar = scene.calendar(Method.REQUEST)
    message = ItipMessage(
        Method.REQUEST, "u", 0, "dana@example.org", ("lee@partner.example",), ("",), True, "", calendar, ()
    )
    lee = Person("lee@partner.example", "Lee")
    built = build_itip_mail(message, lee, headers=scene.headers("u", scene.dana), presentation=SHOWN, hide_guests=True)
    mail = parsed(built.data)
    assert "noor@partner.example" not in body(mail, "plain") + body(mail, "html")
    assert "does not show the guest list" in body(mail, "plain")


def test_guests_are_named_up_to_a_limit_and_the_rest_counted() -> None:
    text = body(sample("invitation", replace(SHOWN, max_guests=1)), "plain")
    assert "and 2 more" in text
    assert "noor@partner.example" not in text


def test_reminders_of_several_events_count_in_the_subject_and_each_has_its_row() -> None:
    message = sample("alarm-several")
    assert str(message["Subject"]).endswith(" and 1 more")
    assert "Lunch with Noor" in body(message, "plain")
    assert "Lunch with Noor" in body(message, "html")


def test_mail_to_outsiders_can_be_stopped_with_one_press() -> None:
    message = sample("alarm-outside")
    assert message["List-Unsubscribe"] == "<https://calendar.example.org/stop/kVJ8uXo2mN4p>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_thread_names_what_came_before() -> None:
    scene = Scene("example.org", SHOWN, WRITTEN_AT)
    headers = Headers(
        Person("calendar@example.org", "Dana Rossi via Calendar"),
        "<two@example.org>",
        datetime(2026, 10, 26, tzinfo=UTC),
        mail_sender=Person("robot@example.org"),
        reply_to=Person("dana@home.example"),
        in_reply_to="<one@example.org>",
        references=("<one@example.org>",),
        auto_submitted=AutoSubmitted.REPLIED,
        trace_id="out_1",
    )
    message = ItipMessage(
        Method.CANCEL, "u", 1, "dana@example.org", ("lee@partner.example",), ("",), True, "",
        scene.calendar(Method.CANCEL), (),
    )  # fmt: skip
    built = build_itip_mail(message, Person("lee@partner.example"), headers=headers, presentation=SHOWN)
    mail = parsed(built.data)
    assert (mail["In-Reply-To"], mail["References"]) == ("<one@example.org>", "<one@example.org>")
    assert (mail["Sender"], mail["Reply-To"], mail["To"]) == (
        "robot@example.org", "dana@home.example", "lee@partner.example",
    )  # fmt: skip
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-iMIP-Gateway-Id"] == "out_1"


def test_a_domain_has_its_own_name_colours_logo_and_footer() -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(64)
    ours = Branding("Söhne & Co", Colours("#7a1f5c", "#f0a6d6"), Logo(picture, "image/png", "Söhne"), "Musterweg 1")
    message = sample("invitation", replace(SHOWN, branding=ours))
    html = body(message, "html")
    (logo,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    cid = str(logo["Content-ID"]).strip("<>")
    assert logo.get_content() == picture
    assert logo.get_content_disposition() == "inline"
    assert f'src="cid:{cid}"' in html
    assert 'alt="Söhne"' in html
    assert "#7a1f5c" in html
    assert "#f0a6d6" in html
    assert "Musterweg 1" in html
    assert "Musterweg 1" in body(message, "plain")
    assert "Söhne & Co" not in html.partition("<body")[2]  # the logo says it


@pytest.mark.parametrize(
    "logo",
    [
        Logo(b"<svg onload=alert(1)>", "image/svg+xml"),
        Logo(bytes(70_000), "image/png"),
        Logo(b"", "image/png"),
        Logo(b"x", 'image/png"\r\nBcc: all@example.org'),
    ],
)
def test_a_logo_that_is_no_small_picture_stays_out(logo: Logo) -> None:
    message = sample("invitation", replace(SHOWN, branding=Branding("Example", logo=logo)))
    assert "img" not in {tag for tag, _ in Tags(body(message, "html")).seen}
    assert message["Bcc"] is None
    assert "Example" in body(message, "html")


def test_colours_that_are_none_are_ours() -> None:
    bad = Branding("x", Colours("red;background:url(https://evil.example)", '#fff" onclick="x'))
    html = body(sample("invitation", replace(SHOWN, branding=bad)), "html")
    assert "evil.example" not in html
    assert "onclick" not in html


def test_text_on_a_light_accent_is_dark() -> None:
    html = body(sample("invitation", replace(SHOWN, branding=Branding("x", Colours("#ffe600")))), "html")
    assert "background:#ffe600;color:#111827" in html
    assert 'style="color:#ffe600' not in html


def test_unsubscribe_and_answer_links_are_absent_where_there_are_none() -> None:
    message = sample("alarm", replace(SHOWN, links=Links()))
    assert message["List-Unsubscribe"] is None
