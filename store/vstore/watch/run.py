"""One watch: syncs at the start, a moment after changes settle, and now and then whatever was seen.

Each sync is an ordinary one of whole folders, with every guard: without news it costs a stat for each file (30,000
files: 0.1 s), and a picture that moved from one folder to another is one that moved. All folders are walked and
watched before it begins: what it finds is at least as new as what they were when they were watched.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from vstore.clock import now
from vstore.errors import Interrupted, Locked, MissingPackage, ModelError, VstoreError
from vstore.packages import WATCHFILES
from vstore.repository.repository import Repository
from vstore.watch.events import Events, Source
from vstore.watch.folders import Folders
from vstore.watch.options import WatchOptions
from vstore.watch.pace import Pace
from vstore.watch.report import Watched
from vstore.watch.syncing import ENDING, Sync, Syncer

TICK = 2.0  # seconds between two looks at the store, and at the folders as a whole
LEAP = 30.0  # seconds by which the two clocks differ after a sleep of the machine
FLOOD = 2000  # pictures read by one sync: events of that may have crowded others out


class Model(Protocol):
    """The model of the syncs, which is kept between them."""

    def unload(self) -> None:
        """Give its memory back."""
        ...

    def unload_unused(self, after: float) -> None:
        """Give its memory back after so many seconds without use."""
        ...


def watch(
    repo: Repository,
    paths: Sequence[bytes],
    options: WatchOptions,
    *,
    sync: Sync,
    model: Model,
    stop: threading.Event,
    source: Callable[[Collection[bytes]], Source] = Events,
) -> Iterator[Watched]:
    """Sync folders whenever they change, until `stop` is set.

    sync:   syncs folders.
    model:  that of `sync`.
    source: watches folders.
    Raises: UsageError, Locked, ForeignStore, MissingPackage; StoreGone, FormatTooNew, LockLost.
    """
    options.refuse_wrong()
    if not options.poll:
        try:
            WATCHFILES.load()
        except MissingPackage as err:
            raise MissingPackage(err.message, f"{err.next_step}; or do without it: vstore watch --poll") from err
    with _alone(repo), contextlib.closing(Folders(repo, paths, options, stop, source)) as folders:
        run = _Watch(repo, paths, options, sync=sync, model=model, stop=stop, folders=folders)
        try:
            with contextlib.suppress(Interrupted):  # while it waited for another command
                yield from run.steps()
        finally:
            model.unload()


class _Watch:
    """One watch, with its clock."""

    def __init__(
        self,
        repo: Repository,
        paths: Sequence[bytes],
        options: WatchOptions,
        *,
        sync: Sync,
        model: Model,
        stop: threading.Event,
        folders: Folders,
    ) -> None:
        self._repo = repo
        self._options = options
        self._model = model
        self._stop = stop
        self._folders = folders
        self._syncer = Syncer(repo, paths, sync)
        self._pace = Pace(options.settle, options.settle_at_most, options.rescan)
        self._ticked = time.monotonic()
        self._ahead = time.time() - time.monotonic()
        self._seen = (-1, "")

    def steps(self) -> Iterator[Watched]:
        """Yield what happens, until somebody asks to stop."""
        while not self._stop.is_set():
            left = self._pace.due() - time.monotonic()
            if left <= 0:
                yield from self._sync()
                continue
            if self._folders.wait(min(left, TICK), is_pending=self._pace.is_pending):
                self._pace.change(time.monotonic())
            if time.monotonic() - self._ticked >= TICK:
                self._tick()

    def _sync(self) -> Iterator[Watched]:
        is_told = self._pace.is_pending
        self._pace.begin()
        self._reload()
        began = time.monotonic()
        notes = list(self._folders.look(anew=not is_told))
        walk = time.monotonic() - began
        for note in notes:
            yield Watched(now(), note=note)
        if self._stop.is_set():
            return
        has_read = 0
        for step in self._syncer.run():
            if step.report is not None:
                has_read += step.report.embedded + step.report.reused
            yield step
        errors = self._syncer.errors
        if any(isinstance(error, ModelError) for error in errors):
            self._model.unload()  # the next sync loads it again
        self._pace.end(time.monotonic(), failed=bool(errors), walk=walk)
        if has_read >= FLOOD:
            self._pace.change(time.monotonic())
        self._seen = self._store()

    def _tick(self) -> None:
        """Look at the clock, the store and the folders as a whole: what is no event of a folder."""
        self._ticked = time.monotonic()
        self._model.unload_unused(self._options.unload_after)
        ahead = time.time() - time.monotonic()
        has_slept, self._ahead = abs(ahead - self._ahead) > LEAP, ahead
        self._reload()
        store = self._store()
        others = store[0] != self._seen[0] and (self._pace.is_failing or store[1] != self._seen[1])
        if has_slept or others or self._folders.have_moved():
            self._pace.ask()
        self._seen = store

    def _reload(self) -> None:
        """Read what other commands have changed. Damage is told by the next sync. Raises: StoreGone, FormatTooNew."""
        try:
            self._repo.reload()
        except ENDING:
            raise
        except VstoreError:
            pass

    def _store(self) -> tuple[int, str]:
        """Tell what another command may have changed: the number of its newest record, and its folders."""
        return self._repo.tip.highest, repr(sorted(self._repo.state.roots.items()))


@contextlib.contextmanager
def _alone(repo: Repository) -> Iterator[None]:
    """Be the only watch of a store. Raises: Locked, ForeignStore."""
    with repo.lock("watch") as lock:
        try:
            lock.acquire(0.0, "watch")
        except Locked as err:
            holder = err.message.partition(": ")[2].partition(" holds the lock")[0]
            raise Locked(
                f"another watch of this store is running: {holder or 'an unknown process'}",
                "one is enough: it takes in all folders that the store knows",
            ) from None
        yield
