"""Pictures whose metadata was edited: other bytes, the same pixels."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.folders import World, drawn

from vstore.format.facts import pixels
from vstore.repository.facts import facts_of
from vstore.testing import FakeEmbedder


def edited(seed: int, words: str = "five stars") -> bytes:
    """Write words into the picture that `drawn` makes of a seed."""
    info = PngInfo()
    info.add_text("Comment", words)
    out = io.BytesIO()
    with Image.open(io.BytesIO(drawn(seed))) as picture:
        picture.save(out, "PNG", pnginfo=info, compress_level=1)
    return out.getvalue()


def pixel(number: int, words: bytes = b"") -> bytes:
    """Make a BMP of one pixel, and words behind it that no decoder reads."""
    colour = struct.pack("<I", number)[:3] + b"\0"
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 58, 0, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0)
    return head + colour + words


class Declared(World):
    """A world whose embedder declares that it sees prepared pixels alone."""

    def load(self, recipe: Mapping[str, Any]) -> FakeEmbedder:
        return super().load(recipe)

    load.sees_pixels_alone = True  # type: ignore[attr-defined]

    def vector(self, key: str, space: str | None = None) -> bytes:
        """Read the stored vector of a key, to the bit."""
        repo = self.repo
        for ref in repo.state.segments(space or str(repo.state.current_space)):
            segment = repo.segment(ref)
            if bytes.fromhex(key) in segment.key_list():
                return bytes(segment.rows()[segment.key_list().index(bytes.fromhex(key))].tobytes())
        raise KeyError(key)

    def digests(self, *keys: str) -> list[object]:
        """Read the digests of the prepared pixels of keys; None where there is none."""
        column = pixels(self.fake.recipe["prepare"])
        found = facts_of(self.repo, map(bytes.fromhex, keys), {column})
        return [found[key].values.get(column) if key in found else None for key in map(bytes.fromhex, keys)]


def unmark(folder: Path) -> None:
    """Make a store's catalogue go: all is read again."""
    for path in (folder / "catalogue").iterdir():
        os.unlink(path)
