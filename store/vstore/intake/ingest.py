"""Turns files into keys and vectors: reads and decodes ahead, embeds in batches, keeps what is finished."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.disk.cache import read_cache, write_cache
from vstore.disk.catalogue import Batch, Catalogue
from vstore.embed.embedder import Embedder, Pipeline
from vstore.embed.rows import unit_rows, usable
from vstore.errors import ModelError
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum
from vstore.format.recipes import Recipe
from vstore.intake.keeper import Keeper, publish_seal
from vstore.intake.reader import PASSING, WORKERS, Answer, Item, Reader
from vstore.intake.stored_keys import Vectors
from vstore.intake.survey import FAILED, HAS_KEY, KNOWN, TROUBLE, UNKNOWN, Survey
from vstore.packages import FAISS
from vstore.pictures.decoders import decoder_fingerprint
from vstore.pictures.decoding import Facts
from vstore.pictures.failures import PictureFailure
from vstore.pictures.formats import MAX_PIXELS
from vstore.pictures.preparation import preparation_of
from vstore.progress import Progress
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.pictures.isolation import IsolatedDecoder

BATCH = 16  # pictures per call of an embedder that asks for no other number
FACTS = 1024  # facts that wait for the catalogue
_ROUNDS = 3  # times that a picture whose file changes under us is looked for again


class _Plain:
    """An embedder that has no pipeline of its own: it is given pictures as they are, and its vectors are awaited."""

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


class _Made(NamedTuple):
    """What the model is given of a picture; while no model is loaded, the picture itself."""

    is_input: bool
    value: Any


class Ingest:
    """Everything that one run learns of pictures.

    failures: key -> why it has no vector, and whether an earlier run knew. troubles: path -> why it was not read.
    embedded: vectors computed; embed_seconds: wall time of reading and embedding them, without loading the model.
    """

    def __init__(
        self,
        repo: Repository,
        space: str,
        catalogue: Catalogue | None,
        load: Callable[[Recipe], Embedder],
        progress: Progress,
        stop: threading.Event,
        *,
        max_file_size: int,
        max_pixels: int | None,
        command: str,
        isolate: bool = False,
    ) -> None:
        self._repo = repo
        self._space = space
        self._catalogue = catalogue
        self._load = load
        self._progress = progress
        self._stop = stop
        self._command = command
        self._preparation = preparation = preparation_of(repo.recipe(space), max_pixels or MAX_PIXELS)
        self._decoder: str | None = None
        self._pipeline: Pipeline | None = None
        self._dim = 0
        self._under_way: list[tuple[list[bytes], Callable[[], Floats]]] = []
        self._keeper: Keeper | None = None
        self._isolated: IsolatedDecoder | None = None
        if isolate:
            from vstore.pictures.isolation import IsolatedDecoder

            self._isolated = IsolatedDecoder()
        self._reader = Reader(
            repo.hash, preparation, max_file_size, self.wants, self._finish, self._ahead, stop, self._isolated
        )
        self._asking = threading.Lock()
        self._facts: dict[bytes, tuple[int, Facts]] = {}
        self.vectors = Vectors(repo, space, catalogue)
        self.failures: dict[bytes, tuple[PictureFailure, bool]] = {}
        self.troubles: dict[bytes, PictureFailure] = {}
        self.embedded = 0
        self.embed_seconds = 0.0
        self._since = 0.0

    def wants(self, key: bytes) -> bool:
        """Whether a picture must be embedded: it has no vector, and is not known to be unfit."""
        with self._asking:
            if key in self.failures or key in self.vectors:
                return False
            if self._catalogue is not None:
                known = self._catalogue.decode_failure(key, self._fingerprint())
                known = known or self._catalogue.model_failure(self._space, key)
                if known is not None:
                    self.failures[key] = (PictureFailure(*known), True)
                    return False
            return True

    def _fingerprint(self) -> str:
        """What decides whether bytes decode in this run: a worker process has limits of its own."""
        if self._decoder is None:
            self._decoder = decoder_fingerprint(self._preparation) + (" isolated" if self._isolated else "")
        return self._decoder

    def hash(self, survey: Survey) -> None:
        """Read and hash every file that must be read, and decode none."""
        self._run("hash", _unread(survey), survey.unread(), decode=False, pause=None)

    def read_and_embed(self, survey: Survey, pause: Callable[[], None]) -> None:
        """Read every file that must be read, once, and embed it on the way. `pause` is called between batches."""
        self._run("read and embed", _unread(survey), survey.unread(), decode=True, pause=pause)

    def embed_rest(self, survey: Survey, pause: Callable[[], None]) -> None:
        """Embed the pictures whose key is known but whose vector is not: they are read and hashed a second time.

        A file may have changed since it was hashed, or met what may pass, and then another one of the same bytes is
        asked. In the end every key that the survey names has a vector or a failure, unless the run was asked to stop.
        """
        for _ in range(_ROUNDS):
            items = list(self._without_vector(survey))
            if not items or self._stop.is_set():
                return
            self._run("embed", iter(items), len(items), decode=True, pause=pause)
        failure = PictureFailure("io", "it could not be read twice alike")
        while not self._stop.is_set() and (items := list(self._without_vector(survey))):
            for item in items:
                self._take(Answer(item, TROUBLE, failure=failure))

    def _without_vector(self, survey: Survey) -> Iterator[Item]:
        """One file for each key without a vector."""
        asked: set[bytes] = set()
        for chunk in survey.chunks:
            found: set[int] = set()
            for number, state in enumerate(chunk.states):
                if state in HAS_KEY and not chunk.stored[number]:
                    key = chunk.key(number)
                    if key not in asked and self.wants(key):
                        asked.add(key)
                        found.add(number)
            for number, path, file in chunk.files() if found else ():
                if number in found:
                    yield Item(chunk, number, path, file)

    def _run(
        self, stage: str, items: Iterator[Item], total: int, *, decode: bool, pause: Callable[[], None] | None
    ) -> None:
        if not total:
            return
        self._progress.stage(stage, total)
        self._since = time.perf_counter()
        keys: list[bytes] = []
        inputs: list[Any] = []
        with closing(self._reader.answers(items, decode=decode)) as answers:
            for answer in answers:
                self._take(answer)
                if answer.key is not None and answer.made is not None:
                    pipeline = self._ready()
                    keys.append(answer.key)
                    inputs.append(answer.made.value if answer.made.is_input else pipeline.prepare(answer.made.value))
                    if pipeline.is_full(inputs):
                        self._start(keys, inputs)
                        keys, inputs = [], []
                        if pause is not None:
                            pause()
                self._progress.advance()
        if keys:
            self._start(keys, inputs)
        self.settle()

    def _finish(self, picture: Image) -> _Made:
        """The processor's part, in a reader's thread: the model's own thread has the model to run."""
        pipeline = self._pipeline
        return _Made(False, picture) if pipeline is None else _Made(True, pipeline.prepare(picture))

    def _ahead(self) -> int:
        """Pictures to hold ready: while the model runs one batch the next is made, and half of one more as slack."""
        size = BATCH if self._pipeline is None else self._pipeline.batch_size
        return max(WORKERS * 4, size + size // 2)

    def _take(self, answer: Answer) -> None:
        item, failure = answer.item, answer.failure
        item.chunk.put(item.number, answer.state, answer.key)
        if failure is not None and (answer.key is None or failure.kind in PASSING):
            self.troubles[item.path] = failure
            if answer.key is not None:
                item.chunk.put(item.number, TROUBLE)
        elif failure is not None and answer.key is not None:
            self.failures[answer.key] = (failure, False)
        if answer.key is not None and answer.facts is not None:
            self._facts[answer.key] = (answer.size, answer.facts)
            if len(self._facts) >= FACTS and self._catalogue is not None:
                with self._catalogue.batch() as batch:
                    self._put_facts(batch)

    def _start(self, keys: list[bytes], inputs: list[Any]) -> None:
        """Begin a batch, and keep what the batches before it gave, as far as not so many may be under way."""
        pipeline = self._ready()
        self._under_way.append((keys, pipeline.start(inputs)))
        self._keep_started(pipeline.in_flight - 1)

    def settle(self) -> None:
        """Keep what the batches give that are under way still, where a reading was abandoned."""
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
                self.failures[key] = (PictureFailure("model", "the model gave no usable vector for it"), False)
        keys = [key for key, fine in zip(batch, good, strict=True) if fine]
        if keys:
            keeper.keep(keys, unit[good])
            self.vectors.add(keys)
            self._reader.let_go(keys)
            self.embedded += len(keys)
            now = time.perf_counter()
            self.embed_seconds += now - self._since
            self._since = now
        if keeper.is_due:
            refs = keeper.write()
            publish_seal(self._repo, self._command, self._space, refs)
            keeper.listed()

    def _ready(self) -> Pipeline:
        if self._pipeline is None:
            from vstore.disk.segments import faiss_module

            began = time.perf_counter()
            faiss_module()  # a broken one is met before the first vector is computed, not after the last
            embedder = self._load(self._repo.recipe(self._space))
            self._pipeline = embedder if isinstance(embedder, Pipeline) else _Plain(embedder)
            dim = self._repo.state.spaces[self._space].dim
            if embedder.dim != dim:
                raise ModelError(
                    f"the model gives vectors of {embedder.dim} numbers, its space here has {dim}",
                    "use the model that the space was made with",
                )
            self._dim = dim
            self._since += time.perf_counter() - began  # paid once, however many pictures there are
        return self._pipeline

    @property
    def has_news(self) -> bool:
        """Whether there is something that the catalogue does not know yet."""
        return bool(self._facts or self.embedded or any(not known for _, known in self.failures.values()))

    def write_rest(self) -> list[FileRef]:
        """Write what the journal holds as a segment that no record lists yet."""
        return self._keeper.write() if self._keeper else []

    def listed(self) -> None:
        if self._keeper:
            self._keeper.listed()

    def close(self) -> None:
        if self._pipeline:
            self._pipeline.close()  # first: processes must not outlive a run whose disk fails
        if self._isolated:
            self._isolated.close()
        if self._keeper:
            self._keeper.close()

    def put(self, batch: Batch) -> None:
        """Write what was learnt of pictures, good and bad, to the catalogue. What may pass is not remembered."""
        self._put_facts(batch)
        for key, (failure, known) in self.failures.items():
            if known or failure.kind in PASSING:
                continue
            if failure.kind == "model":
                batch.put_model_failure(self._space, key, failure.kind, failure.reason)
            else:
                batch.put_decode_failure(key, self._fingerprint(), failure.kind, failure.reason)

    def _put_facts(self, batch: Batch) -> None:
        for key, (size, facts) in self._facts.items():
            batch.put_facts(key, size, facts.format, facts.width, facts.height)
        self._facts.clear()


def _unread(survey: Survey) -> Iterator[Item]:
    for chunk in survey.chunks:
        if UNKNOWN in chunk.states:
            for number, path, file in chunk.files():
                if chunk.states[number] == UNKNOWN:
                    yield Item(chunk, number, path, file)


def mark_failed(survey: Survey, ingest: Ingest) -> None:
    """Note in the survey which files are known not to decode, and which are so no longer."""
    for chunk in survey.chunks:
        for number in range(len(chunk.states)):
            if chunk.states[number] in (KNOWN, FAILED):
                chunk.states[number] = FAILED if chunk.key(number) in ingest.failures else KNOWN


def check_faiss(cache: Path) -> None:
    """Find out before the scan whether faiss is there and whole.

    Importing it would cost a sync without news more than all else, so it is tried once per installation.
    Raises: MissingPackage; an uninstalled twin leaves an empty namespace, which is as good as none.
    """
    try:
        spec = importlib.util.find_spec("faiss")
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise FAISS.missing(
            "faiss is not installed" if spec is None else "faiss is broken: only an empty folder is left of it"
        )
    made = os.stat(spec.origin)
    installation = f"{sys.version} {spec.origin} {made.st_mtime_ns} {made.st_ino}"
    name = f"faiss-{checksum(installation.encode()).hex()}"
    if read_cache(cache, name) is not None:
        return
    from vstore.disk.segments import faiss_module

    faiss_module()
    write_cache(cache, name, b"")
