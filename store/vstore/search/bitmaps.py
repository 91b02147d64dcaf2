"""Bitmaps: the rows of a snapshot's keys, one bitmap per segment.

Row r is bit r % 8 (lowest first) of byte r // 8, as faiss numbers them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from vstore.disk.cache import cache_names, read_cache, write_cache
from vstore.disk.segments import Segment
from vstore.format.hashing import Hash
from vstore.quick_tuple import NamedTuple

_BEGIN = "rows-"
_FEW = 16  # keys up to which looking for each in a column is faster than cutting it up
_NEWER = 32  # segments at most that came since the bitmaps of an older snapshot were made


class Older(NamedTuple):
    """A snapshot whose bitmaps may be there.

    content_id: of the snapshot.
    changed:    the keys of the paths that differ from it, before and after.
    """

    content_id: str
    changed: Callable[[], Collection[bytes]]


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
    keys: Callable[[], Collection[bytes]],
    count: int,
    older: Iterable[Older] = (),
) -> list[bytes]:
    """Mark the rows of a snapshot: from `cache/`, or by the delta from those of an older snapshot that are there.

    content_id: of the snapshot; with the order of the segments it decides the bitmaps.
    keys:       of the snapshot; called only if `cache/` does not have the bitmaps.
    count:      how many keys it has: as many rows are marked.
    older:      snapshots of its space from which it was made, the nearest first.
    """
    name = _name(hash, content_id, segments)
    bitmaps = _read(cache, name, segments)
    if bitmaps is None or not _fit(bitmaps, segments, count):
        bitmaps = _from_older(cache, hash, segments, keys, older)
        if bitmaps is None or not _fit(bitmaps, segments, count):
            bitmaps = bitmaps_of(segments, keys())
        write_cache(cache, name, b"".join(bitmaps))
    return bitmaps


def _from_older(
    cache: Path, hash: Hash, segments: Sequence[Segment], keys: Callable[[], Collection[bytes]], older: Iterable[Older]
) -> list[bytes] | None:
    """Mark rows as an older snapshot does, but for the keys that changed. Since then segments came at the end alone."""
    there = {name for name in cache_names(cache) if name.startswith(_BEGIN)}
    for other in older if there else ():
        for stop in range(len(segments), max(0, len(segments) - _NEWER), -1):
            name = _name(hash, other.content_id, segments[:stop])
            bitmaps = _read(cache, name, segments[:stop]) if name in there else None
            if bitmaps is not None:
                marked = [bytearray(bits) for bits in bitmaps]
                marked += [bytearray(_bytes_for(segment)) for segment in segments[stop:]]
                for key, part, row in _first_rows(segments, other.changed()):
                    bit = 1 << (row & 7)
                    if key in keys():
                        marked[part][row >> 3] |= bit
                    else:
                        marked[part][row >> 3] &= ~bit
                return [*map(bytes, marked)]
    return None


def _first_rows(segments: Sequence[Segment], keys: Iterable[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Yield each of some keys that has a row, the number of its first segment, and the row in it."""
    left = set(keys)
    for part, segment in enumerate(segments):
        if len(left) > _FEW:
            rows = [(key, row) for row, key in enumerate(segment.key_list()) if key in left]
        else:
            rows = [(key, row) for key in left if (row := segment.row_of(key)) is not None]
        for key, row in rows:
            if key in left:  # it may stand twice
                left.remove(key)
                yield key, part, row


def _name(hash: Hash, content_id: str, segments: Sequence[Segment]) -> str:
    return _BEGIN + rows_name(hash, content_id, segments)


def rows_name(hash: Hash, content_id: str, segments: Sequence[Segment]) -> str:
    """Name what a snapshot has of the rows of some segments."""
    order = hash.digest("\n".join(segment.ref.name for segment in segments).encode()).hex()
    return f"{content_id[:32]}-{order[:32]}"


def _read(cache: Path, name: str, segments: Sequence[Segment]) -> list[bytes] | None:
    """Read the bitmaps of some segments; None if they are not there."""
    sizes = [_bytes_for(segment) for segment in segments]
    body = read_cache(cache, name, sum(sizes))
    if body is None or len(body) != sum(sizes):
        return None
    ends = list(accumulate(sizes, initial=0))
    return [body[begin:end] for begin, end in pairwise(ends)]


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
