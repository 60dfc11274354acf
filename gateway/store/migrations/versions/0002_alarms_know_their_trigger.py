# SPDX-License-Identifier: Apache-2.0
"""Alarms know their trigger, the pace of mails, and the consent of people outside"""

import sqlalchemy as sa
from alembic import op

from gateway.store.columns import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("alarms")  # what is planned is derived from the objects; the worker plans it anew
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("object_id", sa.String(length=64), nullable=False),
        sa.Column("alarm_key", sa.String(length=64), nullable=False),
        sa.Column("recurrence_id", sa.String(length=64), nullable=False),
        sa.Column("fire_at", Instant(), nullable=False),
        sa.Column("trigger_at", Instant(), nullable=True),
        sa.Column("repetition", sa.Integer(), nullable=False),
        sa.Column("after_at", Instant(), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_alarms_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["object_id"], ["objects.id"], name=op.f("fk_alarms_object_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        sa.UniqueConstraint("object_id", "account_id", "alarm_key", name=op.f("uq_alarms_object_id")),
    )
    for name in ("account_id", "object_id", "fire_at"):
        op.create_index(op.f(f"ix_alarms_{name}"), "alarms", [name])
    op.create_table(
        "alarm_pace",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("last_mail_at", Instant(), nullable=True),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_alarm_pace_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_alarm_pace")),
    )
    op.create_table(
        "alarm_consents",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", Instant(), nullable=True),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_alarm_consents_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "address", name=op.f("pk_alarm_consents")),
    )
    op.create_index(op.f("ix_alarm_consents_account_id"), "alarm_consents", ["account_id"])
