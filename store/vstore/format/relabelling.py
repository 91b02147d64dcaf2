"""The names of stored paths before and after a wider folder took their folder in. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping

Absorbed = Mapping[str, str]  # old label -> the prefix that its paths have now


def today(path: bytes, absorbed: Absorbed) -> bytes:
    """Give the present name of a stored path."""
    label, slash, rest = path.partition(b"/")
    while os.fsdecode(label) in absorbed:
        path = os.fsencode(absorbed[os.fsdecode(label)]) + slash + rest
        label, slash, rest = path.partition(b"/")
    return path


def yesterday(path: bytes, absorbed: Absorbed) -> list[bytes]:
    """List the earlier names that a stored path may have had, the latest first."""
    names = []
    for label, prefix in absorbed.items():
        start = os.fsencode(prefix)
        if path == start or path.startswith(start + b"/"):
            older = os.fsencode(label) + path[len(start) :]
            names += [older, *yesterday(older, absorbed)]
    return names
