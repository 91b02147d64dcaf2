"""Files that hold vectors and their list together: `.npz`, Parquet, JSON lines; those of `vstore export` among them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.errors import UsageError
from vstore.format.exported_details import TIMES, Details
from vstore.format.hashing import HASHES
from vstore.importing.lines_source import LinesSource
from vstore.importing.listing import Entry, Listing
from vstore.importing.metadata import read_metadata
from vstore.importing.npz_source import NpzSource
from vstore.importing.own_details import arrow_details, json_details, own_entries, own_listing, readable
from vstore.importing.parquet_source import ParquetSource
from vstore.importing.profile import are_halves
from vstore.importing.shapes import Shapes
from vstore.importing.source import Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.importing.source import Array

ENDINGS = (".npz", ".parquet", ".jsonl", ".ndjson")
OWN = {"key", "paths", "vector"}
OWN_MORE = OWN | {"paths_b64", "files", "files_b64", "facts", "fields", "score", TIMES}
NOTE = "keys and paths are those of an export of vstore"


class Bundle(NamedTuple):
    """Vectors, and the list that lies beside them.

    source:  the vectors.
    listing: the pictures; None if the file has vectors alone.
    own:     `vstore export` wrote it: the rows are finished, and the keys are those of the pictures.
    """

    source: Source
    listing: Listing | None
    own: bool = False


def open_bundle(path: Path, path_field: str | None, *, listed: bool) -> Bundle:
    """Open a file with one of `ENDINGS`. listed: its list is elsewhere. Raises: UsageError, MissingPackage."""
    kind = path.suffix.lower()
    if kind == ".npz":
        return _of_npz(NpzSource(path), path_field, path, listed=listed)
    if kind == ".parquet":
        return _of_parquet(ParquetSource(path), path_field, path, listed=listed)
    return _of_lines(LinesSource(path), path_field, path, listed=listed)


def _of_npz(source: NpzSource, path_field: str | None, path: Path, *, listed: bool) -> Bundle:
    if listed:
        return Bundle(source, None)
    if source.is_own:
        with readable(path):
            keys = source.texts("keys")
            if source.is_old_own:
                lists = {name: list(map(json.loads, source.texts(name))) for name in source.own_lists}
            else:
                lists = {name: list(map(json.loads, source.lines(name))) for name in source.own_lists}
            columns = {"key": keys, **{name.removeprefix("all_"): values for name, values in lists.items()}}
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return _own(source, rows, json_details(keys, rows), path)
    return Bundle(source, source.listing(path_field))


def _of_parquet(source: ParquetSource, path_field: str | None, path: Path, *, listed: bool) -> Bundle:
    if listed:
        return Bundle(source, None)
    if source.is_own:
        names = [name for name in ("key", "paths", "paths_b64") if name in source.columns]
        with readable(path):
            columns = [source.texts(name) for name in names]
            rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        return _own(source, rows, arrow_details(path, columns[0]), path)
    return Bundle(source, read_metadata(path, source.rows, path_field, source.column))


def _of_lines(source: LinesSource, path_field: str | None, path: Path, *, listed: bool) -> Bundle:
    if listed:
        return Bundle(source, None)
    fields = [{*value, "vector"} for value in source.objects]
    if all(OWN <= one <= OWN_MORE for one in fields):
        keys = [value["key"] for value in source.objects]
        return _own(source, source.objects, json_details(keys, source.objects), path)

    def wrong(why: str, step: str = "") -> UsageError:
        return UsageError(f"{path} cannot be read as a list of pictures: {why}", step or "give each line a path")

    return Bundle(source, Shapes(wrong, source.rows, path_field).of_objects(source.objects))


def _own(source: Source, rows: Sequence[Mapping[str, Any]], details: Iterable[Details], path: Path) -> Bundle:
    """Make an entry of each path of each picture."""
    entries: list[Entry] = []
    which: list[int] = []
    said: list[Details] = []
    with readable(path):
        for number, row in enumerate(rows):
            entries += own_entries(number, row)
            which += [number] * (len(entries) - len(which))
        every = list(details)
        said = [every[number] for number in which]
    return Bundle(_Repeated(source, which), own_listing(entries, said, NOTE), own=True)


class _Repeated:
    """A source each of whose rows stands as often as its picture has paths."""

    def __init__(self, source: Source, which: Iterable[int]) -> None:
        import numpy as np

        self._source = source
        self._which: npt.NDArray[np.int64] = np.fromiter(which, np.int64)
        self.files, self.dim, self.dtype, self.notes = source.files, source.dim, source.dtype, source.notes
        self.rows = len(self._which)
        self.ids: Array | None = None

    def block(self, first: int, end: int) -> Array:
        which = self._which[first:end]
        if not len(which):
            return self._source.block(0, 0)
        rows: Array = self._source.block(int(which[0]), int(which[-1]) + 1)[which - which[0]]
        return rows


def form_of_export(named: Path) -> tuple[str, str] | None:
    """Find the hash and the dtype of the store that exported a file; None if none did. Raises: UsageError."""
    bundle = open_bundle(named, None, listed=False) if _may_be_own(named) else None
    if bundle is None or not bundle.own or bundle.listing is None:
        return None
    hash = hash_of_size(len(bundle.listing.entries[0].key or b"")) if bundle.listing.entries else None
    return (hash or "xxh3_128", "float16" if are_halves(bundle.source) else "float32")


def _may_be_own(path: Path) -> bool:
    """Tell from the heads alone whether `vstore export` may have written a file; JSON lines have none."""
    kind = path.suffix.lower()
    if kind == ".npz":
        return NpzSource(path).is_own
    return ParquetSource(path).is_own if kind == ".parquet" else kind in ENDINGS


def hash_of_size(size: int) -> str | None:
    """Find the hash whose digests have a size."""
    return next((name for name, kind in HASHES.items() if kind.size == size), None)
