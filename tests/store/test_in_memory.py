"""Pictures of Pillow are prepared as files of the same pixels are."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from vstore.pictures import icc
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.in_memory import prepare_picture
from vstore.pictures.preparation import Preparation, preparation_1, preparation_2, preparation_of

PREPARATIONS = [
    preparation_of({"prepare": preparation_1(64)}),
    preparation_of({"prepare": preparation_2(64)}),
    preparation_of({"prepare": preparation_2(short_side=48, colours=False)}),
]


def noise(*shape: int, top: int = 255, kind: Any = np.uint8) -> Any:
    return np.random.default_rng(7).integers(0, top, shape).astype(kind)


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


COLOUR = Image.fromarray(noise(90, 120, 3))
CLEAR = Image.fromarray(noise(90, 120, 4))
DEEP = Image.fromarray(noise(90, 120, top=60_000, kind=np.uint16))
FILES = {
    "1": file_of(COLOUR.convert("1")),
    "L": file_of(COLOUR.convert("L")),
    "LA": file_of(CLEAR.convert("LA")),
    "P": file_of(COLOUR.quantize(200)),
    "P, few colours": file_of(COLOUR.quantize(3)),
    "P, transparent": file_of(COLOUR.quantize(50), transparency=7),
    "P of a GIF": file_of(COLOUR.quantize(50), "GIF", transparency=7),
    "RGB": file_of(COLOUR),
    "RGB, one colour transparent": file_of(COLOUR, transparency=COLOUR.getpixel((3, 4))),
    "RGBA": file_of(CLEAR),
    "I;16": file_of(DEEP),
    "I;16, one grey transparent": file_of(DEEP, transparency=int(DEEP.getpixel((3, 4)))),  # type: ignore[arg-type]
    "I": file_of(Image.fromarray(noise(90, 120, top=90_000, kind=np.int32)), "TIFF"),
    "F": file_of(Image.fromarray(noise(90, 120, kind=np.float32) / 255), "TIFF"),
    "CMYK": file_of(COLOUR.convert("CMYK"), "TIFF"),
    "LAB": file_of(
        ImageCms.profileToProfile(
            COLOUR, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        ),  # type: ignore[arg-type]
        "TIFF",
    ),
    "turned TIFF": file_of(COLOUR, "TIFF", exif=turned(6)),
    "lossless WebP": file_of(CLEAR, "WEBP", lossless=True, exact=True),
    **{f"orientation {number}": file_of(COLOUR, exif=turned(number)) for number in range(1, 9)},
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("preparation", PREPARATIONS, ids=["1", "2", "2, short side"])
def test_a_picture_is_prepared_as_its_file(name: str, preparation: Preparation) -> None:
    wanted, _ = prepare(FILES[name], preparation)
    found = prepare_picture(Image.open(io.BytesIO(FILES[name])), preparation)
    assert (found.size, found.mode) == (wanted.size, "RGB")
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("preparation", PREPARATIONS[:2], ids=["1", "2"])
def test_a_profile_and_the_gamma_of_a_png_count(preparation: Preparation) -> None:
    for data in (
        file_of(COLOUR, icc_profile=icc.rgb_profile(icc.DISPLAY_P3, None)),
        file_of(COLOUR)[:33] + b"\0\0\0\4gAMA\0\1\x86\xa0" + b"\x31\xe8\x96\x5f" + file_of(COLOUR)[33:],
    ):
        found = prepare_picture(Image.open(io.BytesIO(data)), preparation)
        assert found.tobytes() == prepare(data, preparation)[0].tobytes()
        assert (found.tobytes() != prepare(file_of(COLOUR), preparation)[0].tobytes()) == preparation.colours


@pytest.mark.parametrize("mode", ["HSV", "YCbCr", "RGBX", "RGBa", "La", "PA"])
def test_modes_that_no_file_has_are_taken_by_what_they_show(mode: str) -> None:
    whole = CLEAR.convert("LA") if mode == "La" else CLEAR if mode in ("RGBa", "PA") else COLOUR
    whole = whole.convert("P").convert("PA") if mode == "PA" else whole.convert(mode)
    plain = whole.convert({"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}.get(mode, "RGB"))
    for preparation in PREPARATIONS:
        assert prepare_picture(whole, preparation).tobytes() == prepare(file_of(plain), preparation)[0].tobytes()


def test_the_present_frame_is_taken_and_nothing_is_changed() -> None:
    data = file_of(COLOUR.convert("L"), "TIFF", save_all=True, append_images=[DEEP.convert("L").rotate(180)])
    picture = Image.open(io.BytesIO(data))
    picture.seek(1)
    second = picture.copy()
    found = prepare_picture(picture, PREPARATIONS[1])
    assert found.tobytes() == prepare(file_of(second), PREPARATIONS[1])[0].tobytes()
    assert picture.tell() == 1
    shown = CLEAR.copy()
    before = shown.tobytes(), dict(shown.info), shown.mode
    prepare_picture(shown, PREPARATIONS[0])
    assert (shown.tobytes(), shown.info, shown.mode) == before


def closed() -> Image.Image:
    picture = Image.open(io.BytesIO(FILES["RGB"]))
    picture.close()
    return picture


@pytest.mark.parametrize(
    ("picture", "kind", "said"),
    [
        (Image.new("RGB", (0, 5)), "not_an_image", "it has 0 × 5 pixels"),
        (Image.new("1", (20_000, 10_000)), "bomb", r"it has 20000 × 10000 pixels, and 178,956,970 at most are taken"),
        (Image.open(io.BytesIO(FILES["RGB"][:2000])), "truncated", "the file is cut short"),
        (closed(), "not_an_image", "it cannot be decoded"),
    ],
)
def test_what_cannot_be_prepared_says_why(picture: Image.Image, kind: str, said: str) -> None:
    with pytest.raises(PictureFailure, match=said) as caught:
        prepare_picture(picture, PREPARATIONS[1])
    assert caught.value.kind == kind
