"""The pictures of a snapshot with their paths, vectors, facts and fields, read in blocks: never all are in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from vstore.counts import counted
from vstore.errors import Damage
from vstore.format.canonical import Json, named_all, named_file, named_files, named_path
from vstore.format.entries import Snapshot
from vstore.format.exported_details import Details
from vstore.format.fields import FieldValue, decode_field, split_field_key
from vstore.format.tree import paths_by_key
from vstore.progress import Stages
from vstore.repository.facts import facts_of
from vstore.repository.fields import fields_of, picture_fields
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows

BLOCK = 1024  # rows in memory at once


class Found(NamedTuple):
    """A picture that a search found.

    key:   of the picture.
    score: its cosine with the query.
    paths: its stored paths.
    """

    key: bytes
    score: float
    paths: Sequence[bytes]


class Pictures:
    """A snapshot, opened for an export, or the pictures of a search in it.

    snapshot: the snapshot.
    paths:    the stored paths of each key.
    keys:     the keys, sorted.
    order:    the keys in the order of their rows: sorted, or best first.
    scores:   the score of each key; None without a search.
    aliases:  path and key, sorted by path, or best first.
    dim:      numbers of a vector.
    dtype:    float16 or float32.
    file_of:  finds the absolute path of a stored path; None if its folder is no longer known.
    notes:    remarks on what an expression could not know.
    """

    def __init__(
        self,
        repo: Repository,
        snapshot: Snapshot,
        stages: Stages,
        *,
        where: str | None = None,
        found: Sequence[Found] | None = None,
    ) -> None:
        """
        where:  only paths for which this expression is true.
        found:  the pictures of a search, best first; None means all.
        Raises: UsageError; Damage before a byte of a damaged segment is used.
        """
        self.snapshot = snapshot
        self._repo = repo
        self._stages = stages
        self.file_of = repo.file_finder(snapshot)
        self.dim = repo.state.spaces[snapshot.space].dim
        self.dtype = repo.dtype
        of_found = ((path, one.key) for one in found or () for path in one.paths)
        self.aliases = list(repo.tree(snapshot) if found is None else of_found)
        self.notes: tuple[str, ...] = ()
        if where is not None:
            from vstore.where.lines import fitting

            fits, self.notes = fitting(repo, snapshot, self.aliases, where)
            self.aliases = [*filter(fits, self.aliases)]
        self.paths = paths_by_key(self.aliases)
        self._segments = [repo.segment(ref) for ref in repo.state.segments(snapshot.space)]
        places: dict[bytes, tuple[int, int]] = {}
        for number, segment in enumerate(self._segments):
            for row, key in enumerate(segment.key_list()):
                if key in self.paths:
                    places.setdefault(key, (number, row))  # the first row of a key wins
        missing = len(self.paths) - len(places)
        if missing:
            raise Damage(f"{counted(missing, 'picture')} of {snapshot.name} without a vector", "run: vstore check")
        used = [self._segments[number] for number in sorted({number for number, _ in places.values()})]
        stages.begin("reading the store", len(used), size=sum(segment.ref.size for segment in used))
        for segment in used:
            segment.verify()
            stages.advance(1, segment.ref.size)
        self.keys = sorted(self.paths)
        self.order = self.keys if found is None else list(self.paths)
        self.scores = None if found is None else {one.key: round(one.score, 6) for one in found}
        self._places = places

    def named(self, key: bytes) -> dict[str, Json]:
        """Write the paths of a picture and its files, for a JSON document."""
        return {**named_all("paths", self.paths[key]), **named_files([self.file_of(path) for path in self.paths[key]])}

    def named_path(self, path: bytes) -> dict[str, Json]:
        """Write a path and its file, for a JSON document."""
        return {**named_path(path), **named_file(self.file_of(path))}

    def listed(self, key: bytes, name: str) -> list[str | None]:
        """Find a member of `named`; null for each path where it is left out."""
        found: list[str | None] = self.named(key).get(name) or [None] * len(self.paths[key])
        return found

    @cached_property
    def list_names(self) -> list[str]:
        """The members of `named` that any picture has."""
        there = {"paths", "files", *(name for key in self.keys for name in self.named(key))}
        return [name for name in ("paths", "paths_b64", "files", "files_b64") if name in there]

    @property
    def path_names(self) -> list[str]:
        """The members of `named_path` that any path has."""
        return [name.replace("s", "", 1) for name in self.list_names]

    def every_path(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield each path and its key, sorted by path, as rows that are written."""
        self._stages.begin("writing rows", len(self.aliases), unit="rows")
        for number, alias in enumerate(self.aliases, 1):
            yield alias
            if number % BLOCK == 0:
                self._stages.advance(BLOCK)
        self._stages.advance(len(self.aliases) % BLOCK)

    def details(self) -> Iterator[Details]:
        """Read the facts and fields of all pictures, in the order of the keys. Raises: Damage."""
        self._stages.begin("reading facts and fields", len(self.keys), unit="pictures")
        for at in range(0, len(self.keys), BLOCK):
            keys = self.keys[at : at + BLOCK]
            facts = facts_of(self._repo, keys) if self._repo.state.facts else {}
            fields = self._fields(keys) if self.snapshot.fields else {}
            for key in keys:
                yield Details(facts.get(key), fields.get(key, {}))
            self._stages.advance(len(keys))

    def _fields(self, keys: Sequence[bytes]) -> dict[bytes, dict[str, FieldValue]]:
        """Read the fields of some keys that follow one another. Raises: Damage."""
        table = fields_of(self._repo, self.snapshot)
        if len(self.keys) <= BLOCK:  # they may stand far apart
            return {key: picture_fields(self._repo, table, key) for key in keys}
        found: dict[bytes, dict[str, FieldValue]] = {key: {} for key in keys}
        for entry_key, value in table.range(keys[0], keys[-1] + b"\xff"):  # no name of a field begins with it
            key, name = split_field_key(entry_key, self._repo.hash.size)
            if key in found:
                found[key][name] = decode_field(value)
        return found

    def blocks(self, keys: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], Rows]]:
        """Read the vectors of some keys in their order, at most 1,024 at a time: keys and rows (n, dim)."""
        import numpy as np

        rows = [segment.rows() for segment in self._segments]
        width = self.dim * (2 if self.dtype == "float16" else 4)
        self._stages.begin("writing vectors", len(keys), size=len(keys) * width, unit="vectors")
        for at in range(0, len(keys), BLOCK):
            part = keys[at : at + BLOCK]
            yield part, np.stack([rows[self._places[key][0]][self._places[key][1]] for key in part])
            self._stages.advance(len(part), len(part) * width)
