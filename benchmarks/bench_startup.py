"""What the quick commands cost as whole processes, against a Python that imports click and does nothing.

    python benchmarks/bench_startup.py [--base [COMMIT]]

Targets: `snapshot list`, `rollback`, `ls | head -50`, `find` and `show --no-neighbours` at most 1.6 times
`python -c "import click"`, the same at 100, 29,104 and 100,000 images, by wall and CPU time; they import neither numpy
nor faiss nor torch nor a progress library. `find` reads the pages of all paths: its time grows with their number. Its
floor is printed beside it: reading these pages alone, in this process, without a look at what they hold.
With --base: `snapshot list`, `log`, `rollback`, `status`, `search` and `--help` against those of an older commit (by
default the one that `benchmarks/base` names), 15 pairs by wall and CPU time; the lower end of the 95 % interval of the
median ratio is at most 1.05.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import against
from bench_commit import store_of
from measure import (
    TOP,
    VSTORE,
    both_times,
    environment,
    imported,
    in_turn,
    machine,
    make_pictures,
    process,
    ratio,
    spread,
    timed,
    workplace,
)

from vstore.repository.repository import Repository

HEAVY = ("numpy", "faiss", "torch", "tqdm", "rich", "PIL", "lmdb")
RUNS = 15
FLOOR = "the pages alone"
SIZES = (100, 29_104, 100_000)
IMAGES = 2_000  # of the stores of --base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", nargs="?", const=against.base_commit(), metavar="COMMIT")
    args = parser.parse_args()
    print(machine())
    if args.base:
        sys.exit(not against_base(args.base))
    with workplace() as top:
        stores = {images: made(top, images) for images in SIZES}
        turns = {images: itertools.cycle(["v1", "v2"]) for images in SIZES}
        sides = {"import click": lambda: both_times(lambda: process([sys.executable, "-c", "import click"]))}
        for images, store in stores.items():
            for name, run in quick(store, images, turns[images]).items():
                sides[f"{name}, {images:,}"] = lambda run=run: both_times(run)
        found = in_turn(sides, RUNS)
        walls = {name: [both.wall for both in values] for name, values in found.items()}
        cpus = {name: [both.cpu for both in values] for name, values in found.items()}
        for name in sides:
            print(f"  {name:32} {spread(walls[name])}, CPU {spread(cpus[name])}")
        for name in sides:
            if name != "import click":
                shown = [ratio(times[name], times["import click"]) for times in (walls, cpus)]
                print(f"{name + ' images':40} / import click: {shown[0]}, CPU {shown[1]}   target {target(name)}")
        few, many = f"{SIZES[0]:,}", f"{SIZES[-1]:,}"
        for name in quick(Path(), 0, iter(())):
            if not name.startswith(FLOOR):
                shown = [ratio(times[f"{name}, {many}"], times[f"{name}, {few}"]) for times in (walls, cpus)]
                print(f"{name} at {many} / at {few}: {shown[0]}, CPU {shown[1]}   target 1")
        for words in (["snapshot", "list"], ["rollback", "v1"], *browsing(SIZES[-1]).values()):
            names = imported([*VSTORE, "--store", str(stores[SIZES[-1]]), *words], HEAVY)
            print(f"{' '.join(words)} imports of {', '.join(HEAVY)}: {', '.join(names) or 'none'}   target: none")


def target(name: str) -> str:
    """Say what a side should be, as a multiple of `import click`."""
    return "none" if name.startswith(FLOOR) else "1.6"


def quick(store: Path, images: int, turn: Iterator[str]) -> dict[str, Callable[[], object]]:
    """List the quick commands on a store by name, and the floor of `find`. turn: the snapshots to go back to."""
    start = [*VSTORE, "--store", str(store)]
    return {
        "snapshot list": lambda: process([*start, "snapshot", "list"]),
        "rollback": lambda: process([*start, "rollback", next(turn)]),
        **{name: lambda words=words: process([*start, *words]) for name, words in browsing(images).items()},
        "ls -R, 50 lines": lambda: first_lines([*start, "ls", "-R"], 50),
        FLOOR: lambda: read_pages(store),
    }


def read_pages(store: Path) -> None:
    """Read the pages of all paths of the current snapshot."""
    repo = Repository(store)
    tree = repo.tree(repo.snapshot("current"))
    for leaf in tree.walk():
        tree.page(leaf.digest)
    repo.close()


def first_lines(words: list[str], count: int) -> float:
    """Seconds that a process takes whose reader goes away after so many lines, as `head` does."""

    def read() -> None:
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment()) as running:
            assert running.stdout is not None
            lines = [running.stdout.readline() for _ in range(count)]
        assert all(lines), lines

    return timed(read)


def browsing(images: int) -> dict[str, list[str]]:
    """The commands that look at what a snapshot holds, by name. images: of the store."""
    picture = f"pictures-{images}/00000/img_0000007.jpg"
    return {
        "ls": ["ls"],
        "find": ["find", "img_0000007*"],
        "show --no-neighbours": ["show", picture, "--no-neighbours"],
    }


def against_base(commit: str) -> bool:
    """Compare with an older commit, each on a store of its own. Returns: whether the target is met."""
    with workplace() as top, against.checkout(commit) as old:
        for side, sources in (("now", TOP), ("base", old)):
            against.make(f"from bench_startup import made; made(Path({str(top / side)!r}), {IMAGES})", sources)
        stores = {side: top / side / f"store-{IMAGES}" for side in ("now", "base")}
        picture = next((top / "now").glob("pictures-*/*/*.jpg"))
        found = against.compare(old, commands(stores, picture))
        return against.report(f"now / {commit[:7]}", found)


def commands(stores: Mapping[str, Path], picture: Path) -> dict[str, Callable[[str], list[str]]]:
    """List the quick commands on the stores of two sides. picture: one that both know."""
    turns = {side: itertools.cycle(["v1", "v2"]) for side in stores}

    def on_store(*words: str) -> Callable[[str], list[str]]:
        return lambda side: ["--store", str(stores[side]), *words]

    return {
        "--help": lambda side: ["--help"],
        "snapshot list": on_store("snapshot", "list"),
        "log": on_store("log"),
        "rollback": lambda side: ["--store", str(stores[side]), "rollback", next(turns[side])],
        "status": on_store("status"),
        "search": on_store("search", "--image", str(picture)),
    }


def made(top: Path, images: int) -> Path:
    """A store of two snapshots."""
    pictures, store = top / f"pictures-{images}", top / f"store-{images}"
    make_pictures(pictures, images, 100)
    with store_of(store, 8) as opened:
        opened.sync([pictures])
        make_pictures(pictures, 1, 1, 5_000_000)
        opened.sync()
    return store


if __name__ == "__main__":
    main()
