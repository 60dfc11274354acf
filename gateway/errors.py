# SPDX-License-Identifier: Apache-2.0
"""The error tree. Three branches, and nothing else is ever an *expected* failure:

    GatewayError
    ├── Refused        the input or the peer is wrong; trying again will not help
    ├── Deferred       the world is not ready (database, DNS, next hop); try again
    └── Misconfigured  an operator must act; raised at start and reload only

What an error means on the wire is decided in `gateway.replies`, never here. Bugs are not in the tree:
they travel as they are, and an edge answers them as trouble of ours (451, 503).
"""

from collections.abc import Mapping


class GatewayError(Exception):
    """A failure we expected: `code` is a stable slug, `public` is safe for strangers, `context` is for the log."""

    def __init__(self, code: str, public: str, **context: object) -> None:
        super().__init__(f"{code}: {public}")
        self.code = code
        self.public = public
        self.context: Mapping[str, object] = context


class Refused(GatewayError):
    """The input or the peer is wrong and will not improve."""


class Deferred(GatewayError):
    """Something we depend on is not ready; the same request may succeed later."""


class Misconfigured(GatewayError):
    """An operator must act. `faults` lists every fault found, each one line with file and line where known."""

    def __init__(self, code: str, public: str, faults: tuple[str, ...] = (), **context: object) -> None:
        super().__init__(code, public, **context)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join((self.public, *(f"  {fault}" for fault in self.faults)))
