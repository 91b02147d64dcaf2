"""Embeds the pictures of a program: read, prepared and embedded as those of a space, a few in memory at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sized
from typing import TYPE_CHECKING, NamedTuple

from vstore.embed.embedder import Embedder
from vstore.errors import ModelError
from vstore.format.recipes import Recipe
from vstore.intake.reader import WORKERS
from vstore.pictures.failures import PictureFailure
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.search.wanted import is_picture
from vstore.vectors.given import AnyPicture, file_of, given_pictures, is_name, size_of
from vstore.vectors.known_rows import KnownRows
from vstore.vectors.report import Embedded

if TYPE_CHECKING:
    from concurrent.futures import Future

    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.format.entries import Space
    from vstore.pictures.preparation import Preparation

BATCH = 32  # pictures embedded at once
_AHEAD = 2 * BATCH  # pictures read and prepared, or being so
_HELD = 256 << 20  # bytes of pictures that were given and are not prepared yet, from which on none is asked for


def embed(
    repo: Repository,
    pictures: Iterable[AnyPicture] | AnyPicture,
    space: str | None,
    *,
    load: Callable[[Recipe], Embedder],
    stages: Stages,
) -> Embedded:
    """Give the vectors of pictures in a space; None is the current one.

    load:   loads the embedder, if a picture is not known.
    Raises: UsageError, ModelError, MissingPackage, Untrusted, Damage.
    """
    of = repo.space(space or repo.state.current_space or "")
    known = repo.reading(lambda: KnownRows(repo, of.id))
    count = len(pictures) if isinstance(pictures, Sized) and not isinstance(pictures, (str, bytes, bytearray)) else None
    stages.begin("embedding", count, unit="pictures")
    return _Embedding(repo, of, known, load, stages).run(pictures)


class _Ready(NamedTuple):
    """One picture, as far as threads bring it.

    row:     its stored vector.
    picture: prepared, where it has none.
    reason:  why it has neither.
    """

    row: Floats | None = None
    picture: Image | None = None
    reason: str = ""


class _Embedding:
    """One run over some pictures."""

    def __init__(
        self, repo: Repository, space: Space, known: KnownRows, load: Callable[[Recipe], Embedder], stages: Stages
    ) -> None:
        self._repo = repo
        self._space = space
        self._known = known
        self._load = load
        self._stages = stages
        self._embedder: Embedder | None = None
        self._rows: list[Floats | None] = []
        self._failures: dict[int, str] = {}
        self._batch: list[tuple[int, Image]] = []
        self._unready: ModelError | None = None  # raised when a picture is not known
        self._preparation: Preparation | None = None
        try:
            from vstore.pictures.preparation import preparation_of

            self._preparation = preparation_of(repo.recipe(space.id))
        except ModelError as err:
            self._unready = err

    def run(self, pictures: Iterable[AnyPicture] | AnyPicture) -> Embedded:
        from concurrent.futures import ThreadPoolExecutor

        rest = given_pictures(pictures)
        waiting: deque[tuple[Future[_Ready], int]] = deque()

        def has_room() -> bool:
            return len(waiting) < _AHEAD and sum(size for future, size in waiting if not future.done()) < _HELD

        with ThreadPoolExecutor(WORKERS, "vstore-embed") as pool:
            try:
                while True:
                    while has_room() and (given := next(rest, None)) is not None:
                        waiting.append((pool.submit(self._ready, given), size_of(given)))
                        del given  # it is the thread's to forget
                    if not waiting:
                        break
                    self._take(waiting.popleft()[0].result())
            finally:
                for future, _ in waiting:
                    future.cancel()
        self._embed()
        return Embedded(self._all_rows(), self._failures)

    def _ready(self, given: AnyPicture) -> _Ready:
        """Find the vector of a picture, or prepare it. Called in threads."""
        from vstore.pictures.decoding import prepare
        from vstore.pictures.in_memory import prepare_picture

        try:
            if is_picture(given):
                return _Ready(picture=prepare_picture(given, self._how()))  # type: ignore[arg-type]
            data = file_of(given)  # type: ignore[arg-type]
            row = self._known.find(self._repo.hash.digest(data))
            if row is not None:
                return _Ready(row=row)
            return _Ready(picture=prepare(data, self._how())[0])
        except PictureFailure as failure:
            reason = failure.reason.partition("; if you trust it, add ")[0]
            if isinstance(given, bytes) and is_name(given):
                reason += "; bytes are the content of a file here: for a path, give os.fsdecode(it)"
            return _Ready(reason=reason)

    def _how(self) -> Preparation:
        if self._unready is not None:
            raise self._unready
        assert self._preparation is not None
        return self._preparation

    def _take(self, ready: _Ready) -> None:
        number = len(self._rows)
        self._rows.append(ready.row)
        if ready.picture is not None:
            self._batch.append((number, ready.picture))
            if len(self._batch) == BATCH:
                self._embed()
            return
        if ready.row is None:
            self._failures[number] = ready.reason
        self._stages.advance(failed=int(ready.row is None))

    def _embed(self) -> None:
        """Embed the pictures that are ready."""
        from vstore.embed.careful import embed_pictures
        from vstore.repository.health import prover

        if not self._batch:
            return
        if self._embedder is None:
            self._embedder = self._load(self._repo.recipe(self._space.id))
        numbers, pictures = zip(*self._batch, strict=True)
        self._batch = []
        prove = prover(self._repo, self._space, self._embedder)
        tried = embed_pictures(self._embedder, pictures, self._space.dim, prove)
        for place, number in enumerate(numbers):
            if place in tried.reasons:
                self._failures[number] = tried.reasons[place]
            else:
                self._rows[number] = tried.unit[place]
        self._stages.advance(len(numbers), failed=len(tried.reasons))

    def _all_rows(self) -> Floats:
        import numpy as np

        rows = np.full((len(self._rows), self._space.dim), np.nan, np.float32)
        for number, row in enumerate(self._rows):
            if row is not None:
                rows[number] = row
        return rows
