"""A sync in which nothing changed, against the bare walk, find, git status and restic; and `snapshot list`.

    python benchmarks/bench_no_change.py [--files 100000] [--folders N] [--dir DIR] [--base [COMMIT]]
    python benchmarks/bench_no_change.py --files 60000 --folders 22
    python benchmarks/bench_no_change.py --long

Targets: the summary's seconds at most 1.1 times a scandir(fd) + stat walk (1.15 times in the long form, of 1,000,000
files in 10,000 folders: half an hour and 6 GB); the whole process at most 1.5 times `find -printf` plus
`python -c pass`; `snapshot list` at most 1.4 times `python -c "import click"`; no picture opened, nothing written, no
fsync (counted with strace, where there is one). In the long form a thousand files have the same bytes: what is compared
is names and stats.
With --base: the same sync against that of an older commit (by default the one that `benchmarks/base` names), 15 pairs
by wall and CPU time; the lower end of the 95 % interval of the median ratio is at most 1.05.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

import against
from measure import (
    FLUSHES,
    NAMES,
    OPENS,
    TOP,
    VSTORE,
    WRITES,
    calls,
    in_turn,
    machine,
    make_pictures,
    output,
    process,
    ratio,
    spread,
    timed,
    workplace,
)


def walk(top: Path) -> int:
    """The least a scan can do: list every folder through its descriptor, and stat every file."""

    def down(fd: int) -> int:
        names, count = [], 0
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
        for name in names:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            count += down(below)
            os.close(below)
        return count

    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return down(fd)
    finally:
        os.close(fd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, help="in which they lie; by default one for each 98 files")
    parser.add_argument("--long", action="store_true", help="1,000,000 files in 10,000 folders")
    parser.add_argument("--dir", type=Path, help="where to work; a new temporary folder by default")
    parser.add_argument("--base", nargs="?", const=against.base_commit(), metavar="COMMIT")
    args = parser.parse_args()
    with workplace(args.dir) as top:
        if args.long:
            args.files, args.folders = 1_000_000, 10_000
        per_folder = -(-args.files // args.folders) if args.folders else 98
        pictures = top / "pictures"
        if args.base:
            make_pictures(pictures, args.files, per_folder)
            sys.exit(not against_base(top, args.files, args.base))
        make_pictures(pictures, args.files, per_folder, distinct=1000 if args.long else None)
        run(top, args.files, target=1.15 if args.long else 1.1)


def against_base(top: Path, files: int, commit: str) -> bool:
    """Compare with an older commit, each on a store of its own. Returns: whether the target is met."""
    pictures = top / "pictures"
    print(machine())
    print(f"{files:,} files, warm")
    time.sleep(2.5)  # so that every stat is settled
    with against.checkout(commit) as old:

        def sync(side: str) -> list[str]:
            return ["--store", str(top / side), "sync", str(pictures), "-q"]

        for side, sources in (("now", TOP), ("base", old)):
            against.cost(["--store", str(top / side), "init"], sources)
            against.cost(sync(side), sources)
        return against.report(f"now / {commit[:7]}", against.compare(old, {"sync without news": sync}))


def run(top: Path, files: int, target: float) -> None:
    pictures, store = top / "pictures", top / "store"
    print(machine())
    print(f"{files:,} files in {len(list(pictures.iterdir())):,} folders, warm")
    time.sleep(2.5)  # so that every stat is settled
    sync = [*VSTORE, "--store", str(store), "sync", str(pictures), "--json"]
    output([*VSTORE, "--store", str(store), "init"])
    first = json.loads(output(sync))
    print(f"first sync: {first['embedded']:,} embedded in {first['seconds']:.0f} s")
    summaries: list[float] = []

    def whole() -> float:
        return timed(lambda: summaries.append(json.loads(output(sync))["seconds"]))

    sides = {
        "scandir(fd) + stat": lambda: timed(lambda: walk(pictures)),
        "vstore sync": whole,
        "find -printf": lambda: process(["find", str(pictures), "-printf", "%p %s %T@ %i\\n"]),
        "python -c pass": lambda: process([sys.executable, "-c", "pass"]),
        "snapshot list": lambda: process([*VSTORE, "--store", str(store), "snapshot", "list"]),
        "import click": lambda: process([sys.executable, "-c", "import click"]),
    }
    if shutil.which("git"):
        # Its objects lie outside: inside the tree, 100,000 more files would stand in the way of the other walks.
        git = ["git", f"--git-dir={top / 'git'}", f"--work-tree={pictures}"]
        for words in (["init", "-q"], ["add", "-A"]):
            output([*git, *words])
        sides["git status"] = lambda: process([*git, "status", "--porcelain"])
    if shutil.which("restic"):
        version = output(["restic", "version"]).split()[1]
        os.environ["RESTIC_PASSWORD"] = "benchmark"
        restic = ["restic", "-r", str(top / "restic"), "--cache-dir", str(top / "cache"), "-q"]
        for words in (["init"], ["backup", str(pictures)]):
            output([*restic, *words])
        sides[f"restic {version} backup"] = lambda: process([*restic, "backup", str(pictures)])
    assert walk(pictures) == files
    found = in_turn(sides)
    inside = summaries[1:]
    floor = [a + b for a, b in zip(found["find -printf"], found["python -c pass"], strict=True)]
    for name, values in found.items():
        print(f"  {name:24} {spread(values)}")
    print(f"  {'vstore: its own seconds':24} {spread(inside)}")
    walked = ratio(inside, found["scandir(fd) + stat"])
    print(f"seconds / (scandir(fd) + stat):                {walked}   target {target}")
    print(f"whole process / (find + python -c pass):       {ratio(found['vstore sync'], floor)}   target 1.5")
    listed = ratio(found["snapshot list"], found["import click"])
    print(f"snapshot list / import click:                  {listed}   target 1.4")
    for name in found:
        if name.startswith(("git", "restic")):
            print(f"whole process / {name + ':':30} {ratio(found['vstore sync'], found[name])}")
    count_calls(sync, pictures, store)


def count_calls(sync: list[str], pictures: Path, store: Path) -> None:
    before = contents(store)
    made = calls(sync)
    same = contents(store) == before
    if made is None:
        print("strace is not installed: calls not counted")
        return
    opened = [call for call in made if call.name in OPENS and f"{pictures}/" in call.text and ".jpg" in call.text]
    flushed = [call for call in made if call.name in FLUSHES]
    inside = [call for call in made if call.name in WRITES | NAMES and str(store) in call.text]
    locks = [call for call in inside if f"{store}/locks/" in call.text]
    print(
        f"pictures opened: {len(opened)}, fsyncs: {len(flushed)}, "
        f"writes and names in the store: {len(inside) - len(locks)} (and {len(locks)} in locks/: who holds them), "
        f"its files before and after: {'the same' if same else 'not the same'}   target 0, 0, 0"
    )


def contents(store: Path) -> dict[str, tuple[bytes, int]]:
    """The bytes and times of all files that a store consists of; LMDB's table of readers and locks/ are none."""
    kept = (path for path in store.rglob("*") if path.is_file() and path.name != "lock.mdb")
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in kept if p.parent.name != "locks"}


if __name__ == "__main__":
    main()
