# SPDX-License-Identifier: Apache-2.0
"""An administrator's own template: checked before it is kept, harmless where it fails, escaped like ours."""

import email
from email import policy
from pathlib import Path

import pytest

from gateway.imip.custom import PLACEHOLDERS
from gateway.imip.presentation import Links, Presentation, Templates
from gateway.imip.samples import build_sample, template_fault

ALARMS = ("alarm", "alarm-late", "alarm-outside")


def html_of(template: str, name: str = "alarm", links: Links | None = None) -> tuple[str, str]:
    presentation = Presentation(templates=Templates((("mail.html.j2", template),)), links=links or Links())
    mail = build_sample(name, domain="example.org", presentation=presentation)
    parsed = email.message_from_bytes(mail.data, policy=policy.default)
    body = parsed.get_body(("html",))
    assert body is not None
    return body.get_content(), mail.fault


def test_every_documented_placeholder_can_be_used() -> None:
    page = "<html>" + "".join(f"[{name}={{{{ {name} }}}}]" for name in PLACEHOLDERS) + "</html>"
    assert template_fault(page, *ALARMS, "invitation") is None
    shown, fault = html_of(page)
    assert fault == ""
    assert "[event_title=" in shown
    assert "[event_title=]" not in shown


def test_lists_can_be_walked() -> None:
    page = "{% for fact in event_details %}<p>{{ fact.key }}: {{ fact.value }}</p>{% endfor %}"
    shown, _ = html_of(page)
    assert shown.count("<p>") >= 2


@pytest.mark.parametrize(
    "template",
    [
        "{{ no_such_thing }}",
        "{{#if event_title}}x{{/if}}",
        "{% for x in %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ event_title.format.__globals__ }}",
        "{% include 'no-such.j2' %}",
        "{{ 1 / 0 }}",
        "{% for a in range(99999999) %}x{% endfor %}",
        "x" * 300_000,
    ],
)
def test_a_bad_template_is_refused_and_a_mail_leaves_with_ours(template: str) -> None:
    assert template_fault(template, *ALARMS)
    shown, fault = html_of(template)
    assert fault
    assert shown.lstrip().startswith("<!DOCTYPE html>")


def test_what_people_wrote_is_escaped() -> None:
    shown, _ = html_of("<b>{{ event_title }}</b>{{ header }}")
    assert "<script" not in shown
    assert "&" in html_of("{{ '<i>' }}")[0]


def test_the_documentation_names_every_placeholder() -> None:
    page = (Path(__file__).parents[3] / "docs" / "alarms.md").read_text()
    assert [name for name, meaning in PLACEHOLDERS.items() if f"| `{name}` | {meaning} |" not in page] == []
