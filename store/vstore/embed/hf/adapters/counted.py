"""Counts of an adapter's weights, in words. Pure."""

from __future__ import annotations

from collections.abc import Collection

from vstore.counts import some


def of_its_weights(names: Collection[str], one: str, several: str) -> str:
    """Write how many weights are concerned, and their first names. one, several: the verb, such as `is missing`."""
    return f"{len(names)} of its weights {one if len(names) == 1 else several} ({some(sorted(names))})"
