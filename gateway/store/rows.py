# SPDX-License-Identifier: Apache-2.0
"""Rows to records and back: a record is a frozen dataclass whose fields are the table's columns."""

from collections.abc import Iterable
from dataclasses import fields
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


def upsert(connection: sa.Connection, table: sa.Table, row: dict[str, Any], *, keep: tuple[str, ...] = ()) -> None:
    """Insert a row, or update the one with the same primary key (all columns but the key and `keep`)."""
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in keys and name not in keep}
    statement = _insert(connection, table).values(**row)
    if changed:
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))
    else:
        connection.execute(statement.on_conflict_do_nothing(index_elements=keys))


def insert_new(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert a row unless one with the same key exists; True where it was new."""
    result = connection.execute(_insert(connection, table).values(**row).on_conflict_do_nothing())
    return result.rowcount == 1


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
