"""The sound segments, and the sound rows of damaged ones. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk.file import File
from vstore.disk.footer import BLOCK, FOOTER_SIZE, Footer
from vstore.disk.norms import of_norm_1
from vstore.disk.salvage import insisted, refuse_unreadable, segment_ref
from vstore.disk.segments import HOLES_FROM, Segment
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum
from vstore.format.layout import DTYPES

if TYPE_CHECKING:
    from vstore.disk.segments import Rows


def sound_segment(path: Path) -> Segment | None:
    """Open a segment, listed or not, if its footer and its keys are sound; else None. Raises: VstoreError."""
    try:
        return insisted(lambda: Segment(path.parent, segment_ref(path)))
    except (Damage, OSError, ValueError) as err:
        refuse_unreadable(err, path)
        return None


def whole_segment(folder: Path, ref: FileRef) -> Segment | None:
    """Open a segment if every byte is intact; else None. Raises: VstoreError."""

    def read() -> Segment:
        segment = Segment(folder, ref)
        segment.verify()
        if any(True for _ in segment.odd_rows()):
            raise segment.damage("it holds rows that are no vectors of norm 1")
        return segment

    try:
        return insisted(read)
    except (Damage, OSError) as err:
        refuse_unreadable(err, folder / ref.name)
        return None


class Remains(NamedTuple):
    """The sound rows of a damaged segment.

    path:    the segment.
    header:  the bytes before the rows.
    total:   the original number of rows.
    dim:     the numbers of a row.
    dtype:   their type.
    numbers: the numbers of the sound rows.
    keys:    their keys.
    time:    the time of writing, seconds since 1970; 0 if that is lost.
    """

    path: Path
    header: int
    total: int
    dim: int
    dtype: str
    numbers: list[int]
    keys: list[bytes]
    time: int

    def blocks(self) -> Iterator[Rows]:
        """Read the sound rows, in blocks: float16 or float32 (m, dim)."""
        import numpy as np

        dtype = np.dtype(self.dtype).newbyteorder("<")
        with File(self.path) as file:
            rows = np.frombuffer(file.map(), dtype, self.total * self.dim, self.header).reshape(self.total, self.dim)
        for at in range(0, len(self.numbers), BLOCK):
            yield rows[self.numbers[at : at + BLOCK]]


def remains(folder: Path, ref: FileRef, dim: int, dtype: str, key_size: int, known: Collection[bytes]) -> Remains:
    """Find the provably intact rows of a damaged segment, with provable keys.

    A block of rows is proved by its checksum. A key is proved by the checksum of all keys or, where that fails, by
    a snapshot that lists it.
    known: the keys in snapshots. Raises: VstoreError if the user may not read it.
    """
    import numpy as np

    path = folder / ref.name
    kind = np.dtype(dtype).newbyteorder("<")
    width, blocks = dim * DTYPES[dtype], -(-ref.rows // BLOCK)
    sums_at = ref.size - FOOTER_SIZE - 8 * blocks
    keys_at = sums_at - ref.rows * key_size
    header = keys_at - ref.rows * width
    nothing = Remains(path, header=0, total=0, dim=dim, dtype=dtype, numbers=[], keys=[], time=0)
    try:
        with insisted(partial(File, path)) as file:

            def read(size: int, offset: int) -> bytes:
                return insisted(partial(file.pread, size, offset))

            if file.size < ref.size or header < 0:
                return nothing  # what was cut off are the keys
            if file.size > HOLES_FROM and file.first_hole(keys_at, file.size):
                return nothing
            keys = read(ref.rows * key_size, keys_at)
            sums = read(8 * blocks, sums_at)
            try:
                footer = Footer.from_bytes(read(FOOTER_SIZE, ref.size - FOOTER_SIZE))
            except ValueError:
                footer = None
            proved = footer is not None and checksum(keys) == footer.keys_sum
            numbers, found = [], []
            for block, first in enumerate(range(0, ref.rows, BLOCK)):
                end = min(first + BLOCK, ref.rows)
                if file.data_from(header + first * width) >= header + end * width:
                    continue
                try:
                    rows = read((end - first) * width, header + first * width)
                except Damage:
                    continue
                if checksum(rows) != sums[8 * block : 8 * block + 8]:
                    continue
                fine = of_norm_1(np.frombuffer(rows, kind).reshape(-1, dim)).tolist()
                for number in compress(range(first, end), fine):
                    key = keys[number * key_size : (number + 1) * key_size]
                    if proved or key in known:
                        numbers.append(number)
                        found.append(key)
    except (Damage, OSError) as err:
        refuse_unreadable(err, path)
        return nothing
    return nothing._replace(
        header=header, total=ref.rows, numbers=numbers, keys=found, time=footer.time if footer else 0
    )
