"""A short repr for reports: a notebook shows the counts of a run, not its ten thousand paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

MANY = 5  # items that are shown in full
FIRST = 2  # items that are shown of more
LONGEST = 200  # characters of a text

Kind = TypeVar("Kind", bound=type)


def briefly(kind: Kind) -> Kind:
    """Give a named tuple a repr that shortens long tuples, mappings and texts."""
    kind.__repr__ = _repr  # type: ignore[method-assign,assignment]
    return kind


def _repr(report: Any) -> str:
    fields = ", ".join(f"{name}={_short(getattr(report, name))}" for name in report._fields)
    return f"{type(report).__name__}({fields})"


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        items = (f"{_short(key)}: {_short(item)}" for key, item in value.items())
        return f"{{{_first(items, len(value))}}}"
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        text = _first(map(_short, value), len(value))
        return f"[{text}]" if isinstance(value, list) else f"({text},)" if len(value) == 1 else f"({text})"
    text = repr(value)
    return text if len(text) <= LONGEST or hasattr(value, "_fields") else f"{text[:LONGEST]}…"


def _first(texts: Iterable[str], count: int) -> str:
    if count <= MANY:
        return ", ".join(texts)
    return ", ".join(text for text, _ in zip(texts, range(FIRST), strict=False)) + f", … {count:,} in all"
