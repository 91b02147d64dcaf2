"""Adds a space for a model."""

from __future__ import annotations

from collections.abc import Callable

from vstore.embed.hf.source.other_words import whole_commands
from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError, UsageError
from vstore.format.entries import Space
from vstore.format.layout import why_not_a_name
from vstore.format.recipes import space_id
from vstore.models.report import ModelAdded
from vstore.repository.identities import space_of
from vstore.repository.model_space import Made, add, make
from vstore.repository.proof import has_drifted
from vstore.repository.repository import Repository


def model_add(
    repo: Repository, name: str, words: Words, settings: Settings, note: Callable[[str], None] = lambda text: None
) -> ModelAdded:
    """Add a space: find its model, load it, prove its adapter, embed its probes. The current space stays current.

    Words that are left open are taken from the current space, as an upgrade changes one thing. A model that already has
    a space gets no second one: the space learns the model's new place.
    note:   receives a line for each thing that nobody asked for.
    Raises: UsageError, ModelError, Locked, Damage, DiskTrouble.
    """
    why_not = why_not_a_name(name)
    if why_not:
        raise UsageError(why_not, "choose another name")
    merged, inherited = _filled(repo, words)
    notes: list[str] = []

    def say(text: str) -> None:
        notes.append(text)
        note(text)

    if inherited:
        say("taken from the current space: " + " ".join(inherited))
    with whole_commands(lambda found: found.command(name)):
        made = make(merged, settings, say, repo.layout.cache)
    known = repo.reading(lambda: space_of(repo, made.recipe, made.identity))
    if known is not None and known.recipe:
        made = made._replace(recipe=repo.recipe(known.id))
    if _has_drifted(repo, name, made):
        # The libraries compute differently now: the same files make another space.
        made.recipe["computed_by"] = {
            library: version
            for library, version in made.probes.environment.items()
            if library not in ("compute", "device")
        }
        say("the same files give other vectors now: this is a new space")
    space = space_id(made.recipe)
    known = repo.state.spaces.get(space)
    if known is not None and known.name != name:
        raise UsageError(
            f"this model already has a space: {known.name!r}", f"sync it with: vstore sync --space {known.name}"
        )
    add(repo, name, made)
    return ModelAdded(
        space=space,
        space_name=name,
        dim=int(made.recipe["dim"]),
        known=known is not None,
        inherited=inherited,
        notes=tuple(notes),
    )


def _filled(repo: Repository, words: Words) -> tuple[Words, tuple[str, ...]]:
    """Fill the words that are left open with those of the current space.

    Returns: the words, and the options that were filled in.
    Raises:  UsageError if neither a model nor an adapter is named.
    """
    if words.model is None and words.adapter is None:
        raise UsageError("no model was named", "add --model NAME_OR_DIR, --adapter DIR, or both")
    merged = words if words.model is not None else words.over(_current_words(repo))
    inherited = tuple(
        f"--{field.replace('_', '-')} {value}"
        for field, value in merged.to_json().items()
        if getattr(words, field) is None and value is not False
    )
    return merged, inherited


def _has_drifted(repo: Repository, name: str, made: Made) -> bool:
    """Tell whether the model's space exists, and had other vectors when it was made.

    Raises: ModelError if that space has this name.
    """

    def compare() -> tuple[Space | None, bool]:
        known = repo.state.spaces.get(space_id(made.recipe))
        return known, known is not None and has_drifted(repo, known, made.probes)

    known, drifted = repo.reading(compare)
    if drifted and known is not None and known.name == name:
        raise ModelError(
            f"the model gives other vectors than when the space {name!r} was made, with the same files",
            "add it as a new space, under another name",
        )
    return drifted


def _current_words(repo: Repository) -> Words:
    """Find the words that name the current space's model; none if it has no model."""
    state = repo.state
    current = state.current_snapshot
    space = state.spaces.get((current.space if current else state.start_space) or "")
    return Words.from_json(space.place) if space else Words()
