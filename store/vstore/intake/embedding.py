"""The model's side of an ingest: batches in the making, and batches under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vstore.embed.careful import begin, may_be_of_a_picture, try_all, why
from vstore.embed.embedder import Devices
from vstore.embed.rows import unit_rows
from vstore.intake.doubts import Doubt, Doubts
from vstore.intake.inputs import Made, make, make_early
from vstore.intake.kept_vectors import KeptVectors
from vstore.intake.lazy_model import LazyModel
from vstore.intake.reader import WORKERS
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats


class Batch(NamedTuple):
    """A batch in the making.

    keys:   of its pictures.
    inputs: of the model, one for each key.
    """

    keys: list[bytes]
    inputs: list[Any]


class Started(NamedTuple):
    """A batch under way.

    keys:    of its pictures.
    inputs:  one for each key: a batch that fails is tried again.
    vectors: waits for its vectors.
    """

    keys: list[bytes]
    inputs: list[Any]
    vectors: Callable[[], Floats]


class Embedding:
    """The batches of one run."""

    def __init__(
        self, model: LazyModel, kept: KeptVectors, doubts: Doubts, finished: Callable[[Sequence[bytes], int], None]
    ) -> None:
        """finished: receives the keys of pictures that are done with, and the number of those that failed."""
        self._model = model
        self._kept = kept
        self._doubts = doubts
        self._finished = finished
        self._under_way: list[Started] = []

    def finish(self, picture: Image) -> Made:
        """Do the processor's part, in a reader's thread."""
        return make_early(self._model.loaded, picture)

    def ahead(self) -> int:
        """Count the pictures to hold ready: those of the batch after the running one, and half of one more."""
        size = self._model.batch_size
        return max(WORKERS * 4, size + size // 2)

    def add(self, key: bytes, made: Made, batch: Batch) -> None:
        """Add the model's input for a picture to a batch; not for one that the processor fails on."""
        pipeline = self._model.ready()  # not below: an error of loading is not about a picture
        try:
            value = make(pipeline, made)
        except Exception as err:
            if not may_be_of_a_picture(err):
                raise
            self._doubts.add([Doubt(key, why(err))])
            self._finished([key], 1)
            return
        batch.keys.append(key)
        batch.inputs.append(value)

    def is_full(self, batch: Batch) -> bool:
        """Tell whether a batch is as large as the model likes it."""
        return bool(batch.keys) and self._model.ready().is_full(batch.inputs)

    def start(self, batch: Batch) -> None:
        """Begin a batch. Keep the vectors of earlier batches until no more are under way than the model allows."""
        pipeline = self._model.ready()
        self._under_way.append(Started(*batch, begin(pipeline.start, batch.inputs)))
        self._keep_started(pipeline.in_flight - 1)

    def settle(self) -> None:
        """Keep the vectors of all batches that are under way, also where a reading was abandoned.

        Raises: ModelError if pictures failed, and the probes say that they are not at fault.
        """
        self._keep_started(0)
        self._doubts.judge()

    def _keep_started(self, left: int) -> None:
        while len(self._under_way) > left:
            batch = self._next_finished()
            try:
                self._take(batch)
            except Exception:
                self._keep_finished()
                raise

    def _next_finished(self) -> Started:
        return self._under_way.pop(self._model.ready().first_of([batch.vectors for batch in self._under_way]))

    def _keep_finished(self) -> None:
        """Keep what other devices had finished when an error ended the run."""
        devices = self._model.loaded
        while isinstance(devices, Devices) and devices.has_ended and self._under_way:
            batch = self._next_finished()
            try:
                unit = unit_rows(batch.vectors(), len(batch.keys), self._model.dim)
            except Exception:
                return  # it was not finished, and no other one is: `first_of` chooses finished ones first
            self._kept.keep_usable(batch.keys, unit)

    def _take(self, batch: Started) -> None:
        """Wait for a batch, keep its vectors, and note the pictures that failed alone."""
        attempts = self._model.attempts(batch.vectors)
        tried = try_all(batch.inputs, batch.vectors, attempts)
        self._kept.keep_usable(batch.keys, tried.unit)
        final = attempts.final()
        self._doubts.add(
            Doubt(batch.keys[row], reason, None if row in final else batch.inputs[row])
            for row, reason in sorted(tried.reasons.items())
        )
        self._finished(batch.keys, len(tried.reasons))
