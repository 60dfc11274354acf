# SPDX-License-Identifier: Apache-2.0
"""The mails that leave, octet for octet: `NN-name.eml` beside `NN-name.why`, the sentence why it looks so.

`pytest tests/golden --regen` writes them anew; the review of the difference decides.
"""

import email
import email.policy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.imip.build import AutoSubmitted, BuiltMail, build_itip_mail
from gateway.imip.presentation import Branding, Colours, Logo, Person, Presentation
from gateway.imip.samples import SAMPLES, WRITTEN_AT, Scene, build_sample, sample_links
from gateway.itip.model import ItipMessage, Method

FOLDER = Path(__file__).parent / "imip_out"
LINKS = sample_links("https://calendar.example.org")
PLAIN = Presentation(links=LINKS, branding=Branding("Example calendar"))
#: One transparent pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000b49444154789c6360000200000500017a5eab3f"
    "0000000049454e44ae426082"
)
LEE = Person("lee@partner.example", "Lee Chan")


def sample(name: str, presentation: Presentation = PLAIN) -> Callable[[], BuiltMail]:
    return lambda: build_sample(name, domain="example.org", presentation=presentation)


def invitation(recipient: Person, *, from_: Person | None = None, reply_to: Person | None = None, **values: str) -> BuiltMail:
    scene = Scene("example.org", PLAIN, WRITTEN_AT)
    calendar = scene.calendar(Method.REQUEST).replace("Budget review", values.get("title", "Budget review"))
    message = ItipMessage(
        Method.REQUEST, "golden-uid", 0, scene.dana.address, (recipient.address,), ("",), True, "", calendar, ()
    )
    headers = scene.headers("golden", scene.dana)
    headers = replace(headers, from_=from_ or headers.from_, reply_to=reply_to, mail_sender=None)
    headers = replace(headers, in_reply_to="<first@example.org>", references=("<first@example.org>",))
    headers = replace(headers, auto_submitted=AutoSubmitted.GENERATED if from_ else None)
    return build_itip_mail(message, recipient, headers=headers, presentation=PLAIN)


BRANDED = replace(
    PLAIN,
    locale="de-AT",
    time_zone="America/New_York",
    branding=Branding(
        "Muster & Söhne", Colours("#7a1f5c", "#f0a6d6"), Logo(PIXEL, "image/png", "Muster & Söhne"), "Musterweg 1, Wien"
    ),
)
CASES: dict[str, Callable[[], BuiltMail]] = {
    "01-invitation": sample("invitation"),
    "02-series": sample("invitation-series"),
    "03-update": sample("update"),
    "04-occurrence-cancelled": sample("occurrence-cancelled"),
    "05-removed": sample("removed"),
    "06-accepted": sample("accepted"),
    "07-counter": sample("counter"),
    "08-reminder-of-several": sample("alarm-several"),
    "09-not-delivered": sample("not-delivered"),
    "10-german-with-brand-and-zone": sample("invitation", BRANDED),
    "11-arabic": sample("update-series", replace(PLAIN, locale="ar")),
    "12-organizer-of-another-domain": lambda: invitation(
        LEE, from_=Person("calendar@example.org", "Dana Rossi via Example calendar"), reply_to=Person("dana@home.example")
    ),
    "13-hostile-names": lambda: invitation(
        Person("lee@partner.example", 'Chan, "Lee"\r\nBcc: all@example.org'), title="=?utf-8?q?Pay?= {{ 7*7 }} <b>\u202enow"
    ),
    "14-international-address": lambda: invitation(Person("léa@münchen.example", "Léa Müller 🎉")),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mail_is_as_it_was(name: str, request: pytest.FixtureRequest) -> None:
    path = FOLDER / f"{name}.eml"
    built = CASES[name]().data
    if request.config.getoption("regen"):
        path.write_bytes(built)
    assert built == path.read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_a_golden_mail_says_why_it_looks_so(name: str) -> None:
    why = (FOLDER / f"{name}.why").read_text("utf-8").strip()
    assert why.endswith(".")
    assert "\n" not in why


def test_no_golden_mail_is_left_behind() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_strict_parser_finds_no_defect(name: str) -> None:
    message = email.message_from_bytes((FOLDER / f"{name}.eml").read_bytes(), policy=email.policy.default)
    assert [defect for part in message.walk() for defect in part.defects] == []
    raw = name == "14-international-address"  # the library knows RFC 6532 only as a defect
    assert [defect for value in message.values() for defect in value.defects if not raw] == []
    for part in message.walk():
        if not part.is_multipart():
            assert part.get_content()


def test_the_samples_have_names_that_a_person_can_type() -> None:
    assert all(name.replace("-", "").isalpha() and name.islower() for name in SAMPLES)
