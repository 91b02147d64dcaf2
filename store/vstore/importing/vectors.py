"""The rows of an old index: from a FAISS file, from `.npy` files, or from both, without unpickling and without holding
all of them in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from vstore.disk.segments import faiss_module
from vstore.errors import UsageError
from vstore.importing.faissfile import METRICS, Structure, structure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]

BLOCK = 1024  # rows in memory at once
UNIT = 1e-3  # how far from 1 a norm may be for a row to be taken as it is
AGREE = 0.999  # cosine of two vectors that are taken for one
SAMPLE = 256  # rows of which two files must agree


class Source(Protocol):
    """Where rows come from, in the order in which they were added.

    dtype: what its numbers are: float16, float32 or float64. ids: numbers that the rows bear, int64 (rows,), or None.
    notes: what a report should say of it.
    """

    files: tuple[Path, ...]
    rows: int
    dim: int
    dtype: str
    ids: Array | None
    notes: tuple[str, ...]

    def block(self, first: int, end: int) -> Array:
        """Some rows: (end - first, dim) of `dtype`."""
        ...


class NpySource:
    """One or more `.npy` files, mapped, one after another."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises: UsageError, saying which file is why not taken."""
        self._parts = [_mapped(path) for path in paths]
        if not self._parts:
            raise UsageError("there is no .npy file to read vectors from")
        self.files: tuple[Path, ...] = tuple(paths)
        dims = {part.shape[1] for part in self._parts}
        kinds = {part.dtype.name for part in self._parts}
        if len(dims) > 1 or len(kinds) > 1:
            raise UsageError(
                f"the parts differ: {sorted(dims)} numbers a row, kept as {', '.join(sorted(kinds))}",
                "they are not of one index",
            )
        self.dim = int(self._parts[0].shape[1])
        self.dtype = str(self._parts[0].dtype.name)
        self.rows = sum(len(part) for part in self._parts)
        self.ids: Array | None = None
        self.notes: tuple[str, ...] = ()

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        found = []
        for part in self._parts:
            if first < len(part) and end > 0:
                found.append(np.asarray(part[max(0, first) : end]))
            first, end = first - len(part), end - len(part)
        return found[0] if len(found) == 1 else np.concatenate(found)


def _mapped(path: Path) -> Array:
    import numpy as np

    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise UsageError(f"{path} is no .npy file", "give the array that numpy.save wrote")
        # Mapping keeps it out of memory; a pickle could run any code, and is refused.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except UsageError:
        raise
    except Exception as err:  # numpy reads the header as Python: garbage raises whatever the parser does
        if isinstance(err, OSError) and err.errno is not None:
            raise UsageError(f"{path} cannot be read: {err.strerror}") from err
        said = str(err)[:300]
        why = "it holds pickled objects" if "pickle" in said.lower() or "object" in said.lower() else said
        raise UsageError(
            f"{path} cannot be imported: {why}", "save the vectors as one float array: numpy.save(path, array)"
        ) from err
    if array.ndim != 2 or array.dtype.name not in ("float16", "float32", "float64") or array.shape[1] < 1:
        raise UsageError(
            f"{path} holds {array.dtype.name} of the shape {array.shape}", "vectors are floats of the shape (rows, dim)"
        )
    mapped: Array = array
    return mapped


class FaissSource:
    """A FAISS index file, mapped; rows by `reconstruct`."""

    def __init__(self, path: Path) -> None:
        """Raises: UsageError, saying why the file is not taken; MissingPackage."""
        try:
            found = structure(path)
        except OSError as err:
            raise UsageError(f"{path} cannot be read: {err.strerror}") from err
        if found.metric not in METRICS:
            raise UsageError(
                f"{path} cannot be imported: its metric (faiss's {found.metric}) is neither inner product nor L2",
                "vstore ranks by cosine, which is not what these vectors were made for",
            )
        faiss = faiss_module()
        try:
            # The whole keeps its parts alive: what downcast gives is a view.
            self._whole = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as err:
            raise UsageError(f"{path} cannot be imported: faiss does not read it ({_line(err)})") from err
        self._index = faiss.downcast_index(self._whole)
        self.ids: Array | None = None
        if hasattr(self._index, "id_map"):
            self.ids = faiss.vector_to_array(self._index.id_map).copy()
            self._index = faiss.downcast_index(self._index.index)
        if found.inverted:
            own = _ids_in_lists(faiss, self._index)
            if not _is_range(own):
                if len(set(own.tolist())) < len(own):
                    raise UsageError(f"{path} cannot be imported: several of its rows bear one number")
                own.sort()
                self._index.set_direct_map_type(faiss.DirectMap.Hashtable)
                self._listed: Array | None = own
                self.ids = own if self.ids is None else self.ids
            else:
                self._listed = None
        else:
            self._listed = None
        self.structure: Structure = found
        self.files: tuple[Path, ...] = (path,)
        self.rows, self.dim = found.rows, found.dim
        self.dtype = "float16" if found.half else "float32"
        coarse = "" if found.exact else "; its codes give the vectors back only roughly"
        self.notes: tuple[str, ...] = (f"{path.name} is {found.kind}, metric {METRICS[found.metric]}{coarse}",)

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        if self._listed is not None:
            rows = self._index.reconstruct_batch(np.ascontiguousarray(self._listed[first:end]))
        else:
            rows = self._index.reconstruct_n(first, end - first)
        return rows.astype(np.float16) if self.dtype == "float16" else rows  # type: ignore[no-any-return]


def _ids_in_lists(faiss: Any, index: Any) -> Array:
    import numpy as np

    lists = index.invlists
    found = [np.zeros(0, np.int64)]
    for number in range(lists.nlist):
        size = lists.list_size(number)
        if size:
            ids = lists.get_ids(number)
            found.append(faiss.rev_swig_ptr(ids, size).copy())
            lists.release_ids(number, ids)
    return np.concatenate(found)


def _is_range(ids: Array) -> bool:
    import numpy as np

    return bool(np.array_equal(np.sort(ids), np.arange(len(ids))))


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]


class Look(NamedTuple):
    """What one pass over all rows found. norms: float64 (rows,). broken: rows with NaN or infinity; zero: rows of
    norm 0; same: row -> the first row with exactly its bytes; unit: whether all others have norm 1 within `UNIT`."""

    norms: npt.NDArray[np.float64]
    broken: tuple[int, ...]
    zero: tuple[int, ...]
    same: dict[int, int]
    unit: bool

    @property
    def unfit(self) -> frozenset[int]:
        return frozenset((*self.broken, *self.zero))


def look(source: Source) -> Look:
    """Read all rows once."""
    import numpy as np
    import xxhash

    norms = np.empty(source.rows, np.float64)
    first: dict[bytes, int] = {}
    same: dict[int, int] = {}
    for at, block in blocks(source):
        norms[at : at + len(block)] = _norms(block)
        for number, row in enumerate(np.ascontiguousarray(block), at):
            before = first.setdefault(xxhash.xxh3_128_digest(row.data), number)
            if before != number:
                same[number] = before
    finite = np.isfinite(norms)
    broken, zero = np.flatnonzero(~finite), np.flatnonzero(norms == 0)
    good = finite & (norms > 0)
    unit = bool(good.any()) and bool((np.abs(norms[good] - 1) <= UNIT).all())
    unfit = {*broken.tolist(), *zero.tolist()}
    same = {row: before for row, before in same.items() if row not in unfit}
    return Look(norms, tuple(broken.tolist()), tuple(zero.tolist()), same, unit)


def _norms(block: Array) -> npt.NDArray[np.float64]:
    import numpy as np

    exact = block.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        norms: npt.NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    return norms


def blocks(source: Source) -> Iterator[tuple[int, Array]]:
    """All rows, at most 1,024 at a time, each block with the number of its first row."""
    for at in range(0, source.rows, BLOCK):
        yield at, source.block(at, min(at + BLOCK, source.rows))


def disagreement(one: Source, other: Source) -> str | None:
    """Compare two sources of the same rows on a sample, raw or normalised. Returns: what differs, or None."""
    import numpy as np

    sample = np.unique(np.linspace(0, one.rows - 1, min(SAMPLE, one.rows)).astype(np.int64))
    apart = [row for row in sample.tolist() if not _alike(one.block(row, row + 1)[0], other.block(row, row + 1)[0])]
    if not apart:
        return None
    moved = _moved(one, other, apart[0])
    hint = f"; row {apart[0]} of the first is row {moved} of the second" if moved is not None else ""
    return f"they differ in {len(apart)} of {len(sample)} rows compared, first in row {apart[0]}{hint}"


def _alike(a: Array, b: Array) -> bool:
    return cosine(a, b) >= AGREE or a.tobytes() == b.tobytes()


def cosine(a: Array, b: Array) -> float:
    """The cosine of two vectors, in float64; 0 where one of them has no direction."""
    import numpy as np

    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        below = np.sqrt(x @ x) * np.sqrt(y @ y)
        return float(x @ y / below) if np.isfinite(below) and below > 0 else 0.0


def _moved(one: Source, other: Source, row: int) -> int | None:
    """Where a row of one source lies in the other, if that is not far: people drop a first row, or add one."""
    wanted = one.block(row, row + 1)[0]
    for at in range(max(0, row - 16), min(other.rows, row + 17)):
        if _alike(wanted, other.block(at, at + 1)[0]):
            return at
    return None


def fingerprint(files: Sequence[Path]) -> str:
    """sha256 of a file, or of the sha256s of several, each on a line of its own."""
    each = []
    for path in files:
        with path.open("rb") as file:
            each.append(hashlib.file_digest(file, "sha256").hexdigest())
    return each[0] if len(each) == 1 else hashlib.sha256("".join(f"{one}\n" for one in each).encode()).hexdigest()


def newest(files: Sequence[Path]) -> int:
    """When an index was written, as its oldest file says: ns since 1970."""
    return min(os.stat(path).st_mtime_ns for path in files)
