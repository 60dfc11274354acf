# SPDX-License-Identifier: Apache-2.0
"""May somebody outside be mailed: the settings (the decision joins them here)."""

from dataclasses import dataclass
from typing import Literal

from policies.options import option

Permission = Literal["allow", "deny", "domains"]


@dataclass(frozen=True, slots=True)
class ExternalRecipientSettings:
    """`[policy.external_recipients]`."""

    invitations: Permission = option("allow", "Invitations to addresses outside: to all, none, or listed domains.")
    alarms: Permission = option("deny", "Alarm mails to addresses outside: to all, none, or listed domains.")
    domains: tuple[str, ...] = option((), "Domains for the word domains; *.example.org means every subdomain.")
