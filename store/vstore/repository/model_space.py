"""The space of a model: its recipe, its name, and the vectors of its probes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.embed.builtin import RECIPES
from vstore.embed.embedder import Embedder
from vstore.embed.faults import faults_of
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.load import load_embedder
from vstore.embed.model_words import BUILTIN, Settings, Words
from vstore.embed.probes import Probes, Proofs, drift
from vstore.embed.sight import small_pictures
from vstore.errors import ModelError, UsageError
from vstore.format.layout import why_not_a_space
from vstore.format.recipes import Recipe
from vstore.pictures.preparation import NEWEST
from vstore.repository.add_space import add_space
from vstore.repository.permission import give
from vstore.repository.proof import embed_probes, environment_of, prepared_probes, probe_names
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.embed.hf.loading import Files
    from vstore.embed.hf.source.trained_on import Sibling

_CACHED = re.compile(r"models--[^/]+?--([^/]+)/snapshots/[0-9a-f]{40}$")  # a repository in the cache of the hub
_STEP = re.compile(r"checkpoint-[0-9]+")
_PROOF = ("tiny", "landscape")  # an adapter must change one of them: few pixels, as they are embedded in fp32


Identity = Callable[[Recipe], str]
Prefer = Callable[[Recipe, Words, Identity], Recipe]


class Made(NamedTuple):
    """A space to add.

    recipe:  everything its vectors depend on.
    words:   name its model.
    probes:  the vectors of its probes.
    digests: of the model's files.
    files:   the folders of the model; None where no files decide its vectors.
    """

    recipe: dict[str, Any]
    words: Words
    probes: Probes
    digests: Digests
    files: Files | None

    def identity(self, recipe: Recipe) -> str:
        """Compute the identity of a recipe with the model; empty where no files decide its vectors.

        Raises: ModelError, OSError.
        """
        if self.files is None:
            return ""
        from vstore.embed.hf.identity import identity_of

        return identity_of(recipe, self.files.folder, self.files.adapter, self.digests)


def make(
    words: Words,
    settings: Settings,
    note: Callable[[str], None],
    cache: Path | None = None,
    *,
    known: Container[str] = (),
    siblings: Iterable[Sibling] = (),
    prefer: Prefer = lambda recipe, words, identity: recipe,
) -> Made:
    """Work out the recipe of a model, load it, and embed its probes. Nothing is written.

    note:   receives a line for each thing done without being asked for.
    cache:  the store's cache folder, if there is a store.
    known:  ids of spaces: if an earlier version of vstore described these words as one of them, so does this.
    siblings: spaces whose adapters may vouch for the base of this one.
    prefer: chooses the recipe, of those that the words leave open, for which the model is loaded.
    Raises: UsageError, ModelError.
    """
    from vstore.embed.plugins import describe_by_plugin
    from vstore.embed.wishes import wishes_of

    digests = Digests(cache)
    embedder: Embedder
    files: Files | None = None
    recipe: dict[str, Any] | None = None
    if words.model == BUILTIN:
        odd = [f"--{name.replace('_', '-')}" for name in words._replace(model=None, prepare=None).to_json()]
        if odd:
            raise UsageError(f"the built-in embedder takes no {', '.join(odd)}", "leave it out, or name another model")
        recipe = dict(prefer(RECIPES[words.prepare or NEWEST], words, lambda recipe: ""))
        words = Words()
    with faults_of(words.model or words.adapter or BUILTIN):
        if recipe is None:
            recipe = describe_by_plugin(words)
        if recipe is not None:
            embedder = load_embedder(recipe, words, settings)
        else:
            from vstore.embed.hf.description import describe
            from vstore.embed.hf.identity import Known, identity_of
            from vstore.embed.hf.loading import find_files, load
            from vstore.embed.hf.source.hub import Hub
            from vstore.embed.hf.source.trained_on import trained_on

            said = words
            recipe, words = describe(words, digests, Hub(settings.offline, note), known=known, note=note)
            found = files = find_files(Known(recipe), words, digests)
            recipe = dict(prefer(recipe, words, lambda one: identity_of(one, found.folder, found.adapter, digests)))
            if said.model is not None and said.adapter is not None:
                base = trained_on(words, recipe["weights"], digests, siblings)
                told = base and base.note(said.model)
                if told:
                    note(told)
            loss = small_pictures(recipe, said)
            if loss is not None:
                note(loss)
            proof = list(prepared_probes(recipe, _PROOF).values())
            try:
                embedder = load(recipe, words, settings, digests, proof=proof, note=note)
            except OtherWords as err:  # for an adapter that does not fit
                raise err.completed(words) from err
        vectors = embed_probes(embedder, probe_names(embedder))
    for name, vector in vectors.items():
        if not drift(vector, vector) < 1:
            raise ModelError(
                f"the model {words.model} gives no usable vector for the probe {name!r}: its numbers are not finite",
                "its weights are damaged, or bf16 is too coarse for it: try --compute fp32",
            )
    if settings.consent is not None:
        give(settings.consent, wishes_of(recipe, words))  # who names a model consents to it
    return Made(recipe, words, Probes(Proofs(vectors, environment_of(embedder))), digests, files)


def name_for(words: Words, wanted: str | None) -> str:
    """Choose the name of a space: the wanted one, else that of its adapter's or model's folder. Raises: UsageError."""
    if wanted is None:
        source = _title(words.adapter or words.model or "")
        wanted = re.sub(r"[^\w.-]+", "-", source).strip("-.+") or "model"
        if why_not_a_space(wanted):
            wanted = f"model-{wanted}"[:100]  # a checkpoint named v11 would be taken for a snapshot
    why_not = why_not_a_space(wanted)
    if why_not:
        raise UsageError(why_not, "choose another name")
    return wanted


def _title(name: str) -> str:
    """Take the last part of a name that says something: `checkpoint-9` or a commit says less than what it lies in."""
    parts = os.path.normpath(os.path.abspath(name) if os.path.isdir(name) else name).split("/")
    cached = _CACHED.search("/".join(parts))
    if cached:
        return cached[1]
    return parts[-2] if len(parts) > 1 and parts[-2] and _STEP.fullmatch(parts[-1]) else parts[-1]


def add(repo: Repository, name: str, made: Made) -> None:
    """Add the space to the store. Raises: UsageError if another space has the name; Locked, Damage, DiskTrouble."""
    identity = made.identity(made.recipe) if repo.format >= 2 else ""
    place, probes = made.words.to_json(), made.probes.to_bytes()
    add_space(repo, made.recipe, name, place=place, probes=probes, identity=identity)
    made.digests.keep(repo.layout.cache)
