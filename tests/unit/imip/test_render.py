# SPDX-License-Identifier: Apache-2.0
"""An operator's own templates: used where they work, ours where they do not, and never more than templates."""

import email
import email.policy

import pytest

from gateway.errors import Misconfigured
from gateway.imip.build import BuiltMail
from gateway.imip.presentation import Branding, Presentation, Templates
from gateway.imip.render import parse_templates
from gateway.imip.samples import build_sample


def built(**sources: str) -> BuiltMail:
    templates = Templates(tuple((name.replace("_", ".") + ".j2", source) for name, source in sources.items()))
    presentation = Presentation(branding=Branding("Example"), templates=templates)
    return build_sample("invitation", domain="example.org", presentation=presentation)


def body(mail: BuiltMail, kind: str) -> str:
    part = email.message_from_bytes(mail.data, policy=email.policy.default).get_body((kind,))  # type: ignore[attr-defined]  # the policy makes an EmailMessage
    return str(part.get_content()).replace("\r\n", "\n")


def test_an_own_template_is_used_and_its_values_are_escaped() -> None:
    mail = built(mail_html="<p>{{ letter.kind }}: {{ letter.title }} by {{ letter.rows[3].lines[0].text }}</p>")
    assert mail.fault == ""
    assert body(mail, "html") == "<p>invitation: Budget review by Dana Rossi &lt;dana@example.org&gt;</p>\n"
    assert "Dana Rossi <dana@example.org>" in body(mail, "plain")


def test_the_style_alone_can_be_replaced() -> None:
    mail = built(style_css="a{color:{{ brand.accent }};text-decoration:none}")
    assert "text-decoration:none}" in body(mail, "html")
    assert "Budget review" in body(mail, "html")


@pytest.mark.parametrize(
    "source",
    [
        "{{ letter.no_such_field }}",
        "{{ nothing }}",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ letter.title + 1 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ letter.__init__.__globals__ }}",
        "{% include 'other.j2' %}",
        "{% include 'mail.html.j2' %}",
        "{{ 'x' * 300000 }}",
        "{{ range(10**9) | list }}",
    ],
)
def test_a_template_that_fails_loses_to_ours_and_the_fault_is_told(source: str) -> None:
    mail = built(mail_html=source)
    assert mail.fault
    assert "Budget review" in body(mail, "html")
    assert "__subclasses__" not in body(mail, "html")


def test_faults_in_templates_are_found_before_any_mail_all_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_templates({"mail.html.j2": "{% if %}", "mail.txt.j2": "{{", "page.j2": ""})
    assert caught.value.code == "bad-template"
    assert len(caught.value.faults) == 3
    assert any(fault.startswith("mail.html.j2:1:") for fault in caught.value.faults)
