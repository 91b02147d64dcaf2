"""The digest of prepared pixels: of the preparation, the size and the pixels, and of nothing else."""

from __future__ import annotations

import hashlib

import xxhash

from vstore.format.hashing import store_hash
from vstore.format.pixel_digest import pixel_digest

PREPARATION = {"policy": 1, "mode": "RGB"}
PIXELS = bytes(range(18))
WRITTEN = b'{"mode":"RGB","policy":1}\nRGB' + b"\x03\0\0\0" + b"\x02\0\0\0" + PIXELS


def test_it_is_what_format_md_says() -> None:
    for name, digest in (("xxh3_128", xxhash.xxh3_128_digest(WRITTEN)), ("sha256", hashlib.sha256(WRITTEN).digest())):
        assert pixel_digest(store_hash(name), PREPARATION, (3, 2), PIXELS) == digest


def test_preparation_size_and_pixels_all_count() -> None:
    hash = store_hash("xxh3_128")
    found = {
        pixel_digest(hash, PREPARATION, (3, 2), PIXELS),
        pixel_digest(hash, PREPARATION, (2, 3), PIXELS),
        pixel_digest(hash, PREPARATION, (3, 2), PIXELS[::-1]),
        pixel_digest(hash, {**PREPARATION, "policy": 2}, (3, 2), PIXELS),
    }
    assert len(found) == 4
