"""What the quick commands cost as whole processes, against a Python that imports click and does nothing.

    python benchmarks/bench_startup.py

Targets: `snapshot list` and `rollback` at most 1.6 times `python -c "import click"`, the same at 100 and at 100,000
images; they import neither numpy nor faiss nor torch nor a progress library.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_commit import store_of
from measure import environment, in_turn, machine, make_pictures, process, ratio, spread

HEAVY = ("numpy", "faiss", "torch", "tqdm", "PIL", "lmdb")


def main() -> None:
    print(machine())
    top = Path(tempfile.mkdtemp(prefix="vstore-bench-"))
    try:
        for images in (100, 100_000):
            pictures, store = top / f"pictures-{images}", top / f"store-{images}"
            make_pictures(pictures, images, 100)
            with store_of(store, 8) as opened:
                opened.sync([pictures])
                make_pictures(pictures, 1, 1, 5_000_000)
                opened.sync()
            run(store, images)
    finally:
        shutil.rmtree(top)


def run(store: Path, images: int) -> None:
    # What the installed script `vstore` does, without the search for it.
    start = [sys.executable, "-c", "from vstore_cli.main import main; main()", "--store", str(store)]
    turns = itertools.cycle(["v1", "v2"])
    found = in_turn(
        {
            "import click": lambda: process([sys.executable, "-c", "import click"]),
            "snapshot list": lambda: process([*start, "snapshot", "list"]),
            "rollback": lambda: process([*start, "rollback", next(turns)]),
        },
        runs=15,
    )
    print(f"{images:,} images")
    for name, values in found.items():
        print(f"  {name:14} {spread(values)}")
    for name in ("snapshot list", "rollback"):
        print(f"  {name} / import click: {ratio(found[name], found['import click'])}   target 1.6")
    for words in (["snapshot", "list"], ["rollback", "v1"]):
        code = (
            "import sys; from vstore_cli.main import run; "
            f"run(['--store', {str(store)!r}, *{words!r}]); "
            f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
        )
        print(f"  {' '.join(words)} imports of {', '.join(HEAVY)}: {done.stderr.strip()}")


if __name__ == "__main__":
    main()
