"""Proves that a model in other files is that of a space whose own files are gone; the space then has the new place."""

from __future__ import annotations

from typing import NamedTuple

from vstore.counts import counted
from vstore.embed.embedder import Embedder
from vstore.embed.faults import faults_of
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families import FAMILIES
from vstore.embed.hf.identity import Known
from vstore.embed.load import load_embedder
from vstore.embed.model_words import OF_FILES, Settings, Words
from vstore.embed.probes import Proofs
from vstore.embed.short_names import with_full_name
from vstore.errors import ModelError, UsageError
from vstore.format.entries import Snapshot, Space
from vstore.models.filling import filling
from vstore.models.report import ModelAdded
from vstore.repository.proof import TEXT, embed_probes, environment_of, kept_probes, probe_names
from vstore.repository.repository import Repository
from vstore.repository.sampling import SampledPicture, cosines, sample_pictures

PICTURES = 32  # embedded again
LEAST = 0.9999  # cosine of each to its stored vector


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
    repo: Repository, same_as: str, words: Words, settings: Settings, *, name: str | None = None
) -> ModelAdded:
    """Prove that a model is that of a space: all its probes, then stored pictures, embedded again from their files.

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
    sample = repo.reading(lambda: _sample(repo, space))
    with faults_of(words.model or words.adapter or "MODEL"):
        candidate = _candidate(repo, space, _place(space, words))
        known = Known(recipe, candidate.identity, space.name)
        embedder = load_embedder(recipe, candidate.place, settings, candidate.digests, known=known)
        notes = (_prove_probes(repo, space, embedder), _prove_pictures(repo, space, embedder, sample))
    _take(repo, space, candidate)
    candidate.digests.keep(repo.layout.cache)
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
        trust_remote_code=words.trust_remote_code or old.trust_remote_code,
    )


def _candidate(repo: Repository, space: Space, place: Words) -> Candidate:
    """Find the files of a model, and work out what the space's identity is with them.

    Raises: ModelError if they are of another kind than the space's; UsageError if the model has another space.
    """
    from vstore.embed.hf.description import describe
    from vstore.embed.hf.identity import differences, identity_of
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
    other = [one.name for one in repo.state.spaces.values() if one.identity == identity and one.id != space.id]
    if other:
        raise UsageError(f"this model already has a space: {other[0]!r}", f"sync it with: {filling(repo, other[0])}")
    odd = tuple(one.about for one in differences(recipe, folder, adapter, digests) if one.is_sure)
    return Candidate(place, identity, digests, odd)


def _sample(repo: Repository, space: Space) -> list[SampledPicture]:
    """Choose pictures of a space's newest snapshot whose files are there. Raises: ModelError if they are too few."""
    snapshot = _snapshot(repo, space)
    if snapshot is None:
        raise ModelError(
            f"the space {space.name!r} has no vectors yet, so there is nothing to prove a model by",
            "add the model as a new space, or sync this one first",
        )
    sample, _ = sample_pictures(repo, snapshot, PICTURES)
    needed = min(PICTURES, snapshot.images)
    if len(sample) < needed:
        raise ModelError(
            f"only {len(sample)} of the pictures of {snapshot.name} can be read from their folders, and {needed} are "
            "needed to prove a model",
            "check that their disk is mounted",
        )
    return sample


def _snapshot(repo: Repository, space: Space) -> Snapshot | None:
    current = repo.state.current_snapshot
    if current is not None and current.space == space.id:
        return current
    own = [snapshot for snapshot in repo.listing.kept() if snapshot.space == space.id]
    return max(own, key=lambda snapshot: snapshot.time, default=None)


def _prove_probes(repo: Repository, space: Space, embedder: Embedder) -> str:
    """Prove all probes of a space. Returns: the result, for people. Raises: ModelError if one is off."""
    kept = kept_probes(repo, space)
    if embedder.recipe.get("text") is not None and (kept is None or TEXT not in kept.vectors):
        # Pictures prove nothing of it, and wrong vectors of texts would be seen by nobody.
        raise ModelError(
            f"the space {space.name!r} has no probe of its text side, so that cannot be proved. Nothing was changed",
            "add the model as a space of its own, without --same-as",
        )
    if kept is None:
        return "the space has no probes"
    names = [name for name in probe_names(embedder) if name in kept.vectors]
    worst = kept.worst(Proofs(embed_probes(embedder, names), environment_of(embedder)))
    if worst.is_too_much:
        raise _other(space, f"the probe {worst.probe!r} is off by {worst.found:.2g} (allowed: {worst.allowed:g})")
    return f"{counted(len(names), 'probe')} agree; the worst is off by {max(worst.found, 0.0):.2g}"


def _prove_pictures(repo: Repository, space: Space, embedder: Embedder, sample: list[SampledPicture]) -> str:
    """Prove stored pictures. Returns: the result, for people. Raises: ModelError if one is off."""
    found = list(cosines(repo, sample, embedder.recipe, embedder))
    off = [cosine for cosine in found if not cosine >= LEAST]
    least = min((cosine for cosine in found if cosine == cosine), default=float("nan"))
    if off:
        raise _other(
            space,
            f"{len(off)} of {len(found)} stored pictures, embedded again, have a cosine below {LEAST} to their vectors "
            f"(the least: {least:.6f})",
        )
    return f"{len(found)} stored pictures agree; the least cosine is {least:.6f}"


def _other(space: Space, why: str) -> ModelError:
    return ModelError(
        f"the model is not that of the space {space.name!r}: {why}. Nothing was changed",
        "name the right one, or add this one as a space of its own, without --same-as",
    )


def _take(repo: Repository, space: Space, candidate: Candidate) -> None:
    """Give the space the new place and identity. Raises: UsageError if it was dropped meanwhile; Locked, Damage, …"""
    with repo.committing("model add"):
        now = repo.space(space.id)
        place = candidate.place.to_json()
        gone = {word: None for word in now.place if word not in place}
        changes = {"spaces": {space.id: {"place": {**place, **gone}, "identity": candidate.identity}}}
        repo.publish("model add", changes, about=f"{space.name}: the same model in other files")
