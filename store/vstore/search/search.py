"""Search: the pictures of a snapshot that look most like a picture, a text, or a weighted sum of several."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk.segments import faiss_module
from vstore.embed.embedder import Embedder, text_side
from vstore.embed.load import load_embedder
from vstore.embed.text_cache import cache_text, cached_text
from vstore.errors import ModelError, UsageError, VstoreError
from vstore.format.canonical import Json, named_path
from vstore.format.entries import Snapshot
from vstore.format.pages import Tree
from vstore.format.recipes import Recipe
from vstore.repository.places import below, prefixes_of
from vstore.repository.repository import Repository
from vstore.search.index import Index, kept_rows, named_rows

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats


class Operand(NamedTuple):
    """One part of a query: a picture file or a text, and how much it counts; less than 0 leads away from it."""

    weight: float
    image: bytes | None = None
    text: str | None = None


class Hit(NamedTuple):
    """One picture: its cosine with the query, its stored paths in the snapshot, and the files they mean today."""

    key: bytes
    score: float
    paths: tuple[bytes, ...]
    files: tuple[bytes | None, ...]

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {
            "key": self.key.hex(),
            "score": round(self.score, 6),
            "paths": [named_path(path)["path"] for path in self.paths],
            "files": [None if file is None else named_path(file)["path"] for file in self.files],
        }
        for name, listed in (("paths_b64", self.paths), ("files_b64", self.files)):
            encoded = [named_path(path or b"").get("path_b64") for path in listed]
            if any(encoded):
                value[name] = encoded
        return value


class SearchReport(NamedTuple):
    """The hits of one query, best first."""

    snapshot: str
    hits: tuple[Hit, ...]

    def to_json(self) -> dict[str, Json]:
        return {"snapshot": self.snapshot, "hits": [hit.to_json() for hit in self.hits]}


class _Subject(NamedTuple):
    """What a query is compared with, opened and checked: nothing that gc removes from here on is missed.

    prefixes: the stored paths that hits lie under, or None for the whole snapshot.
    columns:  of the whole snapshot, the keys of each leaf of the tree, one after another.
    stored:   for each operand, its row where the space has its picture.
    vectors:  those rows, float32 (dim,).
    """

    snapshot: Snapshot
    tree: Tree
    prefixes: tuple[bytes, ...] | None
    columns: list[bytes]
    rows: Index
    stored: tuple[int | None, ...]
    vectors: tuple[Floats | None, ...]


def search(
    repo: Repository,
    operands: Sequence[Operand],
    *,
    k: int = 10,
    at: str | None = None,
    under: bytes | None = None,
    min_score: float | None = None,
    new_since: str | None = None,
    load_embedder: Callable[[Recipe], Embedder] = load_embedder,
) -> SearchReport:
    """Find the k pictures of a snapshot nearest to the operands. Reads objects alone, and takes no lock.

    A picture whose bytes the space knows is compared by its stored vector; only another one is decoded and embedded.
    Each operand is brought to norm 1, weighted and added; what is searched for is the sum, brought to norm 1.

    at:        the snapshot to answer from, with its pictures and its paths; the current one by default.
    under:     a stored path (LABEL/FOLDER), or a folder or file on disk; only pictures below it are looked at.
    min_score: hits below it are left out. new_since: only pictures that this snapshot does not name.
    Raises:    UsageError, SnapshotNotFound, Damage; ModelError where the space cannot embed an operand, VstoreError
               where a picture cannot be decoded.
    """
    if k < 1:
        raise UsageError(f"-k {k} asks for no hit", "give 1 or more")
    if not operands:
        raise UsageError("nothing to search for", "name a picture: vstore search ./picture.jpg")
    for operand in operands:
        if not math.isfinite(operand.weight) or operand.weight == 0:
            raise UsageError(f"the weight {operand.weight} counts for nothing", "give one above or below 0")
    # A query is read once; what it is compared with may be collected meanwhile, and is then opened anew.
    pictures = [None if operand.image is None else _read(operand.image) for operand in operands]
    keys = [None if data is None else repo.hash.digest(data) for data in pictures]
    subject = repo.reading(lambda: _opened(repo=repo, keys=keys, at=at or "current", under=under, new_since=new_since))
    if not subject.rows.count:  # before a model is loaded for nothing
        return SearchReport(subject.snapshot.name, ())
    vectors = _embedded(repo=repo, subject=subject, operands=operands, pictures=pictures, load=load_embedder)
    query = _weighted_sum([operand.weight for operand in operands], vectors)
    own = subject.stored[0] if len(operands) == 1 and operands[0].weight > 0 else None
    found = [
        (key, score) for key, score in _nearest(subject.rows, query, own, k) if min_score is None or score >= min_score
    ]
    paths = _paths(subject, {key for key, _ in found})
    hits = tuple(
        Hit(key, score, tuple(paths[key]), tuple(repo.file_of(path) for path in paths[key])) for key, score in found
    )
    return SearchReport(subject.snapshot.name, hits)


def _read(path: bytes) -> bytes:
    name = os.fsdecode(path)
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except IsADirectoryError as err:
        raise UsageError(f"{name} is a folder", "name a picture file; to search in a folder: --under FOLDER") from err
    except (FileNotFoundError, NotADirectoryError) as err:
        raise UsageError(f"there is no picture {name}", "name a picture file") from err
    except OSError as err:
        raise VstoreError(f"cannot read {name}: {err.strerror}") from err


def _opened(
    repo: Repository, keys: Sequence[bytes | None], at: str, under: bytes | None, new_since: str | None
) -> _Subject:
    snapshot = repo.snapshot(at)
    tree = repo.tree(snapshot)
    segments = [repo.segment(ref) for ref in repo.state.segments(snapshot.space)]
    cache = repo.layout.cache
    prefixes = None if under is None else prefixes_of(repo, tree, under)
    if prefixes is None and new_since is None:
        bitmaps = kept_rows(
            cache=cache,
            hash=repo.hash,
            content_id=snapshot.id,
            segments=segments,
            keys=lambda: _keys(tree, repo.hash.size),
        )
    else:
        wanted = {key for _, key in below(tree, prefixes)}
        if new_since is not None:
            wanted.difference_update(_keys(repo.tree(repo.snapshot(new_since)), repo.hash.size))
        bitmaps = named_rows(segments, wanted)
    index = Index(segments, bitmaps, cache)
    stored = tuple(None if key is None else index.find(key) for key in keys)
    columns: list[bytes] = []
    if index.count:
        faiss_module()  # this, and reading the tree, goes on while threads read the segments
        columns = list(tree.key_columns()) if prefixes is None else []
        index.wait()
    vectors = tuple(None if row is None else index.vector(row) for row in stored)
    return _Subject(
        snapshot=snapshot, tree=tree, prefixes=prefixes, columns=columns, rows=index, stored=stored, vectors=vectors
    )


def _keys(tree: Tree, size: int) -> Iterator[bytes]:
    for column in tree.key_columns():
        for at in range(0, len(column), size):
            yield column[at : at + size]


def _embedded(
    repo: Repository,
    subject: _Subject,
    operands: Sequence[Operand],
    pictures: Sequence[bytes | None],
    load: Callable[[Recipe], Embedder],
) -> list[Floats]:
    """One vector per operand, float32 (dim,): stored ones as they are, others by the embedder of the space."""
    space = subject.snapshot.space
    vectors = list(subject.vectors)
    recipe: Recipe = {}
    if any(vector is None for vector in vectors):
        recipe = repo.recipe(space)
        for at, vector in enumerate(vectors):
            text = operands[at].text
            if vector is None and pictures[at] is None and text is not None:
                if recipe.get("text", True) is None:  # known without loading anything
                    raise _no_text_side(repo, subject, text)
                vectors[at] = cached_text(repo.layout.cache, space, text, recipe["dim"])
    missing = [at for at, vector in enumerate(vectors) if vector is None]
    if missing:
        prepared = {at: _prepared(recipe, operands[at], data) for at in missing if (data := pictures[at]) is not None}
        embedder = load(recipe)
        if prepared:
            rows = embedder.embed_images(list(prepared.values()))
            vectors = [rows[list(prepared).index(at)] if at in prepared else row for at, row in enumerate(vectors)]
        texts = {at: operands[at].text or "" for at in missing if at not in prepared}
        if texts:
            side = text_side(embedder)
            if side is None:
                raise _no_text_side(repo, subject, texts[min(texts)])
            rows = side(list(texts.values()))
            for row, (at, text) in zip(rows, texts.items(), strict=True):
                vectors[at] = row
                cache_text(repo.layout.cache, space, text, row)
    dim = repo.state.spaces[space].dim
    found = [vector for vector in vectors if vector is not None]
    for vector in found:
        if vector.shape != (dim,):
            raise ModelError(
                f"the model gives vectors of {vector.shape[0]} numbers, its space here has {dim}",
                "use the model that the space was made with",
            )
    return found


def _prepared(recipe: Recipe, operand: Operand, data: bytes) -> Image:
    from vstore.pictures.decoding import prepare
    from vstore.pictures.failures import PictureFailure
    from vstore.pictures.preparation import preparation_of

    assert operand.image is not None
    try:
        picture, _ = prepare(data, preparation_of(recipe))
    except PictureFailure as failure:
        reason, trust, option = failure.reason.partition("; if you trust it, add ")
        step = f"if you trust it, take it in first: vstore sync {option}" if trust else ""
        raise VstoreError(f"cannot search with {os.fsdecode(operand.image)}: {reason}", step) from failure
    return picture


def _no_text_side(repo: Repository, subject: _Subject, text: str) -> ModelError:
    name = repo.state.spaces[subject.snapshot.space].name
    return ModelError(
        f"the space {name!r} has no text side, so it cannot search for the text {text!r}",
        f"if a picture is meant, write ./{text}; to search by words make a store with a model that has a text side "
        "(vstore init --model MODEL), or add one to this store (vstore model add)",
    )


def _weighted_sum(weights: Sequence[float], vectors: Sequence[Floats]) -> Floats:
    """What is searched for: float32 (1, dim), norm 1. Raises: UsageError if nothing is left of the sum."""
    import numpy as np

    total = np.zeros(len(vectors[0]))
    for weight, vector in zip(weights, vectors, strict=True):
        norm = float(np.linalg.norm(vector.astype(np.float64)))
        if not math.isfinite(norm) or norm == 0:
            raise VstoreError("the model has no vector for one of the operands", "leave it out")
        total += weight / norm * vector
    norm = float(np.linalg.norm(total))
    if norm < 1e-6 * sum(map(abs, weights)):
        raise UsageError("the operands cancel one another out", "change a weight, or leave one out")
    query: Floats = (total / norm).astype(np.float32)[None]
    return query


def _nearest(index: Index, query: Floats, own: int | None, k: int) -> list[tuple[bytes, float]]:
    """Keys and scores, best first. own: the row of the query picture itself."""
    found = index.top_k(query, min(k, index.count))
    hits = [(index.key(int(row)), float(score)) for score, row in zip(found.scores[0], found.rows[0], strict=True)]
    if own is None or not index.is_named(own):
        return hits
    # fp16 rounds a picture's cosine with itself, and more than k others may look exactly like it: it comes first.
    key = index.key(own)
    return [(key, 1.0), *(hit for hit in hits if hit[0] != key)][:k]


def _paths(subject: _Subject, keys: set[bytes]) -> dict[bytes, list[bytes]]:
    """The aliases of some keys, sorted. Of the whole snapshot only pages whose key column holds one are decoded."""
    found: dict[bytes, list[bytes]] = {key: [] for key in keys}
    tree = subject.tree
    if subject.prefixes is not None:
        aliases = below(tree, subject.prefixes)
    else:
        # Where a key stands across two keys of a column, a page is decoded for nothing.
        leaves = (leaf for leaf, column in zip(tree.leaves, subject.columns, strict=True) if _holds_one(column, keys))
        aliases = (alias for leaf in leaves for alias in tree.aliases(leaf))
    for path, key in aliases if keys else ():
        if key in found:
            found[key].append(path)
    return found


def _holds_one(column: bytes, keys: set[bytes]) -> bool:
    return any(key in column for key in keys)
