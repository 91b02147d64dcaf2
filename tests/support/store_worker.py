"""One of many processes that use a store at once. It does this and that until its time is up, and reports it.

Arguments: the folder of the store, its number, seconds, a file for what was acknowledged (one JSON document a line).
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support.every_kind import keys_of, put_facts
from support.folders import drawn, put
from support.index_parts import put_part
from support.stores import FAKE, load, old_index

from vstore.errors import Locked, VstoreError
from vstore.format.facts import WIDTH, Fact
from vstore.importing.report import ImportReport
from vstore.repository.decisions import Choice, decide
from vstore.repository.fields import set_fields
from vstore.repository.leftovers import left_rows
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store
from vstore.sync.report import SyncReport

EVERYBODY = {"sync": 8, "search": 8, "tag": 2, "rollback": 2, "undo": 1, "gc": 1, "forget": 1, "check": 1, "repair": 1}
EVERYBODY |= {"decide": 3, "fields": 2, "facts": 2, "part": 1}
# Two of them have something besides that they do alone.
ALONE = {0: {"import": 4, "resume": 3}, 1: {"second space": 3, "use": 3, "drop": 1, "add": 2}}
REFUSALS = {"use": (13,), "second space": (13,)}  # a picture that another process has added has no vector there yet


def main(top: Path, number: int, seconds: float, out: Path) -> None:
    chance = random.Random(number * 1000 + os.getpid())
    until = time.monotonic() + seconds
    with out.open("a", buffering=1) as acks:

        def acknowledge(**what: object) -> None:
            acks.write(json.dumps(what) + "\n")

        acknowledge(op="start")
        while time.monotonic() < until:
            kinds = EVERYBODY | ALONE.get(number, {})
            kind = chance.choices(list(kinds), list(kinds.values()))[0]
            try:
                step(top, number, chance, kind, acknowledge)
            except Locked:
                acknowledge(op="locked")
            except VstoreError as err:
                # What others do meanwhile may make an operation senseless; nothing may be damaged by it.
                assert err.exit_code in (1, 2, 5, *REFUSALS.get(kind, ())), (kind, err.exit_code, str(err))
                acknowledge(op="refused", kind=kind, why=type(err).__name__)


def acknowledge_snapshot(report: SyncReport | ImportReport, acknowledge: Callable[..., None]) -> None:
    """Note the id of a snapshot, unless another process moved on meanwhile."""
    acknowledge(op="sync", snapshot=report.snapshot, id=report.id if report.current == report.snapshot else None)


def step(top: Path, number: int, chance: random.Random, kind: str, acknowledge: Callable[..., None]) -> None:
    with Store(top / ".vstore", load_embedder=load) as store:
        if kind == "sync":
            folder = top / ("shared" if chance.random() < 0.5 else f"own-{number}")
            folder.mkdir(exist_ok=True)
            name = folder / f"{chance.randrange(12)}.png"
            spare = folder / f"spare-{number}"
            spare.write_bytes(drawn(chance.randrange(300)))
            spare.replace(name)
            report = store.sync([folder], wait=chance.random() < 0.5)
            if report.snapshot:
                acknowledge_snapshot(report, acknowledge)
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
            left = Store.repair(top / ".vstore", load_embedder=load, wait=chance.random() < 0.5).left
            acknowledge(op="repair", ok=not left)
        elif kind == "import":
            folder = top / "imported"
            have = {f"{seed}.png": seed for seed in chance.sample(range(300, 600), 2)}
            lack = {f"{seed}.png": seed for seed in chance.sample(range(600, 900), 2)}
            put(folder, have)
            words = {**old_index(top, f"index-{number}", FAKE, {**have, **lack}), "root": folder}
            report = store.import_index(**words, recipe=FAKE.recipe, trust_edited=True, wait=chance.random() < 0.5)
            if report.left:
                acknowledge(op="waiting", id=report.import_id, rows=report.left)
            if report.snapshot:
                acknowledge_snapshot(report, acknowledge)
            acknowledge(op="import")
        elif kind == "resume":
            imports = store._repo.state.imports
            if imports:
                found = chance.choice(list(imports.values()))
                for left in left_rows(store._repo, found):
                    put(top / "imported", {os.fsdecode(left.path): int(left.path.partition(b".")[0])})
                acknowledge(op="resuming", id=found.id)
                report = store.import_index(resume=found.id, trust_edited=True)
                if report.snapshot:
                    acknowledge_snapshot(report, acknowledge)
                acknowledge(op="resume")
        elif kind == "second space":
            report = store.sync(space="fake-2", wait=chance.random() < 0.5)
            if report.snapshot:
                acknowledge_snapshot(report, acknowledge)
            acknowledge(op="second space")
        elif kind == "use":
            used = store.model_use(chance.choice(["fake-1", "fake-2"]))
            if used.snapshot:
                acknowledge(op="use")
        elif kind == "add":
            store.model_add("fake-2", model="fake:fake-2")
            acknowledge(op="add")
        elif kind == "drop":
            store.model_drop("fake-2")
            acknowledge(op="drop")
        elif kind == "decide":
            keys = keys_of(store._repo)[:3]
            (made,) = decide(store._repo, [Choice(chance.choice(["same", "different"]), keys)])
            acknowledge(op="decide", id=made.id.hex())
        elif kind == "fields":
            key = chance.choice(keys_of(store._repo))
            snapshot = set_fields(store._repo, {(key, f"by{number}"): chance.randrange(10**9)})
            if snapshot is not None:
                acknowledge(op="sync", snapshot=snapshot.name, id=snapshot.id)
                acknowledge(op="fields")
        elif kind in ("facts", "part"):
            with store._repo.lock("ingest") as lock:
                lock.acquire(0.0, kind)
                write_derived(store._repo, kind, chance)
            acknowledge(op=kind)
        else:
            report = store.check(read_data=chance.random() < 0.3)
            acknowledge(op="check", ok=report.ok)


def write_derived(repo: Repository, kind: str, chance: random.Random) -> None:
    """Write facts of some pictures, or a part of an index. Holds `ingest`."""
    repo.reload()
    if kind == "facts":
        put_facts(repo, [Fact(key, chance.randrange(9), {WIDTH: 30}) for key in keys_of(repo) if chance.random() < 0.3])
    else:
        space = chance.choice(list(repo.state.spaces))
        put_part(repo, space, repo.state.segments(space)[: chance.randrange(3)], chance.randbytes(1000))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
