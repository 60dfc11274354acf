# SPDX-License-Identifier: Apache-2.0
"""Alarm mails are counted where they are remembered"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("alarm_pace") as table:
        table.drop_column("day")
        table.drop_column("mails")
