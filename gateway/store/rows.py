# SPDX-License-Identifier: Apache-2.0
"""Rows to records and back: a record is a frozen dataclass whose fields are the table's columns."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

R = TypeVar("R")
_LIKE = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


def record(kind: "Callable[..., R]", row: "sa.Row[Any] | None") -> R | None:
    """Make a record of a row, or None of none."""
    return None if row is None else _maker(kind, row._fields)(row)


def records(kind: "Callable[..., R]", rows: "Iterable[sa.Row[Any]]") -> tuple[R, ...]:
    """Make a record of each row."""
    found = tuple(rows)
    return tuple(map(_maker(kind, found[0]._fields), found)) if found else ()


@lru_cache(maxsize=256)
def _maker(kind: "Callable[..., R]", columns: tuple[str, ...]) -> "Callable[[sa.Row[Any]], R]":
    """What makes a record of a row with these columns."""
    names = _names(kind)
    if columns[: len(names)] == names:
        return lambda row: kind(*row[: len(names)])
    places = tuple((name, columns.index(name)) for name in names)
    return lambda row: kind(**{name: row[place] for name, place in places})


@lru_cache(maxsize=256)
def _names(kind: "Callable[..., object]") -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))  # type: ignore[arg-type]  # every kind is a dataclass


def values(item: object) -> dict[str, Any]:
    """Return a record's fields as column values."""
    kind: Callable[..., object] = type(item)
    return {name: getattr(item, name) for name in _names(kind)}


def like(word: str) -> str:
    """Return a word as it stands in a LIKE pattern with `\\` as its escape."""
    return word.translate(_LIKE)


def insert(connection: sa.Connection, table: sa.Table, item: object) -> None:
    """Insert a record as a row."""
    connection.execute(_plain_insert(table), values(item))


def upsert(connection: sa.Connection, table: sa.Table, row: dict[str, Any], *, keep: tuple[str, ...] = ()) -> None:
    """Insert a row, or update the one with the same primary key (all columns but the key and `keep`)."""
    connection.execute(_upsert(connection.dialect.name, table, tuple(row), keep), row)


def insert_new(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert a row unless one with the same key exists; True where it was new."""
    return connection.execute(_insert_new(connection.dialect.name, table), row).rowcount == 1


class Later:
    """Rows of one table that nobody asks for yet: written together before the commit, or before somebody looks.

    Whoever owns it calls `write` before it reads or deletes. Of a mail, half the rows are such: what is said of it.
    """

    def __init__(self, connection: sa.Connection, statement: Any) -> None:
        self._connection = connection
        self._statement = statement
        self._rows: dict[object, dict[str, Any]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def add(self, row: dict[str, Any], key: object = None) -> None:
        """Owe a row. With a key, the newest of several takes the place of the older ones."""
        self._rows[len(self._rows) if key is None else key] = row

    def write(self) -> None:
        if self._rows:
            rows, self._rows = list(self._rows.values()), {}
            self._connection.execute(self._statement, rows)


def insert_later(connection: sa.Connection, table: sa.Table) -> Later:
    """Return where rows of a table wait that are all new."""
    return Later(connection, _plain_insert(table))


def upsert_later(
    connection: sa.Connection, table: sa.Table, columns: tuple[str, ...], *, keep: tuple[str, ...] = ()
) -> Later:
    """Return where rows of a table wait that may be there already."""
    return Later(connection, _upsert(connection.dialect.name, table, columns, keep))


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
