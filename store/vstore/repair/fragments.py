"""Entries of the state whose record is lost: only what later records changed of them is left."""

from __future__ import annotations

from collections.abc import Callable

from vstore.format.canonical import Document
from vstore.format.entries import Root, Snapshot, Space
from vstore.format.rest_entry import Import
from vstore.repair.findings import Findings


def _read_snapshot(name: str, entry: Document) -> Snapshot:
    if not Snapshot.is_whole(entry):
        raise KeyError
    return Snapshot.from_json(name, entry)


_KINDS: dict[str, Callable[[str, Document], object]] = {
    "snapshots": _read_snapshot,
    "spaces": Space.from_json,
    "roots": Root.from_json,
    "imports": Import.from_json,
}


def take_fragments(found: Findings) -> None:
    """Take them out of the state. Those of snapshots wait for the rest of their entry, which a manifest may tell."""
    for kind, read in _KINDS.items():
        entries = found.document.get(kind, {})
        parts = {name: entry for name, entry in entries.items() if not _is_whole(read, name, entry)}
        if parts:
            found.document[kind] = {name: entry for name, entry in entries.items() if name not in parts}
        if kind == "snapshots":
            found.fragments = parts
        elif kind == "roots":
            found.left += [f"the place of the folder {one} is lost: name it again with vstore sync" for one in parts]


def _is_whole(read: Callable[[str, Document], object], name: str, entry: Document) -> bool:
    try:
        read(name, entry)
    except (KeyError, TypeError, ValueError):
        return False
    return True
