"""A watch in a thread of its own: what it yields is awaited, not timed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from support.folders import World

from vstore.watch.report import Watched

PATIENCE = 120.0  # seconds; a machine under load is slow
QUICK = {"settle": 0.05, "every": 0.05}


def until(condition: Callable[[], Any], why: object = "") -> Any:
    """Wait until a condition is met. Returns: what it gave."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"in vain: {why() if callable(why) else why}")


class Watching:
    """A running watch. steps: all that it has yielded. error: that which ended it, or None."""

    def __init__(self, watch: Callable[[threading.Event], Iterator[Watched]]) -> None:
        self.steps: list[Watched] = []
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self._watch = watch
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @classmethod
    def of(cls, world: World, *paths: Any, **options: Any) -> Watching:
        """Watch the store of a world."""
        return cls(lambda stop: world.store.watch(paths, stop=stop, **{**QUICK, **options}))

    def _run(self) -> None:
        try:
            for step in self._watch(self.stop):
                self.steps.append(step)
        except BaseException as err:
            self.error = err

    @property
    def syncs(self) -> list[Watched]:
        return [step for step in self.steps if step.kind == "sync"]

    @property
    def errors(self) -> list[Watched]:
        return [step for step in self.steps if step.kind == "error"]

    @property
    def notes(self) -> list[str]:
        return [step.note for step in self.steps if step.kind == "note"]

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition is met, or the watch fails."""

        def met() -> Any:
            if self.error is not None:
                raise self.error
            return condition()

        return until(met, lambda: self.steps)

    def until_synced(self, count: int) -> Watched:
        """Wait for so many syncs. Returns: the last of them."""
        self.until(lambda: len(self.syncs) >= count)
        return self.syncs[count - 1]

    def end(self) -> None:
        """End the watch. Raises: what it raised."""
        self.stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def __enter__(self) -> Watching:
        self.until(lambda: self.syncs or self.errors or not self._thread.is_alive())
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
