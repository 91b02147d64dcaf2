"""Serves the model of a space to the searches of other processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from vstore.embed.embedder import Embedder
from vstore.embed.model_words import BUILTIN, Settings
from vstore.errors import ModelError, UsageError
from vstore.models.report import ModelServed
from vstore.progress import Progress, Stages
from vstore.repository.embedders import Embedders
from vstore.repository.proof import prove_text
from vstore.repository.repository import Repository
from vstore.repository.serving import serve

_TICK = 0.5  # seconds between two looks at the clock


def model_serve(
    repo: Repository,
    embedders: Embedders,
    name: str | None,
    settings: Settings,
    *,
    idle: float | None = None,
    ready: Callable[[str], None] = lambda space_name: None,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> ModelServed:
    """Load the model of a space, and answer the searches of other processes with it. The store is not changed.

    name:  of the space; the current one by default.
    idle:  end after so many minutes without a search.
    ready: called with the name of the space once searches are answered.
    stop:  ends it when set.
    Raises: UsageError, ModelError, MissingPackage, Damage; Locked if another process serves this model.
    """
    if idle is not None and not idle > 0:
        raise UsageError(f"{idle:g} is no number of minutes to be idle", "give more than 0, or leave --idle out")
    space = repo.space(name or repo.state.current_space or "")
    recipe = repo.recipe(space.id)
    family = recipe.get("family")
    if family == BUILTIN:
        raise UsageError(
            f"the space {space.name!r} has the built-in embedder, which needs no server", "search without one"
        )
    if family == "imported":
        raise ModelError(
            f"the space {space.name!r} was imported without a model",
            "say which model made its vectors: vstore check --reembed 32 --model MODEL",
        )
    end = stop or threading.Event()

    def load() -> Embedder:
        with Stages(progress).loading(space.name):
            embedder = embedders.load(recipe, settings)
            prove_text(repo, space, embedder)  # it loads the tokenizer too
        return embedder

    with serve(repo, space.id, load) as server:
        ready(space.name)
        while not end.wait(_TICK):
            if idle is not None and time.monotonic() - server.busy_at > 60 * idle:
                break
    return ModelServed(space=space.id, space_name=space.name, searches=server.searches)
