"""The rows of segments on a device of torch, such as a GPU, which scores all marked ones for each query.

It finds the rows near the k-th best; faiss scores these again on the CPU, so the answers are those of a scan there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from vstore.approximate.opened import EXACT
from vstore.disk.norms import NORM_OFF
from vstore.disk.segments import Segment
from vstore.embed.hf.devices import first_of, is_out_of_memory
from vstore.embed.model_words import Settings
from vstore.packages import TORCH
from vstore.quick_tuple import NamedTuple
from vstore.search.index import Hits, Index
from vstore.search.rescoring import CROWD, best_of, floor, rounding
from vstore.turns import Turn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

T = TypeVar("T")

LEAST = EXACT  # bytes of marked rows: the CPU looks through fewer in less time than torch is loaded in
_STAY = ("auto", "cpu")  # words for which rows stay where they are
_BLOCK = 1 << 16  # rows at once at most, and
_BLOCK_BYTES = 192 << 20  # of them as float32
_QUERIES = 256  # at once: scores of 64 MB
_MORE = 54  # rows beyond the k-th that are asked for at first: few others are as near


def place(index: Index, settings: Settings, before: Index | None = None) -> None:
    """Keep the rows of an index on the device of some settings, if one is named that is of use.

    Where it has too little memory, the index stays as it is, and its next answer says so.
    before: an index that was placed for an earlier search: its device is taken, which stays away if it failed.
    Raises: UsageError; ModelError if there is no such device, or no torch; Damage, FileNotFoundError.
    """
    word = settings.devices[0]
    if word in _STAY or not index.count:
        return
    if index.size < LEAST:
        return
    torch = TORCH._replace(why=f"vectors on {word} need torch").load()
    name = first_of(settings, torch)
    known = None if before is None else before.device
    device = known if isinstance(known, OnDevice) and known.name == name else OnDevice(torch, name)
    index.wait()
    device.take(index)
    index.device = device


class _Placed:
    """The rows of a segment on a device.

    blocks:   tensors of rows, each with the number of its first row in the segment.
    is_sound: all are of norm 1, as far as rounding allows.
    """

    def __init__(self, torch: Any, rows: Any, device: str) -> None:
        import numpy as np

        self.blocks: list[tuple[int, Any]] = []
        self.is_sound = True
        step = max(1, min(_BLOCK, _BLOCK_BYTES // (4 * rows.shape[1])))
        for begin in range(0, len(rows), step):
            some = rows[begin : begin + step]
            block = torch.from_numpy(some.astype(some.dtype.newbyteorder("="), copy=True)).to(device)
            norms = np.asarray(torch.linalg.vector_norm(block.to(torch.float32), dim=1).cpu())
            self.is_sound &= bool((np.abs(norms - 1) <= NORM_OFF).all())
            self.blocks.append((begin, block))


class _Chosen(NamedTuple):
    """The marked rows of a block.

    of:      its segment on the device, which stays there meanwhile.
    rows:    its rows.
    first:   the number of the first of them in the index.
    places:  those of the marked ones, int64 (m,); None for all.
    without: those that are not marked, bool (rows,); None for none.
    """

    of: _Placed
    rows: Any
    first: int
    places: Any
    without: Any


_placed: WeakValueDictionary[tuple[Segment, str], _Placed] = WeakValueDictionary()  # of all snapshots


class OnDevice:
    """The rows of an index on a device, and those of each narrower one. Safe in several threads.

    name: the device, as torch calls it.
    """

    def __init__(self, torch: Any, name: str) -> None:
        self._torch = torch
        self.name = name
        self._process = os.getpid()  # a GPU is of no use after a fork
        self._turn = Turn()
        self._chosen: WeakKeyDictionary[Index, list[_Chosen] | None] = WeakKeyDictionary()
        self._is_lost = False
        self._notes: list[str] = []

    @property
    def is_ready(self) -> bool:
        """Tell whether it answers: it has not failed, and this process is no child of a fork."""
        return not self._is_lost and os.getpid() == self._process

    def take(self, index: Index) -> None:
        """Bring the rows of an index to the device."""
        self._or_none(lambda: self._marked(index))

    def notes(self) -> tuple[str, ...]:
        """Give the remarks for people that were not yet given."""
        with self._turn:
            notes, self._notes = tuple(self._notes), []
        return notes

    def top_k(self, index: Index, queries: Floats, k: int) -> Hits | None:
        """Find the k nearest marked rows of each query, as `Index.scan` does; None if the device cannot."""
        near = self.near(index, queries, k)
        if near is None:
            return None
        found = best_of(index, queries, k, near)
        index.prove(found.rows)
        return found

    def near(self, index: Index, queries: Floats, k: int) -> list[Ints | None] | None:
        """Find the marked rows that may be among the k nearest of each query.

        queries: float32 (n, dim).
        Returns: int64 (m,) for each query, None where they are too many; None if the device cannot.
        """

        def work() -> list[Ints | None] | None:
            chosen = self._marked(index)
            if chosen is None:
                return None
            with _in_full(self._torch):
                return self._near(chosen, index.count, queries, min(k, index.count))

        return self._or_none(work)

    def _or_none(self, work: Callable[[], T | None]) -> T | None:
        """Work with the device, until it fails once."""
        with self._turn:
            if not self.is_ready:
                return None
            try:
                return work()
            except (RuntimeError, MemoryError) as err:
                if is_out_of_memory(err):
                    what = f"{self.name} has too little free memory for the vectors"
                else:
                    what = f"{self.name} failed ({' '.join(str(err).split())[:200]})"
            # Outside of the handler: the error holds tensors.
            self._is_lost = True
            self._notes.append(f"{what}: the CPU looks through them; free the device, or leave out --device")
            self._chosen.clear()
            if self._torch.cuda.is_initialized():
                with suppress(RuntimeError):
                    self._torch.cuda.empty_cache()
            return None

    def _marked(self, index: Index) -> list[_Chosen] | None:
        """Find the blocks with marked rows; None if a row is no vector: a scan says so where it matters."""
        if index not in self._chosen:
            self._chosen[index] = self._choose(index)
        return self._chosen[index]

    def _choose(self, index: Index) -> list[_Chosen] | None:
        import numpy as np

        torch, found = self._torch, []
        for segment, every, bitmap, first in index.parts():
            placed = _placed.get((segment, self.name))
            if placed is None:
                placed = _placed[segment, self.name] = _Placed(torch, every, self.name)
            if not placed.is_sound:
                return None
            marks = np.unpackbits(np.frombuffer(bitmap, np.uint8), count=len(every), bitorder="little")
            for begin, rows in placed.blocks:
                here = marks[begin : begin + len(rows)].astype(bool)
                count = int(here.sum())
                places = without = None
                if not count:
                    continue
                if 2 * count < len(rows):
                    places = torch.from_numpy(np.flatnonzero(here)).to(self.name)
                elif count < len(rows):
                    without = torch.from_numpy(~here).to(self.name)
                found.append(_Chosen(placed, rows, first + begin, places, without))
        return found

    def _near(self, chosen: list[_Chosen], count: int, queries: Floats, k: int) -> list[Ints | None]:
        import numpy as np

        near: list[Ints | None] = []
        off = rounding(queries.shape[1])
        for begin in range(0, len(queries), _QUERIES):
            left = np.arange(begin, min(begin + _QUERIES, len(queries)))
            near += [None] * len(left)
            ask = min(k + _MORE, count)
            while len(left):
                scores, rows = self._best(chosen, queries[left], ask)
                # Rows that are not marked come last, if at all.
                is_near = (scores >= (floor(scores[:, k - 1], off) - off)[:, None]) & np.isfinite(scores)
                has_all = ~is_near[:, -1] | (ask == count)
                for at, line in zip(left[has_all].tolist(), np.flatnonzero(has_all).tolist(), strict=True):
                    near[at] = rows[line][is_near[line]]
                if ask >= k + CROWD:
                    break
                left, ask = left[~has_all], min(8 * ask, k + CROWD, count)
        return near

    def _best(self, chosen: list[_Chosen], queries: Floats, ask: int) -> tuple[Floats, Ints]:
        """Find the best rows by sums of float32, best first. Returns: their scores and numbers, (n, ask)."""
        torch = self._torch
        lines = torch.from_numpy(queries).to(self.name)
        best = torch.empty((len(queries), 0), dtype=torch.float32, device=self.name)
        numbers = torch.empty((len(queries), 0), dtype=torch.int64, device=self.name)
        for block in chosen:
            rows = block.rows if block.places is None else block.rows.index_select(0, block.places)
            scores = lines @ rows.to(torch.float32).T
            if block.without is not None:
                scores.masked_fill_(block.without, -torch.inf)
            some, at = scores.topk(min(ask, scores.shape[1]), dim=1)
            at = at if block.places is None else block.places[at]
            best, numbers = torch.cat([best, some], dim=1), torch.cat([numbers, at + block.first], dim=1)
            if best.shape[1] > ask:
                best, at = best.topk(ask, dim=1)
                numbers = numbers.gather(1, at)
        best, at = best.sort(dim=1, descending=True)
        return best.cpu().numpy(), numbers.gather(1, at).cpu().numpy()


@contextmanager
def _in_full(torch: Any) -> Iterator[None]:
    """Let torch multiply float32 in full, whatever a program has set: TF32 is off by more than `rounding`."""
    sets = [backend.matmul for backend in (torch.backends.cuda, torch.backends.mkldnn)]
    before = [one.fp32_precision for one in sets]
    for one in sets:
        one.fp32_precision = "ieee"
    try:
        yield
    finally:
        for one, value in zip(sets, before, strict=True):
            one.fp32_precision = value
