"""One model on several devices: a worker process for each, and batches for the idlest.

Pictures are prepared here; the weights are in the workers alone. The first worker is started before a run embeds
anything, the next one when a batch finds all workers busy: few pictures are embedded before another model would be
loaded, and nobody waits for a model that is being loaded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vstore.embed.hf.batches import Limits
from vstore.embed.hf.families.family import Family, Prepared
from vstore.embed.workers.desk import Care, Desk
from vstore.embed.workers.parts import DEATHS, Batch, Part
from vstore.embed.workers.worker import Worker, is_death
from vstore.errors import VstoreError

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats

RESTARTS = 8  # of workers that died of a batch: three find a picture that ends each process that gets it


class Workers:
    """A pipeline over several devices. An error that ends the run is raised where vectors are awaited.

    A worker that dies hands its batches to the others, as does one whose probes fail after it failed on pictures. An
    error of a batch is raised where its vectors are awaited, and ends nothing: `elsewhere` tries its pictures again.

    The rest is for the desks, whose threads hold `changed` while they read or change it.

    environment: of the first worker that was ready.
    """

    def __init__(
        self, family: Family, limits: Limits, devices: Sequence[str], start: Callable[[str], Worker], care: Care
    ) -> None:
        """Start the first worker, and wait until it is ready.

        family:  prepares the pictures.
        limits:  of a batch.
        devices: one worker runs on each.
        start:   starts the process for a device.
        Raises:  all that `start` and `care.admit` raise; no process is left then.
        """
        self.recipe = family.recipe
        self.dim: int = family.recipe["dim"]
        self.environment: dict[str, Any] = {}
        self.changed = threading.Condition()
        self.waiting: deque[Part] = deque()
        self.fault: BaseException | None = None
        self.is_closed = False
        self.start_worker = start
        self.care = care
        self.met = ""  # what the workers did to pictures, for the message of a proof
        self._family = family
        self._limits = limits
        self._devices = list(devices)
        self._count = len(devices)
        self._desks: list[Desk] = []
        self._restarts = RESTARTS
        self._losses = self._told = 0
        try:
            with self.changed:
                self._add_worker()
                self.changed.wait_for(lambda: self.fault is not None or self._ready())
            self._raise_fault()
        except BaseException:
            self.close()
            raise

    @property
    def batch_size(self) -> int:
        return self._limits.batch_size

    @property
    def in_flight(self) -> int:
        """Twice the number of ready workers: each has one batch, and one more is at hand. After a fault 1."""
        with self.changed:
            return 1 if self.fault is not None else 2 * max(1, len(self._ready()))

    @property
    def has_ended(self) -> bool:
        """True if no worker computes anything any more."""
        return self.fault is not None

    def prepare(self, picture: Image) -> Prepared | None:
        return self._family.prepare(picture)

    def is_full(self, inputs: Sequence[Prepared | None]) -> bool:
        return self._limits.are_reached([self._family.weight(one) for one in inputs])

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        return self.start([self.prepare(picture) for picture in pictures])()

    def start(self, inputs: Sequence[Prepared | None]) -> Callable[[], Floats]:
        """Hand in a batch. Returns: a function that waits for its vectors, and raises a fault that prevents them."""
        batch = Batch(list(inputs), self.dim, self._vectors, frozenset())
        with self.changed:
            self.waiting.append(Part(batch, range(len(inputs))))
            self._add_worker_for_waiting()
            self.changed.notify_all()
        return batch

    def elsewhere(self, inputs: Sequence[Prepared | None], before: Callable[[], Floats]) -> Callable[[], Floats]:
        """Hand in pictures of an earlier batch again, for another worker where one is ready."""
        avoid = frozenset(before.desks) if isinstance(before, Batch) else frozenset()
        batch = Batch(list(inputs), self.dim, self._vectors, avoid)
        with self.changed:
            self.waiting.appendleft(Part(batch, range(len(inputs))))
            self.changed.notify_all()
        return batch

    def killers(self, started: Callable[[], Floats]) -> Mapping[int, str]:
        return started.deadly if isinstance(started, Batch) else {}

    def first_of(self, started: Sequence[Callable[[], Floats]]) -> int:
        """Choose the first finished batch, even after a fault: no finished vector is lost."""

        def finished() -> int | None:
            done = (number for number, batch in enumerate(started) if not isinstance(batch, Batch) or batch.is_done)
            return next(done, None if self.fault is None else 0)

        with self.changed:
            self.changed.wait_for(lambda: finished() is not None)
            return finished() or 0

    def prove(self, met: str) -> bool:
        """Let the workers that failed prove themselves, and wait for that. Raises: ModelError if none is left."""
        with self.changed:
            self.doubt(self._desks, met)
            self.changed.notify_all()
            self.changed.wait_for(
                lambda: self.fault is not None or not any(desk.is_doubtful for desk in self._desks if not desk.is_lost)
            )
            self._raise_fault()
            lost, self._told = self._losses > self._told, self._losses
        return lost

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        with self.changed:
            self.is_closed = True
            self.waiting.clear()
            self.changed.notify_all()
            desks = list(self._desks)
            for desk in desks:
                if desk.worker is not None:
                    desk.worker.kill()
        for desk in desks:
            desk.join()
            if desk.worker is not None:
                desk.worker.close()

    # Called by the desks' threads

    def next_for(self, desk: Desk) -> Part | None:
        """Choose the part that a worker may take: a second one only where no other worker is idle."""
        if not desk.is_ready or desk.is_doubtful or len(desk.under_way) >= desk.depth:
            return None
        ready = self._ready()
        if desk.under_way and not all(other.under_way or other.is_doubtful for other in ready):
            return None
        if any(part.deaths for part in desk.under_way.values()):
            return None
        for part in self.waiting:
            if part.deaths and desk.under_way:
                return None  # whether it ends its worker is seen only where it is alone
            avoid = part.batch.avoid
            if desk not in avoid or avoid.issuperset(ready):
                return part
        return None

    def doubt(self, desks: Collection[Desk], met: str) -> None:
        """Let those prove themselves that failed. met: what they did to pictures."""
        for desk in desks:
            if desk.has_failed and not desk.is_doubtful:
                desk.is_doubtful = True
                self.met = met

    def lose(self, desk: Desk, err: Exception) -> None:
        """Go on without a worker; with none left, end the run with this error."""
        with self.changed:
            if self.is_closed or self.fault is not None or desk.is_lost:
                return
            desk.is_lost, desk.is_ready = True, False
            parts = list(desk.under_way.values())
            desk.under_way.clear()
            for part in reversed(parts):
                rest = self._after_death(desk, part, err) if is_death(err) else [part]
                self.waiting.extendleft(reversed(rest))
            if desk.worker is not None:
                desk.worker.kill()
            self._losses += 1
            left = sum(not other.is_lost for other in self._desks)
            if left:
                self._add_worker_for_waiting()
            elif len(self._desks) < len(self._devices):
                self._add_worker()
            else:
                self.fault = err
            self.changed.notify_all()
        if self.fault is None:
            self.care.note(f"{_said(err)}; going on without {desk.device}")

    def end(self, err: BaseException) -> None:
        """End the run with an error."""
        with self.changed:
            if not self.is_closed and self.fault is None:
                self.fault = err
            self.changed.notify_all()

    # The rest is called by those above, which hold `changed`

    def _after_death(self, desk: Desk, part: Part, err: Exception) -> list[Part]:
        """Divide a part after a death. If it is the part's doing, its devices may be started again."""
        rest = part.after_death(desk.device, _said(err))
        if len(part.deaths) >= DEATHS:
            devices = part.deaths if len(part.deaths) == DEATHS else part.deaths[-1:]
            some = devices[: self._restarts]
            self._restarts -= len(some)
            self._devices += some
        return rest

    def _vectors(self, batch: Batch) -> Floats:
        with self.changed:
            self.changed.wait_for(lambda: batch.is_done or self.fault is not None)
            if batch.fault is not None:
                raise batch.fault
            if not batch.is_done:
                self._raise_fault()
        return batch.rows

    def _raise_fault(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _ready(self) -> list[Desk]:
        return [desk for desk in self._desks if desk.is_ready]

    def _add_worker_for_waiting(self) -> None:
        """Start the next worker if more batches wait than workers are idle."""
        idle = sum(not desk.under_way for desk in self._ready())
        if len(self.waiting) > idle and len(self._desks) < len(self._devices) and self.fault is None:
            self._add_worker()

    def _add_worker(self) -> None:
        number = len(self._desks)
        desk = Desk(self, self._devices[number], is_restart=number >= self._count)
        self._desks.append(desk)
        desk.open()


def _said(err: Exception) -> str:
    return err.message if isinstance(err, VstoreError) else str(err).partition("\n")[0]
