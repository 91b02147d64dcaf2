"""Adds a space for a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.qwen_prompts import prompt_of_before
from vstore.embed.hf.source.other_words import whole_commands
from vstore.embed.model_words import Settings, Words
from vstore.embed.probes import Probes
from vstore.embed.short_names import with_full_name
from vstore.embed.wishes import wishes_of
from vstore.errors import Damage, ModelError, UsageError
from vstore.format.entries import Space
from vstore.format.recipes import space_id
from vstore.models.report import ModelAdded
from vstore.pictures.preparation import NEWEST
from vstore.progress import Progress, Stages
from vstore.quoting import quoted
from vstore.repository.filling import filling
from vstore.repository.identities import Naming, known_preparation, space_of, with_older
from vstore.repository.model_space import Made, add, make
from vstore.repository.names import refuse_space_name
from vstore.repository.permission import give, is_permitted, permitted
from vstore.repository.proof import kept_probes
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.embed.hf.source.trained_on import Sibling


def model_add(
    repo: Repository,
    name: str,
    words: Words,
    settings: Settings,
    *,
    note: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> ModelAdded:
    """Add a space: find its model, load it, prove its adapter, embed its probes. The current space stays current.

    Words that are left open are taken from the current space, as an upgrade changes one thing. A model that already has
    a space gets no second one: the space learns the model's new place.
    note:   receives a line for each thing that nobody asked for.
    Raises: UsageError, ModelError, Locked, Damage, DiskTrouble.
    """
    refuse_space_name(repo.state, name)
    merged, inherited = _filled(repo, words)
    named = next((space for space in repo.state.spaces.values() if space.name == name), None)
    if named is not None:
        _require_adapter(named, words)
        # Its model may have moved; nobody said that it is to be computed otherwise.
        merged = merged._replace(compute=words.compute or named.place.get("compute") or merged.compute)
    notes: list[str] = []

    def say(text: str) -> None:
        notes.append(text)
        note(text)

    siblings = _siblings(repo, name, settings) if merged.adapter is not None else []
    current = _current_space(repo)
    if inherited and current is not None and current.recipe:
        repo.reading(lambda: permitted(repo, current, settings))
    if words.model is None and merged.model is not None:
        with whole_commands(lambda found: found.command(name)):
            _require_base(repo, merged, siblings)
    if inherited:
        say("taken from the current space: " + " ".join(inherited))
    with whole_commands(lambda found: found.command(name)), Stages(progress).loading(name):
        same_name = [] if named is None else [named.id]
        full = with_full_name(merged, say)
        made = make(
            full,
            settings,
            say,
            repo.layout.cache,
            known=same_name,
            siblings=siblings,
            prefer=lambda recipe, words, identity: repo.reading(
                lambda: known_preparation(repo, recipe, Naming(name, words, identity))
            ),
        )
    made = repo.reading(lambda: _as_known(repo, made))
    proved = _proved(repo, name, made)
    if proved.recipe != made.recipe:
        say("the same files give other vectors now: this is a new space")
    made = proved
    space = space_id(made.recipe)
    known = repo.state.spaces.get(space)
    newer = "" if known is None else _newer(made, words)
    if known is not None and known.name != name:
        raise UsageError(
            f"this model already has a space: {known.name!r}", f"sync it with: {filling(repo, known.name)}{newer}"
        )
    if named is not None and named.id != space:
        raise UsageError(
            f"the space {name!r} has another model: {_difference(repo, named, made)}", "choose another name"
        )
    if newer:
        say(f"known: {name}, preparation 1{newer}")
    add(repo, name, made)
    if settings.consent is not None:
        give(settings.consent, wishes_of(made.recipe, made.words))
    return ModelAdded(
        space=space,
        space_name=name,
        dim=int(made.recipe["dim"]),
        known=known is not None,
        inherited=inherited,
        notes=tuple(notes),
        next=filling(repo, name),
    )


def _newer(made: Made, words: Words) -> str:
    """Say that another preparation is a new space, if the words said nothing of it and the known one is older."""
    older = made.recipe.get("prepare", {}).get("policy") != NEWEST and words.prepare is None
    return f"; --prepare {NEWEST} makes a new space, of pictures prepared in the newer way" if older else ""


def _filled(repo: Repository, words: Words) -> tuple[Words, tuple[str, ...]]:
    """Fill the words that are left open with those of the current space.

    Returns: the words, and the options that were filled in.
    Raises:  UsageError if neither a model nor an adapter is named.
    """
    if words.model is None and words.adapter is None:
        raise UsageError("no model was named", "add --model NAME_OR_DIR, --adapter DIR, or both")
    merged = words if words.model is not None else words.over(_current_words(repo))
    inherited = tuple(
        f"--{field.replace('_', '-')} {quoted(str(value))}"
        for field, value in merged.to_json().items()
        if getattr(words, field) is None and value is not False
    )
    return merged, inherited


def _difference(repo: Repository, named: Space, made: Made) -> str:
    """Say what makes a model another one than that of a space: its words, or else its files."""
    there = repo.reading(lambda: repo.recipe(named.id)) if named.recipe else {}
    names = [name for name in sorted({*there, *made.recipe}) if there.get(name) != made.recipe.get(name)]
    sides = [one.get("prepare", {}).get("max_side") for one in (there, made.recipe)]
    if sides[0] != sides[1]:
        return f"--max-side is {sides[0]} there, and {sides[1]} here"
    return f"they differ in {', '.join(names[:3])}" if names else "its own recipe is lost"


def _require_adapter(space: Space, words: Words) -> None:
    """Make sure that the adapter of a space is named where its model is. Raises: UsageError."""
    adapter = space.place.get("adapter")
    if adapter is not None and words.model is not None and words.adapter is None:
        moved = Words.from_json(space.place)._replace(model=words.model, revision=words.revision)
        raise UsageError(
            f"the space {space.name!r} has the adapter {adapter}, and none was named",
            f"if its model has moved: {moved.command(space.name)}; for the model without it choose another name",
        )


def _as_known(repo: Repository, made: Made) -> Made:
    """Give a model the recipe of its space, if it has one: other files of the same model, or an earlier version.

    A space of an earlier version counts only if its probes agree: part of the adapter may be missing in its vectors.
    Raises: ModelError, Damage, OSError.
    """
    for recipe in with_older(made.recipe):
        same = space_of(repo, recipe, made.identity)
        if same is None or not same.recipe:
            continue
        known = made._replace(recipe=repo.recipe(same.id))
        kept = _known_probes(repo, known)
        if recipe is made.recipe or (kept is not None and not kept.worst(made.probes.first).is_too_much):
            return known
    return made


def _proved(repo: Repository, name: str, made: Made) -> Made:
    """Compare the probes with those of the model's space, if it has one.

    Returns: the model as its space is to have it: with a recipe of its own where the libraries compute differently now.
    Raises:  ModelError if its space has this name and other vectors.
    """
    same = _compared(repo, name, made)
    if same is not None:
        return same
    environment = made.probes.environment
    computed_by = {word: value for word, value in environment.items() if word not in ("compute", "device")}
    other = made._replace(recipe={**made.recipe, "computed_by": computed_by})
    return _compared(repo, name, other) or other


def _compared(repo: Repository, name: str, made: Made) -> Made | None:
    """Compare the probes with those of the space of this very recipe, whose vectors stay the first ones.

    Returns: the model with the probes that its space is to have; None if the space has other vectors and another name.
    Raises:  ModelError if it has other vectors and this name.
    """
    kept = repo.reading(lambda: _known_probes(repo, made))
    if kept is None:
        return made
    if not kept.worst(made.probes.first).is_too_much:
        return made._replace(probes=kept.with_later(made.probes.first))
    if repo.state.spaces[space_id(made.recipe)].name == name:
        raise ModelError(
            f"the model gives other vectors than when the space {name!r} was made, with the same files",
            f"add it as a new space, under another name: {made.words.command('NEWNAME')}",
        )
    return None


def _known_probes(repo: Repository, made: Made) -> Probes | None:
    """Read the probes of the model's space; None if it has no space, or its probes are lost."""
    known = repo.state.spaces.get(space_id(made.recipe))
    try:
        return None if known is None else kept_probes(repo, known)
    except Damage:
        return None  # they are computed again: nothing else brings the space back into use


def _siblings(repo: Repository, name: str, settings: Settings) -> list[Sibling]:
    """List the spaces whose adapters may vouch for the base of another one: those whose files the user allowed.

    name: of the space that is added.
    """
    from vstore.embed.hf.source.trained_on import Sibling

    def read() -> list[Sibling]:
        found = [
            Sibling(
                "" if space.name == name else space.name,
                repo.recipe(space.id).get("weights", []),
                Words.from_json(space.place),
            )
            for space in repo.state.spaces.values()
            if space.recipe and space.place.get("adapter") and is_permitted(repo, space, settings)
        ]
        return sorted(found, key=lambda one: one.name)  # itself first: there is nothing to say then

    return repo.reading(read)


def _require_base(repo: Repository, words: Words, siblings: list[Sibling]) -> None:
    """Make sure that an adapter was not trained on another base than that of the current space. Raises: ModelError."""
    from vstore.embed.hf.source.trained_on import require_base

    space = _current_space(repo)
    assert space is not None
    digests = Digests(repo.layout.cache)
    weights = repo.reading(lambda: repo.recipe(space.id)).get("weights", [])
    require_base(words, weights, digests, siblings)
    digests.keep()


def _current_words(repo: Repository) -> Words:
    """Find the words that name the current space's model; none if it has no model."""
    space = _current_space(repo)
    if space is None:
        return Words()
    words = Words.from_json(space.place)
    prompt = prompt_of_before(repo.recipe(space.id), words) if space.recipe else None
    return words if prompt is None else words._replace(prompt=prompt)


def _current_space(repo: Repository) -> Space | None:
    return repo.state.spaces.get(repo.state.current_space or "")
