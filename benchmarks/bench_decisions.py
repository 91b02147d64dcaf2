"""Do 100,000 decisions make the quick commands slower?

    python benchmarks/bench_decisions.py [--decisions 100000] [--pictures 2000] [--pairs 15]

The commands of `bench_startup.py --base` that open a store, on two stores of the same pictures, one of which holds
decisions too: about two pictures each, in ten records. Whole processes, in turn, by wall and CPU time. Target: the
lower end of the 95 % interval of the median ratio is at most 1.02.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from pathlib import Path

import against
from bench_startup import commands, made
from measure import TOP, machine, workplace

from vstore.repository.decisions import Choice, decide, decisions_of
from vstore.repository.repository import Repository

MOST = 1.02  # times the startup without them
RECORDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--pairs", type=int, default=against.PAIRS)
    args = parser.parse_args()
    with workplace() as top:
        stores = {side: made(top / side, args.pictures) for side in ("with", "without")}
        print(machine())
        print(decided(stores["with"], args.decisions))
        picture = next((top / "with").glob("pictures-*/*/*.jpg"))

        def sides(name: str) -> against.Sides[against.Cost]:
            words = commands(stores, picture)[name]  # each side has its turns of `rollback`
            return (lambda: against.cost(words("with"), TOP)), (lambda: against.cost(words("without"), TOP))

        names = [name for name in commands(stores, picture) if name != "--help"]
        found = against.in_pairs({name: sides(name) for name in names}, args.pairs)
        sys.exit(not against.report(f"with / without {args.decisions:,} decisions", found, MOST))


def decided(store: Path, count: int) -> str:
    """Make decisions about pairs of pictures. Returns: words about them."""
    repo = Repository(store)
    current = repo.state.current_snapshot
    keys = sorted(set(repo.tree(current).every_key()))
    pairs = random.Random(0).sample(list(itertools.combinations(keys, 2)), count)
    for first in range(RECORDS):
        choices = [Choice("different", pair) for pair in pairs[first::RECORDS]]
        decide(repo, choices)
    size = sum(ref.size for ref in repo.state.packs)
    repo.close()
    repo = Repository(store)
    held = len(decisions_of(repo))
    repo.close()
    return f"{held:,} decisions in {RECORDS} records; {len(repo.state.packs)} packs of {size >> 10:,} KiB"


if __name__ == "__main__":
    main()
