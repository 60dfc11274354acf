# SPDX-License-Identifier: Apache-2.0
"""What columns are made of: portable types (instants are UTC microseconds, ids short text), NOT NULL by default."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime as integer microseconds since 1970: exact, ordered, the same on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored instant must be aware")
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


def column(name: str, kind: type[sa.types.TypeEngine] | sa.types.TypeEngine, **rest: object) -> sa.Column:  # type: ignore[type-arg]  # one line for all kinds
    """A column that is NOT NULL unless it says otherwise."""
    rest.setdefault("nullable", False)
    return sa.Column(name, kind, **rest)  # type: ignore[arg-type]  # passed through as given


def key(name: str = "id") -> sa.Column[str]:
    return sa.Column(name, String(64), primary_key=True)


def ref(name: str, target: str, *, nullable: bool = False, on_delete: str = "CASCADE") -> sa.Column[str]:
    return sa.Column(name, String(64), ForeignKey(target, ondelete=on_delete), nullable=nullable, index=True)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
