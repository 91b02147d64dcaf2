"""Vectors of an `.npz` file, and the paths that lie beside them; what is pickled is refused."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

from vstore.errors import UsageError
from vstore.format.exported_details import TIMES
from vstore.format.list_columns import COLUMN_BYTES, TOO_LARGE, Columns, LeftColumn, is_numbering
from vstore.importing.listing import Entry, Listing, encoded
from vstore.importing.shapes import LIST_FIELDS, PATH_FIELDS, ROW_FIELDS, VECTOR_FIELDS

if TYPE_CHECKING:
    from vstore.importing.source import Array

FLOATS = ("float16", "float32", "float64")
STEP = "save the vectors and the paths as plain arrays: numpy.savez(path, vectors=floats, paths=numpy.array(paths))"
MOST = 1 << 33  # bytes of a compressed array, which is read into memory
# Raised by zipfile and the parsers below it for damaged files, for later versions, and for members with a password.
DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, struct.error, zlib.error)


class _Head(NamedTuple):
    """The head of one array.

    shape: its shape.
    dtype: its numpy dtype.
    size:  bytes of the head.
    order: `C`, or `F` where it is stored column by column.
    """

    shape: tuple[int, ...]
    dtype: Any
    size: int
    order: Literal["C", "F"] = "C"


class NpzSource:
    """The float array of an `.npz` file; one that is not compressed stays in the file."""

    def __init__(self, path: Path) -> None:
        """Read the heads of the arrays. Raises: UsageError, naming the reason."""
        self._path = path
        with self._archive() as archive:
            heads = {
                info.filename.removesuffix(".npy"): self._head(archive, info)
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }
            self._heads = heads
            self._name = name = self._vectors(heads)
            self._rows = self._array(archive, name)
        self.files: tuple[Path, ...] = (path,)
        self.rows, self.dim = self._rows.shape
        self.dtype = str(self._rows.dtype.name)
        self.ids: Array | None = None
        self.notes: tuple[str, ...] = (f"the vectors are those of {name!r}",)

    def _wrong(self, why: str) -> UsageError:
        return UsageError(f"{self._path} cannot be imported: {why}", STEP)

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        """Open the file. Raises: UsageError, also for what the caller reads of it."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                yield archive
        except DAMAGE as err:
            raise self._wrong(f"it is not an .npz file, or is damaged ({err})") from err
        except OSError as err:
            raise UsageError(f"{self._path} cannot be read: {err.strerror or err}") from err

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        return np.array(self._rows[first:end])

    def texts(self, name: str) -> list[Any]:
        """Read an array of texts, or of plain numbers. Raises: UsageError."""
        with self._archive() as archive:
            read = self._array(archive, name)
        try:
            values = read.tolist()
        except (ValueError, SystemError) as err:  # numpy's words for numbers that are no letters
            raise self._wrong(f"its array {name!r} holds what is no text") from err
        return [value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in values]

    @property
    def is_own(self) -> bool:
        """Tell whether `vstore export` wrote it."""
        return self.is_old_own or {"keys", "vectors", "all_paths", "facts", "fields"} <= self._heads.keys()

    @property
    def is_old_own(self) -> bool:
        """Tell whether an older `vstore export` wrote it: its paths are lists of JSON."""
        names = self._heads.keys()
        if not {"keys", "vectors", "paths"} <= names <= {"keys", "vectors", "paths", "paths_b64"}:
            return False
        head = self._heads["paths"]
        return head.dtype.kind == "U" and all(text[:1] == "[" for text in self.texts("paths"))

    @property
    def own_lists(self) -> list[str]:
        """The arrays in which an export says more of the pictures."""
        names = ("paths", "paths_b64") if self.is_old_own else ("all_paths", "all_paths_b64", "facts", "fields", TIMES)
        return [name for name in names if name in self._heads]

    def lines(self, name: str) -> list[bytes]:
        """Read an array of bytes as lines. Raises: UsageError."""
        head = self._heads[name]
        if head.dtype.name != "uint8" or len(head.shape) != 1:
            raise self._wrong(f"its array {name!r} is none of bytes")
        with self._archive() as archive:
            return self._array(archive, name).tobytes().splitlines()

    def listing(self, path_field: str | None) -> Listing | None:
        """Read the paths that lie beside the vectors, and other arrays; None without paths. Raises: UsageError."""
        name = self._paths(path_field)
        if name is None:
            return None
        return Listing([Entry(encoded(text)) for text in self.texts(name)], {}, columns=self._columns(name))

    def _columns(self, paths: str) -> Columns:
        """Read the arrays that hold a value for each vector."""
        said: list[dict[str, Any]] = [{} for _ in range(self.rows)]
        used, left = {paths}, []
        for name, head in self._heads.items():
            if name in (paths, self._name) or head.shape[:1] != (self.rows,):
                continue
            why = _unfit(head)
            if not why:
                try:
                    values = self.texts(name)
                except UsageError:
                    why = "values that cannot be read"
            if why:
                left.append(LeftColumn(name, why, self.rows))
                continue
            for entry, value in zip(said, values, strict=True):
                entry[name] = value
            used |= {name} if name.lower() in ROW_FIELDS and is_numbering(values) else set()
        return Columns(said, frozenset(used), tuple(left))

    def _paths(self, wanted: str | None) -> str | None:
        if wanted is not None and wanted not in self._heads:
            raise self._wrong(f"it has no array {wanted!r}, but {', '.join(map(repr, self._heads))}")
        lower = {name.lower(): name for name in reversed(list(self._heads))}
        names = [wanted] if wanted else [lower[one] for one in (*LIST_FIELDS, *PATH_FIELDS) if one in lower]
        texts = [n for n, head in self._heads.items() if head.dtype.kind in "US" and head.shape == (self.rows,)]
        for name in names:
            if name in texts:
                return name
            if self._heads[name].dtype.hasobject:
                raise self._wrong(f"its array {name!r} holds pickled objects")
        return texts[0] if len(texts) == 1 else None

    def _vectors(self, heads: dict[str, _Head]) -> str:
        floats = [name for name, head in heads.items() if head.dtype.name in FLOATS and len(head.shape) == 2]
        known = [name for field in VECTOR_FIELDS for name in floats if name.lower() == field]
        if not known and len(floats) != 1:
            had = ", ".join(f"{name!r} ({head.dtype.name} {head.shape})" for name, head in list(heads.items())[:20])
            raise self._wrong(
                f"it has {len(floats)} arrays of floats of the shape (rows, dim), not one: {had or 'none'}"
            )
        name = (known or floats)[0]
        if heads[name].shape[1] < 1:
            raise self._wrong(f"its array {name!r} has the shape {heads[name].shape}")
        return name

    def _head(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Head:
        from numpy.lib import format as npy

        try:
            with archive.open(info) as member:
                version = npy.read_magic(member)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, fortran, dtype = read(member)
                size = member.tell()
        except Exception as err:  # numpy reads the header as Python: garbage raises whatever the parser does
            if isinstance(err, OSError) and err.errno is not None:
                raise
            raise self._wrong(f"{info.filename} cannot be read ({' '.join(str(err).split())[:200]})") from err
        count = 1
        for length in shape:
            count *= length
        if not dtype.hasobject and info.file_size != size + count * dtype.itemsize:
            raise self._wrong(
                f"{info.filename} has {info.file_size:,} bytes, its header says {size + count * dtype.itemsize:,}"
            )
        return _Head(shape, dtype, size, "F" if fortran else "C")

    def _array(self, archive: zipfile.ZipFile, name: str) -> Array:
        import numpy as np

        info, head = archive.getinfo(f"{name}.npy"), self._heads[name]
        if info.compress_type == zipfile.ZIP_STORED and name == self._name and head.shape[0]:
            with self._path.open("rb") as file:
                at = _data_at(file, info) + head.size
            if at + head.shape[0] * head.shape[1] * head.dtype.itemsize > self._path.stat().st_size:
                raise self._wrong("it is cut short")
            return np.memmap(self._path, head.dtype, mode="r", offset=at, shape=head.shape, order=head.order)
        if info.file_size > MOST:
            raise self._wrong(f"{info.filename} has {info.file_size:,} bytes and is compressed")
        with archive.open(info) as member:
            read = np.frombuffer(member.read()[head.size :], head.dtype)
        array: Array = read.reshape(head.shape, order=head.order)
        return array


def _unfit(head: _Head) -> str:
    """Say why an array is no column of values that a field can have; empty if it is one."""
    if head.dtype.hasobject:
        return "pickled objects"
    if len(head.shape) > 1:
        return "arrays"
    if head.dtype.itemsize * head.shape[0] > COLUMN_BYTES:
        return TOO_LARGE
    return "" if head.dtype.kind in "USbiuf" else f"values of the type {head.dtype.name}"


def _data_at(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Find the place of a member's data: its local header may be longer than that of the directory."""
    file.seek(info.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    return info.header_offset + 30 + int(name) + int(extra)
