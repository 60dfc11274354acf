# SPDX-License-Identifier: Apache-2.0
"""What is due is found in the index alone"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_alarms_fire_at"), table_name="alarms")
    op.create_index("ix_alarms_due", "alarms", ["fire_at", "account_id"])
