"""Probe pictures: the same on every machine, never square. Their vectors prove a space's model.

They are embedded when a space is made. One of them in turn is embedded again before every run that embeds: a lost
adapter, a changed processor or a library that computes differently shows in its vector.

Six are drawn by code, without loss. Six more are JPEG files, as no encoder writes the same bytes everywhere. Stripes in
them are too loud for black and white, which cut them off: any other way of decoding gives whole areas another mean, and
the smallest model sees it. Each way of preparing decodes some of them whole, and some at a fraction.
"""

from __future__ import annotations

import base64
import functools
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.errors import Damage
from vstore.format.canonical import SMALL, parsed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.embed.embedder import Floats

    Pixels = npt.NDArray[np.uint8]

_DRAWN = ("landscape", "turned", "transparent", "deep", "tiny", "large")
# photograph: baseline, 4:2:0, decoded at a fraction. progressive: 4:2:0. print: CMYK. small: 4:2:0, decoded whole
# whatever edge a model has. web: 4:2:0, decoded whole for a shorter side of 224. poster: 4:2:0, decoded smaller for
# a longer side of 512.
_FILES = ("photograph", "progressive", "print", "small", "web", "poster")
PROBES = (*_DRAWN, *_FILES)
VERSION = 3  # raised when a picture is added; those that are there must stay, as stores hold their vectors
SAME_CLASS, ACROSS = 1e-4, 5e-3  # largest 1 - cosine: within one compute class, and between two
_FOLDER = Path(__file__).with_name("probe_pictures")


class Proofs(NamedTuple):
    """The vectors of probes that were embedded in one run.

    vectors:     probe -> float32 (dim,), norm 1.
    environment: the device, dtype and versions that they were computed with.
    """

    vectors: dict[str, Floats]
    environment: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        vectors = {
            name: base64.b64encode(vector.astype("<f4").tobytes()).decode() for name, vector in self.vectors.items()
        }
        return {"environment": self.environment, "vectors": vectors}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Proofs:
        import numpy as np

        vectors = {
            name: np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
            for name, text in value["vectors"].items()
        }
        return cls(vectors, value["environment"])


class Probes(NamedTuple):
    """The vectors of a space's probes.

    first: those that were embedded when the space was made.
    later: those that were added after all of the earlier ones were proved.
    """

    first: Proofs
    later: tuple[Proofs, ...] = ()

    @property
    def vectors(self) -> dict[str, Floats]:
        return {name: vector for proofs in (self.first, *self.later) for name, vector in proofs.vectors.items()}

    @property
    def environment(self) -> dict[str, Any]:
        """The environment in which the space was made."""
        return self.first.environment

    def environment_of(self, probe: str) -> dict[str, Any]:
        """Find the environment in which a probe was embedded."""
        return next(proofs.environment for proofs in (*self.later, self.first) if probe in proofs.vectors)

    def with_later(self, found: Proofs) -> Probes:
        """Add the probes that are not there yet. Vectors that are there stay: small drifts must not add up."""
        known = self.vectors
        new = {name: vector for name, vector in found.vectors.items() if name not in known}
        return self._replace(later=(*self.later, found._replace(vectors=new))) if new else self

    def worst(self, now: Proofs) -> Drift:
        """Find the probe that is off by most, measured by its tolerance; at least one must be in both."""
        names = [name for name in now.vectors if name in self.vectors]
        found = [
            Drift(
                name,
                drift(self.vectors[name], now.vectors[name]),
                tolerance(self.environment_of(name), now.environment),
            )
            for name in names
        ]
        return max(found, key=lambda one: one.found / one.allowed)

    def to_bytes(self) -> bytes:
        value = {"version": VERSION, **self.first.to_json()}
        if self.later:
            value["later"] = [proofs.to_json() for proofs in self.later]
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Probes:
        """Read probes whose digest was checked. Raises: Damage if they are none."""
        try:
            value = parsed(data, SMALL)
            return cls(Proofs.from_json(value), tuple(map(Proofs.from_json, value.get("later", ()))))
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise Damage(f"the probes of a space cannot be read: {err!r:.200}", "run: vstore check") from err


class Drift(NamedTuple):
    """The drift of one probe.

    probe:   its name.
    found:   1 - cosine of its vector to the first one.
    allowed: the largest that is.
    """

    probe: str
    found: float
    allowed: float

    @property
    def is_too_much(self) -> bool:
        return not self.found <= self.allowed


@functools.cache
def probe_file(name: str) -> bytes:
    """Draw or read one of PROBES as a picture file: decoding is proved with it."""
    if name in _FILES:
        return (_FOLDER / f"{name}.jpg").read_bytes()
    from PIL import Image

    if name == "landscape":
        return _png(Image.fromarray(_waves(300, 200, 1)))
    if name == "turned":  # a portrait once its EXIF orientation is followed
        exif = Image.Exif()
        exif[0x0112] = 6
        return _png(Image.fromarray(_waves(260, 180, 2)), exif=exif)
    if name == "transparent":
        return _png(Image.fromarray(_with_alpha(_waves(200, 260, 4)), "RGBA"))
    if name == "deep":  # 16 bits of grey
        return _png(Image.fromarray(_waves(160, 230, 3)[:, :, 0].astype("uint16") * 257))
    if name == "tiny":
        return _png(Image.fromarray(_waves(24, 16, 5)))
    assert name == "large"  # larger than the pictures that a model gets
    return _png(Image.fromarray(_waves(900, 620, 6)))


def drift(one: Floats, other: Floats) -> float:
    """Compute 1 - cosine of two vectors; infinite where one is not finite."""
    import numpy as np

    a, b = one.astype(np.float64), other.astype(np.float64)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    value = 1 - float(a @ b) / norms if norms > 0 else float("inf")
    return value if np.isfinite(value) else float("inf")


def tolerance(before: Mapping[str, Any], now: Mapping[str, Any]) -> float:
    """Choose the largest drift that is allowed between two environments."""
    classes = ("compute", "device", "attention")
    return SAME_CLASS if all(before.get(name) == now.get(name) for name in classes) else ACROSS


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List the differences of two environments, for people."""
    # A name that is new was not recorded before, and says nothing of what changed.
    return [f"{name} {before[name]} -> {now.get(name)}" for name in sorted(before) if before[name] != now.get(name)]


def _waves(width: int, height: int, seed: int) -> Pixels:
    """Draw bands, a disc and a corner in whole numbers: uint8 (height, width, 3), the same on every machine."""
    import numpy as np

    down, across = np.mgrid[:height, :width].astype(np.int64)
    out = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        k = 3 * seed + channel + 1
        out[:, :, channel] = (across * k // 2 + down * (channel + 1) * 2 + (across * down) // (90 + 7 * k)) % 256
    middle, radius = (width * (1 + seed % 3) // 4, height * 2 // 5), min(width, height) // 4
    disc = (across - middle[0]) ** 2 + (down - middle[1]) ** 2 < radius * radius
    out[disc] = (30 * seed % 256, 220 - 20 * seed, 90)
    out[: height // 6, : width // 3] = (250, 250 - 30 * seed, 20)
    return out


def _with_alpha(pixels: Pixels) -> Pixels:
    import numpy as np

    height, width = pixels.shape[:2]
    ramp = (np.arange(width, dtype=np.int64) * 255 // (width - 1)).astype(np.uint8)
    return np.dstack([pixels, np.broadcast_to(ramp, (height, width))])


def _png(picture: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1, **options)  # what is decoded is the same; made in a third of the time
    return out.getvalue()
