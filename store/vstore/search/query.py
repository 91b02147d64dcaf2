"""The query of a search: its operands, their vectors, and the weighted sum that is searched for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vstore.embed.rows import require_width, unit_rows, usable
from vstore.errors import ModelError, UsageError, VstoreError
from vstore.format.entries import Space
from vstore.format.recipes import Recipe
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted
from vstore.repository.repository import Repository
from vstore.search.operand import Operand as Operand
from vstore.search.terms import Term

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Embedder, Floats
    from vstore.pictures.isolation import IsolatedDecoder


class TermVectors(NamedTuple):
    """The vectors of the terms of a query.

    rows: one per term, float32 (dim,).
    flat: one of the pictures that were decoded for them is of one colour.
    """

    rows: list[Floats]
    flat: bool


def vectors_of(
    repo: Repository,
    space: Space,
    terms: Sequence[Term],
    stored: Sequence[Floats | None],
    *,
    load: Callable[[Recipe], Embedder],
    decoder: IsolatedDecoder | None = None,
) -> TermVectors:
    """Get one vector per term: stored ones as they are, others from the embedder of the space.

    decoder: decodes pictures in other processes; None does it in this one.
    Raises: ModelError if the space cannot embed one, VstoreError if a picture cannot be decoded.
    """
    vectors = [term.vector if term.vector is not None else row for term, row in zip(terms, stored, strict=True)]
    _require_widths(space, terms)
    flat = False
    if any(vector is None for vector in vectors):
        if space.id not in repo.state.spaces:
            raise ModelError(
                f"the space {space.name!r} was dropped since this view was opened: nothing more can be embedded",
                "search with pictures of the snapshot, or open another view: store.view()",
            )
        recipe = repo.recipe(space.id)
        for at, term in enumerate(terms):
            text = term.operand.text
            if vectors[at] is not None or term.data is not None or term.operand.picture is not None:
                continue
            if term.operand.key is not None:
                raise UsageError(f"{term.name} has no vector in this space", "give a key of its pictures, or a file")
            if text is None:
                raise UsageError(f"{term.name} is not on disk, and has no vector to search with", "name a picture file")
            if recipe.get("text", True) is None:  # known without loading anything
                raise _no_text_side(repo, space.id, text)
            from vstore.embed.text_cache import cached_text, text_name

            # Earlier versions kept what a sick device gave.
            cached = cached_text(repo.layout.cache, text_name(space.id, recipe, text), recipe["dim"])
            if cached is not None and usable(unit_rows(cached[None], 1, recipe["dim"]))[0]:
                vectors[at] = cached
        missing = [at for at, vector in enumerate(vectors) if vector is None]
        if missing:
            pictures = _prepared(recipe, terms, missing, decoder)
            flat = _is_any_flat(pictures)
            _embed_missing(repo, space.id, terms, vectors, pictures=pictures, load=lambda: load(recipe))
    found = [vector for vector in vectors if vector is not None]
    for vector in found:
        require_width(vector.shape[0], space.dim)
    return TermVectors(found, flat)


def _require_widths(of: Space, terms: Sequence[Term]) -> None:
    """Make sure that the vectors of a program are as wide as those of the space. Raises: UsageError."""
    for term in terms:
        if term.vector is not None and len(term.vector) != of.dim:
            raise UsageError(
                f"a vector to search for has {len(term.vector):,} numbers, and those of the space {of.name!r} have "
                f"{of.dim:,}",
                "give one that the model of the space made",
            )


def _embed_missing(
    repo: Repository,
    space: str,
    terms: Sequence[Term],
    vectors: list[Floats | None],
    *,
    pictures: dict[int, Image],
    load: Callable[[], Embedder],
) -> None:
    """Embed the terms that have no vector yet. pictures: prepared, by the number of their term."""
    from vstore.embed.careful import embed_pictures  # most searches embed nothing, and save these imports
    from vstore.embed.embedder import text_side
    from vstore.repository.health import prover

    embedder = load()
    of = repo.state.spaces[space]
    if pictures:
        tried = embed_pictures(embedder, list(pictures.values()), of.dim, prover(repo, of, embedder))
        for number, (at, row) in enumerate(zip(pictures, tried.unit, strict=True)):
            if number in tried.reasons:
                name = terms[at].name
                raise VstoreError(f"cannot search with {name}: {tried.reasons[number]}", "search with another picture")
            vectors[at] = row
    texts = {at: terms[at].operand.text or "" for at, vector in enumerate(vectors) if vector is None}
    if texts:
        side = text_side(embedder)
        if side is None:
            raise _no_text_side(repo, space, texts[min(texts)])
        from vstore.embed.text_cache import cache_text, text_name
        from vstore.repository.proof import prove_text

        prove_text(repo, of, embedder)
        recipe = repo.recipe(space)
        for at, text in texts.items():
            vectors[at] = row = _text_vector(repo, space, embedder, text, side)
            cache_text(repo.layout.cache, text_name(space, recipe, text), row)


def _text_vector(
    repo: Repository, space: str, embedder: Embedder, text: str, side: Callable[[Sequence[str]], Floats]
) -> Floats:
    """Embed a text. Raises: ModelError if the model does not work; VstoreError if it is this text that it fails on."""
    from vstore.embed.careful import NO_VECTOR, may_be_of_a_picture
    from vstore.embed.careful import why as why_of
    from vstore.repository.health import require_sound_texts

    why = NO_VECTOR
    cause: Exception | None = None
    for _ in range(2):
        try:
            rows = side([text])
            if usable(unit_rows(rows, 1, embedder.dim))[0]:
                row: Floats = rows[0]
                return row
        except Exception as err:
            if not may_be_of_a_picture(err):
                raise
            why, cause = why_of(err), err
    require_sound_texts(repo, repo.state.spaces[space], embedder, f"with the text {text!r} {why}")
    raise VstoreError(f"cannot search for the text {text!r}: {why}", "search with other words") from cause


def _prepared(
    recipe: Recipe, terms: Sequence[Term], missing: Sequence[int], decoder: IsolatedDecoder | None
) -> dict[int, Image]:
    """Prepare the pictures among some terms. missing: the numbers of these terms. decoder: as in `vectors_of`."""
    from vstore.pictures.decoding import prepare
    from vstore.pictures.failures import PictureFailure
    from vstore.pictures.in_memory import prepare_picture
    from vstore.pictures.preparation import preparation_of

    pictures: dict[int, Image] = {}
    for at in missing:
        term = terms[at]
        try:
            if term.operand.picture is not None:
                pictures[at] = prepare_picture(term.operand.picture, preparation_of(recipe))
            elif term.data is not None:
                decode = prepare if decoder is None else decoder.prepare
                pictures[at] = decode(term.data, preparation_of(recipe))[0]
        except PictureFailure as failure:
            reason, trust, option = failure.reason.partition("; if you trust it, add ")
            step = f"if you trust it, take it in first: vstore sync {option}" if trust else ""
            raise VstoreError(f"cannot search with {term.name}: {reason}", step) from failure
    return pictures


def _is_any_flat(pictures: dict[int, Image]) -> bool:
    if not pictures:
        return False
    from vstore.pictures.flatness import is_flat

    return any(is_flat(picture) for picture in pictures.values())


def _no_text_side(repo: Repository, space: str, text: str) -> ModelError:
    return ModelError(
        f"cannot search for the text {text!r}: "
        f"the model of the space {repo.state.spaces[space].name!r} does not read text",
        f"if a picture is meant, write {quoted(f'./{text}')}; to search by words, {_by_words(repo, text)}",
    )


def _by_words(repo: Repository, text: str) -> str:
    """Say how texts can be searched for: in the newest snapshot of a space that reads them, or with another model."""
    reading = {one.id: one.name for one in repo.state.spaces.values() if one.recipe and repo.recipe(one.id).get("text")}
    found = max((one for one in repo.listing.kept() if one.space in reading), key=lambda one: one.time, default=None)
    if found is not None:
        return (
            f"search the snapshot {found.name}, whose space {reading[found.space]!r} reads text: "
            f"vstore search --at {found.name} {quoted(text)}"
        )
    if reading:
        from vstore.repository.filling import filling

        name = min(reading.values())
        return f"fill the space {name!r}, which reads text: {filling(repo, name)}"
    return (
        "make a store with a model that reads text (vstore init --store DIR --model MODEL), or add one to this store "
        "(vstore model add NAME --model MODEL)"
    )


def weighted_sum(weights: Sequence[float], vectors: Sequence[Floats]) -> Floats:
    """Add vectors, each of norm 1, by their weights.

    Returns: float32 (1, dim), norm 1.
    Raises:  UsageError if nothing is left of the sum; VstoreError if a vector is not finite, or zero.
    """
    import numpy as np

    total = np.zeros(len(vectors[0]))
    most = max(abs(float(weight)) for weight in weights)
    shares = [float(weight) / most for weight in weights]  # the sum of very large weights is no number
    for share, vector in zip(shares, vectors, strict=True):
        exact = vector.astype(np.float64)
        norm = float(np.linalg.norm(exact))
        if not math.isfinite(norm) or norm == 0:
            raise VstoreError("the model has no vector for one of the operands", "leave it out")
        total += share * (exact / norm)
    norm = float(np.linalg.norm(total))
    if norm < 1e-6 * sum(map(abs, shares)):
        raise UsageError("the operands cancel each other out", "change a weight, or leave one out")
    query: Floats = (total / norm).astype(np.float32)[None]
    return query
