# SPDX-License-Identifier: Apache-2.0
"""Rows to records and back: a record is a frozen dataclass whose fields are the table's columns."""

from collections.abc import Iterable
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

R = TypeVar("R")


def record(kind: type[R], row: "sa.Row[Any] | None") -> R | None:
    """Make a record of a row, or None of none."""
    if row is None:
        return None
    mapping = row._mapping
    return kind(**{field.name: mapping[field.name] for field in fields(kind)})  # type: ignore[arg-type]  # dataclasses


def records(kind: type[R], rows: "Iterable[sa.Row[Any]]") -> tuple[R, ...]:
    """Make a record of each row."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every kind is a dataclass
    return tuple(kind(**{name: row._mapping[name] for name in names}) for row in rows)


def values(item: object) -> dict[str, Any]:
    """Return a record's fields as column values."""
    return {field.name: getattr(item, field.name) for field in fields(item)}  # type: ignore[arg-type]  # a dataclass


def insert(connection: sa.Connection, table: sa.Table, item: object) -> None:
    """Insert a record as a row."""
    connection.execute(_plain_insert(table), values(item))


def upsert(connection: sa.Connection, table: sa.Table, row: dict[str, Any], *, keep: tuple[str, ...] = ()) -> None:
    """Insert a row, or update the one with the same primary key (all columns but the key and `keep`)."""
    connection.execute(_upsert(connection.dialect.name, table, tuple(row), keep), row)


def insert_new(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert a row unless one with the same key exists; True where it was new."""
    return connection.execute(_insert_new(connection.dialect.name, table), row).rowcount == 1


# Statements are made once and given their values at execution: making one costs more than running it.


@lru_cache(maxsize=256)
def _plain_insert(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


@lru_cache(maxsize=256)
def _upsert(dialect: str, table: sa.Table, columns: tuple[str, ...], keep: tuple[str, ...]) -> Any:
    keys = [column.name for column in table.primary_key]
    statement = _insert(dialect, table)
    changed = {name: statement.excluded[name] for name in columns if name not in keys and name not in keep}
    if not changed:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


@lru_cache(maxsize=256)
def _insert_new(dialect: str, table: sa.Table) -> Any:
    return _insert(dialect, table).on_conflict_do_nothing()


def _insert(dialect: str, table: sa.Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
