"""Inverted lists: the part of an index that holds the codes of the rows of some segments, list by list.

    size            content of the payload
    4 × lists       how many rows each list has, u32
    …               for each list: its codes, then the numbers of its rows, i64
    rows × key      the keys of the rows, list by list
Rows are numbered through the segments that a part covers, in the order of its head; the first row of each segment has
the next multiple of 8, so that the bitmap of a part is those of its segments, one after another.

faiss reads nothing of the file but these arrays. Sizes are held against the length of the file first; codes are any
bytes, and a number that no row has is in no bitmap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from vstore.approximate.about import LISTS, AboutLists
from vstore.approximate.coder import QUERY_BITS, Coder
from vstore.disk.index_head import Covered
from vstore.disk.index_parts import BLOCK, IndexPart
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.packages import faiss_module
from vstore.row_selection import only_marked
from vstore.turns import Turn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.uint8]

_ID = 8  # bytes of a row's number


def spans_of(rows: Sequence[int]) -> list[int]:
    """List the number of the first row of each of some segments, and the number after all. rows: of each segment."""
    return list(accumulate((-(-count // 8) * 8 for count in rows), initial=0))


class Lists:
    """Open inverted lists, mapped. What a query needs of them is checked before faiss sees it.

    about:  the parameters.
    covers: the segments whose rows they hold.
    """

    def __init__(self, part: IndexPart, about: AboutLists, rows: Sequence[int] | None, key_size: int) -> None:
        """
        part:   is closed by the caller; the map stays.
        rows:   of each covered segment; None if one is gone: then it cannot be searched.
        Raises: Damage if the part is none of this kind, or its lists do not fit its size.
        """
        import numpy as np

        self.about = about
        self.covers: tuple[Covered, ...] = part.head.covers
        self.path = part.path
        self._key_size = key_size
        if part.head.size != about.size(key_size) or (rows is not None and about.rows != sum(rows)):
            raise part.damage("its size is not that of its rows")
        self.firsts = spans_of(rows or ())
        self._part = part
        self._payload = part.map()
        self._sums = part.read_sums()
        self._proved = np.zeros(len(self._sums) // 8, bool)
        self._prove(0, 4 * about.lists)
        self.sizes: Ints = np.frombuffer(self._payload, "<u4", about.lists).astype(np.int64)
        if int(self.sizes.sum()) != about.rows:
            raise part.damage("its lists do not hold its rows")
        ends = 4 * about.lists + np.cumsum(self.sizes) * (about.code + _ID)
        self._begins = np.concatenate([[4 * about.lists], ends]).astype(np.int64)  # of lists, in the payload
        self._turn = Turn()  # of opening the index: what one thread searches must not go when another one opens it
        self._index: Any = None
        self._inverted: Any = None

    @property
    def rows(self) -> int:
        return self.about.rows

    @property
    def size(self) -> int:
        """Bytes of the file, about."""
        return self._part.head.size

    def search(
        self, coder: Coder, turned: Floats, lists: Ints, near: Floats, bitmap: Any, depth: int
    ) -> tuple[Floats, Ints]:
        """Find the rows that seem nearest to queries.

        turned: float32 (n, dim), rotated queries.
        lists:  int64 (n, probes), the lists to look into.
        near:   float32 (n, probes), the scores of their centroids.
        bitmap: uint8, the rows that count.
        Returns: estimated scores, float32 (n, depth), and numbers of rows, int64, -1 where there are fewer.
        Raises: Damage.
        """
        import numpy as np

        faiss = faiss_module()
        self._prove_lists(np.flatnonzero(np.bincount(lists.ravel())))  # np.unique would import numpy.ma
        with self._turn:
            if self._index is None:
                self._open(coder)
        scores, rows = np.empty((len(turned), depth), np.float32), np.empty((len(turned), depth), np.int64)
        parameters = only_marked(faiss, self._index, bitmap, nprobe=lists.shape[1], qb=QUERY_BITS)
        queries, *into = (faiss.swig_ptr(array) for array in (turned, lists, near, scores, rows))
        # The wrapper of faiss in Python takes no parameters here.
        self._index.search_preassigned_c(len(turned), queries, depth, *into, False, parameters)
        rows[rows >= self.firsts[-1]] = -1
        return scores, rows

    def entries(self, number: int) -> tuple[Codes, Ints]:
        """Give the codes and the numbers of the rows of a list, once the whole part is proved."""
        import numpy as np

        count, code, at = int(self.sizes[number]), self.about.code, int(self._begins[number])
        codes = np.frombuffer(self._payload, np.uint8, count * code, at).reshape(count, code)
        return codes, np.frombuffer(self._payload, "<i8", count, at + count * code)

    def codes_at(self, places: Ints) -> Codes:
        """Give the codes of some rows, counted list by list, once the whole part is proved: uint8 (m, code size)."""
        import numpy as np

        code = self.about.code
        firsts = np.cumsum(self.sizes) - self.sizes
        which = np.searchsorted(firsts, places, side="right") - 1
        begins = self._begins[which] + (places - firsts[which]) * code
        whole = np.frombuffer(self._payload, np.uint8)
        codes: Codes = whole[begins[:, None] + np.arange(code)]
        return codes

    def keys(self) -> memoryview:
        """Give the keys of the rows, list by list, once the whole part is proved."""
        return self._payload[self._part.head.size - self.rows * self._key_size :]

    def prove(self) -> None:
        """Check every byte. Raises: Damage."""
        self._prove(0, self._part.head.size)

    def _open(self, coder: Coder) -> None:
        """Let faiss map the file: `OnDiskInvertedLists` is told where each list lies, and reads no form of its own."""
        import numpy as np

        faiss = faiss_module()
        code = self.about.code
        places = np.empty((self.about.lists, 3), np.uint64)  # size, capacity, offset of each list
        places[:, 0] = places[:, 1] = self.sizes
        places[:, 2] = self._begins[:-1] + self._part.payload
        with self._part.reopened() as file:
            name = f"/dev/fd/{file.fileno()}"
            inverted = faiss.OnDiskInvertedLists(
                self.about.lists, code, name if os.path.exists(name) else str(self._part.path)
            )
            inverted.read_only = True
            inverted.prefetch_nthread = 0
            inverted.totsize = file.size
            faiss.memcpy(inverted.lists.data(), faiss.swig_ptr(places), places.nbytes)
            inverted.do_mmap()
        index = coder.index()
        index.replace_invlists(inverted, False)
        index.ntotal = self.rows
        self._inverted, self._index = inverted, index

    def _prove_lists(self, lists: Ints) -> None:
        import numpy as np

        first, last = self._begins[lists] // BLOCK, (self._begins[lists + 1] - 1) // BLOCK
        if self._proved[first].all() and self._proved[last].all() and int((last - first).max(initial=0)) < 2:
            return
        for begin, end in zip(first.tolist(), np.maximum(first, last).tolist(), strict=True):
            self._prove_blocks(begin, end + 1)

    def _prove(self, begin: int, end: int) -> None:
        self._prove_blocks(begin // BLOCK, -(-end // BLOCK))

    def _prove_blocks(self, begin: int, end: int) -> None:
        """Check some blocks of the payload that were not checked yet. Raises: Damage."""
        for block in range(begin, end):
            if not self._proved[block]:
                self._part.require_block(block, self._payload[block * BLOCK : (block + 1) * BLOCK], self._sums)
                self._proved[block] = True


def payload_of(codes: Codes, lists: Ints, numbers: Ints, keys: bytes, key_size: int, count: int) -> Iterator[Buffer]:
    """Write the payload of some coded rows.

    codes:   uint8 (n, code size).
    lists:   int64 (n,), of each row.
    numbers: int64 (n,), of the rows in the segments that are covered.
    keys:    of the rows, one after another.
    count:   lists there are.
    """
    import numpy as np

    order = np.argsort(lists, kind="stable")
    sizes = np.bincount(lists, minlength=count)
    yield sizes.astype("<u4").tobytes()
    codes, numbers = codes[order], numbers[order].astype("<i8")
    at = 0
    for size in sizes.tolist():
        if size:
            yield codes[at : at + size].tobytes()
            yield numbers[at : at + size].tobytes()
            at += size
    yield np.frombuffer(keys, np.uint8).reshape(-1, key_size)[order].tobytes()


def merged_payload(parts: Sequence[Lists], key_size: int) -> Iterator[Buffer]:
    """Write the payload of several parts of one generation in one: its rows are numbered part after part.

    Raises: Damage, before the first piece.
    """
    import numpy as np

    for part in parts:
        part.prove()
    shifts = list(accumulate((part.firsts[-1] for part in parts), initial=0))
    yield np.sum([part.sizes for part in parts], axis=0).astype("<u4").tobytes()
    for number in range(parts[0].about.lists):
        entries = [part.entries(number) for part in parts]
        yield b"".join(codes.tobytes() for codes, _ in entries)
        yield b"".join((rows + shift).tobytes() for (_, rows), shift in zip(entries, shifts, strict=False))
    edges = [np.cumsum([0, *part.sizes.tolist()]) * key_size for part in parts]
    for number in range(parts[0].about.lists):
        yield b"".join(
            bytes(part.keys()[edge[number] : edge[number + 1]]) for part, edge in zip(parts, edges, strict=True)
        )


def open_lists(
    part: IndexPart, refs: Mapping[str, FileRef] | None, key_size: int, coder: Coder, generation: str
) -> Lists | None:
    """Open the lists in a part; None if they are of another generation or version, or damaged. Closes the part.

    refs: the segments of the space, by name, of which the part covers some; None if it covers others.
    """
    with part:
        about = AboutLists.of(part.head.parameters) if part.head.kind == LISTS else None
        if about is None or about.generation != generation or about.lists != coder.lists:
            return None
        if about.code != coder.code_size or about.sample != coder.sample:
            return None
        if len({one.name for one in part.head.covers}) < len(part.head.covers):
            return None
        try:
            rows = None if refs is None else [refs[one.name].rows for one in part.head.covers]
            return Lists(part, about, rows, key_size)
        except (Damage, OSError):
            return None
