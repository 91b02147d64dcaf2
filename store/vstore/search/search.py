"""Search: the pictures of a snapshot most similar to a picture, a text, or a weighted sum of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from vstore.counts import as_number, whole
from vstore.errors import Damage, UsageError
from vstore.format.recipes import Recipe
from vstore.paths import AnyPath, as_bytes
from vstore.quick_tuple import NamedTuple
from vstore.repository.places import is_below
from vstore.repository.repository import Repository
from vstore.search.hit import Fold, Hit
from vstore.search.index import Hits, Index
from vstore.search.open_snapshot import Condition, OpenSnapshot
from vstore.search.query import vectors_of, weighted_sum
from vstore.search.report import SearchReport
from vstore.search.terms import Terms, read_terms
from vstore.search.wanted import Wanted

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder, Floats
    from vstore.search.chosen import Chosen
    from vstore.search.numbers import Ints
    from vstore.where.expression import Expression

PathsOf = Callable[[int], list[bytes]]


class Narrowing(NamedTuple):
    """The part of a snapshot that is searched.

    under:     a stored path (LABEL/FOLDER), or a folder or file on disk; only pictures below it.
    new_since: only pictures that this snapshot lacks.
    where:     only pictures for which this expression is true.
    """

    under: bytes | None = None
    new_since: str | None = None
    where: Expression | None = None

    @classmethod
    def of(cls, under: AnyPath | None, new_since: str | None, where: str | None) -> Narrowing:
        """Raises: UsageError."""
        return cls(None if under is None else as_bytes(under), new_since, None if where is None else _read(where))


def _read(where: str) -> Expression:
    from vstore.where.expression import read_expression  # SQLite is loaded for it

    return read_expression(where)


class Limits(NamedTuple):
    """The hits that are wanted.

    k:         as many at most.
    min_score: none below it.
    min_p:     none with a score that this share of what is unrelated reaches.
    collapse:  none that is a near-duplicate of a better one.
    """

    k: int = 10
    min_score: float | None = None
    min_p: float | None = None
    collapse: bool = False

    @classmethod
    def of(
        cls,
        k: int,
        min_score: float | None = None,
        min_p: float | None = None,
        collapse: bool = False,
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
        return cls(count, least, share, collapse)

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
    load_embedder: Callable[[Recipe], Embedder] = _load,
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
    Raises:    UsageError, SnapshotNotFound, Damage; ModelError if the space cannot embed an operand, VstoreError
               where a picture cannot be decoded.
    """
    limits = Limits.of(k, min_score, min_p, collapse)
    narrowing = Narrowing.of(under, new_since, where)
    # A query is read once. What it is compared with may be collected meanwhile, and is then looked up again.
    snap = "current" if at is None else at
    if not isinstance(snap, str):
        repo.snapshot(snap)  # says what is wrong
    terms = read_terms(repo, operands, snap)
    return repo.reading(lambda: answer(repo, OpenSnapshot(repo, snap), terms, limits, narrowing, load=load_embedder))


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
    floor = max((score for score in floors if score is not None), default=-math.inf)

    def nearest(k: int) -> list[tuple[bytes, float]]:
        return Limits(k, floor).kept(_nearest(part.rows, query.vector, query.own, k))

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
        terms.notes + part.notes,
        None if relevance is None else relevance.least,
        alike,
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


class Part(NamedTuple):
    """A part of a snapshot.

    rows:  its rows.
    paths: gives those of the paths of a picture that are in it.
    notes: remarks for people on what an expression could not know.
    """

    rows: Index
    paths: PathsOf
    notes: tuple[str, ...] = ()


def narrowed(repo: Repository, opened: OpenSnapshot, narrowing: Narrowing) -> Part:
    """Find the part of a snapshot that is searched. Raises: UsageError, SnapshotNotFound, Damage."""
    conditions, prefixes, chosen, notes = _conditions(repo, opened, narrowing)
    return Part(opened.part(conditions), partial(_paths, opened, chosen, prefixes), notes)


def chosen_numbers(repo: Repository, opened: OpenSnapshot, narrowing: Narrowing) -> tuple[list[int], tuple[str, ...]]:
    """Find the pictures of a part of a snapshot. Returns: their numbers, rising; remarks. Raises: as `narrowed`."""
    conditions, _, _, notes = _conditions(repo, opened, narrowing)
    return opened.meeting(conditions), notes


class _Conditions(NamedTuple):
    """The conditions of a part of a snapshot.

    conditions: all must be met.
    prefixes:   stored paths: only paths below these count; None for all.
    chosen:     by the expression, if there is one.
    notes:      remarks for people on what an expression could not know.
    """

    conditions: list[Condition]
    prefixes: tuple[bytes, ...] | None
    chosen: Chosen | None
    notes: tuple[str, ...]


def _conditions(repo: Repository, opened: OpenSnapshot, narrowing: Narrowing) -> _Conditions:
    prefixes: tuple[bytes, ...] | None = None
    chosen: Chosen | None = None
    conditions: list[Condition] = []
    if narrowing.under is not None:
        prefixes = opened.prefixes(repo, narrowing.under)
        conditions.append(Condition(("under", *prefixes), partial(opened.numbers_below, repo, prefixes)))
    if narrowing.new_since is not None:
        other = repo.snapshot(narrowing.new_since)
        conditions.append(Condition(("new since", other.id), partial(opened.numbers_missing_in, repo, other)))
    notes: tuple[str, ...] = ()
    if narrowing.where is not None:
        from vstore.where.lines import notes_on

        chosen = opened.chosen(repo, narrowing.where)
        notes = notes_on(repo, chosen.lacking)
        folders: tuple[bytes, ...] = () if prefixes is None or chosen.marks is None else prefixes
        name: tuple[str | bytes, ...] = ("where", chosen.name, *folders)
        conditions.append(Condition(name, partial(_fitting, opened, chosen, folders)))
    return _Conditions(conditions, prefixes, chosen, notes)


def _paths(opened: OpenSnapshot, chosen: Chosen | None, prefixes: tuple[bytes, ...] | None, number: int) -> list[bytes]:
    """List those paths of a picture that an expression chooses, and that lie below one of some stored paths."""
    paths = opened.paths.paths_at(number)
    if chosen is not None:
        paths = chosen.paths(number, paths)
    return paths if prefixes is None else [path for path in paths if _is_below_any(path, prefixes)]


def _fitting(opened: OpenSnapshot, chosen: Chosen, prefixes: tuple[bytes, ...]) -> Ints:
    """Find the pictures that an expression chooses. Of several paths, one may fit, and another lie where one is to."""
    import numpy as np

    if not prefixes:
        return chosen.numbers
    return np.array([one for one in chosen.numbers.tolist() if _paths(opened, chosen, prefixes, one)], np.int64)


class Reporter:
    """Makes hits of keys: their paths, and the files there today. It does so once for each key."""

    def __init__(
        self,
        repo: Repository,
        opened: OpenSnapshot,
        paths: PathsOf | None = None,
        chance: Callable[[float], float] | None = None,
    ) -> None:
        """
        paths:  gives the paths of the picture with a number; None means all.
        chance: tells which share of what is unrelated scores as high.
        """
        self._cache = repo.layout.cache
        self._opened = opened
        self._paths = opened.paths.paths_at if paths is None else paths
        self._chance = chance
        self._known: dict[bytes, Hit] = {}

    def hits(self, found: Iterable[tuple[bytes, float]], flats: Container[bytes]) -> tuple[Hit, ...]:
        """Give the hits of keys with their scores. flats: the pictures of one colour among them. Raises: Damage."""
        return tuple(self.hit(key, score, flats) for key, score in found)

    def hit(self, key: bytes, score: float, flats: Container[bytes]) -> Hit:
        """Give the hit of a key with its score. Raises: Damage."""
        known = self._known.get(key)
        if known is not None:
            return known._replace(score=score)
        opened = self._opened
        number = opened.paths.find(key)
        paths = [] if number is None else self._paths(number)
        if not paths:
            raise Damage(
                f"{self._cache}/ marks pictures that {opened.snapshot.name} does not hold",
                "remove that folder and run the command again: vstore makes it again",
            )
        files = tuple(map(opened.file_of, paths))
        unnamed = [f for path, f in zip(paths, files, strict=True) if f is not None and not opened.is_known(path)]
        chance = None if self._chance is None else self._chance(score)
        hit = self._known[key] = Hit(key, score, tuple(paths), files, key in flats, tuple(unnamed), chance)
        return hit


def _is_below_any(path: bytes, prefixes: tuple[bytes, ...]) -> bool:
    return any(path == prefix or is_below(path, prefix) for prefix in prefixes)


def _nearest(index: Index, query: Floats, own: int | None, k: int) -> list[tuple[bytes, float]]:
    """Find keys and scores, best first. own: the row of the query picture itself."""
    return in_order(index, index.top_k(query, min(k, index.count)), own, k)


def in_order(index: Index, found: Hits, own: int | None, k: int, at: int = 0) -> list[tuple[bytes, float]]:
    """Give the keys and scores of one query, best first. at: its number. own: the row of the query picture itself."""
    places = zip(found.scores[at].tolist(), found.rows[at].tolist(), strict=True)
    hits = [(index.key(row), score) for score, row in places if row >= 0]
    if own is None or not index.is_marked(own):
        return hits
    # fp16 rounds a picture's cosine with itself, and more than k others may look exactly like it: it comes first.
    key = index.key(own)
    return [(key, 1.0), *(hit for hit in hits if hit[0] != key)][:k]
