"""Turns the files of a survey into keys and vectors: reads and decodes ahead, embeds in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from typing import TYPE_CHECKING

from vstore.disk.catalogue import Catalogue
from vstore.disk.facts import Batch
from vstore.format.delta import Change, Edit
from vstore.format.entries import FileRef
from vstore.format.recipes import Recipe
from vstore.format.tree import Tree, keys_at
from vstore.intake.copied_vectors import CopiedVectors
from vstore.intake.cut_pictures import CutPictures
from vstore.intake.kept_vectors import KeptVectors
from vstore.intake.known_pictures import KnownPictures
from vstore.intake.lazy_model import LazyModel
from vstore.intake.new_facts import NewFacts
from vstore.intake.prepared_pixels import PreparedPixels
from vstore.intake.stored_keys import Vectors
from vstore.intake.survey import TROUBLE, Item, Survey
from vstore.pictures.failures import PASSING, PictureFailure
from vstore.pictures.formats import MAX_PIXELS
from vstore.pictures.preparation import preparation_of
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.stop import finishing

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder
    from vstore.format.facts import Fact
    from vstore.intake.embedding import Batch as ModelBatch
    from vstore.intake.embedding import Embedding
    from vstore.intake.reader import Answer, Reader
    from vstore.pictures.isolation import IsolatedDecoder

_ROUNDS = 3  # times that a picture is looked for whose file changes under us


class Ingest:
    """The embedding of one run, in one space."""

    def __init__(
        self,
        repo: Repository,
        space: str,
        catalogue: Catalogue | None,
        *,
        load: Callable[[Recipe], Embedder],
        stages: Stages,
        stop: threading.Event,
        max_file_size: int,
        max_pixels: int | None,
        command: str,
        isolate: bool = False,
        machine: Callable[[Recipe], str] = lambda recipe: "",
        sees_pixels_alone: Callable[[Recipe], bool] = lambda recipe: False,
        retry_failed: bool = False,
        least: Mapping[str, int] | None = None,
    ) -> None:
        """
        load:              loads the model of a recipe, once a picture needs it.
        stages:            of the run.
        stop:              set by another thread, ends the run after the batch at hand.
        max_file_size:     larger files are not read.
        max_pixels:        larger pictures are not decoded.
        command:           the running command, for its records.
        isolate:           decode in other processes.
        machine:           names what is known of the machine before the model of a recipe is loaded there.
        sees_pixels_alone: tells whether equal prepared pixels get equal vectors from the model of a recipe.
        retry_failed:      try every picture again that an earlier run remembers as failed.
        least:             label -> percent of its lines that a picture must have if its file is cut; the folders that
                           are not named take no such picture.
        """
        self._stages = stages
        self._sizes: dict[bytes, int] = {}  # of the files whose pictures are being embedded, by key
        self._stop = stop
        recipe = repo.recipe(space)
        self._preparation = preparation_of(recipe, max_pixels or MAX_PIXELS)
        self._recipe = recipe
        self._sees_pixels_alone = sees_pixels_alone
        self._decoder: str | None = None
        self._isolated = _isolated_decoder() if isolate else None
        self.vectors = Vectors(repo, space, catalogue)
        self._pixels = PreparedPixels(repo, recipe)
        self._facts = NewFacts(repo, self._pixels)
        self.cut = CutPictures(repo, least or {}, command)
        self._copied = CopiedVectors(repo, space, self.vectors, self._pixels)
        self._pictures = KnownPictures(
            space,
            catalogue,
            self.vectors,
            fingerprint=self._fingerprint,
            machine=lambda: machine(recipe),
            retry_failed=retry_failed,
        )
        self._model = LazyModel(repo, space, lambda: self._loaded(load), self._pictures.loaded, stages=stages)
        self._kept = KeptVectors(
            repo,
            space,
            self._pictures,
            stored=lambda keys: self._reader.let_go(keys),
            facts=lambda keys: self._facts.unlisted(keys),
            listed=self._facts.listed,
            command=command,
            # Loading is paid once, however many pictures there are.
            clock=lambda: time.perf_counter() - self._model.seconds,
        )
        self._repo = repo
        self._hash = repo.hash
        self._max_file_size = max_file_size

    # A run without news reads and embeds nothing, and pays for every import.

    @cached_property
    def _embedding(self) -> Embedding:
        from vstore.intake.doubts import Doubts
        from vstore.intake.embedding import Embedding

        doubts = Doubts(self._model, self._kept, self._pictures)
        return Embedding(self._model, self._kept, doubts, self._finish)

    @cached_property
    def _reader(self) -> Reader:
        from vstore.intake.reader import Reader

        return Reader(
            self._hash,
            self._preparation,
            max_size=self._max_file_size,
            stop=self._stop,
            wants=self._pictures.wants,
            finish=self._embedding.finish,
            look=self._pixels.look,
            about=self._facts.read,
            least=self.cut.least,
            ahead=self._embedding.ahead,
            isolated=self._isolated,
            stages=self._stages,
        )

    def _fingerprint(self) -> str:
        """Name the decoding policy of this run: a worker process has limits of its own."""
        if self._decoder is None:
            from vstore.pictures.decoders import decoder_fingerprint  # a run that reads nothing saves its import

            isolated = " isolated" if self._isolated else ""
            self._decoder = decoder_fingerprint(self._preparation) + self.cut.word + isolated
        return self._decoder

    # The pictures, as far as they are known

    @property
    def failures(self) -> dict[bytes, tuple[PictureFailure, bool]]:
        """Of each key without a vector: the reason, and whether an earlier run knew it."""
        return self._pictures.failures

    @property
    def troubles(self) -> dict[bytes, PictureFailure]:
        """The reason, by unread path."""
        return self._pictures.troubles

    @property
    def tried_again(self) -> Collection[bytes]:
        """The keys with a failure that an earlier run remembers, and that this one does not take for granted."""
        return self._pictures.again

    @property
    def embedded(self) -> int:
        """The number of vectors computed."""
        return self._kept.count

    @property
    def embed_seconds(self) -> float:
        """The wall time of reading pictures and embedding them, without loading the model."""
        return self._kept.seconds

    @property
    def has_news(self) -> bool:
        """True if the catalogue lacks something learnt."""
        return self._pictures.has_news or bool(self.embedded)

    def wants(self, key: bytes) -> bool:
        """Tell whether a picture must be embedded: it has no vector, and does not fail."""
        return self._pictures.wants(key)

    def forget_troubles(self) -> None:
        """Forget the unread files: they will be tried again."""
        self._pictures.troubles.clear()

    # Reading and embedding

    def hash(self, survey: Survey) -> None:
        """Read and hash every unread file, and decode none."""
        if total := survey.unread_count():
            self._begin("reading", total, survey.unread_size)
            self._run(survey, survey.unread(), decode=False, pause=None)

    def read_and_embed(self, survey: Survey, base: Tree, pause: Callable[[], None]) -> None:
        """Read every unread file once, and embed its picture on the way.

        base:  the aliases before.
        pause: called between batches.
        """
        if total := survey.unread_count():
            self._expect(survey.unread(), base)
            self._begin("embedding", total, survey.unread_size)
            self._run(survey, survey.unread(), decode=True, pause=pause)

    def embed_rest(self, survey: Survey, base: Tree, pause: Callable[[], None]) -> None:
        """Embed the pictures with a known key and no vector: they are read and hashed a second time.

        If a file has changed since it was hashed, or cannot be read, another one of the same bytes is tried. In
        the end every key of the survey has a vector or a failure, unless the run was asked to stop.
        """
        self._pictures.try_again(self.cut.to_try_again(survey))
        for _ in range(_ROUNDS):
            items = list(survey.unembedded(self.wants))
            if not items or self._stop.is_set():
                return
            self._expect(items, base)
            self._begin("embedding", len(items), partial(_size_of, items))
            self._run(survey, iter(items), decode=True, pause=pause)
        from vstore.intake.reader import Answer

        failure = PictureFailure("io", "it kept changing while it was read")
        while not self._stop.is_set() and (items := list(survey.unembedded(self.wants))):
            for item in items:
                self._take(survey, Answer(item, TROUBLE, failure=failure))

    def _begin(self, stage: str, total: int, size: Callable[[], int]) -> None:
        """Begin a stage. size: adds up the bytes of its files, which takes a moment."""
        self._stages.begin(stage, total, size=size() if self._stages.is_heard else None)

    def _run(self, survey: Survey, items: Iterator[Item], *, decode: bool, pause: Callable[[], None] | None) -> None:
        from vstore.intake.embedding import Batch as ModelBatch

        self._kept.begin()
        batch = ModelBatch([], [])
        with closing(self._reader.answers(items, decode=decode)) as answers:
            for answer in answers:
                if self._stop.is_set() and self._model.loaded is None:
                    break  # nobody waits for a model whose vectors nobody wants
                self._take(survey, answer)
                size = answer.item.file.size
                if answer.key is not None and answer.made is not None and not self._copies(answer):
                    self._sizes[answer.key] = size
                    self._embedding.add(answer.key, answer.made, batch)
                    if self._embedding.is_full(batch):
                        self._start(batch)
                        batch = ModelBatch([], [])
                        if pause is not None:
                            pause()
                else:
                    self._stages.advance(1, size, failed=answer.failure is not None)
        if batch.keys and not self._stop.is_set():
            self._start(batch)
        self.settle()

    def _loaded(self, load: Callable[[Recipe], Embedder]) -> Embedder:
        from vstore.packages import faiss_module

        with finishing(self._stop, ""):  # no batch waits for it: whoever ends the run then loses nothing
            faiss_module()  # a broken one must fail before the first vector is computed, not after the last
            return load(self._recipe)

    def _start(self, batch: ModelBatch) -> None:
        self.cut.mark()
        self._embedding.start(batch)

    def _finish(self, keys: Sequence[bytes], failed: int) -> None:
        """Count pictures that are done with."""
        self._stages.advance(len(keys), sum(self._sizes.pop(key, 0) for key in keys), failed=failed)

    def _take(self, survey: Survey, answer: Answer) -> None:
        item, failure, state = answer.item, answer.failure, answer.state
        if failure is not None and (answer.key is None or failure.kind in PASSING):
            self._pictures.troubles[item.path] = failure
            state = TROUBLE if answer.key is not None else state
        elif failure is not None and answer.key is not None:
            self._pictures.fail(answer.key, failure)
            self.cut.failed(item.path, answer.key, failure)
        survey.learn(item, state, answer.key)
        if answer.key is not None and answer.facts is not None:
            self._pictures.add_facts(answer.key, answer.size, answer.facts)
            if answer.facts.cut is not None:
                self.cut.learn(item.path, answer.key, answer.facts.cut)
            if answer.about is not None:
                self._facts.learn(answer.key, answer.about)

    def _copies(self, answer: Answer) -> bool:
        """Take note of a picture's pixels. Returns: True if it takes the vector of one with the same, unembedded."""
        key, seen = answer.key, answer.look
        if key is None or seen is None:
            return False
        self._pixels.learn(key, seen)
        if not self._copied.take(answer.item.path, key, seen.digest):
            return False
        self._reader.let_go([key])
        return True

    def _expect(self, items: Iterable[Item], base: Tree) -> None:
        """Before reading files: find the pictures that they were, and the digests of the pixels of these.

        Raises: Damage, FileNotFoundError.
        """
        if self._pixels.are_kept and base.leaves and self._sees_pixels_alone(self._recipe):
            self._copied.expect(keys_at(base, (item.path for item in items)))

    def same_pixels(self, changes: Iterable[Change]) -> list[Edit]:
        """Choose the changes of paths whose pictures before and after have the same prepared pixels.

        Raises: Damage, FileNotFoundError.
        """
        return self._pixels.same(changes)

    def copied_of(self, key: bytes) -> bytes | None:
        """Tell whose vector this run copied for a picture; None if it copied none."""
        return self._copied.source(key)

    @property
    def missed_digests(self) -> bool:
        """True if a picture was embedded that may be an edited one, as the digest of the pixels before is missing."""
        return self._copied.missed > 0

    def heirs(self, keys: Collection[bytes]) -> list[bytes]:
        """List the pictures for which this run copied the vector of one of these."""
        return self._copied.heirs(keys)

    def is_embedded(self, key: bytes) -> bool:
        """Tell whether this run computed the vector of a picture."""
        return key in self.vectors and self.copied_of(key) is None and not self.vectors.stored(key)

    def settle(self) -> None:
        """Keep the vectors of all batches under way, even if a reading was abandoned."""
        if "_embedding" in vars(self):
            self._embedding.settle()

    def review_failures(self, survey: Survey) -> None:
        """Tell the survey the pictures without a vector. Earlier failures are checked again."""
        for key in survey.failed_keys():
            self.wants(key)
        survey.learn_failures(self.failures)

    def read_headers(self, survey: Survey, keys: Iterable[bytes]) -> None:
        """Read the headers of pictures with an older vector and no facts. Raises: Damage, FileNotFoundError."""
        older = [key for key in keys if self.vectors.stored(key)] if self._facts.are_kept else ()
        if older:
            from vstore.intake.older_vectors import headers_of_older  # most runs meet none

            for key, header in headers_of_older(self._repo, survey, older, self._stages, self._stop):
                self._facts.learn(key, header.about)

    # Keeping

    def write_rest(self) -> list[FileRef]:
        """Write the unsealed vectors as segments, to be listed by the next record."""
        self.cut.mark()
        return [*self._kept.write_rest(), *self._copied.write()]

    def new_facts(self) -> Sequence[Fact]:
        """List the facts learnt of pictures with a vector, to be listed by the next record."""
        return self._facts.unlisted(self.vectors)

    def listed(self, facts: Sequence[Fact]) -> None:
        """Remove the journals whose segments a record lists now. facts: those that it lists."""
        self._kept.listed()
        self._facts.listed(facts)

    def put(self, batch: Batch) -> None:
        """Write the facts learnt of pictures, good and bad, to the catalogue."""
        self._pictures.put(batch)

    def close(self) -> None:
        """End the model and its processes, then leave unsealed vectors to the next run."""
        self._model.close()
        if self._isolated:
            self._isolated.close()
        self._kept.close()


def _size_of(items: Iterable[Item]) -> int:
    return sum(item.file.size for item in items)


def _isolated_decoder() -> IsolatedDecoder:
    from vstore.pictures.isolation import IsolatedDecoder

    return IsolatedDecoder()
