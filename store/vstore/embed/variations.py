"""Variations of a recipe in one thing: likely causes where a declared model gives other vectors. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from vstore.embed.builtin import RECIPES
from vstore.embed.model_words import BUILTIN, Words
from vstore.embed.prepared import FAST, IGNORE, prepared_for
from vstore.pictures.preparation import IGNORED, MAX_SIDE

SIDES = (224, 256, 336, 384, 448, 512, 640, 768, 1024, 1 << 14)  # the last leaves every picture at its size
QUALITIES = (95, 90, 85, 75)  # 75 is the default of Pillow


class Variation(NamedTuple):
    """A recipe that differs in one thing from the declared one.

    name:   one word, for `--adopt`.
    about:  its meaning, for people.
    recipe: the varied recipe.
    load:   loads its embedder, where the recipe alone does not say how; may raise ModelError.
    """

    name: str
    about: str
    recipe: Mapping[str, Any]
    load: Callable[[], Any] | None = None


@runtime_checkable
class Varied(Protocol):
    """An embedder that knows the usual variations of its family: no adapter, another prompt, the other padding."""

    def variations(self) -> Sequence[Variation]:
        """List them, the likeliest first."""
        ...


def preparations(recipe: Mapping[str, Any]) -> Iterator[Variation]:
    """Yield variations of the preparation of pictures, for the same model."""
    prepare = dict(recipe.get("prepare", {}))

    def varied(name: str, about: str, **changes: Any) -> Variation:
        return Variation(name, about, {**recipe, "prepare": {**prepare, **changes}})

    yield from _policies(recipe)
    if prepare.get("orientation") != IGNORED:
        yield varied("exif-ignored", "pictures were not turned by their EXIF orientation", orientation=IGNORED)
    if prepare.get("mode") != "BGR":
        yield varied("bgr", "blue and red were swapped, as OpenCV reads them", mode="BGR")
    for quality in QUALITIES:
        about = f"pictures were saved as JPEG of quality {quality} after they were fitted"
        yield varied(f"jpeg-{quality}", about, through={"format": "JPEG", "quality": quality})
    for side in SIDES:
        if side != prepare.get("max_side", MAX_SIDE):
            about = f"pictures were fitted to {side} pixels" if side < SIDES[-1] else "pictures were not fitted"
            found = varied(f"size-{side}" if side < SIDES[-1] else "size-full", about, max_side=side)
            found.recipe["prepare"].pop("short_side", None)
            yield found


def _policies(recipe: Mapping[str, Any]) -> Iterator[Variation]:
    """Yield the recipe with the other preparations of vstore: by another policy, or with the other use of profiles."""
    if recipe.get("family") == BUILTIN:
        others = [(policy, one) for policy, one in RECIPES.items() if one["prepare"] != recipe.get("prepare")]
        for policy, one in others:
            yield Variation(f"preparation-{policy}", f"pictures were prepared by preparation {policy}", one)
        return
    ways = (
        ("preparation-1", "pictures were prepared by preparation 1", Words(prepare=1)),
        ("preparation-2", "pictures were prepared by preparation 2", Words(prepare=2)),
        (
            "preparation-2-colour-ignored",
            "pictures were prepared by preparation 2, without regard to their colour profiles",
            Words(prepare=2, colour=IGNORE),
        ),
        ("preparation-2-decode-fast", "pictures were prepared by preparation 2, decoded fast", Words(decode=FAST)),
    )
    for name, about, words in ways:
        prepare = prepared_for(recipe, words)
        if prepare != recipe.get("prepare"):
            yield Variation(name, about, {**recipe, "prepare": prepare})
