"""Bitmaps: the rows of a snapshot's keys, one bitmap per segment.

Row r is bit r % 8 (lowest first) of byte r // 8, as faiss numbers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vstore.disk.cache import read_cache, write_cache
from vstore.disk.segments import Segment
from vstore.format.hashing import Hash


def bitmaps_of(segments: Sequence[Segment], keys: Iterable[bytes]) -> list[bytes]:
    """Mark the rows with one of these keys. If a key stands twice, the first row wins."""
    left = set(keys)
    bitmaps = []
    for segment in segments:
        bits = bytearray(_bytes_for(segment))
        for row, key in enumerate(segment.key_list()):
            if key in left:
                left.remove(key)
                bits[row >> 3] |= 1 << (row & 7)
        bitmaps.append(bytes(bits))
    return bitmaps


def cached_bitmaps(
    cache: Path,
    hash: Hash,
    content_id: str,
    segments: Sequence[Segment],
    *,
    keys: Callable[[], Iterable[bytes]],
    count: int,
) -> list[bytes]:
    """Mark the rows of a snapshot, from `cache/` if it is whole there.

    content_id: of the snapshot; with the order of the segments it decides the bitmaps.
    keys:       of the snapshot; called only if `cache/` does not have the bitmaps.
    count:      how many keys it has: as many rows are marked.
    """
    order = hash.digest("\n".join(segment.ref.name for segment in segments).encode()).hex()
    name = f"rows-{content_id[:32]}-{order[:32]}"
    sizes = [_bytes_for(segment) for segment in segments]
    body = read_cache(cache, name, sum(sizes))
    bitmaps = [] if body is None else _split(body, sizes)
    if body is None or len(body) != sum(sizes) or not _fit(bitmaps, segments, count):
        bitmaps = bitmaps_of(segments, keys())
        write_cache(cache, name, b"".join(bitmaps))
    return bitmaps


def _split(body: bytes, sizes: Sequence[int]) -> list[bytes]:
    bitmaps, at = [], 0
    for size in sizes:
        bitmaps.append(body[at : at + size])
        at += size
    return bitmaps


def _fit(bitmaps: Sequence[bytes], segments: Sequence[Segment], count: int) -> bool:
    """Tell whether as many rows are marked as there are keys, and none past the end of a segment."""
    ends = [segment.footer.rows & 7 for segment in segments]
    past = any(end and bitmap[-1] >> end for end, bitmap in zip(ends, bitmaps, strict=True))
    return not past and sum(map(marked_rows, bitmaps)) == count


def is_marked(bitmap: bytes, row: int) -> bool:
    return bool(bitmap[row >> 3] >> (row & 7) & 1)


def marked_rows(bitmap: bytes) -> int:
    """Count the rows marked by a bitmap."""
    return int.from_bytes(bitmap, "little").bit_count()


def _bytes_for(segment: Segment) -> int:
    return -(-segment.footer.rows // 8)
