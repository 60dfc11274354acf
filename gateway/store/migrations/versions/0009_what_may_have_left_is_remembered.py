# SPDX-License-Identifier: Apache-2.0
"""What may have left is remembered"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("recipients") as table:
        table.add_column(sa.Column("may_have_left", sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table("recipients") as table:
        table.alter_column("may_have_left", server_default=None)
