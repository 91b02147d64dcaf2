"""Rot: bits that change on the disk while the stat of their file stays."""

from __future__ import annotations

from pathlib import Path

from vstore.disk.believed import believe, believed
from vstore.disk.segments import Segment


def rot(segment: Segment, row: int, cache: Path, *, byte: int = 0, bits: int = 1, like: int | None = None) -> None:
    """Change bits of a row in place. A segment that is believed stays believed, as rot changes no stat.

    byte: of the row; the first one changes a score least.
    like: a row whose bytes it gets instead.
    """
    known = segment.ref.name in believed(cache)
    footer = segment.footer
    with segment.path.open("r+b") as file:
        file.seek(footer.header + (row if like is None else like) * footer.width)
        data = bytearray(file.read(footer.width))
        if like is None:
            data[byte] ^= bits
        file.seek(footer.header + row * footer.width)
        file.write(data)
    found = segment.path.stat()
    if known:
        believe(cache, {segment.ref.name: [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]})
