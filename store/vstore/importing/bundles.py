"""Files that hold vectors and their list together: `.npz`, Parquet, JSON lines; those of `vstore export` among them."""

from __future__ import annotations

import binascii
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.errors import UsageError
from vstore.format.hashing import HASHES
from vstore.importing.lines_source import LinesSource
from vstore.importing.listing import Entry, Listing
from vstore.importing.metadata import read_metadata
from vstore.importing.npz_source import NpzSource
from vstore.importing.parquet_source import ParquetSource
from vstore.importing.profile import are_halves
from vstore.importing.shapes import Shapes
from vstore.importing.source import Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.importing.source import Array

ENDINGS = (".npz", ".parquet", ".jsonl", ".ndjson")
OWN = ({"key", "paths", "vector"}, {"key", "paths", "vector", "paths_b64"})
KEY = re.compile(r"(?:[0-9a-f]{32}){1,2}")


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
        encoded = source.texts("paths_b64") if source.has_encoded else None
        with _readable(path):
            paths = [json.loads(text) for text in source.texts("paths")]
            odd = [json.loads(text) for text in encoded] if encoded is not None else None
        return _own(source, source.texts("keys"), paths, odd, path)
    return Bundle(source, source.listing(path_field))


def _of_parquet(source: ParquetSource, path_field: str | None, path: Path, *, listed: bool) -> Bundle:
    if listed:
        return Bundle(source, None)
    if set(source.columns) in OWN:
        odd = source.texts("paths_b64") if "paths_b64" in source.columns else None
        return _own(source, source.texts("key"), source.texts("paths"), odd, path)
    return Bundle(source, read_metadata(path, source.rows, path_field, source.column))


def _of_lines(source: LinesSource, path_field: str | None, path: Path, *, listed: bool) -> Bundle:
    if listed:
        return Bundle(source, None)
    fields = [{*value, "vector"} for value in source.objects]
    if all(one in OWN for one in fields):
        keys, paths = ([value[name] for value in source.objects] for name in ("key", "paths"))
        odd = [value.get("paths_b64") for value in source.objects]
        return _own(source, keys, paths, odd, path)

    def wrong(why: str, step: str = "") -> UsageError:
        return UsageError(f"{path} cannot be read as a list of pictures: {why}", step or "give each line a path")

    return Bundle(source, Shapes(wrong, source.rows, path_field).of_objects(source.objects))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Tell what cannot be read of an export."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
        raise UsageError(f"{path} is not a valid export of vstore ({err!r})", "export the snapshot again") from err


def _own(source: Source, keys: Sequence[Any], paths: Sequence[Any], odd: Sequence[Any] | None, path: Path) -> Bundle:
    """Make a row of each path of each picture."""
    entries: list[Entry] = []
    which: list[int] = []
    with _readable(path):
        for row, (key, some) in enumerate(zip(keys, paths, strict=True)):
            encoded = (odd[row] if odd is not None else None) or [None] * len(some)
            if not KEY.fullmatch(key) or not some or len(encoded) != len(some):
                raise ValueError(f"row {row} has no key, or no path")
            for text, b64 in zip(some, encoded, strict=True):
                raw = text.encode("utf-8") if b64 is None else binascii.a2b_base64(b64)
                entries.append(Entry(raw, key=bytes.fromhex(key)))
                which.append(row)
    notes = ("keys and paths are those of an export of vstore",)
    return Bundle(_Repeated(source, which), Listing(entries, {}, notes=notes), own=True)


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
    return set(ParquetSource(path).columns) in OWN if kind == ".parquet" else kind in ENDINGS


def hash_of_size(size: int) -> str | None:
    """Find the hash whose digests have a size."""
    return next((name for name, kind in HASHES.items() if kind.size == size), None)
