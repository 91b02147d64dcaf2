"""A sync in which nothing changed, of 100,000 files, against the bare walk, find, git status and restic.

    python benchmarks/bench_no_change.py [--files 100000] [--dir DIR]

Targets: the summary's seconds at most 1.5 times a scandir(fd) + stat walk; the whole process at most 1.5 times
`find -printf` plus `python -c pass`; no picture opened, nothing written, no fsync (counted with strace, where there is
one).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import VSTORE, environment, in_turn, machine, make_pictures, process, ratio, spread, timed


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
    parser.add_argument("--dir", type=Path, help="where to work; a new temporary folder by default")
    args = parser.parse_args()
    top = Path(tempfile.mkdtemp(dir=args.dir, prefix="vstore-bench-"))
    try:
        run(top, args.files)
    finally:
        shutil.rmtree(top)


def run(top: Path, files: int) -> None:
    pictures, store = top / "pictures", top / "store"
    make_pictures(pictures, files, 98)
    print(machine())
    print(f"{files:,} files in {len(list(pictures.iterdir())):,} folders, warm")
    time.sleep(2.5)  # so that every stat is settled
    sync = [*VSTORE, "--store", str(store), "sync", str(pictures), "--json"]
    subprocess.run([*VSTORE, "--store", str(store), "init"], check=True, capture_output=True, env=environment())
    first = json.loads(subprocess.run(sync, check=True, capture_output=True, env=environment()).stdout)
    print(f"first sync: {first['embedded']:,} embedded in {first['seconds']:.0f} s")
    summaries: list[float] = []

    def whole() -> float:
        return timed(lambda: summaries.append(json.loads(_output(sync))["seconds"]))

    sides = {
        "scandir(fd) + stat": lambda: timed(lambda: walk(pictures)),
        "vstore sync": whole,
        "find -printf": lambda: process(["find", str(pictures), "-printf", "%p %s %T@ %i\\n"]),
        "python -c pass": lambda: process([sys.executable, "-c", "pass"]),
    }
    if shutil.which("git"):
        for words in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", "-C", str(pictures), *words], check=True, capture_output=True)
        sides["git status"] = lambda: process(["git", "-C", str(pictures), "status", "--porcelain"])
    if shutil.which("restic"):
        version = subprocess.run(["restic", "version"], capture_output=True, text=True, check=True).stdout.split()[1]
        os.environ["RESTIC_PASSWORD"] = "benchmark"
        repo = str(top / "restic")
        for words in (["init"], ["backup", str(pictures)]):
            subprocess.run(["restic", "-r", repo, "-q", *words], check=True, capture_output=True)
        sides[f"restic {version} backup"] = lambda: process(["restic", "-r", repo, "-q", "backup", str(pictures)])
    found = in_turn(sides)
    inside = summaries[1:]
    floor = [a + b for a, b in zip(found["find -printf"], found["python -c pass"], strict=True)]
    for name, values in found.items():
        print(f"  {name:24} {spread(values)}")
    print(f"  {'vstore: its own seconds':24} {spread(inside)}")
    print(f"seconds / (scandir(fd) + stat):                {ratio(inside, found['scandir(fd) + stat'])}   target 1.5")
    print(f"whole process / (find + python -c pass):       {ratio(found['vstore sync'], floor)}   target 1.5")
    for name in found:
        if name.startswith(("git", "restic")):
            print(f"whole process / {name + ':':30} {ratio(found['vstore sync'], found[name])}")
    count_calls(sync, pictures, store)


def _output(words: list[str]) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, env=environment()).stdout


def count_calls(sync: list[str], pictures: Path, store: Path) -> None:
    if not shutil.which("strace"):
        print("strace is not installed: calls not counted")
        return
    log = store / "strace.log"
    calls = "open,openat,write,pwrite64,fsync,fdatasync,rename,renameat2,unlink,link,linkat,mkdir"
    subprocess.run(
        ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={calls}", *sync],
        check=True, capture_output=True, env=environment(),
    )  # fmt: skip
    lines = log.read_text(errors="replace").splitlines()
    log.unlink()
    opened = [x for x in lines if "openat" in x and re.search(r"img_\d+\.jpg", x)]
    flushed = [x for x in lines if re.search(r"\b(fsync|fdatasync)\(", x)]
    inside = [x for x in lines if str(store) in x and "/locks/" not in x]
    written = [x for x in inside if re.search(r"\b(p?write|pwrite64|rename|unlink|link|mkdir)\w*\(", x)]
    print(f"pictures opened: {len(opened)}, fsyncs: {len(flushed)}, writes in the store (locks apart): {len(written)}")


if __name__ == "__main__":
    main()
