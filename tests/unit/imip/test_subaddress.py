# SPDX-License-Identifier: Apache-2.0
"""Details in local parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imip.subaddress import build_subaddress, split_subaddress


@given(st.from_regex(r"[a-z0-9]{1,40}", fullmatch=True))
def test_what_is_built_is_split(detail: str) -> None:
    assert split_subaddress(build_subaddress("calendar@example.org", detail)) == ("calendar@example.org", detail)


@pytest.mark.parametrize("address", ["a@b", "a+@b", "+a@b", "", "a+x y@b", 'a+"x"@b', "no-at+x", "a+é@b"])
def test_an_address_without_a_usable_detail_stays_as_it_is(address: str) -> None:
    assert split_subaddress(address) == (address, "")


@pytest.mark.parametrize("detail", ["", "x" * 64, "a b", "a@b", "é"])
def test_what_cannot_travel_is_not_built(detail: str) -> None:
    with pytest.raises(ValueError, match="cannot be a detail"):
        build_subaddress("calendar@example.org", detail)
