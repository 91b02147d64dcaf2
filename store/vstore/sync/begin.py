"""Begins a sync."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.paths import AnyPath
from vstore.progress import Progress, Stages
from vstore.repository.embedders import Embedders
from vstore.repository.repository import Repository
from vstore.sync.options import Options
from vstore.sync.report import SyncReport
from vstore.sync.run import Run

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder
    from vstore.format.recipes import Recipe


def sync(
    repo: Repository,
    embedders: Embedders,
    paths: Sequence[AnyPath],
    options: Options,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> SyncReport:
    """Embed the new pictures of folders, and write a snapshot if anything changed; or, with `dry_run`, only look.

    Raises: UsageError, LabelTaken, Refused, Locked, Damage, ModelError, MissingPackage, DiskTrouble.
    """
    named, settings = options.paths(paths), options.settings
    stages = Stages(progress)
    with contextlib.ExitStack() as serving:

        def load(recipe: Recipe) -> Embedder:
            embedder = embedders.load_on_all(recipe, settings, stages.note)
            serving.enter_context(embedders.serving(recipe, embedder))
            return embedder

        run = Run(
            repo,
            options,
            load=load,
            machine=lambda recipe: embedders.machine(recipe, settings),
            sees_pixels_alone=embedders.sees_pixels_alone,
            stages=stages,
            stop=stop,
        )
        if not dry_run:
            return run.sync(named)
        repo.reload()
        from vstore.repository.running import running  # a sync knows that it is running

        now = running(repo.layout.locks)
        return repo.reading(lambda: run.look(named))._replace(running=now)
