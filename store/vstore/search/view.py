"""A view: a snapshot that a program opens once, for many searches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from vstore.brief import briefly
from vstore.counts import counted
from vstore.errors import StoreClosed, UsageError
from vstore.format.recipes import Recipe
from vstore.paths import AnyPath
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository
from vstore.search.narrowing import Narrowing, chosen_numbers
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.report import SearchReport
from vstore.search.search import Limits, answer
from vstore.search.terms import read_terms
from vstore.search.wanted import Wanted

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder, Floats

Using = Callable[[], AbstractContextManager[Repository]]


@briefly
class Selection(NamedTuple):
    """The pictures of a snapshot that meet some conditions.

    keys:  theirs, rising.
    notes: of how many pictures no facts were known that an expression names.
    """

    keys: tuple[bytes, ...]
    notes: tuple[str, ...] = ()


class View:
    """A snapshot that was opened for many searches. Usable as a context manager, from several threads, after a fork.

    `Store.view` opens one. It answers from the snapshot, and names the places of its files, as they were then, whatever
    syncs, `forget` and gc do meanwhile. What is asked of the store each time: that it is still there, the snapshot of
    `new_since`, and the folders that `under` may mean.
    """

    def __init__(
        self,
        opened: OpenSnapshot,
        using: Using,
        load: Callable[[Repository, Recipe], Embedder],
        turn: AbstractContextManager[object],
    ) -> None:
        """
        opened: the snapshot; it is held.
        using:  gives a repository of the store to one query.
        load:   loads the embedder of a recipe.
        turn:   held while a model is loaded and embeds.
        """
        self._opened: OpenSnapshot | None = opened
        self._using = using
        self._load = load
        self._turn = turn

    def __repr__(self) -> str:
        return "View(closed)" if self._opened is None else f"View({self.snapshot!r}, {counted(len(self), 'picture')})"

    @property
    def snapshot(self) -> str:
        """The name of the snapshot."""
        return self._now.snapshot.name

    def __len__(self) -> int:
        """Count its pictures."""
        return len(self._now.paths)

    def __bool__(self) -> bool:
        """A view is true without pictures, too."""
        return True

    def __iter__(self) -> Iterator[bytes]:
        """Yield the keys of its pictures, rising."""
        return iter(self._now.paths)

    def __contains__(self, key: object) -> bool:
        """Tell whether it has the picture with a key."""
        return key in self._now.paths

    def paths_of(self, key: bytes) -> tuple[bytes, ...]:
        """List the stored paths of a picture, rising; none if the snapshot does not have it. Raises: UsageError."""
        if not isinstance(key, bytes):
            raise UsageError(f"{key!r:.100} is no key", "give its bytes, as hit.key is: bytes.fromhex(…) of its digits")
        return tuple(self._now.paths.paths_of(key))

    def items(self) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
        """Yield the key and the stored paths of each picture, by rising key."""
        paths = self._now.paths
        return ((paths.key(number), tuple(paths.paths_at(number))) for number in range(len(paths)))

    def select(
        self, *, under: AnyPath | None = None, new_since: str | None = None, where: str | None = None
    ) -> Selection:
        """Find the pictures that `search` would look among. What the words mean is said there.

        Raises: UsageError, SnapshotNotFound, Damage, StoreClosed.
        """
        opened, narrowing = self._now, Narrowing.of(under, new_since, where)
        with self._using() as repo:
            self._look(repo, opened, newest=narrowing != Narrowing())
            numbers, notes = repo.reading(lambda: chosen_numbers(repo, opened, narrowing))
            return Selection(tuple(map(opened.paths.key, numbers)), notes)

    def counts(self, column: str) -> dict[int | float | str | bytes, int]:
        """Count the pictures by their values of a column; those without one are left out.

        column: a fact or a field, as `where` names it: camera, field."my label".
        Raises: UsageError, Damage, StoreClosed.
        """
        opened = self._now
        with self._using() as repo:
            self._look(repo, opened, newest=True)
            return repo.reading(lambda: opened.counts(repo, column))

    def search(
        self,
        operands: Wanted | Iterable[Wanted],
        *,
        k: int = 10,
        under: AnyPath | None = None,
        min_score: float | None = None,
        new_since: str | None = None,
        where: str | None = None,
        min_p: float | None = None,
        collapse: bool = False,
        exact: bool = False,
    ) -> SearchReport:
        """Find the pictures most similar to the operands, as `Store.search` does. What they mean is said there.

        Raises: as `Store.search`; StoreClosed.
        """
        opened = self._now
        limits, narrowing = Limits.of(k, min_score, min_p, collapse, exact), Narrowing.of(under, new_since, where)
        with self._using() as repo:
            self._look(repo, opened, newest=collapse or narrowing != Narrowing())
            terms = read_terms(repo, operands, opened)
            load = self._loader(repo)
            return repo.reading(lambda: answer(repo, opened, terms, limits, narrowing, load=load, turn=self._turn))

    def search_many(
        self,
        queries: Floats | Iterable[Wanted | Iterable[Wanted]],
        k: int = 10,
        *,
        under: AnyPath | None = None,
        min_score: float | None = None,
        new_since: str | None = None,
        where: str | None = None,
        exact: bool = False,
    ) -> list[SearchReport]:
        """Find the pictures most similar to each of many queries: the same ones that `search` finds, in less time.

        queries: vectors, (n, dim) of any float type and length; or what `search` takes, n times.
        others:  as in `search`, for all queries.
        Returns: a report for each query, in their order.
        Raises:  UsageError, StoreClosed and the other errors of `search`: that of a query ends all.
        """
        from vstore.search.many import search_many

        opened = self._now
        limits, narrowing = Limits.of(k, min_score, exact=exact), Narrowing.of(under, new_since, where)
        with self._using() as repo:
            self._look(repo, opened, newest=narrowing != Narrowing())
            load = self._loader(repo)
            return repo.reading(
                lambda: search_many(repo, opened, queries, limits, narrowing, load=load, turn=self._turn)
            )

    @staticmethod
    def _look(repo: Repository, opened: OpenSnapshot, *, newest: bool = False) -> None:
        """Make sure that the store is there, and its state not older than the view. Raises: StoreGone, Damage.

        newest: words of the query mean snapshots and folders of today, or decisions or facts of today count.
        """
        if newest or repo.tip.highest < opened.highest:
            repo.reload()
        else:
            repo.refuse_gone_to_readers()

    def _loader(self, repo: Repository) -> Callable[[Recipe], Embedder]:
        return lambda recipe: self._load(repo, recipe)

    @property
    def _now(self) -> OpenSnapshot:
        if self._opened is None:
            raise StoreClosed("the view was closed", "open another one: store.view()")
        return self._opened

    def close(self) -> None:
        """Let go of its memory. Calls under way in other threads end as they would; a second time nothing happens."""
        self._opened = None

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "a view cannot be sent to another process, nor copied",
            "send the store, and open a view there: store.view()",
        )
