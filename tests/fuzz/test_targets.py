# SPDX-License-Identifier: Apache-2.0
"""Every fuzz target takes every mail of the corpus, whole and cut, and random octets: so `make fuzz` starts sound."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS
from tests.support.corpus import mails


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_a_target_takes_the_corpus(target: Callable[[bytes], None]) -> None:
    for path in mails():
        data = path.read_bytes()
        for part in (data, data[: len(data) // 2], data[len(data) // 2 :]):
            target(part)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
@given(data=st.binary(max_size=300))
def test_a_target_takes_anything(target: Callable[[bytes], None], data: bytes) -> None:
    target(data)
