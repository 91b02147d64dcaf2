"""The models of a store's spaces: found, loaded, and proved to give the vectors that they gave."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vstore.embed.embedder import Embedder
from vstore.embed.faults import faults_of
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families import FAMILIES
from vstore.embed.load import load_embedder
from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError
from vstore.format.entries import Space
from vstore.repository.health import model_of, require_sound
from vstore.repository.identities import known_model, may_have_identity, note_identity
from vstore.repository.permission import permitted
from vstore.repository.proof import kept_probes, prove
from vstore.repository.renewal import renew
from vstore.repository.repository import Repository


def load(repo: Repository, space: Space, settings: Settings, *, identify: bool = False) -> Embedder:
    """Load the model of a space on one device, and prove it by its probes.

    identify: note the identity of the space once all probes are proved. The caller changes the store.
    Raises:   UsageError; Untrusted if the user did not consent to it; ModelError if it is missing, another one, or has
              drifted, naming the change.
    """
    settings = permitted(repo, space, settings)
    recipe = repo.recipe(space.id)
    digests = Digests(repo.layout.cache)
    kept = kept_probes(repo, space)
    identify = identify and may_have_identity(repo, space)
    every = identify and not space.identity
    with faults_of(f"of the space {space.name!r}"):
        known = known_model(repo, space)
        embedder = load_embedder(recipe, Words.from_json(space.place), settings, digests, known=known)
        digests.keep()
        if kept is not None and prove(repo, space, embedder, kept, files=digests.seen, every=every) and identify:
            note_identity(repo, space, digests)
            digests.keep()
    return embedder


def load_on_all(
    repo: Repository, space: Space, settings: Settings, note: Callable[[str], None] = lambda text: None
) -> Embedder:
    """Load the model of a space on every device of the settings, in a process each; a single one is as in `load`.

    Each is proved by its probes before it gets a picture, the later ones while the first one works. A run on all
    devices writes the store: probes that the space lacks are added, and its identity once all probes are proved.
    note:   receives a line for each device that is lost.
    Raises: as `load`; Locked, Damage, DiskTrouble.
    """
    recipe = repo.recipe(space.id)
    if recipe.get("family") not in FAMILIES:
        if len(settings.devices) > 1:
            raise ModelError(
                f"--device {settings.device} names several devices, and an embedder of the family "
                f"{recipe.get('family')!r} runs in one process",
                "name one of them, or leave --device out",
            )
        return _load_and_renew(repo, space, settings)
    from vstore.embed.hf.devices import all_devices

    settings = permitted(repo, space, settings)
    with faults_of(f"of the space {space.name!r}"):
        devices = all_devices(settings)
    if len(devices) == 1:
        return _load_and_renew(repo, space, settings)
    return _load_in_workers(repo, space, settings, devices, note=note)


def _load_and_renew(repo: Repository, space: Space, settings: Settings) -> Embedder:
    embedder = load(repo, space, settings, identify=True)
    kept = kept_probes(repo, space)
    if kept is not None:
        with faults_of(f"of the space {space.name!r}"):
            renew(repo, space, embedder, kept)
    return embedder


def _load_in_workers(
    repo: Repository, space: Space, settings: Settings, devices: list[str], *, note: Callable[[str], None]
) -> Embedder:
    from vstore.embed.hf.batches import Limits
    from vstore.embed.hf.devices import release_memory
    from vstore.embed.hf.loading import family_of_recipe, find_files
    from vstore.embed.hf.source.hub import Hub
    from vstore.embed.workers.desk import Care
    from vstore.embed.workers.pool import Workers
    from vstore.embed.workers.worker import Job, Worker

    settings = permitted(repo, space, settings)._replace(consent=None)  # it is of no use in a worker
    recipe, known = repo.recipe(space.id), known_model(repo, space)
    words = Words.from_json(space.place)
    digests = Digests(repo.layout.cache)
    kept = kept_probes(repo, space)
    identify = may_have_identity(repo, space)
    with faults_of(f"of the space {space.name!r}"):
        family = family_of_recipe(recipe, find_files(known, words, digests, Hub(settings.offline)))
    digests.keep()
    seen = digests.seen
    proved: list[bool] = []
    release_memory()

    def start(device: str) -> Worker:
        return Worker(
            family,
            Job(
                recipe=recipe,
                words=words,
                settings=settings._replace(device=device),
                digests=digests.known,
                known=known,
                share=len(devices),
            ),
        )

    first = threading.Lock()  # of the workers to be admitted; the others may be while it embeds

    def admit(load: Callable[[], Embedder]) -> None:
        with faults_of(f"of the space {space.name!r}"):
            embedder = load()
            if kept is not None:
                proved.append(prove(repo, space, embedder, kept, files=seen, every=identify and not space.identity))
                if first.acquire(blocking=False):
                    renew(repo, space, embedder, kept)

    def prove_again(embedder: Embedder, met: str) -> None:
        require_sound(embedder, kept, model=model_of(space), met=met)

    care = Care(admit, prove_again, note)
    workers = Workers(family, Limits.of(settings, devices), devices, start=start, care=care)
    if identify and proved and proved[0]:
        note_identity(repo, space, digests)
        digests.keep()
    return workers
