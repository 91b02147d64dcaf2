"""The vectors of pictures of which some may fail: a batch that fails is tried in halves, a picture that fails alone.

A picture that fails even alone is not at fault yet: the device may be. The probes are asked before anybody says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vstore.embed.faults import said
from vstore.embed.rows import unit_rows, usable
from vstore.errors import VstoreError
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Embedder, Floats

NO_VECTOR = "the model gave no usable vector for it"
FAILED = "the model failed on it: "
NO_INPUT = "the model takes no picture of this shape"


class Tried(NamedTuple):
    """The result of a batch.

    unit:    float32 (n, dim), rows of norm 1; NaN for a picture that failed.
    reasons: row -> why the picture failed, alone too.
    """

    unit: Floats
    reasons: dict[int, str]


class Attempts(NamedTuple):
    """The ways to try a batch again.

    dim:   numbers per vector.
    again: begins some inputs once more, on another device where there is one; returns a function that waits for
           their vectors.
    prove: proves the devices by their probes. Returns: True if one is left out from now on, and others are sound.
           Raises ModelError if none is sound.
    final: the rows of the first attempt that must not be tried again, and why.
    ended: tells whether nothing computes any more: an error is no picture's then.
    """

    dim: int
    again: Callable[[Sequence[Any]], Callable[[], Floats]]
    prove: Callable[[str], bool]
    final: Callable[[], Mapping[int, str]] = dict
    ended: Callable[[], bool] = bool


def begin(start: Callable[[Sequence[Any]], Callable[[], Floats]], inputs: Sequence[Any]) -> Callable[[], Floats]:
    """Begin a batch. Its error is raised by the returned function, whenever it was met."""
    try:
        return start(inputs)
    except Exception as err:
        met = err

        def fail() -> Floats:
            raise met

        return fail


def try_all(inputs: Sequence[Any], vectors: Callable[[], Floats], attempts: Attempts) -> Tried:
    """Wait for the vectors of a batch, and try again what failed.

    inputs:  one per picture; None for a picture that the model does not take.
    vectors: waits for float32 (n, dim).
    Raises:  ModelError if the rows have another shape, memory is short, or no device is sound.
    """
    try:
        unit = unit_rows(vectors(), len(inputs), attempts.dim)
    except Exception as err:
        if not may_be_of_a_picture(err) or attempts.ended():
            raise
        if len(inputs) == 1:
            return _once_more(inputs, attempts)
        return _in_halves(inputs, attempts)
    reasons = dict(attempts.final())
    bad = [row for row, fine in enumerate(usable(unit)) if not fine and row not in reasons]
    for row in bad:
        if inputs[row] is None:
            reasons[row] = NO_INPUT
    bad = [row for row in bad if row not in reasons]
    some = sum(one is not None for one in inputs)
    if some > 1 and len(bad) == some and attempts.prove(f"it gave no usable vector for {some} pictures"):
        return try_all(inputs, begin(attempts.again, inputs), attempts._replace(final=dict))
    for row in bad:
        alone = _once_more([inputs[row]], attempts)
        unit[row] = alone.unit[0]
        if alone.reasons:
            reasons[row] = alone.reasons[0]
    return Tried(unit, reasons)


def embed_pictures(embedder: Embedder, pictures: Sequence[Image], dim: int, prove: Callable[[str], object]) -> Tried:
    """Embed prepared pictures at once. A failure is that of the picture only if the probes pass after it.

    prove:  proves the model by its probes; raises unless it is sound.
    Raises: as `try_all`.
    """

    def start(some: Sequence[Any]) -> Callable[[], Floats]:
        rows = embedder.embed_images(some)
        return lambda: rows

    attempts = Attempts(dim, lambda some: begin(start, some), lambda met: bool(prove(met)))
    tried = try_all(pictures, begin(start, pictures), attempts)
    if tried.reasons:
        prove(failed_on(tried.reasons.values()))
    return tried


def may_be_of_a_picture(err: Exception) -> bool:
    """Tell whether a picture may be what an error is about: not where memory is short, or vstore itself gave up."""
    from vstore.embed.hf.devices import is_out_of_memory

    return not isinstance(err, VstoreError) and not is_out_of_memory(err)


def why(err: BaseException) -> str:
    """Say in one line what the model did to a picture."""
    return f"{FAILED}{said(err)}"


def failed_on(reasons: Iterable[str]) -> str:
    """Say what the model did to pictures that failed alone."""
    first, *others = reasons
    example = first.removeprefix(FAILED)
    if not others:
        return f"it failed on a picture even alone ({example})"
    return f"it failed on {len(others) + 1} pictures even alone (the first: {example})"


def _in_halves(inputs: Sequence[Any], attempts: Attempts) -> Tried:
    import numpy as np

    middle = len(inputs) // 2
    tried = [_part(part, attempts) for part in (inputs[:middle], inputs[middle:])]
    reasons = {middle * number + row: text for number, one in enumerate(tried) for row, text in one.reasons.items()}
    return Tried(np.concatenate([one.unit for one in tried]), reasons)


def _part(inputs: Sequence[Any], attempts: Attempts) -> Tried:
    if len(inputs) == 1:
        return _once_more(inputs, attempts)
    return try_all(inputs, begin(attempts.again, inputs), attempts._replace(final=dict))


def _once_more(inputs: Sequence[Any], attempts: Attempts) -> Tried:
    """Try one picture alone."""
    import numpy as np

    try:
        unit = unit_rows(attempts.again(inputs)(), 1, attempts.dim)
    except Exception as err:
        if not may_be_of_a_picture(err) or attempts.ended():
            raise
        return Tried(np.full((1, attempts.dim), np.nan, np.float32), {0: why(err)})
    return Tried(unit, {} if usable(unit)[0] else {0: NO_VECTOR})
