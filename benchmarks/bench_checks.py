"""What the checks of strangers' stores cost: instructions of whole commands, with each check and without it.

    python benchmarks/bench_checks.py [log] [search] [sync] [--pictures 2000] [--base [COMMIT]]

Needs valgrind: counts of instructions hardly differ from run to run, whatever else the machine does, but a second of
the program takes half a minute. Each line says by how much a command has more instructions with a check than without
it; a check that reads a file costs system calls too, which are not counted. With --base: the commands beside those of
an older commit, on a store of its own (by default the one that `benchmarks/base` names). No target: `bench_startup.py`,
`bench_search.py` and `bench_no_change.py` have theirs in time.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import against
from measure import TOP, environment, machine, make_pictures, workplace

RUN = "from vstore_cli.main import main; main()"
LISTING = "import os, sys; os._exit = lambda status: (print(*sys.modules), sys.exit(status)); "
COMMANDS = ("log", "search", "sync")  # the last one without news
NOTHING = "lambda *words, **named: None"
# What is switched off: module, name, what takes its place.
CHECKS = {
    "no link leaves the store": [("vstore.disk.inside", "_split", "lambda path: None")],
    "the state is one that FORMAT.md allows": [("vstore.disk.oplog", "require_state", NOTHING)],
    "JSON has a right size and depth": [
        ("vstore.format.canonical", "parsed", "lambda data, longest: json.loads(data)")
    ],
    "the folder still holds this store": [
        ("vstore.repository.repository:Repository", "refuse_gone_to_readers", NOTHING)
    ],
    "the catalogue is the file that this disk wrote": [
        ("vstore.disk.catalogue", "place_of", "lambda folder: owner.Place.OWN")
    ],
    "the header of a segment is the only legal one": [("vstore.disk.segments:Segment", "_require_header", NOTHING)],
    "the store belongs to this user": [
        ("vstore.repository.opened", "caches_for", "lambda layout, store_id, user: None")
    ],
    "the user named the folders of the store": [
        ("vstore.repository.acquaintance:KnownFolders", "is_known", "lambda self, root: True")
    ],
    "the rows found match their checksums": [("vstore.search.index:Index", "_prove", NOTHING)],
    "a lock is still the one in the folder": [("vstore.disk.lock:Lock", "refuse_lost", NOTHING)],
    "what the guard asks before the scan and after it": [
        ("vstore.sync.plan:Planner", "is_safe", "lambda *words: True"),
        ("vstore.sync.plan:Planner", "refuse_spoilt", NOTHING),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", choices=[*COMMANDS, []], help="by default all of them")
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--base", nargs="?", const=against.base_commit(), metavar="COMMIT")
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("this counts instructions with valgrind, which is not installed")
    print(machine())
    with workplace() as top:
        pictures = top / "pictures"
        make_pictures(pictures, args.pictures, 98)
        if args.base:
            with against.checkout(args.base) as old:
                beside(top, pictures, old, args.base[:7], args.commands or COMMANDS)
        else:
            without(top, pictures, args.commands or COMMANDS)


def made(store: Path, pictures: Path, sources: Path) -> None:
    """Make a store with the sources in a folder; its second sync finds every stat settled."""
    against.cost(["--store", str(store), "init"], sources)
    for _ in range(2):
        against.cost(["--store", str(store), "sync", str(pictures), "-q"], sources)
        time.sleep(2.2)
    against.cost(["--store", str(store), "sync", "-q"], sources)


def words_of(name: str, store: Path, pictures: Path) -> list[str]:
    words = {
        "log": ["log"],
        "search": ["search", "--image", str(min(pictures.rglob("*.jpg")))],
        "sync": ["sync", "-q"],
    }
    return ["--store", str(store), *words[name]]


def without(top: Path, pictures: Path, names: Sequence[str]) -> None:
    """Count each command with all checks, and without one of them."""
    made(top / "now", pictures, TOP)
    for name in names:
        words = words_of(name, top / "now", pictures)
        imported = against.run([sys.executable, "-P", "-c", LISTING + RUN, *words], TOP)[1].split()
        for check, parts in CHECKS.items():
            if all(module.partition(":")[0] in imported for module, _, _ in parts):
                # The modules of a check are imported earlier for it, and so for what it is compared with.
                whole = counted(words, TOP, replaced(parts, keep=True))
                more = whole - counted(words, TOP, replaced(parts))
                print(f"{name}: {check}: {100 * more / whole:.2f} % of {whole / 1e6:.0f} million", flush=True)


def beside(top: Path, pictures: Path, old: Path, commit: str, names: Sequence[str]) -> None:
    """Count each command beside that of an older commit."""
    for side, sources in (("now", TOP), ("base", old)):
        made(top / side, pictures, sources)
    for name in names:
        now = counted(words_of(name, top / "now", pictures), TOP)
        base = counted(words_of(name, top / "base", pictures), old)
        print(f"{name}: now / {commit}: {now / base:.3f}x ({now / 1e6:.0f} / {base / 1e6:.0f} million)", flush=True)


def replaced(parts: Sequence[tuple[str, str, str]], *, keep: bool = False) -> str:
    """Write code that puts something in the place of some checks. keep: it puts each back afterwards."""
    code = ["import importlib, json"]
    for where, name, instead in parts:
        module, _, inside = where.partition(":")
        code.append(f"owner = importlib.import_module({module!r})" + (f".{inside}" if inside else ""))
        code += [f"kept = owner.{name}", f"owner.{name} = {instead}"]
        code += [f"owner.{name} = {'kept' if keep else 'owner.' + name}"]
    return "\n".join(code) + "\n"


def counted(words: Sequence[str], sources: Path, before: str = "") -> int:
    """Count the instructions of a command, in its own code and in the libraries that it uses.

    before: code to run first.
    Raises: SystemExit with its stderr.
    """
    paths = os.pathsep.join(str(sources / name) for name in ("store", "cli"))
    counting = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    ran = subprocess.run(
        [*counting, sys.executable, "-P", "-c", before + RUN, *words],
        capture_output=True,
        text=True,
        env={**environment(), "PYTHONPATH": paths, "PYTHONHASHSEED": "0"},
    )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or not found:
        sys.exit(f"{' '.join(words)} exited with {ran.returncode}:\n{ran.stderr}")
    return int(found[1])


if __name__ == "__main__":
    main()
