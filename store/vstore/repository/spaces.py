"""Spaces and their models: one is made of a model, and its model is found again, loaded, and proved to be that one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore._version import __version__
from vstore.disk.cache import read_cache_json, write_cache
from vstore.embed.builtin import DEFAULT_RECIPE
from vstore.embed.embedder import Embedder, text_side
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families import FAMILIES
from vstore.embed.hf.faults import DOCTOR, is_about_a_file, reason
from vstore.embed.load import load_embedder
from vstore.embed.model_words import Settings, Words
from vstore.embed.probes import PROBES, Probes, differences, drift, probe_file, tolerance
from vstore.errors import Damage, ModelError, UsageError, VstoreError
from vstore.format.entries import Space
from vstore.format.layout import why_not_a_name
from vstore.format.recipes import Recipe
from vstore.pictures.formats import POLICY
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats

BUILTIN = "builtin"  # what --model says for the embedder that needs no model
_PROOF = ("tiny", "landscape")  # an adapter must change one of them: few pixels, as they are embedded in fp32
_TEXT = "text"  # the probe of the text side
_TEXT_PROBE = "a photo of a red car"


class Made(NamedTuple):
    """A space that could be: its recipe, where its model is, its probes' vectors."""

    recipe: dict[str, Any]
    words: Words
    probes: Probes
    digests: Digests


def make(words: Words, settings: Settings, note: Callable[[str], None], cache: Path | None = None) -> Made:
    """Work out the space of a model, load it, and embed its probes.

    note:   told of what was done that nobody asked for. cache: the store's, where there is one.
    Raises: ModelError; nothing was written then.
    """
    from vstore.embed.plugins import describe_by_plugin

    digests = Digests(cache)
    embedder: Embedder
    recipe: dict[str, Any] | None = None
    if words.model == BUILTIN:
        odd = [f"--{name.replace('_', '-')}" for name in words._replace(model=None).to_json()]
        if odd:
            raise UsageError(f"the built-in embedder takes no {', '.join(odd)}", "leave it out, or name another model")
        recipe, words = dict(DEFAULT_RECIPE), Words()
    with _faults_of(words.model or words.adapter or BUILTIN):
        if recipe is None:
            recipe = describe_by_plugin(words)
        if recipe is not None:
            embedder = load_embedder(recipe, words, settings)
        else:
            from vstore.embed.hf.description import describe
            from vstore.embed.hf.loading import load

            recipe, words = describe(words, digests)
            proof = list(_prepared(recipe, _PROOF).values())
            embedder = load(recipe, words, settings, digests, proof=proof, note=note)
        vectors = _embed(embedder, list(_names(embedder)))
    for name, vector in vectors.items():
        if not drift(vector, vector) < 1:
            raise ModelError(
                f"the model {words.model} gives no usable vector for the probe {name!r}: its numbers are not finite",
                "its weights are damaged, or bf16 is too coarse for it: try --compute fp32",
            )
    return Made(recipe, words, Probes(vectors, _environment(embedder)), digests)


def name_for(words: Words, wanted: str | None) -> str:
    """What a space is called: as wanted, else after its adapter's or its model's folder. Raises: UsageError."""
    if wanted is None:
        source = os.path.basename((words.adapter or words.model or "").rstrip("/"))
        wanted = re.sub(r"[^\w.-]+", "-", source).strip("-.+") or "model"
        if why_not_a_name(wanted):
            wanted = f"model-{wanted}"[:100]  # a checkpoint called v11 would read as a snapshot
    why_not = why_not_a_name(wanted)
    if why_not:
        raise UsageError(why_not, "choose another name")
    return wanted


def add(repo: Repository, name: str, made: Made) -> None:
    """Tell the log of a space that was made. Raises: UsageError if the name is another space's."""
    repo.add_space(made.recipe, name, place=made.words.to_json(), probes=made.probes.to_bytes())
    made.digests.keep(repo.layout.cache)


def load(repo: Repository, space: Space, settings: Settings) -> Embedder:
    """Load the model of a space, and prove by its probes that it still gives the vectors that it gave.

    Raises: ModelError (exit 13) where it is missing, another one, or drifted; it says what changed.
    """
    recipe = repo.recipe(space.id)
    digests = Digests(repo.layout.cache)
    kept = Probes.from_bytes(repo.packs.get(space.probes)) if space.probes else None
    with _faults_of(f"of the space {space.name!r}"):
        embedder = load_embedder(recipe, Words.from_json(space.place), settings, digests)
        digests.keep()
        if kept is not None:
            _prove(repo, space, embedder, kept, files_changed=digests.read > 0)
    return embedder


def load_on_all(repo: Repository, space: Space, settings: Settings) -> Embedder:
    """Load the model of a space on every device that the settings name, in a process each; on one alone like `load`.

    Each is proved by probes before it is given a picture, the later ones while the first is at work.
    Raises: as `load`.
    """
    recipe = repo.recipe(space.id)
    if recipe.get("family") not in FAMILIES:
        if len(settings.devices) > 1:
            raise ModelError(
                f"--device {settings.device} names several devices, and an embedder of the family "
                f"{recipe.get('family')!r} runs in one process",
                "name one of them, or leave --device out",
            )
        return load(repo, space, settings)
    from vstore.embed.hf.devices import all_devices, release_memory

    with _faults_of(f"of the space {space.name!r}"):
        devices = all_devices(settings)
    if len(devices) == 1:
        return load(repo, space, settings)
    from vstore.embed.hf.batches import Limits
    from vstore.embed.hf.loading import find_files
    from vstore.embed.workers.pool import Workers
    from vstore.embed.workers.worker import Job, Worker

    words = Words.from_json(space.place)
    digests = Digests(repo.layout.cache)
    kept = Probes.from_bytes(repo.packs.get(space.probes)) if space.probes else None
    with _faults_of(f"of the space {space.name!r}"):
        family = find_files(recipe, words, digests).family
    digests.keep()
    files_changed = digests.read > 0
    release_memory()

    def start(device: str) -> Worker:
        return Worker(family, Job(recipe, words, settings._replace(device=device), digests.known, len(devices)))

    def admit(load: Callable[[], Embedder]) -> None:
        with _faults_of(f"of the space {space.name!r}"):
            embedder = load()
            if kept is not None:
                _prove(repo, space, embedder, kept, files_changed=files_changed)

    return Workers(family, Limits.of(settings, devices), devices, start, admit)


@contextmanager
def _faults_of(model: str) -> Iterator[None]:
    """Whatever a model's files make other people's code raise is a fault of that model, and no program error here."""
    try:
        yield
    except (VstoreError, MemoryError):
        raise
    except Exception as err:
        copy = f"its files may be damaged or not belong together: copy or download it again; or {DOCTOR}"
        raise ModelError(
            f"the model {model} cannot be used: {type(err).__name__}: {reason(err)}",
            copy if is_about_a_file(err) else DOCTOR,
        ) from err


def has_drifted(repo: Repository, space: Space, made: Made) -> bool:
    """Whether a model of the same files gives other vectors now than when the space was made of it."""
    if not space.probes:
        return False
    try:
        kept = Probes.from_bytes(repo.packs.get(space.probes))
    except Damage:
        return False  # they are lost, and made anew: nothing else brings the space back into use
    allowed = tolerance(kept.environment, made.probes.environment)
    both = kept.vectors.keys() & made.probes.vectors.keys()
    return any(not drift(kept.vectors[name], made.probes.vectors[name]) <= allowed for name in both)


def _prove(repo: Repository, space: Space, embedder: Embedder, kept: Probes, *, files_changed: bool) -> None:
    now = _environment(embedder)
    proof = f"proof-{space.id[:32]}"
    last = read_cache_json(repo.layout.cache, proof)
    names = [name for name in _names(embedder) if name in kept.vectors]
    turn = 0
    if last is not None and last.get("environment") == now and last.get("probes") == space.probes.hex():
        turn = int(last.get("turn", 0)) + 1
        if not files_changed:
            names = [names[turn % len(names)]]
    vectors = _embed(embedder, names)
    worst = max(names, key=lambda name: drift(kept.vectors[name], vectors[name]))
    where = f" on {device}" if (device := getattr(embedder, "device", None)) else ""
    found, allowed = drift(kept.vectors[worst], vectors[worst]), tolerance(kept.environment, now)
    if not found <= allowed:
        what = "; ".join(differences(kept.environment, now)) or "nothing that vstore records: its files or its code"
        raise ModelError(
            f"the model of the space {space.name!r}{where} does not give the vectors that it gave when the space was "
            f"made: the probe {worst!r} is off by {found:.2g} (allowed: {allowed:g}). Changed since: {what}. It has "
            "embedded nothing, and what is stored is kept",
            "go back to what it was made with, or make a space of what it gives now: vstore model add NEWNAME --model "
            f"{space.place.get('model', 'MODEL')}, then vstore sync --space NEWNAME",
        )
    body = json.dumps({"environment": now, "turn": turn, "probes": space.probes.hex()}, sort_keys=True).encode()
    write_cache(repo.layout.cache, proof, body)


def _names(embedder: Embedder) -> list[str]:
    return [*PROBES, *([_TEXT] if text_side(embedder) else [])]


def _embed(embedder: Embedder, names: list[str]) -> dict[str, Floats]:
    found = {}
    for name, picture in _prepared(embedder.recipe, [name for name in names if name != _TEXT]).items():
        # One at a time, always: in bf16 a row depends a little on the batch that it is in.
        rows = embedder.embed_images([picture])
        if rows.shape != (1, embedder.dim):
            raise ModelError(
                f"the model gives vectors of shape {rows.shape}, its space has {embedder.dim} numbers",
                "use the model that the space was made with",
            )
        found[name] = rows[0]
    side = text_side(embedder)
    if _TEXT in names and side is not None:
        found[_TEXT] = side([_TEXT_PROBE])[0]
    return {name: found[name] for name in names}


def _prepared(recipe: Recipe, names: Iterable[str]) -> dict[str, Image]:
    """Probes as an embedder of this recipe is given them."""
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import preparation_of

    preparation = preparation_of(recipe)
    return {name: prepare(probe_file(name), preparation)[0] for name in names}


def _environment(embedder: Embedder) -> dict[str, Any]:
    return {"vstore": __version__, "policy": POLICY, **getattr(embedder, "environment", {})}
