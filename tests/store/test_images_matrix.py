"""Wrong pixels are worse than none: each kind of picture is read right, as another library sees it, or refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

for library in ("tifffile", "imagecodecs", "rawpy", "pillow_jxl"):
    pytest.importorskip(library, reason=f"the extra dev brings {library}")

from support import more_kinds, picture_matrix  # noqa: E402
from support.picture_matrix import File, outcome, shown  # noqa: E402

FAMILIES = {**picture_matrix.FAMILIES, **more_kinds.FAMILIES}
OTHERS = {**picture_matrix.OTHERS, **more_kinds.OTHERS}

# What is refused: the kind and how it is stored, as support.picture_matrix names them, and a part of the reason.
REFUSED = {
    "compressed TIFF": {
        r"TIFF with LERC": "compressed in a way that is not read (34887)",
        r"TIFF with JPEG 2000": "compressed in a way that is not read (34712)",
    },
    "JPEG 2000": {
        r"JPEG 2000 (12|16) bit (grey and|RGB)": "bit unsigned); save it with 8 bits",
        r"JPEG 2000 8 bit signed": "3 × 8 bit signed",
    },
    "JPEG": {r"JPEG 12 bit": "12-bit", r"JPEG 16 bit": "16-bit"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_kind_is_read_right_or_refused(family: str) -> None:
    refused = REFUSED.get(family, {})
    seen = set()
    wrong = []
    for file in FAMILIES[family]():
        found = outcome(file)
        matching = [pattern for pattern in refused if re.match(pattern, f"{file.kind}: {file.how}")]
        seen.update(matching)
        assert len(matching) < 2
        reason = refused[matching[0]] if matching else ""
        if found != "right" if not matching else reason not in found:
            wrong.append(f"{file.kind}: {file.how}: {found}")
    assert not wrong
    assert seen == set(refused)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", OTHERS)
def test_another_decoder_sees_the_same(family: str, capfd: pytest.CaptureFixture[str]) -> None:
    for file in FAMILIES[family]():
        if "12 bit" not in file.kind and "animation" not in file.kind:  # 12 bits do not fill its 16
            found = shown(OTHERS[family](file.data))
            assert found.shape == file.right.shape, file[:2]
            assert np.abs(found - file.right).mean() <= file.most, file[:2]
    capfd.readouterr()  # it complains of interlacing, and reads it


def test_pixels_that_are_wrong_are_seen_to_be_wrong() -> None:
    file = next(iter(FAMILIES["PNG"]()))
    assert outcome(file) == "right"
    assert outcome(File(*file[:3], 255 - file.right)) == "wrong by 255 levels"
    assert outcome(File(*file[:3], file.right[1:])).startswith("wrong size")
