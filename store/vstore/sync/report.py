"""What a sync says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from vstore.format.canonical import Json, named_path

if TYPE_CHECKING:
    from vstore.repository.leftovers import Candidate


class Failure(NamedTuple):
    """A picture without a vector. known: an earlier run met the same and remembers it."""

    path: bytes
    kind: str
    reason: str
    known: bool

    def to_json(self) -> dict[str, Json]:
        return {**named_path(self.path), "kind": self.kind, "reason": self.reason, "known": self.known}


class SyncReport(NamedTuple):
    """What a sync, or a look at what one would do, found and did.

    snapshot: the one that was written, or None. paths, images: aliases and distinct keys of the current snapshot.
    The counts from `unchanged` to `removed` put every path into one class; `carried` paths could not be read and
    keep what they had. embedded: vectors computed. reused: paths that got a vector which was there already.
    seconds: this run; full_seconds: what it would take if everything had to be embedded, by the rate that runs
    measured, or None. held: the snapshot at which syncs are held, in a look at what one would do.
    moved: labels whose folder is another one now, and its place; absorbed: labels that a wider folder took in, and the
    prefix that their paths have now.
    candidates: new paths with the name of a row that an import left over.
    examples: the first few paths of each class; of renamed ones, both.
    """

    snapshot: str | None
    current: str | None
    id: str | None
    parent: str | None
    space: str | None
    space_name: str | None
    partial: bool
    dry_run: bool
    paths: int
    images: int
    unchanged: int
    changed: int
    renamed: int
    copied: int
    known: int
    new: int
    removed: int
    carried: int
    ignored: int
    failed: tuple[Failure, ...]
    embedded: int
    reused: int
    seconds: float
    full_seconds: float | None = None
    to_embed: int = 0
    embed_seconds: float | None = None
    recovered: int = 0
    interrupted: bool = False
    created_store: bool = False
    held: str | None = None
    moved: Mapping[str, str] = {}  # never changed
    absorbed: Mapping[str, str] = {}
    candidates: tuple[Candidate, ...] = ()
    examples: Mapping[str, tuple[tuple[bytes, ...], ...]] = {}  # never changed

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {
            name: getattr(self, name)
            for name in (
                "snapshot", "current", "id", "parent", "space", "space_name", "partial", "dry_run", "paths", "images",
                "unchanged", "changed", "renamed", "copied", "known", "new", "removed", "carried", "ignored",
            )
        }  # fmt: skip
        value["failed"] = [failure.to_json() for failure in self.failed]
        for name in ("embedded", "reused", "seconds", "full_seconds", "to_embed", "embed_seconds", "recovered"):
            value[name] = getattr(self, name)
        for name in ("interrupted", "created_store", "held"):
            value[name] = getattr(self, name)
        value["moved"] = dict(self.moved)
        value["absorbed"] = dict(self.absorbed)
        value["candidates"] = [candidate.to_json() for candidate in self.candidates]
        return value
