"""Versions: what there is, how two of them differ, which one is current, and the way back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from vstore.errors import NothingToUndo, UsageError
from vstore.format.canonical import Json, named_path
from vstore.format.entries import Snapshot
from vstore.format.layout import why_not_a_name
from vstore.format.records import Record
from vstore.format.state import State
from vstore.format.undo import operations_in_force, restoring
from vstore.repository.repository import Repository


class SnapshotRow(NamedTuple):
    """One line of `snapshot list`."""

    snapshot: str
    id: str
    parent: str | None
    time: str
    space: str
    space_name: str
    paths: int
    images: int
    message: str
    tags: tuple[str, ...]
    current: bool
    partial: bool
    degraded: bool

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["tags"] = list(self.tags)
        return value


class SnapshotDetail(NamedTuple):
    """One snapshot: its line, the root of its alias tree, and how many paths it has under each label."""

    row: SnapshotRow
    tree: str
    manifest: str
    roots: dict[str, int]

    def to_json(self) -> dict[str, Json]:
        return {**self.row.to_json(), "tree": self.tree, "manifest": self.manifest, "roots": dict(self.roots)}


class DiffReport(NamedTuple):
    """How the second of two snapshots differs from the first. Renamed paths come in pairs."""

    before: str
    after: str
    same_space: bool
    changed: tuple[bytes, ...]
    renamed: tuple[tuple[bytes, bytes], ...]
    copied: tuple[bytes, ...]
    added: tuple[bytes, ...]
    removed: tuple[bytes, ...]

    def to_json(self) -> dict[str, Json]:
        return {
            "before": self.before,
            "after": self.after,
            "same_space": self.same_space,
            "changed": [named_path(path) for path in self.changed],
            "renamed": [{"from": named_path(old), "to": named_path(new)} for old, new in self.renamed],
            "copied": [named_path(path) for path in self.copied],
            "added": [named_path(path) for path in self.added],
            "removed": [named_path(path) for path in self.removed],
        }


class MoveReport(NamedTuple):
    """What a rollback, an undo or a redo made current. changed: whether anything was written."""

    op: str
    current: str | None
    before: str | None
    hold: str | None
    changed: bool
    about: str

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class TagReport(NamedTuple):
    """A tag that was set, or taken away (snapshot is None then)."""

    tag: str
    snapshot: str | None

    def to_json(self) -> dict[str, Json]:
        return {"tag": self.tag, "snapshot": self.snapshot}


class LogRow(NamedTuple):
    """One operation. undone: an undo has taken it back."""

    number: int
    op: str
    time: str
    about: str
    current: str | None
    undone: bool

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def snapshot_list(repo: Repository) -> list[SnapshotRow]:
    """All kept snapshots, newest first. Reads the log alone."""
    return [_row(repo.state, snapshot) for snapshot in repo.state.snapshots()]


def _row(state: State, snapshot: Snapshot) -> SnapshotRow:
    space = state.spaces.get(snapshot.space)
    return SnapshotRow(
        snapshot.name,
        snapshot.id,
        snapshot.parent,
        snapshot.time,
        snapshot.space,
        space.name if space else snapshot.space[:12],
        snapshot.paths,
        snapshot.images,
        snapshot.message,
        tuple(sorted(tag for tag, name in state.tags.items() if name == snapshot.name)),
        snapshot.name == state.current,
        snapshot.partial,
        snapshot.degraded,
    )


def snapshot_show(repo: Repository, snap: str) -> SnapshotDetail:
    """One snapshot. Raises: SnapshotNotFound, AmbiguousSnapshot."""
    snapshot = repo.snapshot(snap)
    tree = repo.tree(snapshot)
    roots: dict[str, int] = {}
    for label in _labels(repo, snapshot):
        roots[os.fsdecode(label)] = sum(1 for _ in tree.under(label))
    return SnapshotDetail(_row(repo.state, snapshot), tree.root.hex(), snapshot.manifest.hex(), roots)


def _labels(repo: Repository, snapshot: Snapshot) -> Iterator[bytes]:
    tree = repo.tree(snapshot)
    start = b""
    while True:
        first = next(tree.range(start, None), None)
        if first is None:
            return
        label = first[0].partition(b"/")[0]
        yield label
        start = label + b"0"


def snapshot_diff(repo: Repository, a: str, b: str) -> DiffReport:
    """How snapshot b differs from a, both under the labels of today. Pages that they share are not read."""
    from vstore.format.delta import classify
    from vstore.format.pages import differences

    before, after = repo.snapshot(a), repo.snapshot(b)
    old, new = repo.mapped_tree(before), repo.mapped_tree(after)
    changes = list(differences(old, new))
    wanted = {key for _, _, key in changes if key is not None}
    named = set(_keys_of(old.key_columns(), repo.hash.size, wanted))
    delta = classify(changes, named, (), examples=len(changes))
    return DiffReport(
        before.name,
        after.name,
        before.space == after.space,
        tuple(paths[0] for paths in delta.examples["changed"]),
        tuple((paths[0], paths[1]) for paths in delta.examples["renamed"]),
        tuple(paths[0] for paths in delta.examples["copied"]),
        tuple(paths[0] for paths in delta.examples["new"]),
        tuple(paths[0] for paths in delta.examples["removed"]),
    )


def _keys_of(columns: Iterator[bytes], size: int, wanted: set[bytes]) -> Iterator[bytes]:
    if wanted:
        for column in columns:
            for at in range(0, len(column), size):
                if (key := column[at : at + size]) in wanted:
                    yield key


def snapshot_tag(repo: Repository, snap: str, name: str) -> TagReport:
    """Give a snapshot a name of its own, which also keeps it from being forgotten.

    Raises: UsageError for a name that means something else, or is another snapshot's.
    """
    why_not = why_not_a_name(name)
    if why_not:
        raise UsageError(why_not, "choose another name")
    with repo.committing("tag"):
        snapshot = repo.snapshot(snap)
        at = repo.state.tags.get(name)
        if at is not None and at != snapshot.name:
            raise UsageError(f"the tag {name!r} is at {at}", f"take it away first: vstore snapshot untag {name}")
        if at is None:
            repo.publish("tag", {"tags": {name: snapshot.name}}, about=f"{name} at {snapshot.name}")
        return TagReport(name, snapshot.name)


def snapshot_untag(repo: Repository, name: str) -> TagReport:
    """Take a tag away. The snapshot stays. Raises: UsageError if there is none."""
    with repo.committing("untag"):
        if name not in repo.state.tags:
            tags = ", ".join(sorted(repo.state.tags)) or "none"
            raise UsageError(f"there is no tag {name!r}", f"the tags here are: {tags}")
        repo.publish("untag", {"tags": {name: None}}, about=name)
        return TagReport(name, None)


def rollback(repo: Repository, snap: str | None = None, *, hold: bool = False, release: bool = False) -> MoveReport:
    """Make a snapshot current, or (release) let syncs go on. Files are not touched.

    hold: syncs refuse until the release.
    """
    if release == (snap is not None):
        raise UsageError("rollback wants a snapshot, or --release alone", "see: vstore rollback --help")
    if release and hold:
        raise UsageError("--hold and --release do not go together")
    with repo.committing("rollback"):
        before = repo.state.current
        if snap is None:
            return _release(repo)
        snapshot = repo.snapshot(snap)
        changes: dict[str, Json] = {}
        if snapshot.name != before:
            changes["current"] = snapshot.name
        if hold and repo.state.hold != snapshot.name:
            changes["hold"] = snapshot.name
        if changes:
            repo.publish("rollback" if "current" in changes else "hold", changes, about=f"to {snapshot.name}")
        about = f"{snapshot.name} is current" if changes else f"{snapshot.name} was current already"
        return MoveReport("rollback", snapshot.name, before, repo.state.hold, bool(changes), about)


def _release(repo: Repository) -> MoveReport:
    at, current = repo.state.hold, repo.state.current
    if at is not None:
        repo.publish("release", {"hold": None}, about=f"after {at}")
    about = "syncs go on" if at is not None else "syncs were not held"
    return MoveReport("release", current, current, None, at is not None, about)


def undo(repo: Repository) -> MoveReport:
    """Take back the newest operation in force: current, tags, the kept set and the hold are as before it.

    Raises: NothingToUndo, saying why.
    """
    with repo.committing("undo"):
        done, undone, barrier = operations_in_force(repo.records())
        if not done:
            if barrier is not None and barrier.op != "init":
                raise NothingToUndo(f"nothing can be undone beyond the {barrier.op} of {barrier.time}")
            lost = why_log_is_cut(repo)
            if lost is not None:
                raise NothingToUndo(f"what was done before cannot be undone: {lost}", "run: vstore repair")
            if undone:
                raise NothingToUndo("all that could be undone is undone", "see: vstore log")
            raise NothingToUndo("nothing was done yet that could be undone", "see: vstore log")
        record = done[-1]
        return _restore(repo, repo.log.state_before(record.number), record, "undo")


def redo(repo: Repository) -> MoveReport:
    """Bring back what the newest undo in force took. Raises: NothingToUndo."""
    with repo.committing("redo"):
        _, undone, _ = operations_in_force(repo.records())
        if not undone:
            raise NothingToUndo("nothing was undone that could be done again", "a new operation ends redo")
        record = undone[-1]
        return _restore(repo, repo.log.state_before(record.number + 1), record, "redo")


def _restore(repo: Repository, state: State, record: Record, op: str) -> MoveReport:
    before = repo.state.current
    changes = restoring(repo.state, state)
    about = f"{record.op} of {record.time}" + (f" ({record.about})" if record.about else "")
    if op == "undo":
        repo.publish(op, changes, undoes=record.number, about=about)
    else:
        repo.publish(op, changes, redoes=record.number, about=about)
    return MoveReport(op, repo.state.current, before, repo.state.hold, True, about)


def why_log_is_cut(repo: Repository) -> str | None:
    """Why `log` tells less than was done, where a record that is lost hides what lies before it."""
    why = repo.log.why_not_earlier(repo.tip.number)
    return why if repo.log.highest() == repo.tip.highest else None  # else somebody collects them


def log(repo: Repository, limit: int | None = None) -> list[LogRow]:
    """The operations, newest first."""
    rows: list[LogRow] = []
    undone: set[int] = set()
    state: dict[str, Json] = {}
    for record in repo.records():
        if record.undoes is not None:
            undone.add(record.undoes)
        if record.redoes is not None:
            undone.discard(record.redoes)
        if record.whole is not None:
            state["current"] = record.whole.get("current")
        elif "current" in record.changes:
            state["current"] = record.changes["current"]
        rows.append(LogRow(record.number, record.op, record.time, record.about, state.get("current"), False))
    rows = [LogRow(r.number, r.op, r.time, r.about, r.current, r.number in undone) for r in reversed(rows)]
    return rows if limit is None else rows[:limit]
