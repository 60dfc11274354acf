# SPDX-License-Identifier: Apache-2.0
"""The tables of people: whose mail domains, who has an account, how they prove it, whom they know."""

import sqlalchemy as sa
from sqlalchemy import Boolean, String, Table, Text, UniqueConstraint

from gateway.store.columns import Instant, column, key, metadata, ref

domains = Table(
    "domains",
    metadata,
    key("name"),
    column("settings", sa.JSON),  # branding, from names, locale, templates: policies and gateway.imip read them
    column("created_at", Instant),
)

dkim_keys = Table(
    "dkim_keys",
    metadata,
    ref("domain", "domains.name"),
    column("selector", String(63)),
    column("algorithm", String(16)),  # rsa-sha256 | ed25519-sha256
    column("private_pem", Text),
    column("active", Boolean),
    column("created_at", Instant),
    sa.PrimaryKeyConstraint("domain", "selector"),
)

accounts = Table(
    "accounts",
    metadata,
    key(),
    column("address", String(320), unique=True),  # normal form: gateway.itip.address
    column("name", Text),
    column("password_hash", Text, nullable=True),
    column("locale", String(35), nullable=True),
    column("time_zone", String(64), nullable=True),
    column("permissions", sa.JSON),  # name -> bool; absent = the default of policies
    column("settings", sa.JSON),  # the account's own choices
    column("is_admin", Boolean),
    column("disabled", Boolean),
    column("created_at", Instant),
    column("modseq", sa.BigInteger),  # JMAP state counter of everything in this account
)

aliases = Table(
    "aliases",
    metadata,
    column("address", String(320), primary_key=True),
    ref("account_id", "accounts.id"),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    key(),
    ref("account_id", "accounts.id"),
    column("hash", String(64), unique=True),
    column("name", Text),
    column("scopes", sa.JSON),
    column("created_at", Instant),
    column("expires_at", Instant, nullable=True),
    column("used_at", Instant, nullable=True),
)

identities = Table(  # JMAP ParticipantIdentity
    "identities",
    metadata,
    key(),
    ref("account_id", "accounts.id"),
    column("name", Text),
    column("calendar_address", String(512)),
    column("is_default", Boolean),
    UniqueConstraint("account_id", "calendar_address"),
)

correspondents = Table(  # whom an account knows: the `known` of auto_add_invitations
    "correspondents",
    metadata,
    ref("account_id", "accounts.id"),
    column("address", String(320)),
    column("since", Instant),
    column("reason", String(32)),
    sa.PrimaryKeyConstraint("account_id", "address"),
)
