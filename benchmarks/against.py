"""Two sides in turn, as whole processes, by wall and CPU: this checkout and an older commit, or two stores."""

from __future__ import annotations

import io
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from measure import TOP, VSTORE, Cost, environment

BASE = Path(__file__).with_name("base")  # the commit that a change of structure is measured against
PAIRS = 15
MOST = 1.05  # times the base, at the lower end of the interval: what noise does not explain


C = TypeVar("C")
Sides = tuple[Callable[[], C], Callable[[], C]]


def base_commit() -> str:
    """Read the commit that `benchmarks/base` names."""
    return BASE.read_text().strip()


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """Lay the sources of a commit into a folder that is gone afterwards. Raises: SystemExit where git lacks it."""
    import tarfile  # a process that `bench_commit.py` measures imports this module too

    done = subprocess.run(["git", "-C", str(TOP), "archive", commit, "store", "cli", "benchmarks"], capture_output=True)
    if done.returncode:
        sys.exit(f"git has no commit {commit}: {done.stderr.decode().strip()}; fetch the whole history")
    with tempfile.TemporaryDirectory(prefix="vstore-base-") as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def cost(words: Sequence[str], sources: Path) -> Cost:
    """Run vstore from the sources in a folder. Raises: SystemExit with its stderr."""
    return process([*VSTORE, *words], sources)


def process(words: Sequence[str], sources: Path = TOP) -> Cost:
    """Run a command; Python finds the sources in a folder. Raises: SystemExit with its stderr."""
    return run(words, sources)[0]


def run(words: Sequence[str], sources: Path) -> tuple[Cost, str]:
    """Run a command; Python finds the sources in a folder. Returns: its cost and stdout. Raises: as `process`."""
    wall, usage, out = observe(words, sources)
    return Cost(wall, usage.ru_utime + usage.ru_stime), out


def observe(words: Sequence[str], sources: Path = TOP) -> tuple[float, resource.struct_rusage, str]:
    """Run a command; Python finds the sources in a folder. Returns: wall time in seconds, what it used, its stdout.

    Raises: as `process`.
    """
    paths = os.pathsep.join(str(sources / name) for name in ("store", "cli", "benchmarks"))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        child = subprocess.Popen(words, stdout=out, stderr=err, env={**environment(), "PYTHONPATH": paths})
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            err.seek(0)
            sys.exit(f"{' '.join(words)} exited with {child.returncode}:\n{err.read().decode()}")
        out.seek(0)
        return wall, usage, out.read().decode()


def make(code: str, sources: Path) -> None:
    """Run code with the benchmarks, and the package, of some sources: each side makes its store in its own format."""
    process([sys.executable, "-c", f"from pathlib import Path\n{code}"], sources)


def compare(
    old: Path, commands: Mapping[str, Callable[[str], Sequence[str]]], pairs: int = PAIRS
) -> dict[str, list[tuple[Cost, Cost]]]:
    """Run each command with this checkout and with the older sources.

    commands: name -> the words of the command, for the side "now" or "base".
    Returns: name -> pairs of (now, base).
    """

    def sides(words: Callable[[str], Sequence[str]]) -> Sides[Cost]:
        return (lambda: cost(words("now"), TOP)), (lambda: cost(words("base"), old))

    return in_pairs({name: sides(words) for name, words in commands.items()}, pairs)


def in_pairs(named: Mapping[str, Sides[C]], pairs: int = PAIRS) -> dict[str, list[tuple[C, C]]]:
    """Run two sides in turn, after one round that does not count. Which one is first changes from pair to pair."""
    found: dict[str, list[tuple[C, C]]] = {name: [] for name in named}
    for turn in range(pairs + 1):
        for name, sides in named.items():
            costs = {at: sides[at]() for at in ((0, 1) if turn % 2 else (1, 0))}
            if turn:
                found[name].append((costs[0], costs[1]))
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


def report(ratio: str, found: Mapping[str, Sequence[tuple[Cost, Cost]]], most: float = MOST) -> bool:
    """Print a line for each command and measure.

    ratio: what is divided by what.
    found: pairs of costs by command.
    Returns: whether every lower end is at most `most`.
    """
    good = True
    for name, pairs in found.items():
        for measure in Cost._fields:
            over, under = ([getattr(pair[side], measure) for pair in pairs] for side in (0, 1))
            low, middle, high = interval([a / b for a, b in zip(over, under, strict=True)])
            good &= low <= most
            print(
                f"{name}, {measure}: {ratio}: {middle:.3f}x (95 %: {low:.3f} to {high:.3f}), "
                f"{statistics.median(over) * 1000:.3g} ms, {len(pairs)} pairs   target: lower end at most {most}"
            )
    return good
