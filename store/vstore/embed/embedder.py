"""Embedders: they turn prepared pictures into vectors, and texts, if their model reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from vstore.format.recipes import Recipe

    Floats = npt.NDArray[np.float32]


class Embedder(Protocol):
    """A model with its preparation: the same recipe gives the same vectors.

    recipe: everything a vector depends on; the sha256 of its canonical JSON is the space id.
    dim:    numbers per vector.
    """

    recipe: Recipe
    dim: int

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        """Embed prepared pictures (RGB, fitted to the recipe's size).

        Returns: float32 (n, dim), rows of L2 norm 1; NaN in a row that could not be computed.
        """
        ...


@runtime_checkable
class Pipeline(Protocol):
    """The other half of an embedder that works on several batches at a time.

    An embedder has all of these methods or none: without them it gets pictures, and its vectors are awaited.

    batch_size: most pictures of a batch; may change between batches.
    in_flight:  most batches that are begun before the vectors of the first are awaited; may change between batches.
    """

    @property
    def batch_size(self) -> int: ...

    @property
    def in_flight(self) -> int: ...

    def prepare(self, picture: Image) -> Any:
        """Prepare one picture for `start`. Called in several threads at once."""
        ...

    def is_full(self, inputs: Sequence[Any]) -> bool:
        """Tell whether these make a full batch."""
        ...

    def start(self, inputs: Sequence[Any]) -> Callable[[], Floats]:
        """Begin a batch. Returns: a function that waits for its vectors, as `embed_images` returns them."""
        ...

    def first_of(self, started: Sequence[Callable[[], Floats]]) -> int:
        """Choose the batch that will be finished first. May wait for it."""
        ...

    def close(self) -> None:
        """Release everything but memory. The embedder is not used afterwards."""
        ...


@runtime_checkable
class Devices(Protocol):
    """The part of a pipeline over several devices that deals with their faults."""

    @property
    def has_ended(self) -> bool:
        """True if no device computes anything any more."""
        ...

    def elsewhere(self, inputs: Sequence[Any], before: Callable[[], Floats]) -> Callable[[], Floats]:
        """Begin some inputs of an earlier batch again, on another device where there is one."""
        ...

    def killers(self, started: Callable[[], Floats]) -> Mapping[int, str]:
        """Name the rows of a finished batch whose pictures end each process that gets them, and what happened."""
        ...

    def prove(self, met: str) -> bool:
        """Prove the devices that failed. Those that are not sound are left out.

        met:     what they did to pictures, for the message.
        Returns: True if a device was left out since the last call, and others are left.
        Raises:  ModelError if none is left.
        """
        ...


def text_side(embedder: Embedder) -> Callable[[Sequence[str]], Floats] | None:
    """Find the function that embeds texts: float32 (n, dim), norm 1. None if the space has no text side."""
    side: Callable[[Sequence[str]], Floats] | None = getattr(embedder, "embed_texts", None)
    return side if embedder.recipe.get("text", True) is not None else None
