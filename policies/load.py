# SPDX-License-Identifier: Apache-2.0
"""All policies' settings as one value, read from layers: the shipped base, the operator's table, run-time changes.

A base file has the shape of the main file (`[policy.alarms]` and so on), so what stands in one can be pasted
into the other. Reading is pure: texts come in as arguments.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources

from policies.alarms import AlarmSettings
from policies.external_recipients import ExternalRecipientSettings
from policies.incoming import IncomingSettings
from policies.limits import LimitSettings
from policies.loops import LoopSettings
from policies.notify import NotifySettings
from policies.options import Layer, Reading, flat_layer, option, read
from policies.retention import RetentionSettings
from policies.retry import RetrySettings
from policies.rsvp import RsvpSettings
from policies.scheduling import SchedulingSettings
from policies.sender_trust import SenderTrustSettings

SHIPPED = ("default", "strict", "open")

#: Postfix's maximal_queue_lifetime: so long may a second copy of a mail be on its way.
MAIL_QUEUE_LIFE = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """`[policy]`: what is permitted to whom, one table for each policy."""

    base: str = option("default", "What the tables below begin from: default, strict, open, or the path of a file.")
    scheduling: SchedulingSettings = option(SchedulingSettings(), "Scheduling as a whole.")
    sender_trust: SenderTrustSettings = option(SenderTrustSettings(), "What proves who sent a mail.")
    incoming: IncomingSettings = option(IncomingSettings(), "What scheduling mail may do to a calendar.")
    loops: LoopSettings = option(LoopSettings(), "When no automatic answer goes out.")
    external_recipients: ExternalRecipientSettings = option(ExternalRecipientSettings(), "Mail to people outside.")
    alarms: AlarmSettings = option(AlarmSettings(), "Alarm mails.")
    limits: LimitSettings = option(LimitSettings(), "Brakes.")
    notify: NotifySettings = option(NotifySettings(), "What is worth a mail.")
    rsvp: RsvpSettings = option(RsvpSettings(), "Answers by link.")
    retry: RetrySettings = option(RetrySettings(), "Tries and giving up.")
    retention: RetentionSettings = option(RetentionSettings(), "What is kept how long.")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield what cannot stand together across policies."""
        if self.retry.longest < self.retry.first:
            yield "retry.longest", "must not be less than retry.first"
        if self.retention.seen_mail and self.retention.seen_mail < MAIL_QUEUE_LIFE:
            yield "retention.seen_mail", "must be at least 5d, or a mail that waited in Postfix could be applied twice"

    def with_overrides(self, values: Mapping[str, object], source: str = "database") -> Reading["PolicySettings"]:
        """Lay run-time changes over these settings: dotted keys such as `alarms.enable`, each validated.

        Refuse a change that has faults. What is in the database already and has some (another version of us wrote
        it) can be used: what is wrong was left out.
        """
        return read(PolicySettings, [flat_layer(values, lambda _: source)], at=(), base=self)


def shipped_policy(name: str) -> str:
    """Return the text of a shipped policy file: default, strict or open."""
    return resources.files("policies").joinpath("files", f"{name}.toml").read_text(encoding="utf-8")


def read_policy(layers: Sequence[Layer]) -> Reading[PolicySettings]:
    """Read layers whose tables are what `[policy]` holds, the weakest first."""
    return read(PolicySettings, layers, at=("policy",))
