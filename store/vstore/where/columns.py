"""The columns that an expression may name: facts, the key and the paths of a picture, and the fields of the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vstore.counts import some
from vstore.errors import UsageError
from vstore.format.facts import CUT_HEIGHT, CUT_LINES, KNOWN
from vstore.quick_tuple import NamedTuple
from vstore.where.expression import FACT, FIELD, Expression, Name, meant

KEY, FLAT = "key", "flat"
PATH, NAME, FOLDER, MODIFIED = "path", "name", "folder", "modified"
OF_PATHS = (PATH, NAME, FOLDER, MODIFIED)
FACTS = {column.name: column for column in KNOWN if column not in (CUT_LINES, CUT_HEIGHT)}
COLUMNS = (*FACTS, FLAT, KEY, *OF_PATHS)


class Column(NamedTuple):
    """A column.

    home: `fact` or `field`.
    name: its name.
    """

    home: str
    name: str


class Elsewhere(NamedTuple):
    """The fields of another snapshot.

    snapshot: its name.
    fields:   the names of all its fields.
    """

    snapshot: str
    fields: frozenset[str] = frozenset()


def column_of(name: Name, fields: Iterable[str], elsewhere: Callable[[], Elsewhere | None] = lambda: None) -> Column:
    """Find what a name of an expression means: a fact before a field. One in quotes is meant as it is written.

    fields:    the names of all fields.
    elsewhere: gives those of the current snapshot, if it is another one; asked for a name that means nothing.
    Raises: UsageError.
    """
    if name.home != FIELD:
        written = name.name if name.is_quoted else name.name.casefold()
        if written in COLUMNS:
            return Column(FACT, written)
    known = list(fields)
    if name.home != FACT:
        if name.name in known:
            return Column(FIELD, name.name)
        same = [] if name.is_quoted else [one for one in known if one.casefold() == name.name.casefold()]
        if len(same) == 1:
            return Column(FIELD, same[0])
        if same:
            several = " and ".join(f'"{one}"' for one in sorted(same))
            raise UsageError(f"{name.written} may be any of several fields: {several}", "write one so, in quotes")
    raise _unknown(name, known, elsewhere())


def is_fact(name: Name) -> bool:
    """Tell whether a name means no field, whatever fields there are."""
    return name.home == FACT or (
        name.home is None and (name.name if name.is_quoted else name.name.casefold()) in COLUMNS
    )


def names(expression: Expression, *columns: str) -> bool:
    """Tell whether an expression names one of these columns, none of which is a field."""
    return any(is_fact(name) and name.name.casefold() in columns for name in expression.names)


def names_paths(expression: Expression) -> bool:
    """Tell whether an expression asks about paths: one path of a picture may fit, and another not."""
    return names(expression, *OF_PATHS)


def _unknown(name: Name, fields: list[str], elsewhere: Elsewhere | None) -> UsageError:
    if elsewhere is not None and name.home != FACT:
        there = [one for one in elsewhere.fields if one.casefold() == name.name.casefold()]
        if there and (not name.is_quoted or name.name in there):
            what = f"no such column: {name.written}; {elsewhere.snapshot}, the current snapshot, has this field"
            return UsageError(what, "ask that one, or name a column of this snapshot")
    known = [*(COLUMNS if name.home != FIELD else ()), *(sorted(fields) if name.home != FACT else ())]
    near = meant(name.name.casefold(), known)
    if name.home is None and not near:
        what = "a text stands" if name.is_quoted else "if a text is meant, it stands"
        text = name.name.replace("'", "''")
        near = f"; {what} in single quotes: '{text}'"
    listed = f"the columns are {', '.join(COLUMNS)}" if name.home != FIELD else ""
    own = f"the fields are {some(sorted(fields), 20)}" if fields and name.home != FACT else ""
    if not fields and name.home != FACT:
        own = "this snapshot has no fields"
    return UsageError(f"no such column: {name.written}{near}", "; ".join(filter(None, (listed, own))))
