"""One model on several devices: a worker process for each, and batches for the idlest.

Pictures are prepared here; the weights are in the workers alone. The first worker is started before a run embeds
anything, the next one when a batch finds all workers busy: few pictures are embedded before another model would be
loaded, and nobody waits for a model that is being loaded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vstore.embed.hf.batches import Limits
from vstore.embed.hf.family import Family, Prepared
from vstore.embed.workers.worker import Worker

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Embedder, Floats


class Workers:
    """A pipeline over several devices. A worker's fault is raised where vectors are awaited."""

    def __init__(
        self,
        family: Family,
        limits: Limits,
        devices: Sequence[str],
        start: Callable[[str], Worker],
        admit: Callable[[Callable[[], Embedder]], None],
    ) -> None:
        """Start the first worker, and wait until it is ready.

        family:  prepares the pictures.
        limits:  of a batch.
        devices: one worker runs on each.
        start:   starts the process for a device.
        admit:   gets the function that loads a worker's model; raises unless the model gives the vectors of its space.
                 Called once for each worker, in a thread of its own.
        Raises:  all that `start` and `admit` raise; no process is left then.
        """
        self.recipe = family.recipe
        self.dim: int = family.recipe["dim"]
        self._family = family
        self._limits = limits
        self._devices = list(devices)
        self._start_worker = start
        self._admit = admit
        self._changed = threading.Condition()
        self._waiting: deque[_Batch] = deque()
        self._desks: list[_Desk] = []
        self._fault: BaseException | None = None
        self._closed = False
        try:
            with self._changed:
                self._add_worker()
                self._changed.wait_for(lambda: self._fault is not None or self._ready())
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
        with self._changed:
            return 1 if self._fault is not None else 2 * max(1, len(self._ready()))

    def prepare(self, picture: Image) -> Prepared | None:
        return self._family.prepare(picture)

    def is_full(self, inputs: Sequence[Prepared | None]) -> bool:
        return self._limits.are_reached([self._family.weight(one) for one in inputs])

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        return self.start([self.prepare(picture) for picture in pictures])()

    def start(self, inputs: Sequence[Prepared | None]) -> Callable[[], Floats]:
        """Hand in a batch. Returns: a function that waits for its vectors, and raises a fault that prevents them."""
        batch = _Batch(list(inputs), self._vectors)
        with self._changed:
            self._waiting.append(batch)
            idle = sum(not desk.under_way for desk in self._ready())
            if len(self._waiting) > idle and len(self._desks) < len(self._devices) and self._fault is None:
                self._add_worker()
            self._changed.notify_all()
        return batch

    def first_of(self, started: Sequence[Callable[[], Floats]]) -> int:
        """Choose the first finished batch, even after a fault: no finished vector is lost."""

        def finished() -> int | None:
            done = (
                number for number, batch in enumerate(started) if isinstance(batch, _Batch) and batch.rows is not None
            )
            return next(done, None if self._fault is None else 0)

        with self._changed:
            self._changed.wait_for(lambda: finished() is not None)
            return finished() or 0

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            desks = list(self._desks)
            for desk in desks:
                if desk.worker is not None:
                    desk.worker.kill()
        for desk in desks:
            desk.join()
            if desk.worker is not None:
                desk.worker.close()

    # Called by the desks' threads too

    def _vectors(self, batch: _Batch) -> Floats:
        with self._changed:
            self._changed.wait_for(lambda: batch.rows is not None or self._fault is not None)
        if batch.rows is None:
            self._raise_fault()
        assert batch.rows is not None
        return batch.rows

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _ready(self) -> list[_Desk]:
        return [desk for desk in self._desks if desk.is_ready]

    def _add_worker(self) -> None:
        desk = _Desk(self, self._devices[len(self._desks)])
        self._desks.append(desk)
        desk.open()


class _Batch:
    """A batch of prepared pictures on its way. Calling it waits for the vectors."""

    def __init__(self, inputs: list[Prepared | None], wait: Callable[[_Batch], Floats]) -> None:
        self.inputs = inputs
        self.rows: Floats | None = None
        self._wait = wait

    def __call__(self) -> Floats:
        return self._wait(self)


class _Desk:
    """The desk of one worker: a thread that gives it batches, and a thread that takes its vectors."""

    def __init__(self, pool: Workers, device: str) -> None:
        self.worker: Worker | None = None
        self.is_ready = False
        self.under_way: dict[int, _Batch] = {}  # by the number in the worker's answer
        self._pool = pool
        self._device = device
        # A GPU copies the next batch while it computes; on the CPU that batch would only be kept from other workers.
        self._depth = 2 if device.startswith("cuda") else 1
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=f"vstore-{name}-{device}", daemon=True)
            for name, work in (("give", self._give), ("take", self._take))
        ]

    def open(self) -> None:
        self._threads[0].start()

    def join(self) -> None:
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as err:
            pool = self._pool
            with pool._changed:
                if not pool._closed and pool._fault is None:
                    pool._fault = err
                pool._changed.notify_all()

    def _give(self) -> None:
        pool = self._pool
        with pool._changed:
            if pool._closed:
                return
            worker = self.worker = pool._start_worker(self._device)
        pool._admit(worker.load)
        with pool._changed:
            self.is_ready = True
            pool._changed.notify_all()
        self._threads[1].start()
        number = 0
        while True:
            with pool._changed:
                pool._changed.wait_for(lambda: pool._closed or pool._fault is not None or self._may_take())
                if pool._closed or pool._fault is not None:
                    return
                batch = pool._waiting.popleft()
                number += 1
                self.under_way[number] = batch
                pool._changed.notify_all()
            worker.send(number, batch.inputs)
            batch.inputs = []  # the worker has them, and they take much memory

    def _may_take(self) -> bool:
        """Tell whether this worker may take a waiting batch: a second one only where no other worker is idle."""
        pool = self._pool
        if not pool._waiting or len(self.under_way) >= self._depth:
            return False
        return not self.under_way or all(desk.under_way for desk in pool._ready())

    def _take(self) -> None:
        pool, worker = self._pool, self.worker
        assert worker is not None
        while True:
            with pool._changed:
                pool._changed.wait_for(lambda: pool._closed or pool._fault is not None or bool(self.under_way))
                if pool._closed or (pool._fault is not None and not self.under_way):
                    return
            number, rows = worker.receive()
            with pool._changed:
                self.under_way.pop(number).rows = rows
                pool._changed.notify_all()
