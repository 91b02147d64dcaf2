"""Embedders: what turns prepared pictures into vectors, and the recipe that says how."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from vstore.embed.hf.digests import Digests

    Floats = npt.NDArray[np.float32]

Recipe = Mapping[str, Any]


class Embedder(Protocol):
    """A model with its preparation: the same recipe gives the same vectors.

    recipe: canonical JSON of all that decides a vector's value; its sha256 is the space id.
    dim:    values per vector.
    """

    recipe: Recipe
    dim: int

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        """Embed prepared pictures (RGB, fitted to the recipe's size).

        Returns: float32 (n, dim), rows of L2 norm 1; a row that could not be computed holds NaN.
        """
        ...


@runtime_checkable
class Pipeline(Protocol):
    """What an embedder has besides that would rather be given its batches one after the other without a pause.

    All of it or nothing: one that lacks a part is given pictures, and its vectors are awaited, as any other embedder's.

    batch_size: pictures of a batch, at most. in_flight: batches that may be begun before the vectors of one are asked
    for; 1 where `start` gives no other work to do meanwhile. Asked for again and again, as both may change.
    """

    @property
    def batch_size(self) -> int: ...

    @property
    def in_flight(self) -> int: ...

    def prepare(self, picture: Image) -> Any:
        """The processor's part, for one picture: what `start` takes. Called in several threads at once."""
        ...

    def is_full(self, inputs: Sequence[Any]) -> bool:
        """Whether these are a batch, and one more should wait for the next."""
        ...

    def start(self, inputs: Sequence[Any]) -> Callable[[], Floats]:
        """Begin a batch. Returns: what waits for its vectors, as `embed_images` gives them."""
        ...

    def first_of(self, started: Sequence[Callable[[], Floats]]) -> int:
        """Which of these begun batches to ask for its vectors: the one that is waited for least. May wait itself."""
        ...

    def close(self) -> None:
        """Give back what it holds besides memory. Nothing is asked of it afterwards."""
        ...


def recipe_bytes(recipe: Recipe) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII."""
    return json.dumps(recipe, sort_keys=True, separators=(",", ":")).encode("ascii")


def space_id(recipe: Recipe) -> str:
    """Name the space of a recipe: sha256 of its canonical JSON, in hex. Always sha256, whatever the store's hash."""
    import hashlib

    return hashlib.sha256(recipe_bytes(recipe)).hexdigest()


def text_side(embedder: Embedder) -> Callable[[Sequence[str]], Floats] | None:
    """What embeds texts: float32 (n, dim), norm 1; None where the space has no text side."""
    side: Callable[[Sequence[str]], Floats] | None = getattr(embedder, "embed_texts", None)
    return side if embedder.recipe.get("text", True) is not None else None


def load_embedder(
    recipe: Recipe, words: Words | None = None, settings: Settings | None = None, digests: Digests | None = None
) -> Embedder:
    """Make the embedder that a recipe describes, in this process, on the first device of the settings.

    words:  where its model lies.
    Raises: UsageError; ModelError if this version knows none of that family, or the model is not what the recipe says.
    """
    family = str(recipe.get("family"))
    if family == "builtin":
        from vstore.embed.builtin import BuiltinEmbedder

        return BuiltinEmbedder(recipe)
    if family == "imported":
        raise ModelError(
            "these vectors were imported without a model, so nothing can be embedded beside them",
            "say which model made them: vstore check --reembed 32 --model MODEL",
        )
    from vstore.embed.hf.families import FAMILIES

    settings = settings or Settings()
    if family in FAMILIES and words is not None:
        from vstore.embed.hf.digests import Digests
        from vstore.embed.hf.loading import load

        return load(recipe, words, settings, digests or Digests())
    from vstore.embed.plugins import find_plugin

    plugin = find_plugin(family)
    if plugin is not None:
        return plugin.load(recipe, words or Words(), settings._replace(device=settings.devices[0]))
    raise ModelError(
        f"this vstore has no embedder of the family {family!r}",
        "install the version or the plug-in that made the space",
    )
