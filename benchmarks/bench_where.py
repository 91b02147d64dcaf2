"""What does a filter add to a search: to one of a view, to a command, and to the first one with its columns?

    python benchmarks/bench_where.py [--rows 1000000] [--dim 64] [--runs 7]

A store of random vectors, a snapshot with made-up facts of every picture (four in five with camera and date) and a
label of each. Both sides in turn: the search without a filter, and with one. Each expression is new, as a view
remembers the last few; columns whose rows are mostly alike (camera and label) and such as differ nearly everywhere
(taken) are asked apart.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench_facts import fact
from bench_search import build
from measure import RUNS, VSTORE, in_turn, machine, process, ratio, spread, timed, workplace

from vstore import Operand, Store
from vstore.format.facts import Fact
from vstore.repository.facts import added
from vstore.repository.fields import set_fields
from vstore.repository.repository import Repository

K = 10
TARGET = 0.1  # seconds, at a million pictures
LABELS = ["cat", "dog", "house", "sea", "tree"]
FILTERS = {
    "few kinds of rows": "camera like 'Canon%' and label = 'cat' and rating is not {number}",
    "rows that differ": "taken >= '2024-06' and camera like 'Canon%' and label = 'cat' and width > {number}",
    "most fit": "width > {number}",
}


def fill(folder: Path) -> None:
    """Note facts and a label of every picture."""
    chance = random.Random(1)
    repo = Repository(folder)
    keys = sorted(set(repo.tree(repo.snapshot("current")).every_key()))
    for begin in range(0, len(keys), 131_072):
        facts: list[Fact] = [fact(chance)._replace(key=key) for key in keys[begin : begin + 131_072]]
        with repo.committing("bench"):
            changes, blobs = added(repo, facts)
            repo.publish("seal", changes, blobs=blobs)
    set_fields(repo, {(key, "label"): chance.choice(LABELS) for key in keys})
    repo.close()


def searches(store: Store, where: str, operand: Operand) -> dict[str, Callable[[], float]]:
    """Give the first search of a view that is opened for it, with a filter and without."""

    def first(where: str | None) -> float:
        with store.view() as view:
            view.search(operand, k=K)  # its rows are known
            return timed(lambda: view.search(operand, k=K, where=where))

    return {"first with": lambda: first(where.format(number=0)), "first without": lambda: first(None)}


def measure(folder: Path, runs: int) -> None:
    numbers = itertools.count(10)
    picture = folder / "pictures" / "query.jpg"
    operand = Operand(1.0, image=bytes(picture))
    with Store(folder / ".vstore") as store, store.view() as view:
        for name, where in FILTERS.items():

            def filtered(where: str = where) -> float:
                text = where.format(number=next(numbers))
                return timed(lambda: view.search(operand, k=K, where=text))

            found = in_turn({"with": filtered, "without": lambda: timed(lambda: view.search(operand, k=K))}, runs)
            adds = median(found["with"]) - median(found["without"])
            print(f"{name}: {where}")
            print(f"  warm: with {spread(found['with'])}, without {spread(found['without'])}")
            print(f"  adds {adds * 1000:.0f} ms   target {TARGET * 1000:.0f}; {ratio(found['with'], found['without'])}")
            once = in_turn(searches(store, where, operand), min(runs, 3))
            print(f"  first with its columns: {spread(once['first with'])}, without {spread(once['first without'])}")
    words = [*VSTORE, "--store", str(folder / ".vstore"), "search", str(picture), "-k", str(K), "--json"]
    for name, where in FILTERS.items():

        def command(where: str = where) -> float:
            return process([*words, "--where", where.format(number=0)])

        def first(where: str = where) -> float:
            for kept in (folder / ".vstore" / "cache").glob("columns-*"):
                kept.unlink()
            return command(where)

        found = in_turn({"first": first, "with": command, "without": lambda: process(words)}, runs)
        adds = [one - other for one, other in zip(found["with"], found["without"], strict=True)]
        print(f"command, {name}: with {spread(found['with'])}, without {spread(found['without'])}")
        print(f"  adds {spread(adds)}   target {TARGET * 1000:.0f} ms; first with its columns {spread(found['first'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--runs", type=int, default=RUNS)
    args = parser.parse_args()
    print(machine())
    with workplace() as folder:
        build(folder, args.rows, args.dim)
        fill(folder / ".vstore")
        print(f"{args.rows:,} pictures x {args.dim}, facts and a label of each, {args.runs} runs")
        measure(folder, args.runs)


if __name__ == "__main__":
    main()
