from __future__ import annotations

import json
from pathlib import Path

from support.golden_pictures import prepared


def test_the_pixels_of_old_spaces_never_change() -> None:
    """Preparation 1, bit for bit: the digests were written before pictures were read a second time."""
    golden = json.loads((Path(__file__).parent / "golden-pixels.json").read_bytes())
    assert len(golden) > 60
    assert prepared() == golden
