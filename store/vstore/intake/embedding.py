"""The model's side of an ingest: batches under way, and the journal of their vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.embed.embedder import Embedder, Pipeline
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


class Made(NamedTuple):
    """A decoded picture, on its way to the model.

    is_input: the value is an input of the model; while no model is loaded, it is the picture itself.
    """

    is_input: bool
    value: Any


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
        self._dim = 0
        self._under_way: list[tuple[list[bytes], Callable[[], Floats]]] = []
        self._keeper: Keeper | None = None
        self._since = 0.0

    def begin(self) -> None:
        """Start the clock of a reading."""
        self._since = time.perf_counter()

    def finish(self, picture: Image) -> Made:
        """Do the processor's part, in a reader's thread: the model's own thread has the model to run."""
        pipeline = self._pipeline
        return Made(False, picture) if pipeline is None else Made(True, pipeline.prepare(picture))

    def ahead(self) -> int:
        """Count the pictures to hold ready: those of the batch after the running one, and half of one more."""
        size = BATCH if self._pipeline is None else self._pipeline.batch_size
        return max(WORKERS * 4, size + size // 2)

    def input_of(self, made: Made) -> Any:
        """Return the model's input for a picture."""
        return made.value if made.is_input else self._ready().prepare(made.value)

    def is_full(self, inputs: Sequence[Any]) -> bool:
        """Tell whether these inputs are a batch."""
        return self._ready().is_full(inputs)

    def start(self, keys: list[bytes], inputs: list[Any]) -> None:
        """Begin a batch. Keep the vectors of earlier batches until no more are under way than the model allows."""
        pipeline = self._ready()
        self._under_way.append((keys, pipeline.start(inputs)))
        self._keep_started(pipeline.in_flight - 1)

    def settle(self) -> None:
        """Keep the vectors of all batches that are under way, also where a reading was abandoned."""
        self._keep_started(0)

    def _keep_started(self, left: int) -> None:
        while len(self._under_way) > left:
            first = self._ready().first_of([vectors for _, vectors in self._under_way])
            keys, vectors = self._under_way.pop(first)
            self._keep(keys, vectors())

    def _keep(self, batch: list[bytes], rows: Floats) -> None:
        if self._keeper is None:
            self._keeper = Keeper(self._repo, self._space, self._dim)
        keeper = self._keeper
        unit = unit_rows(rows, len(batch), self._dim)
        good = usable(unit)
        for key, fine in zip(batch, good, strict=True):
            if not fine:
                self._pictures.fail(key, PictureFailure("model", "the model gave no usable vector for it"))
        keys = [key for key, fine in zip(batch, good, strict=True) if fine]
        if keys:
            keeper.keep(keys, unit[good])
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

            began = time.perf_counter()
            faiss_module()  # a broken one must fail before the first vector is computed, not after the last
            embedder = self._load()
            self._pipeline = embedder if isinstance(embedder, Pipeline) else _Plain(embedder)
            dim = self._repo.state.spaces[self._space].dim
            require_width(embedder.dim, dim)
            self._dim = dim
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
