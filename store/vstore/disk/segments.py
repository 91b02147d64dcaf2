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

import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.disk import durable
from vstore.errors import Damage, MissingPackage
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum
from vstore.format.layout import DTYPES
from vstore.packages import FAISS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

    Rows = npt.NDArray[np.float16] | npt.NDArray[np.float32]

BLOCK = 4096  # rows per checksum
SMALL = 8 << 20  # segments under this are merged with their neighbours when there are more than TOO_MANY of them
TOO_MANY = 256
_MAGIC = b"vsegment"
# version, dtype code, key bytes, dim, rows, header bytes, space, time, header sum, keys sum, sums sum, reserved
_FOOTER = struct.Struct("<HHIIQI32sq8s8s8s24s8s8s")
_VERSION = 1
_CODES = {"float16": 1, "float32": 2}


class Footer(NamedTuple):
    """The last 128 bytes of a segment: what it holds and the checksums of all its parts.

    space: 32 bytes, the space for which it was written. time: seconds since 1970, UTC.
    """

    dtype: str
    key_size: int
    dim: int
    rows: int
    header: int
    space: bytes
    time: int
    header_sum: bytes
    keys_sum: bytes
    sums_sum: bytes

    def to_bytes(self) -> bytes:
        body = _FOOTER.pack(
            _VERSION,
            _CODES[self.dtype],
            self.key_size,
            self.dim,
            self.rows,
            self.header,
            self.space,
            self.time,
            self.header_sum,
            self.keys_sum,
            self.sums_sum,
            bytes(24),
            bytes(8),
            _MAGIC,
        )
        return body[:-16] + checksum(body[:-16]) + _MAGIC

    @classmethod
    def from_bytes(cls, data: bytes) -> Footer:
        """Read a footer. Raises: ValueError if it is none, or not what was written."""
        if len(data) != _FOOTER.size or data[-8:] != _MAGIC or checksum(data[:-16]) != data[-16:-8]:
            raise ValueError("its footer is not what was written")
        version, code, key, dim, rows, header, space, time, head, keys, sums, _, _, _ = _FOOTER.unpack(data)
        dtypes = {code: name for name, code in _CODES.items()}
        if version != _VERSION or code not in dtypes:
            raise ValueError(f"it has version {version} and dtype {code}, which this vstore does not know")
        return cls(dtypes[code], key, dim, rows, header, space, time, head, keys, sums)

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.dim * DTYPES[self.dtype]

    @property
    def keys_at(self) -> int:
        return self.header + self.rows * self.width

    @property
    def sums_at(self) -> int:
        return self.keys_at + self.rows * self.key_size

    @property
    def size(self) -> int:
        return self.sums_at + 8 * -(-self.rows // BLOCK) + _FOOTER.size


FOOTER_SIZE = _FOOTER.size


def faiss_module() -> Any:
    """Import faiss, with the thread count set on purpose. Raises: MissingPackage."""
    faiss = FAISS.load()
    if sys.platform == "darwin":
        faiss.omp_set_num_threads(1)  # torch and faiss each bring their own libomp there
    return faiss


def rounded(vectors: npt.NDArray[Any], dtype: str) -> Rows:
    """Round vectors to the store's dtype once, by numpy: faiss rounds ties differently.

    vectors: (n, dim), any float, rows of L2 norm 1.
    Returns: (n, dim), little-endian, C order.
    """
    import numpy as np

    rows: Rows = np.ascontiguousarray(vectors, dtype=np.dtype(dtype).newbyteorder("<"))
    return rows


def write_segment(
    folder: Path, space: str, keys: Sequence[bytes], blocks: Iterable[Rows], *, dtype: str, time: int, lock: str
) -> FileRef:
    """Write one segment, durably, holding no more of it in memory than one block.

    keys:   n distinct keys of one length, row by row; at least one.
    blocks: float16 or float32 (m, dim) each, as `rounded` gives them; n rows in all.
    dtype:  the store's, which the blocks must have.
    time:   seconds since 1970, UTC.
    lock:   the lock under which this is done.
    Raises: DiskTrouble, ReadOnly, MissingPackage.
    """
    import numpy as np
    import xxhash

    assert keys
    faiss = faiss_module()
    rest = iter(blocks)
    first = next(rest)
    dim = first.shape[1]
    if dtype == "float16":
        index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.IndexFlatIP(dim)
    header = index_header(faiss, index, len(keys))
    sums = bytearray()
    tail = bytearray()

    def parts() -> Iterator[Buffer]:
        yield header
        done = 0
        hasher = xxhash.xxh3_64()
        for block in chain([first], rest):
            assert (block.dtype.name, block.shape[1]) == (dtype, dim)
            rows = np.ascontiguousarray(block)
            at = 0
            while at < len(rows):  # a block of ours may end anywhere within a checksum's rows
                upto = min(len(rows), at + BLOCK - done % BLOCK)
                part = rows[at:upto].view(np.uint8).reshape(-1).data
                hasher.update(part)
                yield part
                done += upto - at
                at = upto
                if done % BLOCK == 0 or done == len(keys):
                    sums.extend(hasher.intdigest().to_bytes(8, "little"))
                    hasher = xxhash.xxh3_64()
        assert done == len(keys)
        column = b"".join(keys)
        yield column
        yield sums
        footer = Footer(
            dtype, len(keys[0]), dim, done, len(header), bytes.fromhex(space), time,
            checksum(header), checksum(column), checksum(sums),
        )  # fmt: skip
        assert len(column) == done * footer.key_size
        tail.extend(footer.to_bytes())
        yield tail

    name = f"{durable.nonce()}.faiss"
    durable.write_durably(folder / name, parts(), lock)
    return FileRef(name, Footer.from_bytes(bytes(tail)).size, tail[-16:-8].hex(), len(keys))


def index_header(faiss: Any, index: Any, count: int) -> bytes:
    """The bytes before the rows, as faiss writes them for `count` rows.

    faiss serialises the index with a single row; its two counts (ntotal, behind magic and d, and the length of the
    vector of codes, right before the rows) are then set. So no second copy of the rows is ever in memory.
    """
    import numpy as np

    index.add(np.zeros((1, index.d), dtype=np.float32))
    data = bytearray(np.asarray(faiss.serialize_index(index)).tobytes())
    width = index.sa_code_size()
    del data[-width:]
    units = struct.unpack_from("<Q", data, len(data) - 8)[0]
    if struct.unpack_from("<q", data, 8)[0] != 1 or units not in (index.d, width):
        raise MissingPackage(f"faiss {faiss.__version__} writes another file format", "install faiss 1.12 to 1.15")
    struct.pack_into("<q", data, 8, count)
    struct.pack_into("<Q", data, len(data) - 8, count * units)
    return bytes(data)


class Segment:
    """One segment, opened: footer, size and keys are checked at once; the rows by `verify`, before any is used."""

    def __init__(self, folder: Path, ref: FileRef) -> None:
        """Raises: Damage, naming the file; FileNotFoundError if it was collected, or is lost."""
        self.ref = ref
        self.path = folder / ref.name
        with durable.File(self.path) as file:
            size = file.size
            if size != ref.size:
                raise self.damage(f"it has {size} bytes instead of {ref.size}")
            try:
                tail = file.pread(FOOTER_SIZE, max(0, size - FOOTER_SIZE))
                self.footer = Footer.from_bytes(tail)
            except ValueError as err:
                raise self.damage(str(err)) from err
            if self.footer.size != size or tail[-16:-8].hex() != ref.check or self.footer.rows != ref.rows:
                raise self.damage("its footer is another file's")
            self.keys = file.pread(self.footer.rows * self.footer.key_size, self.footer.keys_at)
        if checksum(self.keys) != self.footer.keys_sum:
            raise self.damage("its keys are not what was written")

    def key(self, row: int) -> bytes:
        size = self.footer.key_size
        return self.keys[row * size : (row + 1) * size]

    def key_list(self) -> list[bytes]:
        size = self.footer.key_size
        return [self.keys[at : at + size] for at in range(0, len(self.keys), size)]

    def bad_blocks(self) -> Iterator[tuple[int, int]]:
        """Read the file front to back and yield the row ranges (first, end) whose checksum does not fit.

        Raises: Damage if header or checksums themselves are bad.
        """
        footer = self.footer
        buffer = memoryview(bytearray(1 << 20))
        with durable.File(self.path) as file:
            header = buffer[: file.readinto(buffer[: footer.header])]
            sums = file.pread(8 * -(-footer.rows // BLOCK), footer.sums_at)
            if checksum(header) != footer.header_sum:
                raise self.damage("its header is not what was written")
            if checksum(sums) != footer.sums_sum:
                raise self.damage("its checksums are not what was written")
            import xxhash

            for block, first in enumerate(range(0, footer.rows, BLOCK)):
                end = min(first + BLOCK, footer.rows)
                left = (end - first) * footer.width
                hasher = xxhash.xxh3_64()
                while left:
                    got = file.readinto(buffer[: min(left, len(buffer))])
                    if not got:
                        break
                    hasher.update(buffer[:got])
                    left -= got
                if left or hasher.intdigest().to_bytes(8, "little") != sums[block * 8 : block * 8 + 8]:
                    yield first, end

    def verify(self) -> None:
        """Check every byte before any is used. Raises: Damage, naming file and rows."""
        for first, end in self.bad_blocks():
            raise self.damage(f"rows {first} to {end - 1} are not what was written")

    def rows(self) -> Rows:
        """The rows, mapped: float16 or float32 (n, dim), unaligned, read-only. Copy before BLAS or a GPU."""
        import numpy as np

        footer = self.footer
        dtype = np.dtype(footer.dtype).newbyteorder("<")
        with durable.File(self.path) as file:
            rows: Rows = np.frombuffer(file.map(), dtype, footer.rows * footer.dim, footer.header)
        return rows.reshape(footer.rows, footer.dim)

    def damage(self, what: str) -> Damage:
        return Damage(f"segments/{self.ref.name} is damaged: {what}", "run: vstore check --read-data")


def small_neighbours(refs: Sequence[FileRef]) -> list[list[FileRef]]:
    """The runs of neighbouring small segments that a merge would take, once there are too many of them; else none."""
    if sum(ref.size < SMALL for ref in refs) <= TOO_MANY:
        return []
    runs: list[list[FileRef]] = [[]]
    for ref in refs:
        if ref.size >= SMALL:
            runs.append([])
        elif sum(r.size for r in runs[-1]) + ref.size > 8 * SMALL:
            runs.append([ref])
        else:
            runs[-1].append(ref)
    return [run for run in runs if len(run) > 1]
