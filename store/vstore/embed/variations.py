"""Likely causes for vectors that a declared model does not give: recipes that differ in one thing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from vstore.pictures.formats import IGNORED, MAX_SIDE

SIDES = (224, 256, 336, 384, 448, 512, 640, 768, 1024, 1 << 14)  # the last leaves pictures as large as they are
QUALITIES = (95, 90, 85, 75)  # 75 is what Pillow saves with where nothing is said


class Variation(NamedTuple):
    """A recipe that differs in one thing from the declared one.

    name: one word, for `--adopt`. about: what it would mean. load: makes its embedder, where its recipe alone does not
    say how; it may raise ModelError.
    """

    name: str
    about: str
    recipe: Mapping[str, Any]
    load: Callable[[], Any] | None = None


@runtime_checkable
class Varied(Protocol):
    """An embedder whose family knows what is easily done otherwise: no adapter, another prompt, the other padding."""

    def variations(self) -> Sequence[Variation]: ...


def preparations(recipe: Mapping[str, Any]) -> Iterator[Variation]:
    """The same model, given pictures that were prepared otherwise."""
    prepare = dict(recipe.get("prepare", {}))

    def varied(name: str, about: str, **changes: Any) -> Variation:
        return Variation(name, about, {**recipe, "prepare": {**prepare, **changes}})

    if prepare.get("orientation") != IGNORED:
        yield varied("exif-ignored", "pictures were not turned as EXIF says", orientation=IGNORED)
    if prepare.get("mode") != "BGR":
        yield varied("bgr", "blue and red were swapped, as OpenCV reads", mode="BGR")
    for quality in QUALITIES:
        about = f"pictures were saved as JPEG of quality {quality} once they were fitted"
        yield varied(f"jpeg-{quality}", about, through={"format": "JPEG", "quality": quality})
    for side in SIDES:
        if side != prepare.get("max_side", MAX_SIDE):
            about = f"pictures were fitted to {side} pixels" if side < SIDES[-1] else "pictures were not fitted"
            yield varied(f"size-{side}" if side < SIDES[-1] else "size-full", about, max_side=side)
