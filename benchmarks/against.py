"""This checkout against an older commit: the same commands of both in turn, as whole processes, by wall and CPU."""

from __future__ import annotations

import io
import math
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from measure import TOP, VSTORE, environment

BASE = Path(__file__).with_name("base")  # the commit that a change of structure is measured against
PAIRS = 15
MOST = 1.05  # times the base, at the lower end of the interval: what noise does not explain


class Cost(NamedTuple):
    """Seconds that a process took. cpu: its own and that of the processes that it waited for."""

    wall: float
    cpu: float


def base_commit() -> str:
    """Read the commit that `benchmarks/base` names."""
    return BASE.read_text().strip()


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """Lay the sources of a commit into a folder that is gone afterwards. Raises: SystemExit where git lacks it."""
    done = subprocess.run(["git", "-C", str(TOP), "archive", commit, "store", "cli"], capture_output=True)
    if done.returncode:
        sys.exit(f"git has no commit {commit}: {done.stderr.decode().strip()}; fetch the whole history")
    with tempfile.TemporaryDirectory(prefix="vstore-base-") as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def cost(words: Sequence[str], sources: Path) -> Cost:
    """Run vstore from the sources in a folder. Raises: SystemExit with its stderr."""
    paths = os.pathsep.join([str(sources / "store"), str(sources / "cli")])
    with tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*VSTORE, *words], stdout=subprocess.DEVNULL, stderr=err, env={**environment(), "PYTHONPATH": paths}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            sys.exit(f"vstore {' '.join(words)} exited with {process.returncode}:\n{err.read().decode()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def compare(
    old: Path, commands: Mapping[str, Callable[[str], Sequence[str]]], pairs: int = PAIRS
) -> dict[str, list[tuple[Cost, Cost]]]:
    """Run each command with this checkout and with the older sources, in turn, after one round that does not count.

    commands: name -> the words of the command, for the side "now" or "base".
    Returns: name -> pairs of (now, base). Which of the two comes first changes from pair to pair.
    """
    found: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in commands}
    for turn in range(pairs + 1):
        for name, words in commands.items():
            order = [("now", TOP), ("base", old)] if turn % 2 else [("base", old), ("now", TOP)]
            costs = {side: cost(words(side), sources) for side, sources in order}
            if turn:
                found[name].append((costs["now"], costs["base"]))
    return found


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The median of some ratios, between the ends of its 95 % interval.

    Source: order statistics: the count of values below the median is binomial, whatever the distribution of the values.
    """
    ordered, n = sorted(ratios), len(ratios)
    below, tail = 0, 0.5**n
    while tail + math.comb(n, below + 1) * 0.5**n <= 0.025:
        below += 1
        tail += math.comb(n, below) * 0.5**n
    return ordered[below], statistics.median(ordered), ordered[n - 1 - below]


def report(commit: str, found: Mapping[str, Sequence[tuple[Cost, Cost]]]) -> bool:
    """Print a line for each command and measure. Returns: whether every lower end is within the target."""
    good = True
    for name, pairs in found.items():
        for measure in Cost._fields:
            now, base = ([getattr(pair[side], measure) for pair in pairs] for side in (0, 1))
            low, middle, high = interval([a / b for a, b in zip(now, base, strict=True)])
            good &= low <= MOST
            print(
                f"{name}, {measure}: now / {commit[:7]}: {middle:.3f}x (95 %: {low:.3f} to {high:.3f}), "
                f"{statistics.median(now) * 1000:.3g} ms, {len(pairs)} pairs   target: lower end at most {MOST}"
            )
    return good
