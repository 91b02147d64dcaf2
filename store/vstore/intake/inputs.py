"""The inputs of a model: what its processor makes of decoded pictures, in the threads that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.careful import may_be_of_a_picture
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Pipeline


class Made(NamedTuple):
    """A decoded picture, on its way to the model.

    is_input: the value is an input of the model; while no model is loaded, it is the picture itself.
    attempts: how often the processor may be tried on the picture.
    """

    is_input: bool
    value: Any
    attempts: int = 2


def make_early(pipeline: Pipeline | None, picture: Image) -> Made:
    """Do the processor's part in a reader's thread, if the model is loaded: its own thread has the model to run."""
    if pipeline is None:
        return Made(False, picture)
    try:
        return Made(True, pipeline.prepare(picture))
    except Exception as err:
        if not may_be_of_a_picture(err):
            raise
        return Made(False, picture, 1)  # once more, alone: some processors fail beside other threads


def make(pipeline: Pipeline, made: Made) -> Any:
    """Turn a picture into an input of the model. Raises: what the processor raises in the last attempt."""
    if made.is_input:
        return made.value
    for _ in range(made.attempts - 1):
        try:
            return pipeline.prepare(made.value)
        except Exception as err:
            if not may_be_of_a_picture(err):
                raise
    return pipeline.prepare(made.value)
