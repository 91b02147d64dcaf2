from __future__ import annotations

import json
from pathlib import Path

from support.golden_pictures import prepared, prepared_newly, prepared_otherwise

GOLDEN = Path(__file__).parent / "golden-pixels.json"
NEWER = Path(__file__).parent / "golden-pixels-2.json"


def test_the_pixels_of_old_spaces_never_change() -> None:
    """Preparation 1, bit for bit: the digests were written before pictures were read a second time."""
    golden = json.loads(GOLDEN.read_bytes())
    assert len(golden) > 100
    assert prepared() == golden


def test_the_pixels_of_newer_spaces_never_change() -> None:
    """Preparation 2, bit for bit."""
    golden = json.loads(NEWER.read_bytes())
    assert len(golden) > 100
    assert prepared_newly() == golden


def test_the_pixels_of_declared_preparations_never_change() -> None:
    assert prepared_otherwise() == {
        "ignored": "480x360 ed47b7aab04ad880555ec245",
        "BGR": "360x480 cf60108b64f5d7d6d4aee7e8",
        "JPEG": "360x480 bca0f6e276e059bc31b93d46",
    }
