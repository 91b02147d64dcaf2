"""Wrong pixels are worse than none: each kind of picture is read right, as another library sees it, or refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

for library in ("tifffile", "imagecodecs"):
    pytest.importorskip(library, reason=f"the extra dev brings {library}")

from support.picture_matrix import FAMILIES, OTHERS, File, outcome, shown  # noqa: E402

# What is refused: the kind and how it is stored, as support.picture_matrix names them, and a part of the reason.
REFUSED = {
    "TIFF": {
        r"TIFF 8 bit signed ": "8 bit signed",
        r"TIFF (16|32) bit signed (white|RGB|CMYK)": " bit signed",
        r"TIFF (16|64) bit floating-point ": "bit floating-point",
        r"TIFF 32 bit floating-point (RGB|CMYK)": "32 bit floating-point",
        r"TIFF 32 bit unsigned (white|RGB|CMYK)": "32 bit unsigned",
        r"TIFF 32 bit unsigned grey: >": "32 bit unsigned grey",
        r"TIFF 16 bit unsigned white is zero: >": "1 × 16 bit unsigned grey",
    },
    "other TIFF": {
        r"TIFF 12 bit white": "1 × 12 bit unsigned grey",
        r"TIFF 12 bit grey, packed: >": "1 × 12 bit unsigned grey",
        r"TIFF 16 bit white is zero, packed: >": "1 × 16 bit unsigned grey",
        r"TIFF 32 bit white": "1 × 32 bit unsigned grey",
        r"TIFF 32 bit grey, packed: >": "1 × 32 bit unsigned grey",
        r"TIFF 16 bit grey .*(opacity|channel: )": "2 × 16 bit unsigned grey",
        r"TIFF 8 bit grey .*(opacity|channel), separate": "2 × 8 bit unsigned grey",
        r"TIFF 8 bit RGB and (another channel|two other channels), separate": " × 8 bit unsigned RGB",
        r"TIFF 8 bit RGB, opacity and another channel, separate": "5 × 8 bit unsigned RGB",
        r"TIFF 8 bit CMYK and another channel, separate": "5 × 8 bit unsigned CMYK",
        r"TIFF 16 bit RGB and two other channels: ": "5 × 16 bit unsigned RGB",
        r"TIFF 16 bit RGB, opacity and another channel": "5 × 16 bit unsigned RGB",
        r"TIFF 16 bit CMYK and another channel: ": "5 × 16 bit unsigned CMYK",
        r"TIFF Lab, separate": "3 × 8 bit unsigned Lab",
    },
    "compressed TIFF": {
        r"TIFF with LERC": "compressed in a way that is not read (34887)",
        r"TIFF with JPEG 2000": "compressed in a way that is not read (34712)",
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
        if file.kind != "JPEG 12 bit":  # of which it makes 16 bits that it does not fill
            found = shown(OTHERS[family](file.data))
            assert found.shape == file.right.shape, file[:2]
            assert np.abs(found - file.right).mean() <= file.most, file[:2]
    capfd.readouterr()  # it complains of interlacing, and reads it


def test_pixels_that_are_wrong_are_seen_to_be_wrong() -> None:
    file = next(iter(FAMILIES["PNG"]()))
    assert outcome(file) == "right"
    assert outcome(File(*file[:3], 255 - file.right)) == "wrong by 255 levels"
    assert outcome(File(*file[:3], file.right[1:])).startswith("wrong size")
