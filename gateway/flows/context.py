# SPDX-License-Identifier: Apache-2.0
"""What every flow is given: the store, the clock, ids, configuration, and the policies as they stand this moment."""

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.config import Config
from gateway.flows.templates import OwnTemplates
from gateway.flows.trees import Trees
from gateway.ids import Ids
from gateway.store.engine import Store
from gateway.store.shared import SharedRead
from gateway.store.unit import Unit
from policies.load import PolicySettings

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Effective:
    """The last overrides seen and the settings they gave: parsing them anew for each mail would be waste."""

    overrides: str = "{}"
    settings: PolicySettings | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """Made once by the composition root and handed to every flow."""

    store: Store
    clock: Clock
    ids: Ids
    config: Config
    secret: bytes
    public_url: str | None = None
    templates: OwnTemplates = field(default_factory=OwnTemplates)
    trees: Trees = field(default_factory=Trees)
    #: Called after a commit that left work for a worker, so that nobody waits for the next poll.
    wake: Callable[[], None] = lambda: None
    #: The domains we are responsible for and the policies in force, for the many who ask before deciding anything.
    standing: SharedRead[tuple[frozenset[str], PolicySettings]] = field(init=False)
    _effective: _Effective = field(default_factory=_Effective)

    def __post_init__(self) -> None:
        shared = SharedRead(self.store, lambda unit: (self.domains(unit), self.policy(unit)))
        object.__setattr__(self, "standing", shared)

    def policy(self, unit: Unit) -> PolicySettings:
        """Return the policies in force: the files, then what administrators changed at run time (in the database).

        Read inside the deciding transaction, so a change takes effect at once, on every node.
        """
        overrides = unit.settings.policy_overrides()
        seen = json.dumps(overrides, sort_keys=True) if overrides else "{}"
        effective = self._effective
        if effective.settings is None or effective.overrides != seen:
            reading = self.config.policy.with_overrides(overrides)
            if reading.faults:  # written by an older or newer version of us: for those the file's word stands
                _log.error("run-time settings are not usable", extra={"facts": {"faults": "; ".join(reading.faults)}})
            effective.settings = reading.value
            effective.overrides = seen
        return effective.settings

    def key(self, purpose: str) -> bytes:
        """Return the key for one purpose, derived from the one secret of this instance."""
        return hmac.digest(self.secret, purpose.encode(), hashlib.sha256)

    def domains(self, unit: Unit) -> frozenset[str]:
        """Return the mail domains we are responsible for."""
        return frozenset(domain.name for domain in unit.accounts.domains())
