"""Search: the pictures of a snapshot most similar to a picture, a text, or a weighted sum of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.brief import briefly
from vstore.embed.embedder import Embedder
from vstore.embed.load import load_embedder
from vstore.errors import Damage, UsageError
from vstore.format.canonical import Json, named_files, named_path
from vstore.format.recipes import Recipe
from vstore.paths import AnyPath, as_bytes
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.repository import Repository
from vstore.search.index import Index
from vstore.search.operand import Operand
from vstore.search.query import vectors_of, weighted_sum
from vstore.search.subject import Subject, open_subject
from vstore.search.terms import read_terms

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats


@briefly
class Hit(NamedTuple):
    """One picture found.

    key:   the hash of its bytes.
    score: its cosine with the query.
    paths: its stored paths in the snapshot.
    files: the files at these paths today; None if the folder is not known.
    flat:  it is known to be of one colour.
    unnamed: those of the files in folders that the user did not name at this machine: nobody should look there.
    """

    key: bytes
    score: float
    paths: tuple[bytes, ...]
    files: tuple[bytes | None, ...]
    flat: bool = False
    unnamed: tuple[bytes, ...] = ()

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {
            "key": self.key.hex(),
            "score": round(self.score, 6),
            "paths": [named_path(path)["path"] for path in self.paths],
            **named_files(self.files),
        }
        if self.flat:
            value["flat"] = True
        if self.unnamed:
            value["unnamed"] = [named_path(file)["path"] for file in self.unnamed]
        encoded = [named_path(path).get("path_b64") for path in self.paths]
        if any(encoded):
            value["paths_b64"] = encoded
        return value


@briefly
class SearchReport(NamedTuple):
    """The result of a search.

    snapshot:   the snapshot searched.
    hits:       the pictures found, best first.
    flat_query: a picture of the query is of one colour: nothing but its colour is searched for.
    notes:      how words that a person typed were taken, where that may surprise.
    """

    snapshot: str
    hits: tuple[Hit, ...]
    flat_query: bool = False
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        value = {**self._asdict(), "hits": [hit.to_json() for hit in self.hits], "notes": list(self.notes)}
        if not self.notes:
            del value["notes"]
        return value


def search(
    repo: Repository,
    operands: Sequence[Operand],
    *,
    k: int = 10,
    at: str | None = None,
    under: AnyPath | None = None,
    min_score: float | None = None,
    new_since: str | None = None,
    load_embedder: Callable[[Recipe], Embedder] = load_embedder,
) -> SearchReport:
    """Find the k pictures of a snapshot nearest to the operands. Reads objects alone, and takes no lock.

    A picture known to the space is compared by its stored vector; only another one is decoded and embedded.
    Each operand is brought to norm 1, weighted and added; the query is the sum, brought to norm 1.

    at:        the snapshot to answer from, with its pictures and its paths; the current one by default.
    under:     a stored path (LABEL/FOLDER), or a folder or file on disk; only pictures below it are found.
    min_score: hits below it are left out.
    new_since: pictures of this snapshot are left out.
    Raises:    UsageError, SnapshotNotFound, Damage; ModelError if the space cannot embed an operand, VstoreError
               where a picture cannot be decoded.
    """
    if k < 1:
        raise UsageError("-k must be at least 1", "give 1 or more")
    if min_score is not None and not math.isfinite(min_score):
        raise UsageError(f"{min_score} is not a valid score", "give a number from -1 to 1")
    # A query is read once. What it is compared with may be collected meanwhile, and is then looked up again.
    snap = "current" if at is None else at
    terms, notes = read_terms(repo, operands, snap)
    keys = [term.key for term in terms]
    folder = None if under is None else as_bytes(under)

    def found() -> SearchReport:
        subject = open_subject(repo, keys, at=snap, under=folder, new_since=new_since)
        if not subject.rows.count:  # before a model is loaded for nothing
            return SearchReport(subject.snapshot.name, (), notes=notes)
        vectors = vectors_of(repo, subject.snapshot.space, terms, subject.vectors, load=load_embedder)
        query = weighted_sum([term.operand.weight for term in terms], vectors.rows)
        own = subject.stored[0] if len(terms) == 1 and terms[0].operand.weight > 0 else None
        nearest = _nearest(subject.rows, query, own, k)
        kept = [(key, score) for key, score in nearest if min_score is None or score >= min_score]
        return _report(repo, subject, kept, keys, flat=vectors.flat)._replace(notes=notes)

    return repo.reading(found)


def _report(
    repo: Repository, subject: Subject, found: list[tuple[bytes, float]], keys: list[bytes | None], *, flat: bool
) -> SearchReport:
    """Report the pictures found. keys: of the pictures of the query. flat: another picture of it has one colour."""
    paths = subject.paths_of({key for key, _ in found})
    if not all(paths.values()):
        raise Damage(
            f"{repo.layout.cache}/ marks pictures that {subject.snapshot.name} does not hold",
            "remove that folder and run the command again: vstore makes it again",
        )
    flats = _flat(repo, subject.snapshot.space, {*(key for key, _ in found), *(key for key in keys if key is not None)})
    snapshot = subject.snapshot
    file_of, is_known = repo.file_finder(snapshot), KnownFolders(repo).knower(snapshot)

    def hit(key: bytes, score: float) -> Hit:
        files = tuple(map(file_of, paths[key]))
        unnamed = [f for path, f in zip(paths[key], files, strict=True) if f is not None and not is_known(path)]
        return Hit(key, score, tuple(paths[key]), files, key in flats, tuple(unnamed))

    hits = tuple(hit(key, score) for key, score in found)
    return SearchReport(subject.snapshot.name, hits, flat or any(key in flats for key in keys))


def _flat(repo: Repository, space: str, keys: Collection[bytes]) -> set[bytes]:
    """Find the pictures of one colour. Damaged facts say of none that it is: `check` reports them."""
    if not repo.state.facts or not repo.state.spaces[space].recipe:
        return set()
    from vstore.repository.pixel_facts import flat_among

    try:
        return flat_among(repo, repo.recipe(space), keys)
    except Damage:
        return set()  # no score depends on it


def _nearest(index: Index, query: Floats, own: int | None, k: int) -> list[tuple[bytes, float]]:
    """Find keys and scores, best first. own: the row of the query picture itself."""
    found = index.top_k(query, min(k, index.count))
    hits = [(index.key(int(row)), float(score)) for score, row in zip(found.scores[0], found.rows[0], strict=True)]
    if own is None or not index.is_marked(own):
        return hits
    # fp16 rounds a picture's cosine with itself, and more than k others may look exactly like it: it comes first.
    key = index.key(own)
    return [(key, 1.0), *(hit for hit in hits if hit[0] != key)][:k]
