"""An open store without its commands: how it is opened, shared by threads and processes, and closed."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache, cached_property
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from vstore.disk.owner import User
from vstore.paths import AnyPath, absolute
from vstore.repository.pool import Pool
from vstore.repository.repository import Repository
from vstore.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self, Unpack

    from vstore.browse.entries import PathEntry
    from vstore.disk.typed_words import UserWords
    from vstore.embed.consent import Consent
    from vstore.embed.embedder import Embedder
    from vstore.format.recipes import Recipe
    from vstore.pictures.isolation import IsolatedDecoder
    from vstore.repository.embedders import Embedders

T = TypeVar("T")


def silent(text: str) -> None:
    """Say nothing: the `note` of a caller who gives none."""


def consent_of(config: AnyPath | None) -> Consent:
    """Find the consents of the user. config: the folder for configurations."""
    from vstore.embed.consent import Consent

    return Consent.of_user(None if config is None else absolute(config))


class Opened:
    """An open store: what the methods of every theme work with."""

    def __init__(
        self,
        folder: AnyPath,
        *,
        load_embedder: Callable[[Recipe], Embedder] | None = None,
        damaged: bool = False,
        keep_model: bool = False,
        **user: Unpack[UserWords],
    ) -> None:
        """Open the store in a folder.

        A store that belongs to another user is only read, unless it is trusted: what would change it raises
        ForeignStore.

        load_embedder: loads the model of a recipe, instead of the store's own models; with several threads, in any.
        damaged:       open it despite missing files, for `check`.
        keep_model:    let a model that a search loads stay loaded for the next ones; searches take turns then.
        user:          the words of `UserWords`.
        Raises: NoStore, FormatTooNew, Damage.
        """
        self._repo = Repository(absolute(folder), damaged=damaged, user=User.of(**user))
        self._pool = Pool(self._repo)
        self._given = load_embedder
        self._keeps_model = keep_model
        # Of searches. The pictures that `embed` is given may come from a generator that searches itself.
        self._turn = Turn() if keep_model else nullcontext()

    @cached_property
    def _embedders(self) -> Embedders:
        from vstore.repository.embedders import Embedders, KeptModel  # most commands load no model

        kept, config = KeptModel() if self._keeps_model else None, self._repo.user.config
        return Embedders(self._repo, self._given, cache(lambda: consent_of(config)), kept)

    @cached_property
    def _decoder(self) -> IsolatedDecoder:
        from vstore.pictures.isolation import IsolatedDecoder  # for the queries of strangers alone

        return IsolatedDecoder()

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    @property
    def folder(self) -> Path:
        """The folder of the store."""
        return self._repo.layout.folder

    @property
    def complaint(self) -> str | None:
        """The reason why the newest record of the log cannot be used; answers come from an older one then."""
        return self._repo.tip.complaint

    def _use(self, operation: Callable[[Repository], T]) -> T:
        """Run an operation on a repository that no other thread has meanwhile."""
        with self._pool.one() as repo:
            return operation(repo)

    def _use_newest(self, operation: Callable[[Repository], T]) -> T:
        def run(repo: Repository) -> T:
            repo.reload()
            return operation(repo)

        return self._use(run)

    def _read(self, operation: Callable[[Repository], T]) -> T:
        return self._use_newest(lambda repo: repo.reading(lambda: operation(repo)))

    def _stream(self, walk: Callable[[Repository], Iterator[PathEntry]]) -> Iterator[PathEntry]:
        """Read lines from the store while they are asked for. What was collected meanwhile is looked up again."""
        done = 0
        with self._pool.one() as repo:
            repo.reload()
            while True:
                try:
                    for line in islice(walk(repo), done, None):
                        done += 1
                        yield line
                    return
                except FileNotFoundError as err:
                    repo.catch_up(err)

    def _embedders_of(self, repo: Repository) -> Embedders:
        from vstore.repository.embedders import Embedders

        known = self._embedders
        return known if repo is self._repo else Embedders(repo, self._given, known.consent_of_user, known.kept)

    def close(self) -> None:
        """Close its files. Calls under way in other threads end as they would, later ones raise StoreClosed.

        A query of a view of strangers fails whose picture is being decoded. A second time nothing happens.
        """
        self._pool.close()
        if "_decoder" in vars(self):
            self._decoder.stop()  # a decoder that hangs would outlive the program

    def __reduce__(self) -> tuple[object, ...]:
        """Let a process pool take a store along: it is opened there once more. Raises: StoreGone there."""
        own = self.folder, self._repo.store_id, self._given, self._repo.user
        return _opened, (type(self), *own, self._keeps_model)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened(
    kind: type[Opened],
    folder: Path,
    store_id: str,
    given: Callable[[Recipe], Embedder] | None,
    user: User,
    keep_model: bool,
) -> Opened:
    """Open a store that another process had open. Raises: StoreGone, NoStore, Damage."""
    store = kind(folder, load_embedder=given, keep_model=keep_model, **user._asdict())
    if store._repo.store_id != store_id:
        from vstore.errors import StoreGone

        raise StoreGone(f"another store lies at {folder} now than the one that was opened there", "open it again")
    return store
