# SPDX-License-Identifier: Apache-2.0
"""PatchObjects: all or nothing, and the difference of two objects is the patch between them (RFC 8620 §5.3)."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.jscalendar.patch import apply_patch, diff_objects, join_pointer, split_pointer
from gateway.jscalendar.values import InvalidProperty

SCALARS = st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=3))
NAMES = st.text(st.sampled_from("ab/~"), min_size=1, max_size=2)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OBJECTS, OBJECTS)
def test_the_difference_of_two_objects_leads_from_one_to_the_other(old: dict, new: dict) -> None:
    before = copy.deepcopy(old)
    assert apply_patch(old, diff_objects(old, new)) == new
    assert old == before, "the target was touched"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAMES, NAMES)
def test_a_pointer_and_its_names_are_one_thing(first: str, second: str) -> None:
    assert split_pointer(join_pointer((first, second))) == (first, second)


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"people/x/name": "A"}, "people/x/name"),
        ({"list/0": 1}, "list/0"),
        ({"people": {}, "people/p/name": "A"}, "people/p/name"),
        ({"title/deeper": 1}, "title/deeper"),
    ],
)
def test_one_bad_pointer_spoils_the_whole_patch(patch: dict, path: str) -> None:
    target = {"title": "T", "list": [1], "people": {"p": {"name": "P"}}}
    fault = apply_patch(target, {"title": "changed", **patch} if "title/deeper" not in patch else patch)
    assert isinstance(fault, InvalidProperty)
    assert fault.path == path
    assert target["title"] == "T"


def test_null_removes_and_removing_what_is_not_there_is_no_fault() -> None:
    assert apply_patch({"a": {"b": 1, "c": 2}}, {"a/b": None, "z": None}) == {"a": {"c": 2}}


def test_escaped_names_reach_members_with_slashes() -> None:
    assert apply_patch({"o": {"k": {"p/x": 1}}}, {"o/k/p~1x": None}) == {"o": {"k": {}}}


def test_an_override_is_only_ever_set_whole() -> None:
    """A null inside an override is a value of that patch; a pointer to it would remove it (P36)."""
    old = {"recurrenceOverrides": {"2026-01-01T10:00:00": {"title": "x"}}}
    new = {"recurrenceOverrides": {"2026-01-01T10:00:00": {"title": "x", "participants/p": None}}}
    patch = diff_objects(old, new)
    assert patch == {"recurrenceOverrides/2026-01-01T10:00:00": {"title": "x", "participants/p": None}}
    assert apply_patch(old, patch) == new


def test_true_is_not_one() -> None:
    assert diff_objects({"a": 1}, {"a": True}) == {"a": True}
