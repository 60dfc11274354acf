# SPDX-License-Identifier: Apache-2.0
"""Alerts are pushed"""

import sqlalchemy as sa
from alembic import op

import gateway.store.columns

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_looks",
        sa.Column("object_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("look_at", gateway.store.columns.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_alert_looks_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name=op.f("fk_alert_looks_object_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", "account_id", name=op.f("pk_alert_looks")),
    )
    op.create_index("ix_alert_looks_account_id", "alert_looks", ["account_id"])
    op.create_index("ix_alert_looks_object_id", "alert_looks", ["object_id"])
    op.create_index("ix_alert_looks_due", "alert_looks", ["account_id", "look_at"])
