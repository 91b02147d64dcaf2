"""The names that `import vstore` exports, sorted under the headings of the Python reference."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import vstore


def exported() -> dict[str, Any]:
    """Map name -> object, of what `import vstore` exports."""
    return {name: getattr(vstore, name) for name in vstore.__all__ if not name.startswith("_")}


def groups() -> dict[str, list[str]]:
    """Sort the exported names under the headings of the page."""
    found: dict[str, list[str]] = {"The store": [], "Reports": [], "Options": [], "Other types": [], "Errors": []}
    for name, value in exported().items():
        if name in ("Store", "View", "Previews"):
            kind = "The store"
        elif inspect.isclass(value) and issubclass(value, Exception):
            kind = "Errors"
        elif typing.is_typeddict(value):
            kind = "Options"
        elif hasattr(value, "_fields") and name != "Operand":
            kind = "Reports"
        else:
            kind = "Other types"
        found[kind].append(name)
    return {kind: names for kind, names in found.items() if names}


def members(kind: type) -> dict[str, Any]:
    """Map name -> member, of the public methods and properties of a class: its own, then those of each theme of it."""
    return {
        name: value
        for base in kind.__mro__[:-1]
        for name, value in vars(base).items()
        if not name.startswith("_") and not isinstance(value, str)
    }
