"""The folders of a watch, and the changes in them: told by events, or found by looking again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from vstore.errors import VstoreError
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import identity, is_below
from vstore.watch.events import Events, EventsLost, NoEvents, Source
from vstore.watch.filesystems import mounts
from vstore.watch.look import Place, places_of
from vstore.watch.pace import REST

if TYPE_CHECKING:
    from vstore.repository.repository import Repository
    from vstore.watch.options import WatchOptions

MANY = 1000  # changes at once, of whatever names: there may be more that nobody told
_TRIES = 5  # looks until the list of folders stands
_LOSSES = 5  # in a row, after which events are given up


class Folders:
    """The folders of a watch."""

    def __init__(
        self,
        repo: Repository,
        paths: Sequence[bytes],
        options: WatchOptions,
        stop: threading.Event,
        source: Callable[[Collection[bytes]], Source] = Events,
    ) -> None:
        """source: watches folders."""
        self._repo = repo
        self._paths = paths
        self._options = options
        self._stop = stop
        self._make = source
        self._source: Source | None = None
        self._watched: frozenset[bytes] = frozenset()
        self._places: list[Place] = []
        self._told: dict[bytes, str] = {}
        self._losses = 0
        self._next_poll = 0.0
        self._spots: object = None
        self._no_events = "--poll" if options.poll else ""

    def look(self, *, anew: bool) -> Iterator[str]:
        """Walk all folders, and watch them from now on: what changes later will be told.

        anew:   watch those again that are watched: the system forgets one that went, even if it is back.
        Yields: lines for people.
        """
        self._spots = self._spots_now()
        if anew:
            self._watched = frozenset()
        for _ in range(_TRIES):
            try:
                self._places = places_of(self._repo, self._paths, mounts(), self._stop)
            except (VstoreError, OSError):
                break  # what is in its way is in the way of a sync, too, which says so
            if self._stop.is_set():
                return
            wanted = frozenset().union(
                *(place.folders - place.untold for place in self._places if not self._why(place))
            )
            if wanted == self._watched:
                break
            yield from self._watch(wanted)
        self._next_poll = time.monotonic() + self._options.every
        yield from self._news()

    def _watch(self, wanted: frozenset[bytes]) -> Iterator[str]:
        """Watch folders, instead of those before: these count towards the system's limit until they are closed."""
        self.close()
        try:
            if wanted:
                self._source, self._watched = self._make(wanted), wanted
        except FileNotFoundError:
            pass  # it has just gone: the next look does without it
        except NoEvents as err:
            self._no_events = "the system does not watch it"
            instead = f"all folders are looked at every {self._options.every:g} s instead"
            yield f"{err.message}: {instead}; {err.advice}".removesuffix("; ")

    def _why(self, place: Place) -> str:
        """Say why a place is looked at again and again as a whole; "" if its events are told."""
        if self._no_events:
            return self._no_events
        if place.silent is not None:
            return f"{place.silent} does not tell of all changes"
        return ""

    def _how(self, place: Place) -> str:
        """Say how a place is watched, if not by events alone."""
        why, every = self._why(place), f"every {self._options.every:g} s"
        if why:
            return f", looking at it {every} ({why})"
        if place.untold:
            return f", looking {every} at the folders in it with names that are not UTF-8"
        return ""

    def _news(self) -> Iterator[str]:
        """Say which folders are watched that were not, and how."""
        now = {place.path: self._how(place) for place in self._places}
        for path, how in now.items():
            if self._told.get(path) != how:
                yield f"Watching {os.fsdecode(path)}{how}"
        self._told = now

    def wait(self, seconds: float, *, is_pending: bool) -> bool:
        """Wait for changes.

        is_pending: something has changed already: those that are polled are looked at until they are quiet.
        Returns: True if something changed.
        """
        return self._events(seconds) | self._poll(is_pending=is_pending)

    def _events(self, seconds: float) -> bool:
        if self._source is None:
            self._stop.wait(seconds)
            return False
        try:
            seen = self._source.wait(seconds, self._stop)
        except EventsLost:
            self._losses += 1
            if self._losses >= _LOSSES:
                self._no_events = "their events were lost again and again"
            self.close()  # the next look watches them anew
            return True
        if seen:
            self._losses = 0
        if len(seen) >= MANY or any(one.path in self._watched and (one.is_new or one.is_gone) for one in seen):
            self._watched = frozenset()
            return True
        return any(place.matters(one) for one in seen for place in self._places)

    def _poll(self, *, is_pending: bool) -> bool:
        polled = [place for place in self._places if place.untold or self._why(place)]
        if not polled:
            return False
        now, pause = time.monotonic(), self._options.every
        if is_pending:
            self._next_poll = min(self._next_poll, now + min(self._options.settle, pause))
        if now < self._next_poll:
            return False
        try:
            again = {id(place): Place(self._repo, place.target, mounts(), self._stop) for place in polled}
        except (VstoreError, OSError):
            self._next_poll = time.monotonic() + pause
            return not is_pending  # a sync says what is in the way; one that waits already is not put off
        changed = any(again[id(place)].digest != place.digest for place in polled)
        self._places = [again.get(id(place), place) for place in self._places]
        ended = time.monotonic()
        self._next_poll = ended + max(min(self._options.settle, pause) if changed else pause, REST * (ended - now))
        return changed

    def have_moved(self) -> bool:
        """Tell whether a folder went, came or was replaced since the last look, or a disk in it."""
        return self._spots != self._spots_now()

    def _spots_now(self) -> object:
        places = [os.path.abspath(path) for path in self._paths]
        known = KnownFolders(self._repo)
        places += [self._repo.place(root) for root in self._repo.state.roots.values() if known.is_known(root)]
        disks = [mount for mount in mounts() if any(is_below(mount.place, place) for place in places)]
        return {place: identity(place) for place in places}, disks

    def close(self) -> None:
        """Stop watching."""
        source, self._source, self._watched = self._source, None, frozenset()
        if source is not None:
            source.close()
