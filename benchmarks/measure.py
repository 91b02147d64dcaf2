"""Tools of all benchmarks: both sides in turn, seven runs, medians with their range, counted calls, the machine."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

TOP = Path(__file__).resolve().parent.parent
PATHS = os.pathsep.join([str(TOP / "store"), str(TOP / "cli")])
for path in reversed(PATHS.split(os.pathsep)):
    sys.path.insert(0, path)

RUNS = 7
VSTORE = [sys.executable, "-c", "from vstore_cli.main import main; main()"]  # what the script `vstore` does
FLUSHES = frozenset({"fsync", "fdatasync", "msync", "sync_file_range", "syncfs"})
WRITES = frozenset({"write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "ftruncate"})
NAMES = frozenset({"link", "linkat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "symlink", "unlink"})
OPENS = frozenset({"open", "openat", "openat2", "creat"})
_CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\((.*)| resumed>(.*))$")


def environment() -> dict[str, str]:
    """The environment for processes that run vstore from this checkout; compiled once, as an installed package is."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": PATHS}


def machine() -> str:
    """The day, cores, memory, versions, and how busy others keep the machine, as a line."""
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
    day = datetime.now(UTC).date()
    return (
        f"{day}: {os.cpu_count()} cores ({name}), {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {python}, load {os.getloadavg()[0]:.1f} before"
    )


@contextmanager
def workplace(beside: Path | None = None) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    top = Path(tempfile.mkdtemp(prefix="vstore-bench-", dir=beside))
    try:
        yield top
    finally:
        shutil.rmtree(top)


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Cost(NamedTuple):
    """Seconds that a piece of work, or a process, took. cpu: its own and that of the processes that it waited for."""

    wall: float
    cpu: float


def both_times(work: Callable[[], object]) -> Cost:
    """Run a piece of work, and take the time by the clock and of the processors."""
    before = _cpu()
    wall = timed(work)
    return Cost(wall, _cpu() - before)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def output(words: Sequence[str]) -> str:
    """Run a process, and return its stdout. Raises: SystemExit with its stderr if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    if done.returncode:
        sys.exit(f"{' '.join(words)} exited with {done.returncode}:\n{done.stderr}")
    return done.stdout


def process(words: Sequence[str]) -> float:
    """Seconds that a process takes, from start to end. Raises: SystemExit with its stderr."""
    return timed(lambda: output(words))


def imported(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """List the packages, of those named, that a Python command imports."""
    traced = [words[0], "-X", "importtime", *words[1:]]
    told = subprocess.run(traced, check=True, capture_output=True, text=True, env=environment()).stderr
    found = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.splitlines() if "import time:" in line}
    return [name for name in names if name in found]


def in_turn(sides: Mapping[str, Callable[[], T]], runs: int = RUNS) -> dict[str, list[T]]:
    """Run all sides in turn, after one round that does not count."""
    found: dict[str, list[T]] = {name: [] for name in sides}
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


class Call(NamedTuple):
    """One system call that did not fail. text: its arguments; descriptors stand there with the paths they mean."""

    name: str
    text: str
    result: int


def calls(words: Sequence[str]) -> list[Call] | None:
    """Run a command under `strace -f` and list its calls that flush, write, open and name. None without strace."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile("r", errors="replace") as log:
        names = ",".join(sorted("?" + name for name in FLUSHES | WRITES | NAMES | OPENS))  # "?": where there is one
        trace = ["strace", "-f", "-y", "-s", "0", "-o", log.name, "-e", f"trace={names}"]
        output([*trace, *words])
        found, begun = [], {}
        for line in log:
            match = _CALL.match(line.rstrip("\n"))
            if match is None:
                continue
            thread, name, text, rest = match.groups()
            text = begun.pop((thread, name), "") + rest if text is None else text
            if text.endswith("<unfinished ...>"):  # another thread's call stands between
                begun[thread, name] = text.removesuffix("<unfinished ...>")
                continue
            text, _, result = text.rpartition(" = ")
            if result[:1].isdigit():
                found.append(Call(name, text, int(result.split("<")[0].split()[0], 0)))
        return found


def ratio(over: Sequence[float], under: Sequence[float]) -> str:
    """The ratio of medians, with the range of the ratios run by run."""
    each = [a / b for a, b in zip(over, under, strict=True)]
    middle = statistics.median(over) / statistics.median(under)
    return f"{middle:.2f}x ({min(each):.2f} to {max(each):.2f})"


def make_pictures(
    folder: Path,
    count: int,
    per_folder: int,
    first: int = 0,
    size: tuple[int, int] = (8, 8),
    distinct: int | None = None,
) -> None:
    """Make JPEG files: one picture, with another number behind its end in each, or in so many of them."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, "JPEG", quality=50)
    for number in range(first, first + count):
        place = folder / f"{number // per_folder:05d}"
        if number % per_folder == 0 or number == first:
            place.mkdir(parents=True, exist_ok=True)
        told = number % distinct if distinct else number
        (place / f"img_{number:07d}.jpg").write_bytes(out.getvalue() + b"%010d" % told)
