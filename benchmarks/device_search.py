"""Exact search of live rows on a device of torch beside faiss on the CPU: `bench_accelerator.py --search`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from large_store import LargeStore
from measure import in_turn, ratio, spread, timed

from vstore.repository.repository import Repository
from vstore.search.index import Index
from vstore.search.many import nearest_of_many
from vstore.search.on_device import OnDevice
from vstore.search.open_snapshot import OpenSnapshot

K = 10
BATCH = 64  # queries at once
SHARES = {"all rows": 1.0, "half of them": 0.5, "one in a hundred": 0.01}


def narrowed(index: Index, share: float) -> Index:
    """Mark a share of the rows, as a filter or an older snapshot does."""
    rows = index.marked_rows()
    chosen = np.random.default_rng(2).random(len(rows)) < share
    return index if share == 1 else index.narrowed(index.bitmaps_of(rows[chosen]))


def copied(torch: Any, device: str, wait: Callable[[], None], size: int = 1 << 30) -> float:
    """Bytes a second that a copy on the device reads and writes."""
    size = 1 << 24 if device == "cpu" else size
    one, other = (torch.zeros(size, dtype=torch.uint8, device=device) for _ in range(2))
    found = []
    for _ in range(4):  # the first warms up
        wait()
        began = time.perf_counter()
        other.copy_(one)
        wait()
        found.append(2 * size / (time.perf_counter() - began))
    return max(found[1:])


def measure_search(
    top: Path, rows: int, dim: int, device: str, runs: int, *, torch: Any, wait: Callable[[], None]
) -> bool:
    """Measure both sides in turn, and print. Returns: all answers were the same."""
    large = LargeStore(top, rows, dim, snapshots=1)
    large.build()
    repo = Repository(large.folder)
    here, there = (OpenSnapshot(repo, "current").rows for _ in range(2))
    here.hold()
    there.hold()
    on = OnDevice(torch, device)
    bringing = timed(partial(on.take, there))
    there.device = on
    size = there.count * dim * 2
    print(f"{there.count:,} x {dim}: {size / 1e6:,.0f} MB on {device} after {bringing:.2f} s")
    queries = large.some_rows(BATCH)
    is_same = True
    rate = copied(torch, device, wait)
    for name, share in SHARES.items():
        sides = {"faiss": narrowed(here, share), "device": narrowed(there, share)}
        one = {side: partial(index.top_k, queries[:1], K) for side, index in sides.items()}
        many = {side: partial(nearest_of_many, index, queries, K) for side, index in sides.items()}
        answers = [side() for side in many.values()]
        alike = sum(
            a.tolist() == b.tolist() and c.tobytes() == d.tobytes()
            for a, b, c, d in zip(answers[0].rows, answers[1].rows, answers[0].scores, answers[1].scores, strict=True)
        )
        is_same &= alike == BATCH
        alone = in_turn({side: partial(timed, work) for side, work in one.items()}, runs)
        batch = in_turn({side: partial(timed, work) for side, work in many.items()}, runs)
        print(f"{name}: {alike} of {BATCH} answers are the same, bit for bit")
        each = [value / BATCH for value in batch["device"]]
        print(f"  one query: faiss {spread(alone['faiss'])}, {device} {spread(alone['device'])}")
        print(f"    faiss / {device}: {ratio(alone['faiss'], alone['device'])}")
        print(f"  each of {BATCH}: {device} {spread(each)}")
        print(f"    many on the CPU / {device}: {ratio(batch['faiss'], batch['device'])}")
        if share == 1:
            reached = size / min(alone["device"])
            print(f"    the rows are read at {reached / 1e9:.4g} GB/s, {reached / rate:.2f} of what a copy moves there")
    for note in there.notes():
        print(f"note: {note}")
        is_same = False  # the CPU answered
    repo.close()
    return is_same
