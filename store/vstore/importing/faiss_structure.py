"""The structure of a FAISS index file, read without faiss: its kind, and whether it is whole.

faiss maps a file without a look at its end: a cut file reads as zeros, or ends the process. So the structure is
walked here first, and only a file of exactly the right length is given to faiss.
Source: faiss/impl/index_write.cpp of faiss 1.15.
"""

from __future__ import annotations

import os
import struct
from typing import IO, NamedTuple

from vstore.errors import UsageError

METRICS = {0: "inner product", 1: "L2"}
_FP16 = 4  # ScalarQuantizer::QuantizerType: numbers stored as halves
_GRAPH = "a graph (NSG, CAGRA) is not supported; import its storage: faiss.downcast_index(index.storage)"
_CODES = "product, residual and one-bit codes cannot restore the vectors"
_TURNED = "its vectors were rotated, shifted or shortened first; import the original vectors as .npy"
_GRAPH_OF_CODES = f"it is a graph (HNSW) over codes; {_CODES}"
_FLAT, _SCALAR, _GRAPHS = (b"IxFI", b"IxF2", b"IxFl"), b"IxSQ", (b"IHNf", b"IHNs")
_SAVE = (
    "read both files with faiss (IO_FLAG_ONDISK_SAME_DIR), call make_direct_map(), save reconstruct_n(0, ntotal) with "
    "numpy.save, and name that file with --embeddings"
)
_REFUSED = {
    b"IHNp": _GRAPH_OF_CODES,
    b"IHN2": _GRAPH_OF_CODES,
    b"IHN": _GRAPH,
    b"IHc": _GRAPH,
    b"INS": _GRAPH,
    b"null": "its vectors are in another file; save the index with its storage",
    b"IxP": _CODES,
    b"IP": _CODES,
    b"IwP": _CODES,
    b"IxR": _CODES,
    b"IxLS": _CODES,
    b"IxHe": _CODES,
    b"IB": "it is an index of bits, not of vectors",
    b"IxB": "it is an index of bits, not of vectors",
}


class Structure(NamedTuple):
    """The contents of an index file.

    kind:     in words.
    rows:     number of vectors.
    dim:      numbers per vector.
    metric:   faiss's number of the metric.
    exact:    vectors are stored as float32 or float16, not as coarser codes.
    half:     vectors are stored as float16.
    ids:      the rows have numbers of their own.
    inverted: the rows are stored in lists.
    at:       the place of the first row in the file, if the rows lie there one after another as they are.
    ids_at:   the place of the rows' own numbers, if `at` is known and they have some.
    """

    kind: str
    rows: int
    dim: int
    metric: int
    exact: bool
    half: bool = False
    ids: bool = False
    inverted: bool = False
    at: int | None = None
    ids_at: int | None = None


def structure(path: str | os.PathLike[str]) -> Structure:
    """Walk an index file.

    Raises: UsageError if it is not an index, of an unsupported kind, cut short or too long; OSError.
    """
    with open(path, "rb") as file:
        walk = _Walk(file, os.fspath(path))
        try:
            found = walk.index()
        except (struct.error, RecursionError):
            raise walk.wrong("it is cut short, or damaged") from None
        if walk.at != walk.size:
            more = walk.size - walk.at
            raise walk.wrong(f"it is cut short by {-more} bytes" if more < 0 else f"{more} bytes follow its end")
        return found


_EMBEDDINGS = (b"\x93NUM", b"PK\x03\x04", b"PAR1")  # heads of .npy, .npz and Parquet


class _Walk:
    """A walk through one file, part by part."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name
        self.size = os.fstat(file.fileno()).st_size
        self.at = 0
        self._end = self.size  # of the index that is walked

    def wrong(self, why: str, step: str = "nothing was changed") -> UsageError:
        """Make the error for this file."""
        return UsageError(f"{self._name} cannot be imported: {why}", step)

    def _take(self, form: str) -> tuple[int, ...]:
        size = struct.calcsize("<" + form)
        self._file.seek(self.at)
        values = struct.unpack("<" + form, self._file.read(size))
        self.at += size
        return values

    def _tag(self) -> bytes:
        self._file.seek(self.at)
        self.at += 4
        tag = self._file.read(4)
        if len(tag) < 4:
            raise self.wrong("it is cut short" if tag else "it is empty")
        return tag

    def _skip(self, unit: int) -> int:
        """Pass over an array of items of `unit` bytes, and count them."""
        (count,) = self._take("Q")
        self.at += count * unit
        if self.at > self.size:
            raise self.wrong(f"it is cut short by {self.at - self.size} bytes or more")
        return count

    def _header(self) -> tuple[int, int, int]:
        dim, rows, _, _, _, metric = self._take("iqqqBi")
        if metric > 1:
            self._take("f")
        if not 0 < dim <= 1 << 20 or rows < 0:
            raise self.wrong(f"it claims {rows} vectors of {dim} numbers")
        return dim, rows, metric

    def index(self) -> Structure:
        """Pass over one index. Raises: UsageError."""
        tag = self._tag()
        if tag in _FLAT:
            return self._flat()
        if tag == _SCALAR:
            return self._scalar()
        if tag in (b"IxMp", b"IxM2"):
            return self._numbered()
        if tag in (b"IwFl", b"IwSq", b"IwSQ"):
            return self._inverted(tag)
        if tag in _GRAPHS:
            return self._graph()
        if tag == b"IxRF":
            return self._refined()
        if tag == b"IxPT":
            return self._transformed()
        for start, why in _REFUSED.items():
            if tag.startswith(start):
                raise self.wrong(
                    f"vstore reads flat, scalar-quantised, IVF-flat, HNSW, refined and IDMap indexes; {why}"
                )
        if tag[:1] == b"I" and tag.isalnum():
            raise self.wrong(f"it is a FAISS index of the kind {tag.decode()}, which vstore does not support")
        if tag in _EMBEDDINGS:
            raise self.wrong("it is not a FAISS index", "give it with --embeddings")
        raise self.wrong("it is not a FAISS index")

    def _flat(self) -> Structure:
        dim, rows, metric = self._header()
        at = self.at + 8
        self._counts(self._skip(4), rows * dim)
        return Structure("flat", rows, dim, metric, exact=True, at=at)

    def _scalar(self) -> Structure:
        dim, rows, metric = self._header()
        quantiser, width = self._quantiser()
        at = self.at + 8
        self._counts(self._skip(1), rows * width)
        half = quantiser == _FP16
        if half:
            self._counts(width, 2 * dim)
        return Structure("scalar-quantised", rows, dim, metric, exact=half, half=half, at=at if half else None)

    def _numbered(self) -> Structure:
        _, rows, _ = self._header()
        outer = self._end
        self._end -= 8 + 8 * rows
        inner = self.index()
        self._end = outer
        ids_at = self.at + 8
        self._counts(self._skip(8), rows)
        self._counts(inner.rows, rows)
        known = ids_at if inner.at is not None else None
        return inner._replace(kind=f"IDMap over {inner.kind}", ids=True, ids_at=known)

    def _graph(self) -> Structure:
        """Pass over a graph (HNSW): its neighbours, then the index that stores the vectors."""
        dim, rows, metric = self._header()
        for unit in (8, 4, 4, 8, 4):
            self._skip(unit)
        self._take("5i")
        inner = self.index()
        self._counts(inner.rows, rows)
        self._counts(inner.dim, dim)
        return inner._replace(kind=f"HNSW over {inner.kind}", metric=metric)

    def _transformed(self) -> Structure:
        """Pass over an index whose vectors were transformed first. Raises: UsageError unless they were normalised."""
        dim, rows, _ = self._header()
        (count,) = self._take("i")
        for _ in range(count):
            if self._tag() != b"VNrm":
                raise self.wrong(f"vstore reads no index of this kind; {_TURNED}")
            self._take("fiiB")
        inner = self.index()
        self._counts(inner.rows, rows)
        self._counts(inner.dim, dim)
        if inner.at is None:
            raise self.wrong("its vectors were normalised first, then stored as codes or in lists; import them as .npy")
        return inner._replace(kind=f"{inner.kind}, normalised first")

    def _refined(self) -> Structure:
        """Pass over an index that refines another, of whatever kind, by the vectors, which lie at its end."""
        dim, rows, metric = self._header()
        header = struct.calcsize("<iqqqBi") + (4 if metric > 1 else 0)
        begin = self.at
        for tags, size in ((_FLAT, 8 + 4 * rows * dim), ((_SCALAR,), struct.calcsize("<iifQQ") + 16 + 2 * rows * dim)):
            self.at = self._end - 4 - size - header - 4  # behind it lies one float
            if self.at >= begin and self._tag() in tags:
                inner = self._flat() if tags is _FLAT else self._scalar()
                self._take("f")
                self._counts(inner.rows, rows)
                self._counts(inner.dim, dim)
                if inner.exact:
                    return inner._replace(kind=f"{inner.kind}, refining another index", metric=metric)
        why = "the vectors do not lie at its end as they are: they are codes, or it is cut short or too long"
        raise self.wrong(f"it refines another index, and {why}")

    def _quantiser(self) -> tuple[int, int]:
        quantiser, _, _, _, width = self._take("iifQQ")
        self._skip(4)
        return int(quantiser), width

    def _inverted(self, tag: bytes) -> Structure:
        dim, rows, metric = self._header()
        lists, _ = self._take("QQ")
        self.index()  # the coarse quantiser
        (direct,) = self._take("B")
        self._skip(8)
        if direct == 2:
            self._skip(16)
        kind, exact, half = "IVF-flat", True, False
        if tag != b"IwFl":
            quantiser, _ = self._quantiser()
            _, residual = self._take("QB")
            kind, exact = "IVF-scalar-quantised", quantiser == _FP16
            half = exact and not residual
        held = self._lists(lists)
        self._counts(held, rows)
        return Structure(kind=kind, rows=rows, dim=dim, metric=metric, exact=exact, half=half, ids=True, inverted=True)

    def _lists(self, expected: int) -> int:
        if self._tag() != b"ilar":
            raise self.wrong("its lists are in another file", _SAVE)
        lists, width = self._take("QQ")
        self._counts(lists, expected)
        form = self._tag()
        if form not in (b"full", b"sprs"):
            raise self.wrong("its lists have an unknown form")
        (count,) = self._take("Q")
        if self.at + count * 8 > self.size:
            raise self.wrong("it is cut short")
        sizes = self._take(f"{count}Q")
        held = sum(sizes if form == b"full" else sizes[1::2])
        self.at += held * (width + 8)
        return held

    def _counts(self, found: int, expected: int) -> None:
        if found != expected:
            raise self.wrong(f"it is damaged: it holds {found} where its header says {expected}")
