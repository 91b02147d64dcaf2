"""Batches on their way, and the parts of one that ended a process: its pictures go on alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vstore.embed.hf.families.family import Prepared

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats

DEATHS = 2  # of workers with a batch, until its pictures go on alone


class Batch:
    """A batch of prepared pictures on its way. Calling it waits for the vectors.

    inputs: of the model.
    rows:   the vectors so far: float32 (n, dim), NaN where there is none.
    fault:  the error that a worker raised for the whole batch.
    deadly: row -> what happened to each process that got its picture.
    desks:  those that had a part of it.
    avoid:  those that had these pictures before.
    """

    def __init__(
        self, inputs: Sequence[Prepared | None], dim: int, wait: Callable[[Batch], Floats], avoid: frozenset[Any]
    ) -> None:
        import numpy as np

        self.inputs = inputs
        self.rows: Floats = np.full((len(inputs), dim), np.nan, np.float32)
        self.fault: Exception | None = None
        self.deadly: dict[int, str] = {}
        self.desks: set[Any] = set()
        self.avoid = avoid
        self._left = len(inputs)
        self._wait = wait

    def __call__(self) -> Floats:
        return self._wait(self)

    @property
    def is_done(self) -> bool:
        return self.fault is not None or self._left <= 0

    def take(self, numbers: Sequence[int], rows: Floats) -> None:
        """Take the vectors of some pictures. Rows of another shape take the place of all: who reads them objects."""
        if len(numbers) == len(self.inputs) or rows.shape != (len(numbers), self.rows.shape[1]):
            self.rows, self._left = rows, 0
            return
        self.rows[list(numbers)] = rows
        self._left -= len(numbers)

    def give_up(self, numbers: Sequence[int]) -> None:
        """Leave some pictures without a vector."""
        self._left -= len(numbers)


class Part:
    """Pictures of a batch that one worker gets at once.

    batch:   the batch.
    numbers: their rows in it.
    deaths:  the devices whose workers died with these pictures.
    """

    def __init__(self, batch: Batch, numbers: Sequence[int], deaths: tuple[str, ...] = ()) -> None:
        self.batch = batch
        self.numbers = numbers
        self.deaths = deaths

    @property
    def inputs(self) -> list[Prepared | None]:
        return [self.batch.inputs[number] for number in self.numbers]

    def finish(self, rows: Floats) -> bool:
        """Take its vectors. Returns: False if a picture has none that the model could have computed."""
        import numpy as np

        self.batch.take(self.numbers, rows)
        there = [one is not None for one in self.inputs]
        return rows.ndim != 2 or len(rows) != len(there) or bool(np.isfinite(rows[there]).all())

    def fail(self, err: Exception) -> None:
        """Take the error that a worker raised for it."""
        if len(self.numbers) == len(self.batch.inputs):
            self.batch.fault = err
        else:
            self.batch.give_up(self.numbers)  # its picture is tried alone, as others without a vector are

    def after_death(self, device: str, said: str) -> list[Part]:
        """Divide it after the death of its worker.

        said:    what the worker's owner says of the death.
        Returns: the parts to try again; none if its one picture is at fault.
        """
        self.deaths = (*self.deaths, device)
        if len(self.deaths) < DEATHS:
            return [self]
        if len(self.numbers) > 1:
            return [Part(self.batch, [number], self.deaths) for number in self.numbers]
        self.batch.deadly[self.numbers[0]] = f"each process of the model that got it has died; the last time {said}"
        self.batch.give_up(self.numbers)
        return []
