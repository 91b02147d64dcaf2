"""Proofs of the rows that faiss scans in one segment: each by its own checksum, or by that of its block."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import xxhash

from vstore.disk.footer import BLOCK
from vstore.disk.row_sums import KeptSums, RowSums, open_row_sums, remove_row_sums, row_sums
from vstore.disk.segments import Segment
from vstore.format.hashing import checksum
from vstore.packages import faiss_module

_OFTEN = 8  # openings of a file of row sums, of 50 us each, before all of it is read: 8 bytes a row


class RowProofs:
    """The proofs of one segment. They look at the very memory that faiss scans.

    Row sums come from `cache/`; without them a block is held against its checksum, and its row sums are then kept.
    """

    def __init__(self, segment: Segment, view: Any, cache: Path) -> None:
        self._segment = segment
        self._cache = cache
        self._view = view  # owns the memory
        codes = view.codes
        self._bytes = memoryview(faiss_module().rev_swig_ptr(codes.data(), codes.size()))
        self._sums: bytes | None = None  # of the blocks
        self._blocks: dict[int, array[int]] = {}  # row sums of blocks that were proved
        self._asked = 0  # times that row sums were looked up
        self._kept: KeptSums | None = None  # those of all rows, once they were looked up often

    def row(self, row: int) -> memoryview:
        """Give the bytes of a row, unproved."""
        width = self._segment.footer.width
        return self._bytes[row * width : (row + 1) * width]

    def rows(self) -> Any:
        """Give all rows, unproved: float16 or float32 (n, dim), read-only."""
        import numpy as np

        footer = self._segment.footer
        rows = np.frombuffer(self._bytes, np.dtype(footer.dtype).newbyteorder("<")).reshape(-1, footer.dim)
        rows.setflags(write=False)
        return rows

    def hold(self) -> None:
        """Read the checksums of the blocks: the file may be removed from then on. Raises: Damage, FileNotFoundError."""
        if self._sums is None:
            self._sums = self._segment.block_sums()

    def prove(self, rows: Sequence[int]) -> None:
        """Check some rows, in rising order. Raises: Damage, FileNotFoundError."""
        groups = [(block, list(some)) for block, some in groupby(rows, lambda row: row // BLOCK)]
        left = [(block, some) for block, some in groups if not self._is_proved(block, some)]
        if left:
            with self._row_sums() as kept:
                for block, some in left:
                    self._prove_in(block, some, kept)

    @contextmanager
    def _row_sums(self) -> Iterator[RowSums | KeptSums | None]:
        """Give the row sums: from the file, until it was opened often enough to read all of it."""
        if self._kept is not None:
            yield self._kept
            return
        with open_row_sums(self._cache, self._segment.ref) as sums:
            self._asked += 1
            if sums is not None and self._asked > _OFTEN:
                self._kept = KeptSums(sums.of(0, self._segment.footer.rows))
            yield sums

    def prove_all(self) -> None:
        """Check all rows, after `hold`. Raises: Damage."""
        sums = self._segment.block_sums() if self._sums is None else self._sums
        for block in range(len(sums) // 8):
            self._refuse_other(block, sums)

    def _is_proved(self, block: int, rows: Sequence[int]) -> bool:
        """Tell whether rows of a block match what was proved of it before."""
        proved = self._blocks.get(block)
        return proved is not None and not self._differ(rows, proved, block * BLOCK)

    def _prove_in(self, block: int, rows: Sequence[int], kept: RowSums | KeptSums | None) -> None:
        """Check rows of one block."""
        first, end = rows[0], rows[-1] + 1
        sums = array("Q") if kept is None or block in self._blocks else kept.of(first, end)
        there = len(sums) == end - first
        if there and not self._differ(rows, sums, first):
            return
        self._blocks[block] = self._prove_block(block)
        if there:
            self._kept = None
            remove_row_sums(self._cache, self._segment.ref)  # the block is sound, so they are false

    def _differ(self, rows: Sequence[int], sums: array[int], first: int) -> bool:
        """Tell whether a row does not match its checksum. sums: from the row `first` on."""
        width, digest = self._segment.footer.width, xxhash.xxh3_64_intdigest
        return any(digest(self._bytes[row * width : (row + 1) * width]) != sums[row - first] for row in rows)

    def _prove_block(self, block: int) -> array[int]:
        """Check a whole block, and give its row sums. Raises: Damage."""
        sums = self._segment.block_sums() if self._sums is None else self._sums
        return row_sums(self._refuse_other(block, sums), self._segment.footer.width)

    def _refuse_other(self, block: int, sums: bytes) -> memoryview:
        """Hold a block against its checksum. Returns: its bytes. Raises: Damage."""
        first, end = self._range(block)
        width = self._segment.footer.width
        data = self._bytes[first * width : end * width]
        if checksum(data) != sums[block * 8 : (block + 1) * 8]:
            raise self._segment.bad_rows(first, end)
        return data

    def _range(self, block: int) -> tuple[int, int]:
        return block * BLOCK, min((block + 1) * BLOCK, self._segment.footer.rows)
