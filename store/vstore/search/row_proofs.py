"""Proofs of the rows that faiss scans in one segment: each by its own checksum, or by that of its block."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from vstore.disk.footer import BLOCK
from vstore.disk.row_sums import SUM, open_row_sums, remove_row_sums, row_sums
from vstore.disk.segments import Segment
from vstore.format.hashing import checksum
from vstore.packages import faiss_module


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
        self._blocks: dict[int, bytes] = {}  # row sums of some blocks

    def row(self, row: int) -> memoryview:
        """Give the bytes of a row, unproved."""
        width = self._segment.footer.width
        return self._bytes[row * width : (row + 1) * width]

    def prove(self, rows: Iterable[int]) -> None:
        """Check some rows, in rising order. Raises: Damage, FileNotFoundError."""
        for block, some in groupby(rows, lambda row: row // BLOCK):
            sums = self._blocks.get(block) or self._sums(block)
            for row in some:
                at = row % BLOCK * SUM
                if checksum(self.row(row)) != sums[at : at + SUM]:
                    sums = self._refuse(block)

    def _sums(self, block: int) -> bytes:
        first, end = self._range(block)
        with open_row_sums(self._cache, self._segment.ref) as kept:
            sums = b"" if kept is None else kept.of(first, end)
        if len(sums) != (end - first) * SUM:
            return self._prove_block(block)
        self._blocks[block] = sums
        return sums

    def _refuse(self, block: int) -> bytes:
        """Refuse a block with a false row, unless the row sums are false. Raises: Damage."""
        sums = self._prove_block(block)
        remove_row_sums(self._cache, self._segment.ref)
        return sums

    def _prove_block(self, block: int) -> bytes:
        """Check a whole block, and give its row sums. Raises: Damage."""
        first, end = self._range(block)
        width = self._segment.footer.width
        data = self._bytes[first * width : end * width]
        if checksum(data) != self._segment.block_sums()[block * SUM : (block + 1) * SUM]:
            raise self._segment.bad_rows(first, end)
        self._blocks[block] = row_sums(data, width)
        return self._blocks[block]

    def _range(self, block: int) -> tuple[int, int]:
        return block * BLOCK, min((block + 1) * BLOCK, self._segment.footer.rows)
