"""The roots and absorbed labels that an undo, or a redo, brings back. Pure but for what tells which places are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vstore.format.canonical import Document, Json
from vstore.format.entries import Root
from vstore.format.records import Record
from vstore.format.state import State


def restoring_roots(
    now: State, earlier: State, record: Record, is_gone: Callable[[Root], bool], *, undone: State | None = None
) -> dict[str, Json]:
    """Give the changes to bring back what a record changed of the roots and absorbed labels.

    now:     the newest state.
    earlier: the state before the record, or after it, that is brought back.
    is_gone: tells whether nothing is at the place of a root.
    undone:  for a redo, the state before the undo: its places are the newest of roots that are not there now.

    No root gets a place back that is gone: it keeps the present one, or stays absorbed. A root that holds an absorbed
    label stays.
    """
    roots: dict[str, Document | None] = dict(now.document.get("roots", {}))
    absorbed: dict[str, Json] = dict(now.document.get("absorbed", {}))
    labels = {*record.changes.get("roots", {}), *record.changes.get("absorbed", {})}
    for label in sorted(labels):
        was = earlier.document.get("roots", {}).get(label)
        current = roots.get(label)
        if was is not None and is_gone(Root.from_json(label, was)):
            if current is None and label in absorbed:
                continue
            newest = current or (undone.document.get("roots", {}).get(label) if undone is not None else None)
            if newest is not None:
                was = {**was, "place": newest["place"], "relative": newest["relative"]}
        roots[label] = was
        absorbed[label] = earlier.absorbed.get(label)
    kept = {prefix.partition("/")[0] for prefix in absorbed.values() if prefix is not None}
    for label in labels & kept:
        roots[label] = roots[label] or now.document.get("roots", {}).get(label)
    changes = {
        "roots": _patch(now.document.get("roots", {}), roots),
        "absorbed": _patch(now.document.get("absorbed", {}), absorbed),
    }
    return {name: patch for name, patch in changes.items() if patch}


def _patch(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    """Give the JSON Merge Patch from one object to another, at any depth. None means that a field is absent."""
    patch: dict[str, Json] = {}
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if before != after:
            patch[name] = _patch(before, after) if isinstance(before, dict) and isinstance(after, dict) else after
    return patch
