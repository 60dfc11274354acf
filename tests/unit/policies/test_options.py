# SPDX-License-Identifier: Apache-2.0
"""Durations, sizes, line numbers and address patterns, as an operator meets them."""

import tomllib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.match import first_matching, normal_domain, pattern_fault
from policies.toml_lines import LineMap
from policies.units import parse_duration, parse_size, render_duration, render_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3600), ("90d", 90 * 86400), ("36h30m", 131400), ("0", 0), ("0s", 0), ("1w2d", 9 * 86400), ("1s500ms", 1.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1", "h", "1y", "1H", "-1h", "1.5h", "30m1h", "1h1h", "1 h", "٣h", "PT1H"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|larger units first"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=3 * 10**12))
def test_a_printed_duration_reads_back(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)
    assert parse_duration(render_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "size"), [("512KiB", 524288), ("10MB", 10_000_000), ("4096", 4096), ("1 GiB", 1 << 30)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "12Kb", "-1", "1.5MB", "MB", "1TiBB", "٣KiB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_a_printed_size_reads_back(size: int) -> None:
    assert parse_size(render_size(size)) == size


TRICKY = '''\
# [fake]
a = 1
"b c" = """
[not.a.table]
x = 3
"""
'd'.e = [
  1, # ]
  "]\\"[",
]
[t]
u = \'\'\'
v = 1\'\'\'
v = { w = 1, z = [ { q = 2 } ] }
[[l]]
m = 1
[[l]]
m = 2
[l.sub]
n = 1
[[l.deep]]
o = "#"
p = "=" # = ]
["quo.ted".k]
r = 1
'''


def test_lines_are_found_through_every_odd_form() -> None:
    tomllib.loads(TRICKY)
    lines = LineMap(TRICKY)
    expected = {
        ("a",): 2, ("b c",): 3, ("d", "e"): 7, ("t",): 11, ("t", "u"): 12, ("t", "v"): 14, ("t", "v", "w"): 14,
        ("l", 0): 15, ("l", 0, "m"): 16, ("l", 1): 17, ("l", 1, "m"): 18, ("l", 1, "sub"): 19,
        ("l", 1, "sub", "n"): 20, ("l", 1, "deep", 0, "o"): 22, ("l", 1, "deep", 0, "p"): 23,
        ("quo.ted", "k", "r"): 25, ("d", "e", 1): 7,
    }  # fmt: skip
    assert {path: lines.line(path) for path in expected} == expected


@pytest.mark.parametrize(
    ("address", "pattern"),
    [
        ("ann@example.org", "example.org"),
        ("ann@EXAMPLE.org.", "Example.ORG"),
        ("Ann@example.org", "ann@example.org"),
        ("ann@a.example.org", "*.example.org"),
        ("ann@a.b.example.org", "*.example.org"),
        ("ann@bücher.example", "xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "BÜCHER.example"),
        ("ann@a.bücher.example", "*.bücher.example"),
        ('"odd@local"@example.org', "example.org"),
    ],
)
def test_addresses_that_match(address: str, pattern: str) -> None:
    assert first_matching(address, [pattern]) == pattern


@pytest.mark.parametrize(
    ("address", "pattern"),
    [
        ("ann@example.org", "*.example.org"),
        ("ann@evil-example.org", "example.org"),
        ("ann@evilexample.org", "*.example.org"),
        ("ann@example.org.evil.test", "example.org"),
        ("ann@a.example.org", "example.org"),
        ("bob@example.org", "ann@example.org"),
        ("ann@fass.example", "faß.example"),
        ("example.org", "example.org"),
        ("@example.org", "example.org"),
        ("ann@", "example.org"),
        ("ann@example..org", "example..org"),
        ("ann@example.org", "*"),
        ("ann@example.org", "*@example.org"),
        ("ann@example.org", ""),
    ],
)
def test_addresses_that_do_not(address: str, pattern: str) -> None:
    assert first_matching(address, [pattern]) is None


@pytest.mark.parametrize(
    "pattern", ["", "*", "*.", "@example.org", "ann@*.example.org", "a b", "ex*mple.org", "-a.org"]
)
def test_bad_patterns_are_named(pattern: str) -> None:
    assert pattern_fault(pattern)


@given(st.text(max_size=40))
def test_a_normal_domain_stays_as_it_is(text: str) -> None:
    once = normal_domain(text)
    assert once is None or normal_domain(once) == once
