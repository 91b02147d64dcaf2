"""The request to embed a sample of pictures again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vstore.embed.declared import declared
from vstore.embed.embedder import Embedder
from vstore.embed.model_words import Settings, Words
from vstore.embed.prepared import FAST, IGNORE
from vstore.errors import UsageError
from vstore.format.recipes import Recipe
from vstore.pictures.preparation import IGNORED, NEWEST
from vstore.repository.embedders import Embedders
from vstore.repository.identities import declared_space
from vstore.repository.repository import Repository


class Sample(NamedTuple):
    """A request to embed pictures of the current snapshot again.

    pictures: how many to embed.
    load:     loads the model of a recipe.
    recipe:   of a model other than the space's own, or of one that an import did not declare.
    place:    the words by which that model is found.
    adopt:    the name of a trial: if it fits, a space of its recipe takes over the segments.
    """

    pictures: int
    load: Callable[[Recipe], Embedder]
    recipe: Recipe | None = None
    place: Mapping[str, Any] = {}  # never changed
    adopt: str | None = None


def sample_of(
    repo: Repository,
    embedders: Embedders,
    pictures: int | None,
    words: Words,
    *,
    recipe: Recipe | None = None,
    adopt: str | None = None,
    settings: Settings | None = None,
) -> Sample | None:
    """Read the words of a caller. Returns: None if no picture is to be embedded again.

    Raises: UsageError if a model is named for no picture, or in part; ModelError if it is missing.
    """
    if pictures is None:
        if recipe is not None or adopt is not None or words != Words():
            raise UsageError("a model is tried on a sample", "say of how many pictures: --reembed 32")
        return None
    wanted, place = declared(_prepared_alike(repo, words), recipe, repo.layout.cache)
    known = declared_space(repo, wanted, place)
    if known is not None:
        wanted = known.recipe
    chosen = settings or Settings()
    load = lambda other: embedders.load_variant(other, place, chosen, known=known)  # noqa: E731
    return Sample(pictures, load, wanted, place=place, adopt=adopt)


def _prepared_alike(repo: Repository, words: Words) -> Words:
    """Prepare pictures for a named model as the current space does, if the words leave that open."""
    if words == Words() or (words.prepare, words.colour, words.decode) != (None, None, None):
        return words

    def read() -> Words:
        space = repo.state.spaces.get(repo.state.current_space or "")
        prepare = repo.recipe(space.id).get("prepare", {}) if space is not None and space.recipe else {}
        if prepare.get("policy") != NEWEST:
            return words
        colour = IGNORE if prepare.get("colour") == IGNORED else None
        decode = None if "reducing_gap" in prepare else FAST
        return words._replace(prepare=NEWEST, colour=colour, decode=decode)

    return repo.reading(read)
