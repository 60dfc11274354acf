# SPDX-License-Identifier: Apache-2.0
"""Every method by name: one module for each type."""

from gateway.flows.context import Context
from gateway.http.jmap.core import MethodEntry


def build_methods(context: Context) -> dict[str, MethodEntry]:
    """Return the table of methods."""
    return {}
