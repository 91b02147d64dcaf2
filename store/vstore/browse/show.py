"""Shows what the store knows of one picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vstore.brief import briefly
from vstore.browse.picture import Picture, looked_at, picture_of
from vstore.browse.spans import Held, SnapshotSpan, is_in
from vstore.format.canonical import Json, named_file, named_path
from vstore.format.entries import Snapshot
from vstore.format.facts import BYTES
from vstore.format.pages import Child, leaf_keys
from vstore.format.tree import Tree
from vstore.paths import AnyPath, as_bytes
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted
from vstore.repository.addresses import file_meant
from vstore.repository.files import finder_to_look
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.format.fields import FieldValue

HERE, CHANGED, GONE, ELSEWHERE, OLDER, FAILED, UNKNOWN = (
    "here", "changed", "gone", "elsewhere", "older", "failed", "unknown",
)  # fmt: skip
_FEW = 4  # paths of a picture where other snapshots are likely to have it too


class Name(NamedTuple):
    """A path of a picture in the snapshot.

    path:  its stored path.
    file:  its path on disk today; None if its folder is no longer known.
    there: something is there today; None if nobody may look, as the user did not name its folder at this machine.
    """

    path: bytes
    file: bytes | None
    there: bool | None


class Neighbour(NamedTuple):
    """A picture of the snapshot that is like another one.

    key:   the hash of its bytes.
    score: the cosine of their stored vectors.
    path:  its first stored path.
    file:  that path on disk today; None if its folder is no longer known.
    """

    key: bytes
    score: float
    path: bytes
    file: bytes | None


Neighbours = Callable[[str, bytes], Sequence[tuple[bytes, float, bytes]]]


class SpaceOf(NamedTuple):
    """A space that holds a vector of a picture.

    id:   of the space.
    name: its name.
    """

    id: str
    name: str


@briefly
class ShowReport(NamedTuple):
    """The record of a picture.

    snapshot:   the snapshot that was looked in.
    status:     `here`; `changed` if the file that was named has other bytes now; `gone` if it is no longer there;
                `elsewhere` if its bytes are in the snapshot under other names alone; `older` if only other snapshots
                hold it; `failed` if no sync could read it; `unknown`.
    path:       the stored path that was named, or that the file would have; None for a file in no folder, and for a
                key, unless no sync could read the picture.
    key:        the hash of its bytes.
    new_key:    of a changed file: the hash of its bytes today.
    names:      its paths in the snapshot.
    snapshots:  the first and last of each row of snapshots that hold it, under any name.
    spaces:     those that hold a vector of it.
    facts:      what its bytes say of it, by name.
    fields:     what the user says of it in the snapshot, by name.
    cut:        the lines that are there, and all, of a picture whose file is cut.
    neighbours: the most similar pictures of the snapshot; None if they were not asked for.
    kind:       of a picture that no sync could read: the kind of the failure.
    reason:     why it is in no snapshot, or not under this name; None if syncs take it.
    next:       what to do.
    file:       `path` on disk today; None if there is none, or its folder is no longer known.
    """

    snapshot: str
    status: str
    path: bytes | None
    key: bytes
    new_key: bytes | None
    names: tuple[Name, ...]
    snapshots: tuple[SnapshotSpan, ...]
    spaces: tuple[SpaceOf, ...]
    facts: Mapping[str, str | int | float | bool]
    fields: Mapping[str, str | int | float | bool | datetime | tuple[str, ...]]
    cut: tuple[int, int] | None
    neighbours: tuple[Neighbour, ...] | None = None
    kind: str | None = None
    reason: str | None = None
    next: str = ""
    file: bytes | None = None

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {
            "snapshot": self.snapshot,
            "status": self.status,
            "path": None,
            **named_file(self.file),
            "key": self.key.hex(),
            "new_key": None if self.new_key is None else self.new_key.hex(),
            "names": [{**_paths(name.path, name.file), "there": name.there} for name in self.names],
            "snapshots": [span._asdict() for span in self.snapshots],
            "spaces": [one._asdict() for one in self.spaces],
            "facts": dict(self.facts),
            "fields": {name: _field(one) for name, one in self.fields.items()},
            "cut": None if self.cut is None else {"lines": self.cut[0], "of": self.cut[1]},
            "neighbours": None,
            "kind": self.kind,
            "reason": self.reason,
            "next": self.next,
        }
        if self.path is not None:
            value |= named_path(self.path)
        if self.neighbours is not None:
            value["neighbours"] = [
                {"key": one.key.hex(), "score": round(one.score, 6), **_paths(one.path, one.file)}
                for one in self.neighbours
            ]
        return value


def _paths(path: bytes, file: bytes | None) -> dict[str, Json]:
    return {**named_path(path), **named_file(file)}


def _field(value: FieldValue) -> Json:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return list(value) if isinstance(value, tuple) else value


def show(repo: Repository, picture: AnyPath, *, at: str | None, neighbours: Neighbours | None) -> ShowReport:
    """Show what the store knows of a picture.

    neighbours: finds key, score and path of the pictures most like one; None compares none, and looks up no facts in
                the catalogue either.
    Raises:     UsageError if the words mean no picture, or several; VstoreError if a file cannot be read;
                SnapshotNotFound, AmbiguousSnapshot, Damage, FileNotFoundError.
    """
    snapshot = repo.snapshot("current" if at is None else at)
    tree = repo.tree(snapshot)
    asked = picture_of(repo, snapshot, tree, file_meant(as_bytes(picture), "show"))
    return _shown(repo, snapshot, tree, asked, neighbours)


def show_key(repo: Repository, key: bytes, *, at: str | None) -> ShowReport:
    """Show what the store knows of the picture with a key, without its neighbours. No name of a file is looked for.

    Raises: SnapshotNotFound, AmbiguousSnapshot, Damage, FileNotFoundError.
    """
    snapshot = repo.snapshot("current" if at is None else at)
    return _shown(repo, snapshot, repo.tree(snapshot), Picture(None, None, key), None)


def _shown(
    repo: Repository, snapshot: Snapshot, tree: Tree, asked: Picture, neighbours: Neighbours | None
) -> ShowReport:
    key = asked.key if asked.key is not None else asked.found
    assert key is not None
    is_there = asked.path is not None and tree.get(asked.path) == key
    where = _where(repo, snapshot, tree, key, asked.path if is_there else None)
    if asked.found is None:
        asked = looked_at(repo, snapshot, asked, where.paths)
    from vstore.browse.known import facts_known, fields_known, spaces_with

    facts, cut = facts_known(repo, key, noted=neighbours is not None)
    if asked.size is not None and key == asked.found:
        facts.setdefault(BYTES.name, asked.size)
    report = ShowReport(
        snapshot=snapshot.name,
        status=HERE,
        path=asked.path,
        key=key,
        new_key=None,
        names=_names(repo, snapshot, where.paths),
        snapshots=where.snapshots,
        spaces=tuple(SpaceOf(space.id, space.name) for space in spaces_with(repo, key)),
        facts=facts,
        fields=fields_known(repo, snapshot, key),
        cut=cut,
        file=None if asked.path is None else repo.file_finder(snapshot)(asked.path),
    )
    report = _judged(repo, snapshot, asked, report)
    if neighbours is None:
        return report
    file_of = repo.file_finder(snapshot)
    found = neighbours(snapshot.name, key) if any(one.id == snapshot.space for one in report.spaces) else ()
    return report._replace(
        neighbours=tuple(Neighbour(other, score, path, file_of(path)) for other, score, path in found)
    )


class _Where(NamedTuple):
    """Where a picture is.

    paths:     in the snapshot that is looked in.
    snapshots: that hold it.
    """

    paths: list[bytes]
    snapshots: tuple[SnapshotSpan, ...]


def _where(repo: Repository, snapshot: Snapshot, tree: Tree, key: bytes, path: bytes | None) -> _Where:
    """Find where a picture is. path: one of its paths in the snapshot, if that is known."""

    def look(tree: Tree, leaf: Child) -> bool | None:
        return is_in(leaf_keys(tree.page(leaf.digest), repo.hash.size), key) or None

    held = Held(repo, look)
    paths = [] if path is None else [path]
    if path is None or snapshot.paths != snapshot.images:  # else each picture of it has one path
        leaves = set(held.in_tree(tree))
        paths = [one for leaf in tree.walk() if leaf.digest in leaves for one, its in tree.aliases(leaf) if its == key]
    places = (place for place, one in enumerate(held.snapshots) if held.is_in(repo.tree(one), paths[:_FEW]))
    return _Where(paths, held.spans([place, place] for place in places))


def _names(repo: Repository, snapshot: Snapshot, paths: Sequence[bytes]) -> tuple[Name, ...]:
    file_of, to_look_at = repo.file_finder(snapshot), finder_to_look(repo, snapshot)

    def there(path: bytes) -> bool | None:
        file = to_look_at(path)
        return None if file is None else os.path.lexists(file)

    return tuple(Name(path, file_of(path), there(path)) for path in paths)


def _judged(repo: Repository, snapshot: Snapshot, asked: Picture, report: ShowReport) -> ShowReport:
    """Say how the picture stands: whether its file is as the snapshot has it, and what to do if it is not."""
    if asked.key is not None and asked.found is not None and asked.found != asked.key:
        report = report._replace(status=CHANGED, new_key=asked.found)
        return _to_take(repo, snapshot, asked, report, "take its new bytes in with")
    if report.names:
        if asked.key is None:
            report = report._replace(status=ELSEWHERE)
            return report if asked.path is None else _to_take(repo, snapshot, asked, report, "take this name in with")
        own = next((name for name in report.names if name.path == asked.path), None)
        if own is None and asked.path is not None:
            return report._replace(status=ELSEWHERE)
        places = [name.there for name in report.names] if own is None else [own.there]
        return report if any(there is not False for there in places) else report._replace(status=GONE)
    if report.snapshots:
        last = report.snapshots[-1][1]
        return report._replace(
            status=OLDER, next=f"look at it there: vstore show {report.key.hex()[:12]} --at {quoted(last)}"
        )
    from vstore.browse.known import why_failed

    failure = why_failed(repo, snapshot.space, report.key)
    if failure is not None:
        return report._replace(
            status=FAILED, kind=failure[0], reason=failure[1], next="try it again with: vstore sync --retry-failed"
        )
    return _to_take(repo, snapshot, asked, report._replace(status=UNKNOWN), "take it in with")


def _to_take(repo: Repository, snapshot: Snapshot, asked: Picture, report: ShowReport, words: str) -> ShowReport:
    """Say how a file is taken in, or why syncs do not take it."""
    from vstore.browse.not_taken import by_its_name, by_listing

    if asked.path is not None:
        found, step = by_listing(repo, snapshot, asked.path), f"{words}: vstore sync"
    else:
        found = None if asked.file is None else by_its_name(asked.file)
        step = "take its folder in with: vstore sync FOLDER"
    return report._replace(next=step) if found is None else report._replace(reason=found.reason, next=found.next)
