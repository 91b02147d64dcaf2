"""Boxes of ISO base media files, as HEIC, AVIF, JPEG 2000, JPEG XL and Canon's CR3 have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vstore.pictures.readable import Readable

_MOST = 4096  # boxes in one


class Box(NamedTuple):
    """A box. name: its type; at, stop: of what it holds."""

    name: bytes
    at: int
    stop: int


def boxes(data: Readable, at: int = 0, stop: int | None = None) -> Iterator[Box]:
    """Find the boxes in a range of bytes, in their order. The last ends where the range does."""
    end = len(data) if stop is None else min(stop, len(data))
    for _ in range(_MOST):
        about = data[at : min(at + 16, end)]
        if len(about) < 8:
            return
        size, name, head = int.from_bytes(about[:4], "big"), bytes(about[4:8]), 8
        if size == 1 and len(about) == 16:
            size, head = int.from_bytes(about[8:], "big"), 16
        if size == 0:
            size = end - at
        if size < head:
            return
        yield Box(name, at + head, min(at + size, end))
        at += size


def box(data: Readable, name: bytes, at: int = 0, stop: int | None = None) -> Box | None:
    """Find the first box of a type; None if there is none."""
    return next((one for one in boxes(data, at, stop) if one.name == name), None)
