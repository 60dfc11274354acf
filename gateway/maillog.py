# SPDX-License-Identifier: Apache-2.0
"""The mail log: one canonical line per mail per stage, in a small fixed set of verbs."""

import logging
from enum import StrEnum

_log = logging.getLogger("gateway.mail")


class Verb(StrEnum):
    """What can happen to a mail or an answer."""

    RECEIVED = "received"
    RELAYED = "relayed"
    APPLIED = "applied"
    IGNORED = "ignored"
    HELD = "held"
    REFUSED = "refused"
    QUEUED = "queued"
    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    FIRED = "fired"
    ANSWERED = "answered"
    SKIPPED = "skipped"


def record(verb: Verb, *, rule: str, **facts: object) -> None:
    """Log that something happened, with the rule id that decided it."""
    _log.info("%s", verb.value, extra={"facts": {"rule": rule, **facts}})
