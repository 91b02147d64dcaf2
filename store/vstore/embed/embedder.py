"""Embedders: they turn prepared pictures into vectors, and texts where their model reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from vstore.format.recipes import Recipe

    Floats = npt.NDArray[np.float32]


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


def text_side(embedder: Embedder) -> Callable[[Sequence[str]], Floats] | None:
    """Find the function that embeds texts: float32 (n, dim), norm 1. None where the space has no text side."""
    side: Callable[[Sequence[str]], Floats] | None = getattr(embedder, "embed_texts", None)
    return side if embedder.recipe.get("text", True) is not None else None
