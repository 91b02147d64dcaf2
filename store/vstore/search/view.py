"""A view: a snapshot that a program opens once, for many searches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from vstore.errors import StoreClosed
from vstore.format.recipes import Recipe
from vstore.paths import AnyPath, as_bytes
from vstore.repository.repository import Repository
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.report import SearchReport
from vstore.search.search import Limits, Narrowing, answer
from vstore.search.terms import read_terms
from vstore.search.wanted import Wanted

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder

Using = Callable[[], AbstractContextManager[Repository]]


class View:
    """A snapshot that was opened for many searches. Usable as a context manager, and from several threads.

    It answers from the snapshot as it was when it was opened, whatever syncs and gc do meanwhile. `Store.view` opens
    one.
    """

    def __init__(self, opened: OpenSnapshot, using: Using, load: Callable[[Repository, Recipe], Embedder]) -> None:
        """
        using: gives a repository of the store to one query.
        load:  loads the embedder of a recipe.
        """
        self._opened: OpenSnapshot | None = opened
        self._using = using
        self._load = load

    def __repr__(self) -> str:
        return f"View({self._now.snapshot.name!r}, {len(self):,} pictures)"

    @property
    def snapshot(self) -> str:
        """The name of the snapshot."""
        return self._now.snapshot.name

    def __len__(self) -> int:
        """Count its pictures."""
        return len(self._now.paths)

    def search(
        self,
        operands: Wanted | Iterable[Wanted],
        *,
        k: int = 10,
        under: AnyPath | None = None,
        min_score: float | None = None,
        new_since: str | None = None,
    ) -> SearchReport:
        """Find the pictures most similar to the operands, as `Store.search` does."""
        opened = self._now
        limits, narrowing = Limits.of(k, min_score), Narrowing(None if under is None else as_bytes(under), new_since)
        with self._using() as repo:
            terms = read_terms(repo, operands, opened.snapshot.name)
            return answer(repo, opened, terms, limits, narrowing, load=lambda recipe: self._load(repo, recipe))

    @property
    def _now(self) -> OpenSnapshot:
        if self._opened is None:
            raise StoreClosed("the view was closed", "open another one: store.view()")
        return self._opened

    def close(self) -> None:
        """Close it. A second time nothing happens."""
        self._opened = None

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
