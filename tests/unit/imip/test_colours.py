# SPDX-License-Identifier: Apache-2.0
"""Any colour a domain may choose can be read, on light and on dark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imip.colours import DARK, LIGHT, READABLE, contrast, parse_colour, readable_on, text_on

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@given(COLOURS, st.sampled_from([LIGHT, DARK]))
def test_text_in_a_domains_colour_can_be_read(colour: str, ground: str) -> None:
    assert contrast(readable_on(ground, colour), ground) >= READABLE


@given(COLOURS)
def test_text_on_a_domains_colour_can_be_read(colour: str) -> None:
    assert contrast(text_on(colour), colour) >= 4.1  # a middle grey has no better neighbour


@pytest.mark.parametrize("colour", ["#1d4ed8", "#7a1f5c", "#000000"])
def test_a_colour_that_can_be_read_stays(colour: str) -> None:
    assert readable_on(LIGHT, colour) == colour


@pytest.mark.parametrize("text", ["red", "#fff", "#12345g", "#123456;x:y", "", "url(x)"])
def test_what_is_no_colour_is_not_used(text: str) -> None:
    assert parse_colour(text, "#1d4ed8") == "#1d4ed8"
