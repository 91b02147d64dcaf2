"""Turns the colours of pictures into sRGB, as their ICC profiles say."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from vstore.pictures.colours import rgb
from vstore.pictures.icc import space_of
from vstore.pictures.layers import layers
from vstore.turns import Turn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

    Bytes = npt.NDArray[np.uint8]
    Transform = Callable[[Image], Image]

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # of the modes that a profile can belong to
_SAME = 3  # levels by which no colour may differ for a profile to count as sRGB's: that of HP differs by 1
_KEPT = 16  # transforms; one of CMYK takes 2 MB


def to_srgb(picture: Image, profile: bytes | None) -> Image:
    """Turn a picture of any mode into sRGB.

    The intent is relative colorimetric with black point compensation. A profile that is damaged, of another colour
    space than the picture, or no profile of a display, an input, an output or a colour space is ignored: the colours
    are read as sRGB then. So are those of a profile that differs from sRGB by at most 3 levels.

    Returns: RGB, or RGBA where the picture has transparency.
    """
    picture = layers(picture)
    if picture.mode in ("RGBA", "LA"):
        opacity = picture.getchannel("A")
        coloured = to_srgb(picture.convert(picture.mode[:-1]), profile)
        coloured.putalpha(opacity)
        return coloured
    transform = None
    if profile is not None and space_of(profile) == _SPACES.get(picture.mode, ""):
        transform = _transforms.of(profile, picture.mode)
    if transform is None:
        return rgb(picture)
    return transform(picture)


class _Transforms:
    """The newest transforms of a process. littlecms lets many threads use one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, str], Transform | None] = OrderedDict()
        self._lock = Turn()

    def of(self, profile: bytes, mode: str) -> Transform | None:
        """Return the transform from a profile to sRGB; None where it would change nothing, or the profile is broken."""
        name = (hashlib.sha256(profile).digest(), mode)
        with self._lock:
            if name not in self._kept:
                self._kept[name] = _transform(profile, mode)
            self._kept.move_to_end(name)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[name]


_transforms = _Transforms()


def _transform(profile: bytes, mode: str) -> Transform | None:
    from PIL import ImageCms

    srgb = ImageCms.createProfile("sRGB")  # outside of `try`: without littlecms, no profile may count as broken
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if mode == "L":  # littlecms's shortcut is 10 levels off in the dark, and 256 greys need none
        flags |= ImageCms.Flags.NOOPTIMIZE
    try:
        transform = ImageCms.ImageCmsTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.ImageCmsProfile(srgb),
            mode,
            "RGB",
            intent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=flags,
        )
    except Exception:
        return None  # littlecms refuses it in many words
    if mode == "CMYK":
        return transform.apply
    return _of_greys(transform) if mode == "L" else _of_colours(transform)


def _of_greys(transform: ImageCmsTransform) -> Transform | None:
    import numpy as np
    from PIL.Image import fromarray

    greys = np.arange(256, dtype=np.uint8)
    table = np.asarray(transform.apply(fromarray(greys[None])))[0]
    if _is_same(table, greys[:, None]):
        return None
    places = table.T.ravel().tolist()
    return lambda picture: picture.convert("RGB").point(places)


def _of_colours(transform: ImageCmsTransform) -> Transform | None:
    import numpy as np
    from PIL.Image import fromarray

    greys = np.arange(256, dtype=np.uint8)
    steps = greys[::15]
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    given = np.concatenate([grid, np.repeat(greys[:, None], 3, axis=1)])
    return None if _is_same(np.asarray(transform.apply(fromarray(given[None])))[0], given) else transform.apply


def _is_same(changed: Bytes, given: Bytes) -> bool:
    """Tell whether nearly nothing changes."""
    import numpy as np

    return bool(np.abs(changed.astype(np.int16) - given).max() <= _SAME)
