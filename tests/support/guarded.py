"""Many tiny pictures, their loss, and syncs that a guard refuses."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.folders import World, stats_of

from vstore.errors import Refused


def pixel(number: int) -> bytes:
    """A BMP of one pixel, made without Pillow: there are many."""
    colour = struct.pack("<I", number)[:3] + b"\0"
    return struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 58, 0, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + colour


def many(count: int, first: int = 0, suffix: str = "bmp") -> dict[str, int | bytes]:
    return {f"{number:05d}.{suffix}": pixel(first + number) for number in range(count)}


def unlink(world: World, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        (world.pictures / f"{number:05d}.bmp").unlink()


def refused(world: World, *paths: Path, **options: object) -> str:
    """Expect a refusal with exit 5 that changes no file of the store. Returns: its message."""
    before, loaded = stats_of(world.folder), world.loaded
    with pytest.raises(Refused) as caught:
        world.store.sync(paths, **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 5
    assert (stats_of(world.folder), world.loaded) == (before, loaded)
    return str(caught.value)


@contextmanager
def mounted(place: Path, *words: str) -> Iterator[None]:
    """Mount something at a place for a while, or skip the test."""
    ran = subprocess.run(["mount", *words, str(place)], capture_output=True, check=False)
    if ran.returncode:
        pytest.skip("only root may mount here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
