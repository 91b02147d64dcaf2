"""The rows of a segment, mapped: each block of them is checked before a row of it is used."""

from __future__ import annotations

from typing import Any

from vstore.disk.file import File
from vstore.disk.footer import BLOCK
from vstore.disk.norms import of_norm_1
from vstore.disk.segments import Segment
from vstore.format.hashing import checksum

_AT_ONCE = 512  # rows whose norms are computed at once, as float32


class ProvedRows:
    """The mapped rows of one segment. Once made, it needs no file of a name: gc may remove the segment.

    segment: the segment.
    rows:    float16 or float32 (n, dim), read-only and unaligned; to be used only where it is proved.
    """

    def __init__(self, segment: Segment) -> None:
        """Raises: Damage, FileNotFoundError."""
        import numpy as np

        self.segment = segment
        with File(segment.path) as file:
            segment.check_header(file)
        self._sums = segment.block_sums()
        rows = np.asarray(segment.rows())
        # Most machines are little-endian: callers see float16 then, not <f2.
        self.rows: Any = rows.view(rows.dtype.newbyteorder("=")) if rows.dtype.isnative else rows
        self._proved: set[int] = set()  # blocks; threads may prove the same one twice

    def prove_block(self, block: int) -> None:
        """Check a block: its checksum, and that its rows are vectors. Raises: Damage."""
        import numpy as np

        if block in self._proved:
            return
        first = block * BLOCK
        rows = self.rows[first : first + BLOCK]
        if checksum(rows.reshape(-1).view(np.uint8).data) != self._sums[block * 8 : block * 8 + 8]:
            raise self.segment.bad_rows(first, first + len(rows))
        for at in range(0, len(rows), _AT_ONCE):
            if not of_norm_1(rows[at : at + _AT_ONCE]).all():
                raise self.segment.damage("it holds rows that are no vectors of norm 1")
        self._proved.add(block)

    def row(self, row: int) -> Any:
        """Give one row, (dim,). Raises: Damage."""
        self.prove_block(row // BLOCK)
        return self.rows[row]
