# SPDX-License-Identifier: Apache-2.0
"""Occurrences without their series are events of their own; text filters need not read events"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("alone", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("privacy", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("searched", sa.Text(), nullable=True))
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.alter_column("alone", server_default=None)
