"""One of many processes that use a store at once: does this and that until its time is up, and says what was done.

Arguments: the folder of the store, its number, seconds, a file for what was acknowledged (one JSON document a line).
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

from store.folders import drawn

from vstore.errors import Locked, VstoreError
from vstore.search import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder

FAKE = FakeEmbedder()


def main(top: Path, number: int, seconds: float, out: Path) -> None:
    chance = random.Random(number * 1000 + os.getpid())
    until = time.monotonic() + seconds
    with out.open("a", buffering=1) as acks:

        def acknowledge(**what: object) -> None:
            acks.write(json.dumps(what) + "\n")

        acknowledge(op="start")
        while time.monotonic() < until:
            try:
                step(top, number, chance, acknowledge)
            except Locked:
                acknowledge(op="locked")
            except VstoreError as err:
                # What others do meanwhile may make an operation senseless; nothing may be damaged by it.
                assert err.exit_code in (1, 2, 5), (err.exit_code, str(err))
                acknowledge(op="refused", why=type(err).__name__)


def step(top: Path, number: int, chance: random.Random, acknowledge: object) -> None:
    assert callable(acknowledge)
    with Store(top / ".vstore", load_embedder=lambda recipe: FAKE) as store:
        kind = chance.choices(
            ["sync", "search", "tag", "rollback", "undo", "gc", "forget", "check", "repair"],
            [8, 8, 2, 2, 1, 1, 1, 1, 1],
        )[0]
        if kind == "sync":
            folder = top / ("shared" if chance.random() < 0.5 else f"own-{number}")
            folder.mkdir(exist_ok=True)
            name = folder / f"{chance.randrange(12)}.png"
            spare = folder / f"spare-{number}"
            spare.write_bytes(drawn(chance.randrange(300)))
            spare.replace(name)
            report = store.sync([folder], wait=chance.random() < 0.5)
            if report.snapshot:
                acknowledge(op="sync", snapshot=report.snapshot, id=report.id)
            else:
                acknowledge(op="nothing new")
        elif kind == "search":
            report = store.search([Operand(1.0, image=os.fsencode(top / "probe.png"))], k=5)
            assert all(-1 <= hit.score <= 1 for hit in report.hits)
            acknowledge(op="search")
        elif kind == "tag":
            tag = f"by{number}-{chance.randrange(10**9)}"
            store.snapshot_tag("latest", tag)
            acknowledge(op="tag", tag=tag)
        elif kind == "rollback":
            rows = store.snapshot_list()
            if rows:
                store.rollback(chance.choice(rows).snapshot)
                acknowledge(op="rollback")
        elif kind == "undo":
            acknowledge(op="undo", about=store.undo().about)
        elif kind == "gc":
            report = store.gc(drop_unnamed=chance.random() < 0.5, wait=chance.random() < 0.5)
            acknowledge(op="gc", bytes=report.bytes)
        elif kind == "forget":
            rows = [row for row in store.snapshot_list() if not row.current and not row.tags]
            if len(rows) > 5:
                victim = chance.choice(rows).snapshot
                acknowledge(op="forgetting", snapshot=victim)
                store.snapshot_forget([victim])
                acknowledge(op="forget", snapshot=victim)
        elif kind == "repair":
            left = Store.repair(top / ".vstore", load_embedder=lambda recipe: FAKE, wait=chance.random() < 0.5).left
            acknowledge(op="repair", ok=not left)
        else:
            report = store.check(read_data=chance.random() < 0.3)
            acknowledge(op="check", ok=report.ok)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
