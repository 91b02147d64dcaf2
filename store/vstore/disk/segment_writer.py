"""Writes segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstore.disk import durable
from vstore.disk.footer import BLOCK, Footer
from vstore.errors import Damage, MissingPackage
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum
from vstore.format.segment_header import segment_header
from vstore.packages import faiss_module

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import Buffer

    from vstore.disk.segments import Rows


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
    """Write one segment, durably. Memory holds one block at a time.

    keys:   n distinct keys of one length, row by row; at least one.
    blocks: float16 or float32 (m, dim) each, as `rounded` gives them; n rows in all.
    dtype:  the store's, which the blocks must have.
    time:   seconds since 1970, UTC.
    lock:   the lock held.
    Raises: DiskTrouble, ReadOnly, MissingPackage; Damage for rows of another dtype or width.
    """
    assert keys
    faiss = faiss_module()
    rest = iter(blocks)
    first = next(rest)
    dim = first.shape[1]
    if dtype == "float16":
        index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.IndexFlatIP(dim)
    header = index_header(faiss, index, dtype, len(keys))
    sums = bytearray()
    tail = bytearray()
    column = b"".join(keys)
    assert len(column) == len(keys) * len(keys[0])

    def parts() -> Iterator[Buffer]:
        yield header
        yield from _row_parts(chain([first], rest), len(keys), dim, dtype, sums=sums)
        yield column
        yield sums
        footer = Footer(
            dtype=dtype,
            key_size=len(keys[0]),
            dim=dim,
            rows=len(keys),
            header=len(header),
            space=bytes.fromhex(space),
            time=time,
            header_sum=checksum(header),
            keys_sum=checksum(column),
            sums_sum=checksum(sums),
        )
        tail.extend(footer.to_bytes())
        yield tail

    name = f"{durable.nonce()}.faiss"
    durable.write_durably(folder / name, parts(), lock)
    return FileRef(name, Footer.from_bytes(bytes(tail)).size, tail[-16:-8].hex(), len(keys))


def _row_parts(blocks: Iterable[Rows], count: int, dim: int, dtype: str, *, sums: bytearray) -> Iterator[Buffer]:
    """Yield the bytes of rows, and append the checksum of each 4,096 of them to `sums`. count: rows in all.

    Raises: Damage for rows of another dtype or width: what is copied may come from a segment that no vstore wrote.
    """
    import numpy as np
    import xxhash

    done = 0
    hasher = xxhash.xxh3_64()
    for block in blocks:
        if (block.dtype.name, block.shape[1]) != (dtype, dim):
            raise Damage(
                f"a segment holds rows of {block.shape[1]} × {block.dtype.name}, where {dim} × {dtype} belong",
                "run: vstore check",
            )
        rows = np.ascontiguousarray(block)
        at = 0
        while at < len(rows):  # a block of ours may end anywhere within a checksum's rows
            upto = min(len(rows), at + BLOCK - done % BLOCK)
            part = rows[at:upto].view(np.uint8).reshape(-1).data
            hasher.update(part)
            yield part
            done += upto - at
            at = upto
            if done % BLOCK == 0 or done == count:
                sums.extend(hasher.intdigest().to_bytes(8, "little"))
                hasher = xxhash.xxh3_64()
    assert done == count


def index_header(faiss: Any, index: Any, dtype: str, count: int) -> bytes:
    """Make the bytes before the rows, as faiss writes them for `count` rows.

    faiss serialises the index with a single row, to show that it writes what FORMAT.md says. So memory never holds a
    second copy of the rows.
    Raises: MissingPackage if faiss writes another format.
    """
    import numpy as np

    index.add(np.zeros((1, index.d), dtype=np.float32))
    data = np.asarray(faiss.serialize_index(index)).tobytes()[: -index.sa_code_size()]
    if data != segment_header(dtype, index.d, 1):
        raise MissingPackage(f"faiss {faiss.__version__} writes another file format", "install faiss 1.12 to 1.15")
    return segment_header(dtype, index.d, count)
