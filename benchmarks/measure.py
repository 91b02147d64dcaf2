"""What the benchmarks share: both sides in turn, seven runs, medians with their range, and the machine."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PATHS = os.pathsep.join([str(TOP / "store"), str(TOP / "cli")])
for path in reversed(PATHS.split(os.pathsep)):
    sys.path.insert(0, path)

RUNS = 7
VSTORE = [sys.executable, "-m", "vstore_cli"]


def environment() -> dict[str, str]:
    """The environment for processes that run vstore from this checkout; compiled once, as an installed package is."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": PATHS}


def machine() -> str:
    """Cores, memory and versions, as a line."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
        memory = int(Path("/proc/meminfo").read_text().split()[1]) / (1 << 20)
    except OSError:
        memory = 0.0
    python = platform.python_version()
    return (
        f"{os.cpu_count()} cores ({name}), {memory:.0f} GiB, {platform.system()} {platform.release()}, Python {python}"
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def process(words: Sequence[str], cwd: str | os.PathLike[str] | None = None) -> float:
    """Seconds that a process takes, from start to end. Raises: CalledProcessError."""
    return timed(lambda: subprocess.run(words, check=True, capture_output=True, env=environment(), cwd=cwd))


def in_turn(sides: dict[str, Callable[[], float]], runs: int = RUNS) -> dict[str, list[float]]:
    """Run all sides in turn, after one round that does not count."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(runs + 1):
        for name, side in sides.items():
            value = side()
            if turn:
                found[name].append(value)
    return found


def spread(values: Sequence[float], unit: str = "ms", scale: float = 1000.0) -> str:
    """Median and range: `412 ms (398 to 430)`."""
    low, middle, high = min(values) * scale, statistics.median(values) * scale, max(values) * scale
    return f"{middle:.3g} {unit} ({low:.3g} to {high:.3g})"


def ratio(over: Sequence[float], under: Sequence[float]) -> str:
    """The ratio of medians, with the range of the ratios run by run."""
    each = [a / b for a, b in zip(over, under, strict=True)]
    middle = statistics.median(over) / statistics.median(under)
    return f"{middle:.2f}x ({min(each):.2f} to {max(each):.2f})"


def make_pictures(folder: Path, count: int, per_folder: int, first: int = 0) -> None:
    """Make tiny, distinct JPEG files: one picture, with another number behind its end in each."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(out, "JPEG", quality=50)
    for number in range(first, first + count):
        place = folder / f"{number // per_folder:05d}"
        if number % per_folder == 0 or number == first:
            place.mkdir(parents=True, exist_ok=True)
        (place / f"img_{number:07d}.jpg").write_bytes(out.getvalue() + b"%010d" % number)
