"""Reports as tables: data frames of pandas, and tables of Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vstore.format.canonical import named
from vstore.packages import PANDAS, PYARROW

if TYPE_CHECKING:
    import pandas
    import pyarrow

# The kinds of columns: of pandas and of Arrow. Nothing is null in a list.
_PANDAS = {"text": "object", "texts": "object", "float": "float64", "int": "Int64", "bool": "bool"}


def to_arrow(kinds: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> pyarrow.Table:
    """Make a table of Arrow.

    kinds: name -> kind of a column: text, texts, float, int, bool; path and paths, which are given as bytes. Where a
           path is not UTF-8, U+FFFD stands for what is not, and a column NAME_b64 has its bytes in base64.
    Raises: MissingPackage.
    """
    arrow = PYARROW.load()
    types = {
        "text": arrow.string(),
        "texts": arrow.list_(arrow.string()),
        "float": arrow.float64(),
        "int": arrow.int64(),
        "bool": arrow.bool_(),
    }
    columns = _columns(kinds, rows)
    return arrow.table({name: arrow.array(values, types[kind]) for name, (kind, values) in columns.items()})


def to_pandas(kinds: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> pandas.DataFrame:
    """Make a data frame of pandas, as `to_arrow` makes a table. Missing texts are None. Raises: MissingPackage."""
    pandas = PANDAS.load()
    columns = _columns(kinds, rows)
    # One list of lists would become a column for each.
    return pandas.DataFrame(
        {name: pandas.Series(values, dtype=_PANDAS[kind]) for name, (kind, values) in columns.items()}
    )


def _columns(kinds: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> dict[str, tuple[str, list[Any]]]:
    """Turn rows into columns: name -> kind, values."""
    values: list[list[Any]] = [[] for _ in kinds]
    for row in rows:
        for column, value in zip(values, row, strict=True):
            column.append(value)
    found: dict[str, tuple[str, list[Any]]] = {}
    for (name, kind), column in zip(kinds.items(), values, strict=True):
        if kind == "path":
            found |= _texts(name, "text", [named(name, one) for one in column])
        elif kind == "paths":
            found |= _texts(name, "texts", [_several(name, one) for one in column])
        else:
            found[name] = kind, column
    return found


def _several(name: str, paths: Sequence[bytes | None]) -> dict[str, Any]:
    written = [named(name, path) for path in paths]
    odd = f"{name}_b64"
    value: dict[str, Any] = {name: [one[name] for one in written]}
    return {**value, odd: [one.get(odd) for one in written]} if any(odd in one for one in written) else value


def _texts(name: str, kind: str, written: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, list[Any]]]:
    odd = f"{name}_b64"
    found = {name: (kind, [one[name] for one in written])}
    if any(odd in one for one in written):
        found[odd] = kind, [one.get(odd) for one in written]
    return found
