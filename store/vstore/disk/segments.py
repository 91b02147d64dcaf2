"""Segments: vectors of one space with their keys, in one file that plain faiss reads.

    offset        size        meaning
    0             header      as faiss serialises IndexScalarQuantizer(d, QT_fp16, METRIC_INNER_PRODUCT), or IndexFlatIP
    header        n × width   the rows: little-endian float16 (or float32), L2 norm 1
    rows end      n × key     the keys, row by row
    …             8 × blocks  checksum of each 4,096 rows
    end - 128     128         footer
faiss ignores what follows the rows. The index *is* the embeddings, and the keys cannot drift from them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk.file import File
from vstore.disk.footer import BLOCK, FOOTER_SIZE, Footer
from vstore.disk.norms import of_norm_1
from vstore.disk.row_sums import row_sums
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Rows = npt.NDArray[np.float16] | npt.NDArray[np.float32]

PIECE = 1 << 20  # bytes read at once
HOLES_FROM = 1 << 24  # bytes of a file from which on it is looked for holes: a smaller one costs no memory


class Segment:
    """An open segment. Footer, size and keys are checked at once; the rows by `verify`, before any is used."""

    def __init__(self, folder: Path, ref: FileRef, *, late_keys: bool = False) -> None:
        """
        late_keys: the keys are read and checked when they are first asked for.
        Raises:    Damage, naming the file; FileNotFoundError (collected, or lost).
        """
        self.ref = ref
        self.path = folder / ref.name
        with File(self.path) as file:
            size = file.size
            if size != ref.size:
                raise self.damage(f"it has {size} bytes instead of {ref.size}")
            try:
                tail = file.pread(FOOTER_SIZE, max(0, size - FOOTER_SIZE))
                self.footer = Footer.from_bytes(tail)
            except ValueError as err:
                raise self.damage(str(err)) from err
            if self.footer.size != size or tail[-16:-8].hex() != ref.check or self.footer.rows != ref.rows:
                raise self.damage("its footer belongs to another file")
            self._refuse_holes(file)
            self._keys = None if late_keys else self._read_keys(file)

    @property
    def keys(self) -> bytes:
        """The keys, row by row. Raises: Damage, FileNotFoundError, where they were not read at once."""
        if self._keys is None:
            with File(self.path) as file:
                self._keys = self._read_keys(file)
        return self._keys

    def _read_keys(self, file: File) -> bytes:
        keys = file.pread(self.footer.rows * self.footer.key_size, self.footer.keys_at)
        if checksum(keys) != self.footer.keys_sum:
            raise self.damage("its keys do not match their checksum")
        return keys

    def _refuse_holes(self, file: File) -> None:
        """Refuse a large file that its maker did not write: keys and rows are no long runs of zeros. Raises: Damage."""
        footer = self.footer
        if file.size <= HOLES_FROM:
            return
        hole = file.first_hole(footer.keys_at, file.size)
        if hole is None and (found := file.first_hole(footer.header, footer.keys_at)):
            hole = found if found[1] - found[0] >= 2 * footer.width else None
        if hole:
            raise self.damage(f"the disk holds none of its bytes {hole[0]:,} to {hole[1] - 1:,}")

    def key(self, row: int) -> bytes:
        """Give the key of a row."""
        size = self.footer.key_size
        return self.keys[row * size : (row + 1) * size]

    def row_of(self, key: bytes) -> int | None:
        """Find the first row of a key; None if it has none."""
        at = self.keys.find(key)
        while at >= 0 and at % len(key):  # across two keys
            at = self.keys.find(key, at + 1)
        return at // len(key) if at >= 0 else None

    def key_list(self) -> list[bytes]:
        """List the keys, row by row."""
        size = self.footer.key_size
        return [self.keys[at : at + size] for at in range(0, len(self.keys), size)]

    def bad_blocks(self, kept: array[int] | None = None) -> Iterator[tuple[int, int]]:
        """Read the file front to back and yield the row ranges (first, end) whose checksum does not match.

        kept:   receives the checksum of each row.
        Raises: Damage if header or checksums themselves are bad.
        """
        footer = self.footer
        piece = max(1, PIECE // footer.width) * footer.width  # whole rows
        buffer = memoryview(bytearray(max(piece, footer.header)))
        with File(self.path) as file:
            self._require_header(bytes(buffer[: file.readinto(buffer[: footer.header])]))
            sums = self._sums(file)
            import xxhash

            for block, first in enumerate(range(0, footer.rows, BLOCK)):
                end = min(first + BLOCK, footer.rows)
                left = (end - first) * footer.width
                hasher = xxhash.xxh3_64()
                while left:
                    got = file.readinto(buffer[: min(left, piece)])
                    if not got:
                        break
                    hasher.update(buffer[:got])
                    if kept is not None:
                        kept.extend(row_sums(buffer[:got], footer.width))
                    left -= got
                if left or hasher.intdigest().to_bytes(8, "little") != sums[block * 8 : block * 8 + 8]:
                    yield first, end

    def odd_rows(self) -> Iterator[int]:
        """Yield the rows that are no vectors of norm 1: they may have right checksums, which are checked before."""
        import numpy as np

        rows = self.rows()
        for first in range(0, len(rows), BLOCK):
            yield from (first + np.flatnonzero(~of_norm_1(rows[first : first + BLOCK]))).tolist()

    def verify(self) -> None:
        """Check every byte before any is used. Raises: Damage, naming file and rows."""
        self._refuse_bad(None)

    def verified_row_sums(self) -> array[int]:
        """Check every byte, and give the checksum of each row. Raises: Damage, naming file and rows."""
        kept = array("Q")
        self._refuse_bad(kept)
        return kept

    def _refuse_bad(self, kept: array[int] | None) -> None:
        for first, end in self.bad_blocks(kept):
            raise self.bad_rows(first, end)

    def block_sums(self) -> bytes:
        """Read the checksums of all blocks, 8 bytes each. Raises: Damage, FileNotFoundError."""
        with File(self.path) as file:
            return self._sums(file)

    def verify_rows(self, rows: Iterable[int]) -> None:
        """Check the header, and every byte of the blocks that hold these rows. Raises: Damage, naming file and rows."""
        footer = self.footer
        with File(self.path) as file:
            self.check_header(file)
            sums = self._sums(file)
            for block in sorted({row // BLOCK for row in rows}):
                first = block * BLOCK
                end = min(first + BLOCK, footer.rows)
                data = file.pread((end - first) * footer.width, footer.header + first * footer.width)
                if checksum(data) != sums[block * 8 : block * 8 + 8]:
                    raise self.bad_rows(first, end)

    def check_header(self, file: File) -> None:
        """Check the bytes that faiss reads sizes, types and names of files out of. Raises: Damage."""
        self._require_header(file.pread(self.footer.header, 0))

    def _require_header(self, header: bytes) -> None:
        if checksum(header) != self.footer.header_sum:
            raise self.damage("its header does not match its checksum")
        if header != self.footer.legal_header:
            raise self.damage("its header is not the one that a segment of its size has")

    def _sums(self, file: File) -> bytes:
        """Read the checksums of all blocks. Raises: Damage if they do not match their own."""
        sums = file.pread(8 * -(-self.footer.rows // BLOCK), self.footer.sums_at)
        if checksum(sums) != self.footer.sums_sum:
            raise self.damage("its checksums do not match their own checksum")
        return sums

    def rows(self) -> Rows:
        """Map the rows: float16 or float32 (n, dim), unaligned, read-only; copy them before BLAS. Raises: Damage."""
        import numpy as np

        footer = self.footer
        dtype = np.dtype(footer.dtype).newbyteorder("<")
        with File(self.path) as file:
            rows: Rows = np.frombuffer(file.map(), dtype, footer.rows * footer.dim, footer.header)
        return rows.reshape(footer.rows, footer.dim)

    def bad_rows(self, first: int, end: int) -> Damage:
        """Make the error for rows that do not match the checksum of their block."""
        return self.damage(f"rows {first} to {end - 1} do not match their checksums")

    def damage(self, what: str) -> Damage:
        """Make the error for damage in this segment."""
        return Damage(f"segments/{self.ref.name} is damaged: {what}", "run: vstore check --read-data")
