"""The desk of one worker: a thread that gives it batches, and a thread that takes its vectors."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from vstore.embed.workers.parts import Part
from vstore.embed.workers.worker import Worker, WorkerFault, is_death
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder


class Care(NamedTuple):
    """The checks that keep the vectors of an unsound worker out of a space.

    admit: gets the function that loads a worker's model; raises unless the model gives the vectors of its space.
           Called once for each worker, in a thread of its own.
    prove: proves a worker again after it failed: gets what it did to pictures, for its message; raises likewise.
    note:  receives a line for each worker that is lost.
    """

    admit: Callable[[Callable[[], Embedder]], None]
    prove: Callable[[Embedder, str], None] = lambda worker, met: None
    note: Callable[[str], None] = lambda text: None


class Pool(Protocol):
    """The pool of the desks. Who reads or changes it holds `changed`.

    waiting:      the parts that no worker has.
    fault:        the error that ended the run.
    met:          what the workers did to pictures, for the message of a proof.
    environment:  of the first worker that was ready.
    start_worker: starts the process for a device.
    """

    changed: threading.Condition
    waiting: deque[Part]
    fault: BaseException | None
    is_closed: bool
    met: str
    environment: dict[str, Any]
    care: Care
    start_worker: Callable[[str], Worker]

    def next_for(self, desk: Desk) -> Part | None:
        """Choose the part that a worker may take."""
        ...

    def doubt(self, desks: Collection[Desk], met: str) -> None:
        """Let those prove themselves that failed. met: what they did to pictures."""
        ...

    def lose(self, desk: Desk, err: Exception) -> None:
        """Go on without a worker. Called without `changed`."""
        ...

    def end(self, err: BaseException) -> None:
        """End the run with an error. Called without `changed`."""
        ...


class Desk:
    """One worker, and what it has to do.

    device:      of the worker.
    is_restart:  an earlier worker of the device has died.
    worker:      None until its process is started.
    is_ready:    its model is loaded and proved.
    is_lost:     it gets nothing more.
    has_failed:  it raised an error, or gave a row without numbers, since it was proved.
    is_doubtful: it proves itself before it gets another batch.
    under_way:   by the number in the worker's answer.
    """

    def __init__(self, pool: Pool, device: str, *, is_restart: bool = False) -> None:
        self.device = device
        self.is_restart = is_restart
        self.worker: Worker | None = None
        self.is_ready = self.is_lost = self.has_failed = self.is_doubtful = False
        self.under_way: dict[int, Part] = {}
        # A GPU copies the next batch while it computes; on the CPU that batch would only be kept from other workers.
        self.depth = 2 if device.startswith("cuda") else 1
        self._pool = pool
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
            lost = is_death(err) or (self.is_restart and not self.is_ready)
            if lost and isinstance(err, Exception):
                self._pool.lose(self, err)
            else:
                self._pool.end(err)

    def _give(self) -> None:
        pool = self._pool
        with pool.changed:
            if pool.is_closed:
                return
            worker = self.worker = pool.start_worker(self.device)
        pool.care.admit(worker.load)
        with pool.changed:
            self.is_ready = True
            pool.environment = pool.environment or worker.environment
            pool.changed.notify_all()
        self._threads[1].start()
        number = 0
        while True:
            with pool.changed:
                pool.changed.wait_for(lambda: self._is_over() or self._may_prove() or pool.next_for(self) is not None)
                if self._is_over():
                    return
                part = None if self._may_prove() else pool.next_for(self)
                if part is not None:
                    number += 1
                    pool.waiting.remove(part)
                    self.under_way[number] = part
                    part.batch.desks.add(self)
                    pool.changed.notify_all()
            if part is None:
                self._prove(worker)
                continue
            try:
                worker.send(number, part.inputs)
            except ModelError as err:
                if not is_death(err):
                    raise
                return  # the other thread takes what it has answered, and meets its end then

    def _is_over(self) -> bool:
        pool = self._pool
        return pool.is_closed or pool.fault is not None or self.is_lost

    def _may_prove(self) -> bool:
        return self.is_doubtful and not self.under_way

    def _prove(self, worker: Worker) -> None:
        pool = self._pool
        try:
            pool.care.prove(worker, pool.met)
        except Exception as err:
            pool.lose(self, err)
            return
        with pool.changed:
            self.has_failed = self.is_doubtful = False
            pool.changed.notify_all()

    def _take(self) -> None:
        pool, worker = self._pool, self.worker
        assert worker is not None
        while True:
            with pool.changed:
                pool.changed.wait_for(lambda: self._is_over() or bool(self.under_way))
                if pool.is_closed or not self.under_way:
                    return
            try:
                number, rows = worker.receive()
            except WorkerFault as err:
                if err.number is None:
                    raise
                with pool.changed:
                    self.under_way.pop(err.number).fail(err)
                    self.has_failed = True
                    pool.changed.notify_all()
                continue
            with pool.changed:
                part = self.under_way.pop(number)
                if not part.finish(rows):
                    self.has_failed = True
                else:
                    others = part.batch.avoid - {self}
                    pool.doubt(others, "it failed on pictures that another device could embed")
                pool.changed.notify_all()
