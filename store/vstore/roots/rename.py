"""Gives a folder another label. Its pictures keep their vectors, and older snapshots go on to mean it."""

from __future__ import annotations

import os

from vstore.errors import LabelTaken, UsageError
from vstore.format.canonical import Json
from vstore.format.names import is_label
from vstore.paths import AnyPath
from vstore.quoting import quoted
from vstore.repository.repository import Repository
from vstore.roots.change import Change, decided
from vstore.roots.report import RootRenamed
from vstore.roots.which import label_meant

OP = "root rename"


def root_rename(
    repo: Repository, old: AnyPath, new: str, *, message: str = "", dry_run: bool = False, wait: bool = False
) -> RootRenamed:
    """Give a folder another label: write a snapshot with its paths under that. Nothing is read, nothing embedded.

    old:    the label of the folder, or its place.
    Raises: UsageError, LabelTaken, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
    """
    report, snapshot, before = decided(
        repo, OP, lambda: _decide(repo, old, new), message=message, dry_run=dry_run, wait=wait
    )
    name = None if snapshot is None else snapshot.name
    return report._replace(snapshot=name, current=name or before, before=before, dry_run=dry_run)


def _decide(repo: Repository, words: AnyPath, new: str) -> tuple[Change, RootRenamed]:
    state = repo.state
    if not is_label(new):
        raise UsageError(f"{new!r:.100} cannot be a label", "a label is one name, of at most 255 bytes, without /")
    old = label_meant(repo, words)
    _refuse_taken(repo, old, new)
    root = state.roots[old]
    changes: dict[str, Json] = {
        "roots": {old: None, new: root.to_json()},
        "absorbed": {label: _renamed(prefix, old, new) for label, prefix in state.absorbed.items()},
    }
    changes["absorbed"] |= {old: new, new: None} if new in state.absorbed else {old: new}
    waiting = {id: {"root": new} for id, one in state.imports.items() if one.root == old}
    if waiting:
        changes["imports"] = waiting
    before = repo.mapped_tree(state.current_snapshot)
    paths = sum(1 for _ in before.under(os.fsencode(old)))
    tree = repo.mapped_tree(state.current_snapshot, repo.after_folders(changes)) if paths else None
    report = RootRenamed(
        old=old,
        label=new,
        place=repo.place(root),
        snapshot=None,
        current=None,
        before=None,
        paths=paths,
        dry_run=True,
    )
    return Change(OP, f"{old} to {new}", changes, tree), report


def _renamed(prefix: str, old: str, new: str) -> str:
    """Give a prefix under the new label: what led to the old one leads straight to the new one."""
    top, slash, rest = prefix.partition("/")
    return new + slash + rest if top == old else prefix


def _refuse_taken(repo: Repository, old: str, new: str) -> None:
    """Refuse a label that means something. Raises: LabelTaken, UsageError."""
    state = repo.state
    if new == old:
        raise UsageError(f"the folder is called {old!r} already", "give another label")
    if new in state.roots:
        place = os.fsdecode(repo.place(state.roots[new]))
        raise LabelTaken(f"the label {new} belongs to {place}", "choose another one")
    if new in state.absorbed and state.absorbed[new] != old:  # its own label of before may come back
        raise LabelTaken(
            f"older snapshots have {new} for {os.fsdecode(repo.today(os.fsencode(new)))}", "choose another one"
        )
    if next(repo.mapped_tree(state.current_snapshot).under(os.fsencode(new)), None) is not None:
        raise LabelTaken(
            f"the current snapshot has pictures with the label {new}, of a folder that is no longer known",
            f"choose another one, or take those out first: vstore root remove {quoted(new)}",
        )
