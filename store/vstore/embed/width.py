"""The width of a model's vectors: the same as that of the space, or of the index, that they belong to."""

from __future__ import annotations

from vstore.errors import ModelError, VstoreError


def require_width(
    given: int,
    dim: int,
    holder: str = "its space",
    *,
    step: str = "use the model that the space was made with",
    error: type[VstoreError] = ModelError,
) -> None:
    """Make sure that a model gives vectors of the right width.

    given:  numbers per vector of the model.
    dim:    numbers per vector of the holder.
    holder: the space or the index, for the message.
    step:   the next step, for the message.
    Raises: ModelError, or `error`, if they differ.
    """
    if given != dim:
        raise error(f"the model gives vectors of {given} numbers, {holder} has vectors of {dim} numbers", step)
