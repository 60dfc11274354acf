# SPDX-License-Identifier: Apache-2.0
"""Templates of somebody else: what loops or grows ends by itself, and the mail leaves in our own form."""

import time
from collections.abc import Iterator

import pytest

from gateway.bounded import Bounded, OutOfBounds
from gateway.http.rsvp.page import Page
from gateway.http.rsvp.render import Look, render_page
from gateway.imip.presentation import Presentation, Templates
from gateway.imip.samples import build_sample, template_fault

HOSTILE = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a large number": "{{ 9 ** (9 ** 9) }}",
    "a long text": "{{ 'a' * 9999999999 }}",
    "wide": "{{ 'a'.ljust(9999999999) }}",
    "a filter": "{{ 'a' | center(9999999999) }}",
    "a format": "{{ '%9999999999d' % 1 }}",
    "doubling": "{% set a = 'aaaaaaaa' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "nested": "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "recursion": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "much": "{% for a in range(9999) %}{{ letter.headline * 99 }}{% endfor %}",
}


@pytest.fixture(scope="module")
def bounded() -> Iterator[Bounded]:
    one = Bounded(cpu_seconds=1)
    yield one
    one.close()


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_template_is_refused_soon_and_a_mail_leaves_without_it(bounded: Bounded, what: str) -> None:
    begun = time.process_time()
    assert template_fault(HOSTILE[what], "alarm", run=bounded.call)
    presentation = Presentation(templates=Templates((("mail.html.j2", HOSTILE[what]),)), run=bounded.call)
    mail = build_sample("alarm", domain="example.org", presentation=presentation)
    assert mail.fault
    assert b"Budget review" in mail.data
    assert time.process_time() - begun < 1, "none of the work was done here"


def test_a_sound_template_is_used_after_a_hostile_one(bounded: Bounded) -> None:
    assert template_fault(HOSTILE["loops"], "alarm", run=bounded.call)
    assert template_fault("<p>{{ event_title }}</p>", "alarm", run=bounded.call) is None
    presentation = Presentation(templates=Templates((("mail.html.j2", "<p>Own: {{ summary }}</p>"),)), run=bounded.call)
    fault = build_sample("alarm", domain="example.org", presentation=presentation).fault
    assert "UndefinedError" in fault, "the fault is told as Jinja2 tells it"


def test_what_went_out_of_bounds_is_set_aside(bounded: Bounded) -> None:
    with pytest.raises(OutOfBounds, match="processor time"):
        bounded.call(sum, range(10**12), key="again")
    with pytest.raises(OutOfBounds, match="processor time"):
        bounded.call(sum, [1, 2], key="again")
    assert bounded.call(sum, [1, 2], key="another") == 3


def test_a_process_that_hangs_is_ended_by_the_clock() -> None:
    impatient = Bounded(patience=0.5)
    with pytest.raises(OutOfBounds):
        impatient.call(time.sleep, 60, key="sleep")
    impatient.close()


def test_a_page_whose_template_loops_is_ours() -> None:
    page = Page("en", "ltr", title="Planning", state="You are invited")
    assert "You are invited" in render_page(page, Look(template=HOSTILE["loops"]))
