"""The report of a sync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vstore.brief import briefly
from vstore.format.canonical import Json, by_label, named_path
from vstore.quick_tuple import NamedTuple
from vstore.repository.files import Files

if TYPE_CHECKING:
    from vstore.repository.candidates import Candidate
    from vstore.repository.cut_picture import Truncated
    from vstore.repository.running import Running


class Failure(NamedTuple):
    """A picture without a vector.

    path:   stored path.
    kind:   permission, io, truncated, not_an_image, too_large, bomb, needs_extra or model.
    reason: one line for people.
    known:  an earlier run met the same failure and remembers it.
    """

    path: bytes
    kind: str
    reason: str
    known: bool

    def to_json(self) -> dict[str, Json]:
        return {**named_path(self.path), "kind": self.kind, "reason": self.reason, "known": self.known}


class PassedOver(NamedTuple):
    """Files or folders that a sync passed over.

    kind:    of files other, picture or broken; of folders deleted, older, previews, originals, link or disk; of
             pictures elsewhere, or extra: they need an optional package.
    name:    of files the extension, of folders left out by default their name, of pictures the program that has them,
             or the extra that installs the package.
    count:   how many.
    path:    stored path of the first.
    reason:  why, for people.
    take_in: the option that takes them in, or None.
    """

    kind: str
    name: str
    count: int  # type: ignore[assignment]  # not the method of tuples
    path: bytes
    reason: str
    take_in: str | None

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), **named_path(self.path)}


@briefly
class SyncReport(NamedTuple):
    """The result of a sync, or of a dry run.

    snapshot:      name of the snapshot written, or None.
    current:       name of the current snapshot, or None.
    id:            content id of the current snapshot, or None.
    parent:        name of the parent of the snapshot written, else of the current one.
    space:         id of the embedding space of the run.
    space_name:    name of the embedding space.
    partial:       the snapshot written does not cover all pictures yet.
    dry_run:       nothing was written; the counts are those of a sync to come.
    paths:         paths of the current snapshot.
    images:        distinct pictures of the current snapshot.
    unchanged:     paths with the same picture as before.
    changed:       paths with another picture than before.
    renamed:       new paths of pictures with an old path that is gone.
    copied:        new paths of pictures with another path, too.
    known:         new paths of pictures with a stored vector.
    new:           new paths of new pictures.
    removed:       paths that are gone.
    carried:       unreadable paths; they keep their picture.
    ignored:       other files in the folders.
    failed:        the pictures without a vector.
    embedded:      vectors computed.
    reused:        renamed, copied and known paths, and those with the same pixels: no vector was computed for them.
    seconds:       time of the run.
    full_seconds:  estimated time of embedding everything, or None if no rate was measured.
    to_embed:      pictures to embed, in a dry run.
    embed_seconds: estimated time of embedding these, or None.
    recovered:     vectors recovered from a killed run.
    interrupted:   the run was asked to stop.
    created_store: the store was made for this run.
    held:          in a dry run: the snapshot that holds syncing.
    moved:         label -> new place of a moved folder.
    absorbed:      old label -> new prefix of its paths, for a folder taken in by a wider one.
    same_pixels:   changed paths whose prepared pixels are as before: only the metadata of the file was edited.
    without_pixels: pictures of the current snapshot without a digest of their pixels; counted only if vectors of a
                    killed run, which have none, were recovered, or a changed picture was embedded for the lack of
                    one, else 0.
    candidates:    new paths that may belong to rows set aside by an import.
    retried:       pictures with a remembered failure that were tried again.
    retried_embedded: those of them with a vector now.
    passed:        what was passed over, by kind and name; its files are the ignored ones.
    truncated:     pictures that this run took although their file is cut.
    notes:         paths given that do not exist or are hidden, folders that lost all pictures, patterns that match
                   nothing, and what to do.
    removed_left_out: removed paths in folders that are left out by default.
    removed_excluded: removed paths that patterns hide.
    examples:      class -> its first few paths, also of `same_pixels`; both paths of renamed ones.
    where:         finds the files of all these paths.
    store_exists:  there is a store; in a dry run before there is one, it is planned how a first sync would make it.
    fields_left:   edited pictures that lack a field that they had: it stayed with the old content.
    embed_bytes:   bytes of the pictures to embed, in a dry run.
    running:       in a dry run: the command that was changing the store meanwhile.
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
    same_pixels: int = 0
    without_pixels: int = 0
    candidates: tuple[Candidate, ...] = ()
    retried: int = 0
    retried_embedded: int = 0
    passed: tuple[PassedOver, ...] = ()
    truncated: tuple[Truncated, ...] = ()
    notes: tuple[str, ...] = ()
    removed_left_out: int = 0
    removed_excluded: int = 0
    examples: Mapping[str, tuple[tuple[bytes, ...], ...]] = {}  # never changed
    where: Files = Files()
    store_exists: bool = True
    fields_left: int = 0
    embed_bytes: int = 0
    running: Running | None = None

    def to_json(self) -> dict[str, Json]:
        left_out = ("examples", "where")
        value: dict[str, Json] = {name: field for name, field in self._asdict().items() if name not in left_out}
        for name in ("failed", "passed", "truncated", "candidates"):
            value[name] = [{**one.to_json(), **self.where.named(one.path)} for one in getattr(self, name)]
        value["notes"] = list(self.notes)
        value["running"] = None if self.running is None else self.running.to_json()
        return {**value, **by_label("moved", self.moved), **by_label("absorbed", self.absorbed)}
