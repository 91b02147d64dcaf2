"""Takes a folder out: its pictures leave the index, and its label is free."""

from __future__ import annotations

import os

from vstore.format.canonical import Json
from vstore.paths import AnyPath
from vstore.repository.repository import Repository
from vstore.roots.change import Change, decided
from vstore.roots.report import RootRemoved
from vstore.roots.which import label_meant

OP = "root remove"


def root_remove(
    repo: Repository, root: AnyPath, *, message: str = "", dry_run: bool = False, wait: bool = False
) -> RootRemoved:
    """Take a folder out of the index: write a snapshot without its pictures. No file is touched, no vector deleted.

    root:   the label of the folder, or its place; or a label of the current snapshot that no folder has.
    Raises: UsageError, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
    """
    report, snapshot, before = decided(
        repo, OP, lambda: _decide(repo, root), message=message, dry_run=dry_run, wait=wait
    )
    name = None if snapshot is None else snapshot.name
    return report._replace(snapshot=name, current=name or before, before=before, dry_run=dry_run)


def _decide(repo: Repository, root: AnyPath) -> tuple[Change, RootRemoved]:
    state = repo.state
    tree = repo.mapped_tree(state.current_snapshot)
    labels = {os.fsdecode(path.partition(b"/")[0]) for path, _ in tree}
    label = label_meant(repo, root, labels)
    gone = dict(tree.under(os.fsencode(label)))
    rest = tree.edited(dict.fromkeys(gone))
    found = state.roots.get(label)
    place = None if found is None else repo.place(found)
    report = RootRemoved(
        label=label,
        place=place,
        snapshot=None,
        current=None,
        before=None,
        paths=len(gone),
        images=len(set(gone.values()).difference(rest.every_key())) if gone else 0,
        left=len(rest),
        dry_run=True,
    )
    where = "" if place is None else f" ({os.fsdecode(place)})"
    return Change(OP, f"{label}{where}", _changes(repo, label), rest if gone else None), report


def _changes(repo: Repository, label: str) -> dict[str, Json]:
    """Give the changes of the folders. The labels that lead into the folder go with it, and are free as well."""
    state = repo.state
    changes: dict[str, Json] = {}
    if label in state.roots:
        changes["roots"] = {label: None}
    led = [old for old in state.absorbed if repo.today(os.fsencode(old)).partition(b"/")[0] == os.fsencode(label)]
    if led:
        changes["absorbed"] = dict.fromkeys(led)
    # Rows that wait for their pictures wait for those of this folder, not of the next one with its label.
    waiting = {id: {"root": _unused(label, state.next_v)} for id, one in state.imports.items() if one.root == label}
    if waiting:
        changes["imports"] = waiting
    return changes


def _unused(label: str, number: int) -> str:
    from vstore.format.retired import Retired

    return Retired(b"", False, before=number).label(label)
