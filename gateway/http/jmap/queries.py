# SPDX-License-Identifier: Apache-2.0
"""What every /query and /queryChanges shares: sort, paging, what came to the results or left (RFC 8620 §5.5, §5.6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.errors import MethodError
from gateway.http.jmap.standard import MAX_CHANGES, State, changes_since
from gateway.http.jmap.view import View
from gateway.jscalendar.values import Json
from gateway.store.changes import Kind
from gateway.store.unit import Unit

#: How texts may be ordered; told in the session object (RFC 8620 §2).
COLLATIONS = ("i;ascii-casemap", "i;unicode-casemap")
_COMPARATOR = {"property", "isAscending", "collation"}


def read_sort(arguments: Arguments, known: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """Read `sort`: by which of the known properties, and whether each ascends.

    Raises:
        MethodError: `unsupportedSort` for another property or collation, `invalidArguments` for what is no Comparator.
    """
    names = tuple(known)
    sort: list[tuple[str, bool]] = []
    for comparator in arguments.list_of_objects("sort") or ():
        name, ascending = comparator.get("property"), comparator.get("isAscending", True)
        if not isinstance(name, str) or not isinstance(ascending, bool) or comparator.keys() - _COMPARATOR:
            raise MethodError("invalidArguments", "sort holds objects of property and isAscending", arguments=["sort"])
        if name not in names or comparator.get("collation") not in (None, *COLLATIONS):
            raise MethodError("unsupportedSort", f"These are sorted by {', '.join(names)}")
        sort.append((name, ascending))
    return tuple(sort)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a query's results is wanted (RFC 8620 §5.5)."""

    position: int
    anchor: str | None
    anchor_offset: int
    limit: int | None
    total: bool


def read_paging(arguments: Arguments) -> Paging:
    """Read the paging arguments of /query."""
    return Paging(
        position=arguments.number("position", least=-(2**53)) or 0,
        anchor=arguments.text_or_none("anchor"),
        anchor_offset=arguments.number("anchorOffset", least=-(2**53)) or 0,
        limit=arguments.number("limit"),
        total=arguments.flag("calculateTotal"),
    )


def paged(ids: Sequence[str], paging: Paging, most: int) -> Json:
    """Return ids, position, total and limit of a /query response.

    Raises:
        MethodError: `anchorNotFound`.
    """
    start = paging.position if paging.position >= 0 else max(0, len(ids) + paging.position)
    if paging.anchor is not None:
        if paging.anchor not in ids:
            raise MethodError("anchorNotFound")
        start = max(0, ids.index(paging.anchor) + paging.anchor_offset)
    limit = most if paging.limit is None else min(paging.limit, most)
    page: Json = {"position": start if start < len(ids) else len(ids), "ids": list(ids[start : start + limit])}
    if paging.limit is None or paging.limit > most:
        page["limit"] = limit
    return {**page, "total": len(ids)} if paging.total else page


def changes_of_query(
    unit: Unit, view: View, kind: Kind, since: State, ids: Sequence[str], most: int | None, *, total: bool
) -> Json:
    """Return a /queryChanges response for a query whose present results are `ids` (RFC 8620 §5.6).

    Every changed id leaves, and comes back where it stands now.

    Raises:
        MethodError: `cannotCalculateChanges` or `tooManyChanges`.
    """
    found = changes_since(unit, view, kind, since, MAX_CHANGES)
    touched = {*found.created, *found.updated, *found.destroyed}
    if found.has_more or (most is not None and len(touched) > most):
        raise MethodError("tooManyChanges")
    said = {
        "accountId": view.account.id,
        "oldQueryState": since.text,
        "newQueryState": str(found.new_state),
        "removed": sorted(touched),
        "added": [{"id": item_id, "index": at} for at, item_id in enumerate(ids) if item_id in touched],
    }
    return {**said, "total": len(ids)} if total else said
