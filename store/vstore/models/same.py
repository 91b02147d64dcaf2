"""Proves that a model in other files is that of a space whose own files are gone; the space then has the new place."""

from __future__ import annotations

from typing import NamedTuple

from vstore.embed.faults import faults_of
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families import FAMILIES
from vstore.embed.hf.identity import Known
from vstore.embed.load import load_embedder
from vstore.embed.model_words import OF_FILES, Settings, Words
from vstore.embed.short_names import with_full_name
from vstore.embed.wishes import wishes_of
from vstore.errors import ModelError, UsageError
from vstore.format.entries import Space
from vstore.models.report import ModelAdded
from vstore.models.same_proof import choose_pictures, prove_pictures, prove_probes, require_tokenizer
from vstore.progress import Progress, Stages
from vstore.repository.filling import filling
from vstore.repository.permission import give
from vstore.repository.repository import Repository


class Candidate(NamedTuple):
    """A model that may be that of a space.

    place:    the words by which it is found.
    identity: of the space, if it is.
    digests:  of its files.
    odd:      its values that differ from the space's, for people.
    """

    place: Words
    identity: str
    digests: Digests
    odd: tuple[str, ...]


def model_add_same(
    repo: Repository,
    same_as: str,
    words: Words,
    settings: Settings,
    *,
    name: str | None = None,
    progress: Progress | None = None,
) -> ModelAdded:
    """Prove that a model is that of a space: its tokenizer, all probes, then stored pictures, embedded again.

    The space takes the new place and its identity. Nothing is changed otherwise.
    words:  name the model, and its adapter if it is not merged into it.
    name:   of the space, if it was given too.
    Raises: UsageError, MigrationNeeded; ModelError with the figures if the model is another one, or if too few pictures
            can be read; Locked, Damage, DiskTrouble.
    """
    repo.require_format_2("identities of models")
    space = repo.space(same_as)
    if name not in (None, space.name):
        raise UsageError(f"the space keeps its name {space.name!r}", f"leave {name} out, or leave --same-as out")
    recipe = repo.recipe(space.id)
    if recipe.get("family") not in FAMILIES:
        raise UsageError(f"the space {space.name!r} is not that of a model in files", "leave --same-as out")
    place = _place(space, words)
    own = place.command("NEWNAME")
    sample = repo.reading(lambda: choose_pictures(repo, space, own=own))
    with faults_of(words.model or words.adapter or "MODEL"), Stages(progress).loading(space.name):
        candidate = _candidate(repo, space, place)
        known = Known(recipe, candidate.identity, space.name)
        embedder = load_embedder(recipe, candidate.place, settings, candidate.digests, known=known)
        notes = (
            prove_probes(repo, space, embedder, sample, own=own),
            prove_pictures(repo, space, embedder, sample, own=own),
        )
    _take(repo, space, candidate)
    candidate.digests.keep(repo.layout.cache)
    if settings.consent is not None:
        give(settings.consent, wishes_of(recipe, candidate.place))
    return ModelAdded(
        space=space.id,
        space_name=space.name,
        dim=space.dim,
        known=True,
        inherited=(),
        notes=(*notes, *candidate.odd),
        next=filling(repo, space.name),
    )


def _place(space: Space, words: Words) -> Words:
    """Fill the words of a model with those of the space's recipe. Raises: UsageError for one that would change it."""
    odd = [f"--{name.replace('_', '-')}" for name in words.to_json() if name not in OF_FILES]
    if odd:
        raise UsageError(f"{', '.join(odd)} is a word of the space {space.name!r} already", "leave it out")
    if words.model is None and words.adapter is None:
        raise UsageError("no model was named", "add --model NAME_OR_DIR, --adapter DIR, or both")
    words, old = with_full_name(words), Words.from_json(space.place)
    return old._replace(
        model=words.model or old.model,
        revision=words.revision if words.model is not None else words.revision or old.revision,
        adapter=words.adapter,
        adapter_revision=words.adapter_revision,
        compute=words.compute or old.compute,
        trust_remote_code=words.trust_remote_code,  # what the store says of it is no consent
    )


def _candidate(repo: Repository, space: Space, place: Words) -> Candidate:
    """Find the files of a model, and work out what the space's identity is with them.

    Raises: ModelError if they are of another kind than the space's; UsageError if the model has another space.
    """
    from vstore.embed.hf.description import describe
    from vstore.embed.hf.identity import differences, identity_of, processor_changes
    from vstore.embed.hf.source.find import find_adapter, find_model

    recipe, digests = repo.recipe(space.id), Digests(repo.layout.cache)
    plain = place.of_files
    found, named = describe(plain, digests)
    for what in ("family", "model_type", "dim"):
        if found[what] != recipe[what]:
            raise ModelError(
                f"the model {plain.model} is not that of the space {space.name!r}: its {what} is {found[what]}, not "
                f"{recipe[what]}",
                f"add it as a space of its own: {plain.command('NEWNAME')}",
            )
    place = place._replace(**{name: getattr(named, name) for name in OF_FILES})
    assert place.model is not None
    folder = find_model(place.model, place.revision, code="code" in recipe)
    adapter = None if place.adapter is None else find_adapter(place.adapter, place.adapter_revision)
    if adapter is not None and recipe["adapter"] is None:
        raise UsageError(f"the space {space.name!r} has no adapter", "leave --adapter out, or name the merged model")
    identity = identity_of(recipe, folder, adapter, digests)
    if not space.identity or identity != space.identity:
        require_tokenizer(space, recipe, folder, digests, own=place.command("NEWNAME"))
    other = [one.name for one in repo.state.spaces.values() if one.identity == identity and one.id != space.id]
    if other:
        raise UsageError(f"this model already has a space: {other[0]!r}", f"sync it with: {filling(repo, other[0])}")
    odd = [one.about for one in differences(recipe, folder, adapter, digests) if one.is_sure]
    odd += [
        f"its folder says how to prepare pictures otherwise ({text}); they are prepared as the space records it"
        for text in processor_changes(recipe, found)
    ]
    return Candidate(place, identity, digests, tuple(odd))


def _take(repo: Repository, space: Space, candidate: Candidate) -> None:
    """Give the space the new place and identity. Raises: UsageError if it was dropped meanwhile; Locked, Damage, …"""
    with repo.committing("model add"):
        now = repo.space(space.id)
        place = candidate.place.to_json()
        gone = {word: None for word in now.place if word not in place}
        changes = {"spaces": {space.id: {"place": {**place, **gone}, "identity": candidate.identity}}}
        repo.publish("model add", changes, about=f"{space.name}: the same model in other files")
