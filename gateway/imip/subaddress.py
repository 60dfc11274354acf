# SPDX-License-Identifier: Apache-2.0
"""The detail in a local part, `base+detail@domain` (RFC 5233): where a reply token travels.

A token there survives clients that strip everything else from a reply. Mail systems may fold the case of a local
part, so tokens that travel here must be written in lower case and digits.
"""

import re

_DETAIL = re.compile(r"[A-Za-z0-9._=-]{1,64}", re.ASCII)


def split_subaddress(address: str, separator: str = "+") -> tuple[str, str]:
    """Return the address without its detail, and the detail ("" where there is none).

    >>> split_subaddress("cal+k3vq@example.org")
    ('cal@example.org', 'k3vq')
    >>> split_subaddress("+odd@example.org")
    ('+odd@example.org', '')
    """
    local, at, domain = address.rpartition("@")
    base, found, detail = local.partition(separator)
    if not at or not base or not found or not _DETAIL.fullmatch(detail):
        return address, ""
    return f"{base}@{domain}", detail


def build_subaddress(address: str, detail: str, separator: str = "+") -> str:
    """Return the address with a detail.

    >>> build_subaddress("cal@example.org", "k3vq")
    'cal+k3vq@example.org'

    Raises:
        ValueError: the detail cannot travel in a local part, or the local part would be over 64 octets.
    """
    local, _, domain = address.rpartition("@")
    whole = f"{local}{separator}{detail}"
    if not local or not _DETAIL.fullmatch(detail) or len(whole.encode()) > 64:  # RFC 5321 §4.5.3.1.1
        raise ValueError(f"{detail!r} cannot be a detail of {address!r}")
    return f"{whole}@{domain}"
