# SPDX-License-Identifier: Apache-2.0
"""A notification of an answer keeps the texts before and after"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("ical_before", sa.Text(), nullable=True))
    op.add_column("notifications", sa.Column("ical_after", sa.Text(), nullable=True))
