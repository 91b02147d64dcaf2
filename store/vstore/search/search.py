"""Search: the pictures of a snapshot most similar to a picture, a text, or a weighted sum of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from vstore.counts import as_number, whole
from vstore.errors import UsageError
from vstore.format.recipes import Recipe
from vstore.paths import AnyPath
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository
from vstore.search.hit import Fold
from vstore.search.index import Hits, Index
from vstore.search.narrowing import Narrowing, narrowed
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.query import vectors_of, weighted_sum
from vstore.search.report import SearchReport
from vstore.search.reporter import Reporter
from vstore.search.terms import Terms, read_terms
from vstore.search.wanted import Wanted

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder, Floats
    from vstore.search.nearest import Nearest


class Limits(NamedTuple):
    """The hits that are wanted.

    k:         as many at most.
    min_score: none below it.
    min_p:     none with a score that this share of what is unrelated reaches.
    collapse:  none that is a near-duplicate of a better one.
    exact:     none that an approximate index missed.
    """

    k: int = 10
    min_score: float | None = None
    min_p: float | None = None
    collapse: bool = False
    exact: bool = False

    @classmethod
    def of(
        cls,
        k: int,
        min_score: float | None = None,
        min_p: float | None = None,
        collapse: bool = False,
        exact: bool = False,
    ) -> Limits:
        """Raises: UsageError."""
        count = whole(k)
        if count is None:
            raise UsageError(f"k is {repr(k)[:100]}, and no whole number", "give 1 or more")
        if count < 1:
            raise UsageError("-k must be at least 1", "give 1 or more")
        least = None if min_score is None else as_number(min_score)
        if least is not None and not math.isfinite(least):
            raise UsageError(f"{repr(min_score)[:100]} is not a valid score", "give a number from -1 to 1")
        share = None if min_p is None else as_number(min_p)
        if share is not None and not 0 < share < 1:
            raise UsageError(f"{repr(min_p)[:100]} is not a valid --min-p", "give a share above 0, below 1: 0.001")
        return cls(count, least, share, collapse, exact)

    def kept(self, found: list[tuple[bytes, float]]) -> list[tuple[bytes, float]]:
        """Leave out keys whose scores are too low."""
        least = self.min_score
        return found if least is None else [(key, score) for key, score in found if score >= least]


def _load(recipe: Recipe) -> Embedder:
    from vstore.embed.load import load_embedder

    return load_embedder(recipe)


def search(
    repo: Repository,
    operands: Wanted | Iterable[Wanted],
    *,
    k: int = 10,
    at: str | None = None,
    under: AnyPath | None = None,
    min_score: float | None = None,
    new_since: str | None = None,
    where: str | None = None,
    min_p: float | None = None,
    collapse: bool = False,
    exact: bool = False,
    load_embedder: Callable[[Recipe], Embedder] = _load,
    place: Callable[[Index], None] = lambda index: None,
) -> SearchReport:
    """Find the k pictures of a snapshot nearest to what is wanted. Reads objects alone, and takes no lock.

    A picture known to the space is compared by its stored vector; only another one is decoded and embedded.
    Each operand is brought to norm 1, weighted and added; the query is the sum, brought to norm 1.

    at:        the snapshot to answer from, with its pictures and its paths; the current one by default.
    under:     a stored path (LABEL/FOLDER), or a folder or file on disk; only pictures below it are found.
    min_score: hits below it are left out.
    new_since: pictures of this snapshot are left out.
    where:     only pictures for which this SQL expression over their facts, fields and paths is true.
    min_p:     hits are left out whose score at least this share of the pairs of unrelated pictures reaches; for another
               query than one picture, this share of the pictures that it is not about.
    collapse:  near-duplicates of a better hit are folded under it, by the default score of `dupes`.
    exact:     all rows are compared, although an approximate index would answer.
    place:     brings the rows of the snapshot to where they are searched.
    Raises:    UsageError, SnapshotNotFound, Damage; ModelError if the space cannot embed an operand, VstoreError
               where a picture cannot be decoded.
    """
    limits = Limits.of(k, min_score, min_p, collapse, exact)
    narrowing = Narrowing.of(under, new_since, where)
    # A query is read once. What it is compared with may be collected meanwhile, and is then looked up again.
    snap = "current" if at is None else at
    if not isinstance(snap, str):
        repo.snapshot(snap)  # says what is wrong
    terms = read_terms(repo, operands, snap)

    def read() -> SearchReport:
        opened = OpenSnapshot(repo, snap)
        place(opened.rows)
        return answer(repo, opened, terms, limits, narrowing, load=load_embedder)

    return repo.reading(read)


def answer(
    repo: Repository,
    opened: OpenSnapshot,
    terms: Terms,
    limits: Limits,
    narrowing: Narrowing,
    *,
    load: Callable[[Recipe], Embedder],
    turn: AbstractContextManager[object] | None = None,
) -> SearchReport:
    """Find the pictures of an opened snapshot nearest to the terms of a query.

    repo:   of the snapshot's store; for what a query needs beside the snapshot.
    turn:   held while a model is loaded and embeds, where searches share one.
    Raises: as `search`; FileNotFoundError.
    """
    part = narrowed(repo, opened, narrowing)
    if not part.rows.count:  # before a model is loaded for nothing
        return SearchReport(opened.snapshot.name, (), notes=terms.notes + part.notes)
    opened.wait()
    query = query_of(repo, opened, terms, load=load, turn=turn)
    relevance = None
    if limits.min_p is not None:
        from vstore.search.relevance import Relevance  # most searches do without

        relevance = Relevance.of(repo, opened, terms.terms, query.vector, limits.min_p)
    alike = _alike(repo, opened) if limits.collapse else None
    floors = [limits.min_score, None if relevance is None else relevance.least]
    near = opened.nearest(repo, part.rows, exact=limits.exact)
    floor = max((score for score in floors if score is not None), default=-math.inf)

    def nearest(k: int) -> list[tuple[bytes, float]]:
        return Limits(k, floor).kept(_nearest(near, part.rows, query.vector, query.own, k))

    folds = _without_copies(repo, opened, part.rows, nearest, limits.k, alike)
    keys = {key for fold in folds for key, _ in (fold.hit, *fold.others)}
    flats = opened.flats(repo, keys | query.keys)
    reporter = Reporter(repo, opened, part.paths, None if relevance is None else relevance.background.chance)
    found = tuple(
        reporter.hit(*fold.hit, flats)._replace(collapsed=reporter.hits(fold.others, flats)) for fold in folds
    )
    return SearchReport(
        opened.snapshot.name,
        found,
        query.flat or not query.keys.isdisjoint(flats),
        terms.notes + part.notes + part.rows.notes() + opened.notes(near),
        None if relevance is None else relevance.least,
        alike,
        *near.honesty(limits.k),
        source=opened.source,
    )


def _alike(repo: Repository, opened: OpenSnapshot) -> float:
    """Find the score from which two hits are near-duplicates. Raises: UsageError, Damage, FileNotFoundError."""
    found = opened.background(repo).near
    if found is None:
        raise UsageError(
            f"{opened.snapshot.name} has too few different pictures to tell from which score on two look alike",
            "leave out --collapse",
        )
    return found.score


def _without_copies(
    repo: Repository,
    opened: OpenSnapshot,
    index: Index,
    nearest: Callable[[int], list[tuple[bytes, float]]],
    k: int,
    alike: float | None,
) -> list[Fold]:
    """Find the k best hits; those that are alike count as one, unless `alike` is None."""
    if alike is None:
        return [Fold(hit, ()) for hit in nearest(k)]
    from vstore.repository.decisions import newest_decisions
    from vstore.search.collapse import collapsed
    from vstore.search.decided import Decided
    from vstore.search.turned import has_turns

    turns = bool(opened.space.recipe) and has_turns(opened.recipe(repo))
    apart = Decided(newest_decisions(repo)).are_apart
    return collapsed(index, nearest, k, alike, turns=turns, flats=partial(opened.flats, repo), are_apart=apart)


class Query(NamedTuple):
    """A query that is ready to be searched for.

    vector: float32 (1, dim), of norm 1.
    own:    the row of its only picture, if it is stored: it comes first.
    keys:   of its pictures.
    flat:   a picture that was decoded for it is of one colour.
    """

    vector: Floats
    own: int | None
    keys: set[bytes]
    flat: bool


def query_of(
    repo: Repository,
    opened: OpenSnapshot,
    terms: Terms,
    *,
    load: Callable[[Recipe], Embedder],
    turn: AbstractContextManager[object] | None = None,
) -> Query:
    """Find the vector of a query: stored vectors, and for others the model. load, turn, Raises: as `answer`."""
    rows = [None if term.key is None else opened.row(term.key) for term in terms.terms]
    stored = [
        opened.embedded.get(term.key) if row is None else opened.rows.vector(row)
        for row, term in zip(rows, terms.terms, strict=True)
    ]
    embeds = any(row is None and term.vector is None for row, term in zip(stored, terms.terms, strict=True))
    if embeds and opened.is_held:
        repo.reload()  # where its model is today, if anywhere
    with turn if turn is not None and embeds else nullcontext():
        vectors = vectors_of(repo, opened.space, terms.terms, stored, load=load, decoder=opened.decoder)
    if not vectors.flat:  # that it is, is said each time
        found = zip(terms.terms, rows, vectors.rows, strict=True)
        opened.embedded.keep({term.key: vector for term, row, vector in found if row is None and term.data})
    query = weighted_sum([term.operand.weight for term in terms.terms], vectors.rows)
    own = rows[0] if len(rows) == 1 and terms.terms[0].operand.weight > 0 else None
    return Query(query, own, {term.key for term in terms.terms if term.key is not None}, vectors.flat)


def _nearest(near: Index | Nearest, index: Index, query: Floats, own: int | None, k: int) -> list[tuple[bytes, float]]:
    """Find keys and scores, best first. own: the row of the query picture itself."""
    return in_order(index, near.top_k(query, min(k, index.count)), own, k)


def in_order(index: Index, found: Hits, own: int | None, k: int, at: int = 0) -> list[tuple[bytes, float]]:
    """Give the keys and scores of one query, best first. at: its number. own: the row of the query picture itself."""
    places = zip(found.scores[at].tolist(), found.rows[at].tolist(), strict=True)
    hits = [(index.key(row), score) for score, row in places if row >= 0]
    if own is None or not index.is_marked(own):
        return hits
    # fp16 rounds a picture's cosine with itself, and more than k others may look exactly like it: it comes first.
    key = index.key(own)
    return [(key, 1.0), *(hit for hit in hits if hit[0] != key)][:k]
