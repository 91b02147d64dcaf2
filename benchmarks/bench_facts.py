"""What do facts cost: bytes in a pack, a look-up, a column of 1,000 pictures, a merge?

    python benchmarks/bench_facts.py [--runs 8] [--rows 8192]

A store with runs of made-up facts as photographs have them (four in five with camera, lens and date, two in five with
a position), each with the digest of its prepared pixels. Printed: bytes a fact in its pack; a look-up of one key in
one run of 64 leaves, whose pages are read from disk, unpacked and checked each time; the same for 1,000 keys at once;
a column of a leaf that is open; the merge of the runs, whole, with its record.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from measure import in_turn, machine, spread, timed, workplace

from vstore.format import facts
from vstore.format.facts import Column, Fact, Value
from vstore.repository.create import create_store
from vstore.repository.facts import added, facts_of, runs_of
from vstore.repository.repository import Repository
from vstore.sync.merge import merge_small

CAMERAS = ["Canon EOS R5", "NIKON D850", "iPhone 13 Pro", "ILCE-7M4", "Pixel 7"]
LENSES = ["RF24-105mm F4 L IS USM", "iPhone 13 Pro back triple camera 5.7mm f/1.5", "FE 35mm F1.8"]
PREPARED = facts.pixels({"policy": 1})
KEYS = 1000


def fact(chance: random.Random) -> Fact:
    """Make up the facts of a photograph."""
    values: dict[Column, Value] = {
        facts.BYTES: chance.randrange(10**5, 10**7),
        facts.WIDTH: chance.choice([4000, 6000, 3024]),
        facts.HEIGHT: chance.choice([3000, 4000]),
        facts.FRAMES: 1,
        facts.FORMAT: "JPEG",
        PREPARED: chance.randbytes(16),
    }
    if chance.random() < 0.8:
        values |= {facts.ORIENTATION: chance.choice([1, 6, 8]), facts.CAMERA: chance.choice(CAMERAS)}
        values |= {facts.TAKEN: chance.randrange(10**9, 2 * 10**9) * 10**6, facts.LENS: chance.choice(LENSES)}
    if chance.random() < 0.4:
        values |= {facts.LATITUDE: 40 + chance.random(), facts.LONGITUDE: 10 + chance.random(), facts.ZONE: 120}
        values |= {facts.ALTITUDE: 500 * chance.random()}
    if chance.random() < 0.05:
        values[facts.RATING] = chance.randrange(6)
    return Fact(chance.randbytes(16), 1, values)


def filled(folder: Path, runs: int, rows: int) -> Repository:
    """Make a store with runs of facts."""
    chance = random.Random(0)
    repo = create_store(folder)
    for _ in range(runs):
        with repo.committing("bench"):
            changes, blobs = added(repo, [fact(chance) for _ in range(rows)])
            repo.publish("seal", changes, blobs=blobs)
    return repo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--rows", type=int, default=8192)
    args = parser.parse_args()
    with workplace() as top:
        print(machine())
        repo = filled(top / ".vstore", args.runs, args.rows)
        count = args.runs * args.rows
        print(f"{count:,} facts: {sum(ref.size for ref in repo.state.packs) / count:.1f} bytes each in their packs")
        took = timed(lambda: merge_small(repo, "", "bench"))
        print(f"merged into {len(repo.state.facts)} run in {took:.2f} s: {took / count * 1e6:.1f} us a fact")
        keys = random.Random(1).sample(sorted(one.key for run in runs_of(repo) for one in run), min(KEYS, count))
        few, leaf = keys[:100], next(runs_of(repo)[0].leaves())
        found = in_turn(
            {
                "one key": lambda: timed(lambda: [facts_of(repo, [key]) for key in few]) / len(few),
                "one key, one column": lambda: (
                    timed(lambda: [facts_of(repo, [k], {facts.WIDTH}) for k in few]) / len(few)
                ),
                f"each of {len(keys):,} keys at once": lambda: timed(lambda: facts_of(repo, keys)) / len(keys),
                f"numbers of {leaf.rows:,} rows": lambda: timed(lambda: leaf.column(facts.WIDTH)),
                f"texts of {leaf.rows:,} rows": lambda: timed(lambda: leaf.column(facts.CAMERA)),
            }
        )
        for name, seconds in found.items():
            print(f"{name}: {spread(seconds, 'us', 1e6)}")


if __name__ == "__main__":
    main()
