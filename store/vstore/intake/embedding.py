"""The model's side of an ingest: batches under way, and the journal of their vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.embed.careful import Attempts, begin, failed_on, may_be_of_a_picture, try_all, why
from vstore.embed.embedder import Devices, Embedder, Pipeline
from vstore.embed.rows import require_width, unit_rows, usable
from vstore.format.entries import FileRef
from vstore.intake.keeper import Keeper, publish_seal
from vstore.intake.known_pictures import KnownPictures
from vstore.intake.reader import WORKERS
from vstore.pictures.failures import PictureFailure
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats

BATCH = 16  # pictures per call of an embedder that asks for no other number
DOUBTS = 8  # pictures that failed alone, until the probes are asked: they cost as much as one picture each


class Made(NamedTuple):
    """A decoded picture, on its way to the model.

    is_input: the value is an input of the model; while no model is loaded, it is the picture itself.
    attempts: how often the processor may be tried on the picture.
    """

    is_input: bool
    value: Any
    attempts: int = 2


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


class Doubt(NamedTuple):
    """A picture that failed alone: it or the device is at fault.

    key:    of the picture.
    reason: what the model did to it.
    input:  of the model; None where another attempt has no sense.
    """

    key: bytes
    reason: str
    input: Any = None


class Embedding:
    """The vectors of one run. The model is loaded when the first picture needs it.

    embedded: vectors computed.
    seconds:  wall time of reading pictures and embedding them, without loading the model.
    """

    def __init__(
        self,
        repo: Repository,
        space: str,
        pictures: KnownPictures,
        *,
        load: Callable[[], Embedder],
        stored: Callable[[list[bytes]], None],
        command: str,
    ) -> None:
        """
        load:    loads the model of the space.
        stored:  receives the keys of each batch whose vectors are in the journal.
        command: the one that is running, for its records.
        """
        self.embedded = 0
        self.seconds = 0.0
        self._repo = repo
        self._space = space
        self._pictures = pictures
        self._load = load
        self._stored = stored
        self._command = command
        self._pipeline: Pipeline | None = None
        self._prove: Callable[[str], bool] = _nothing_to_prove
        self._dim = 0
        self._under_way: list[Started] = []
        self._doubts: list[Doubt] = []
        self._keeper: Keeper | None = None
        self._since = 0.0

    def begin(self) -> None:
        """Start the clock of a reading."""
        self._since = time.perf_counter()

    def finish(self, picture: Image) -> Made:
        """Do the processor's part, in a reader's thread: the model's own thread has the model to run."""
        pipeline = self._pipeline
        if pipeline is None:
            return Made(False, picture)
        try:
            return Made(True, pipeline.prepare(picture))
        except Exception as err:
            if not may_be_of_a_picture(err):
                raise
            return Made(False, picture, 1)  # once more, alone: some processors fail beside other threads

    def ahead(self) -> int:
        """Count the pictures to hold ready: those of the batch after the running one, and half of one more."""
        size = BATCH if self._pipeline is None else self._pipeline.batch_size
        return max(WORKERS * 4, size + size // 2)

    def add(self, key: bytes, made: Made, batch: Batch) -> None:
        """Add the model's input for a picture to a batch; not for one that the processor fails on."""
        value = made.value
        if not made.is_input:
            pipeline = self._ready()  # not below: an error of loading is not about a picture
            try:
                value = _prepared(pipeline, made)
            except Exception as err:
                if not may_be_of_a_picture(err):
                    raise
                self._doubt([Doubt(key, why(err))])
                return
        batch.keys.append(key)
        batch.inputs.append(value)

    def is_full(self, batch: Batch) -> bool:
        """Tell whether a batch is as large as the model likes it."""
        return bool(batch.keys) and self._ready().is_full(batch.inputs)

    def start(self, batch: Batch) -> None:
        """Begin a batch. Keep the vectors of earlier batches until no more are under way than the model allows."""
        pipeline = self._ready()
        self._under_way.append(Started(*batch, begin(pipeline.start, batch.inputs)))
        self._keep_started(pipeline.in_flight - 1)

    def settle(self) -> None:
        """Keep the vectors of all batches that are under way, also where a reading was abandoned.

        Raises: ModelError if pictures failed, and the probes say that they are not at fault.
        """
        self._keep_started(0)
        self._judge()

    def _keep_started(self, left: int) -> None:
        while len(self._under_way) > left:
            batch = self._next_finished()
            try:
                self._take(batch)
            except Exception:
                self._keep_finished()
                raise

    def _next_finished(self) -> Started:
        return self._under_way.pop(self._ready().first_of([batch.vectors for batch in self._under_way]))

    def _keep_finished(self) -> None:
        """Keep what other devices had finished when an error ended the run."""
        devices = self._pipeline
        while isinstance(devices, Devices) and devices.has_ended and self._under_way:
            batch = self._next_finished()
            try:
                unit = unit_rows(batch.vectors(), len(batch.keys), self._dim)
            except Exception:
                return  # it was not finished, and no other one is: `first_of` chooses finished ones first
            self._keep_good(batch.keys, unit)

    def _take(self, batch: Started) -> None:
        """Wait for a batch, keep its vectors, and note the pictures that failed alone."""
        attempts = self._attempts(batch.vectors)
        tried = try_all(batch.inputs, batch.vectors, attempts)
        self._keep_good(batch.keys, tried.unit)
        final = attempts.final()
        self._doubt(
            [
                Doubt(batch.keys[row], reason, None if row in final else batch.inputs[row])
                for row, reason in sorted(tried.reasons.items())
            ]
        )

    def _attempts(self, before: Callable[[], Floats] | None = None) -> Attempts:
        """Name the ways to try pictures again. before: their batch, if they are tried on another device now."""
        pipeline = self._ready()
        if not isinstance(pipeline, Devices):
            return Attempts(self._dim, pipeline.start, self._prove)
        devices, ended = pipeline, lambda: devices.has_ended
        if before is None:
            return Attempts(self._dim, pipeline.start, self._prove, ended=ended)
        return Attempts(
            self._dim,
            lambda inputs: devices.elsewhere(inputs, before),
            self._prove,
            final=lambda: devices.killers(before),
            ended=ended,
        )

    def _doubt(self, doubts: list[Doubt]) -> None:
        self._doubts += doubts
        if len(self._doubts) >= DOUBTS:
            self._judge()

    def _judge(self) -> None:
        """Decide whether pictures that failed alone are at fault, or the model.

        Raises: ModelError if it is the model: no failure of these pictures is remembered.
        """
        doubts, self._doubts = self._doubts, []
        while doubts and self._prove(failed_on(doubt.reason for doubt in doubts)):
            # One device less, and it may be the one on which they failed.
            doubts = [again for doubt in doubts if (again := self._once_more(doubt)) is not None]
        for doubt in doubts:
            self._pictures.fail(doubt.key, PictureFailure("model", doubt.reason))

    def _once_more(self, doubt: Doubt) -> Doubt | None:
        """Try a picture on the devices that are left. Returns: the doubt, if there is one still."""
        if doubt.input is None:
            return doubt
        attempts = self._attempts()
        tried = try_all([doubt.input], begin(attempts.again, [doubt.input]), attempts)
        if tried.reasons:
            return doubt._replace(reason=tried.reasons[0])
        self._keep([doubt.key], tried.unit)
        return None

    def _keep_good(self, keys: list[bytes], unit: Floats) -> None:
        """Keep the rows that are vectors."""
        good = usable(unit)
        some = [key for key, fine in zip(keys, good, strict=True) if fine]
        if some:
            self._keep(some, unit[good])

    def _keep(self, keys: list[bytes], unit: Floats) -> None:
        if self._keeper is None:
            self._keeper = Keeper(self._repo, self._space, self._dim)
        keeper = self._keeper
        keeper.keep(keys, unit)
        self._pictures.vectors.add(keys)
        self._stored(keys)
        self.embedded += len(keys)
        now = time.perf_counter()
        self.seconds += now - self._since
        self._since = now
        if keeper.is_due:
            refs = keeper.write()
            publish_seal(self._repo, self._command, self._space, refs)
            keeper.listed()

    def _ready(self) -> Pipeline:
        if self._pipeline is None:
            from vstore.packages import faiss_module
            from vstore.repository.health import prover
            from vstore.repository.proof import environment_of

            began = time.perf_counter()
            faiss_module()  # a broken one must fail before the first vector is computed, not after the last
            embedder = self._load()
            space = self._repo.state.spaces[self._space]
            self._pipeline = embedder if isinstance(embedder, Pipeline) else _Plain(embedder)
            self._prove = embedder.prove if isinstance(embedder, Devices) else prover(self._repo, space, embedder)
            require_width(embedder.dim, space.dim)
            self._dim = space.dim
            self._pictures.loaded(environment_of(embedder))
            self._since += time.perf_counter() - began  # paid once, however many pictures there are
        return self._pipeline

    def write_rest(self) -> list[FileRef]:
        """Write the unsealed vectors as a segment, to be listed by the next record."""
        return self._keeper.write() if self._keeper else []

    def listed(self) -> None:
        """Remove the journals whose segments a record lists now."""
        if self._keeper:
            self._keeper.listed()

    def end_model(self) -> None:
        """Give back what the model holds: its processes must not outlive a run whose disk fails."""
        if self._pipeline:
            self._pipeline.close()

    def close(self) -> None:
        """Leave unsealed vectors where the next run finds them."""
        if self._keeper:
            self._keeper.close()


def _prepared(pipeline: Pipeline, made: Made) -> Any:
    """Turn a picture into an input of the model. Raises: what the processor raises in the last attempt."""
    for _ in range(made.attempts - 1):
        try:
            return pipeline.prepare(made.value)
        except Exception as err:
            if not may_be_of_a_picture(err):
                raise
    return pipeline.prepare(made.value)


def _nothing_to_prove(met: str) -> bool:
    raise AssertionError(met)  # no picture fails before a model is loaded


class _Plain:
    """A pipeline over an embedder that has none: it takes pictures as they are, and its vectors are awaited."""

    batch_size = BATCH
    in_flight = 1

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def prepare(self, picture: Image) -> Image:
        return picture

    def is_full(self, inputs: Sequence[Image]) -> bool:
        return len(inputs) >= BATCH

    def start(self, inputs: Sequence[Image]) -> Callable[[], Floats]:
        rows = self._embedder.embed_images(inputs)
        return lambda: rows

    def first_of(self, started: Sequence[Callable[[], Floats]]) -> int:
        return 0

    def close(self) -> None:
        pass
