"""Many real processes on one store, some killed, some stopped for a while: nothing is lost, nobody waits forever."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support.folders import drawn, put
from support.stores import FAKE, opened, quick_folder

from vstore.repository.decisions import newest_decisions
from vstore.repository.repository import Repository
from vstore.store import Store

TESTS = Path(__file__).resolve().parents[1]
WORKER = TESTS / "support" / "store_worker.py"
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(map(str, [TESTS, TESTS.parent / "store", TESTS.parent / "cli"])),
    "OMP_NUM_THREADS": "1",
}


def start(top: Path, number: int, seconds: float, site: Path) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join([str(site), ENVIRONMENT["PYTHONPATH"]])
    with (top / f"errors-{number}").open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, str(WORKER), str(top), str(number), str(seconds), str(top / f"acks-{number}")],
            env={**ENVIRONMENT, "PYTHONPATH": paths},
            stderr=errors,
        )


def torture(seconds: float, workers: int, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(5)
    with quick_folder() as top:
        (top / "probe.png").write_bytes(drawn(7))
        put(top / "shared", {f"{n}.png": n for n in range(6)})
        Store.init(top / ".vstore", recipe=FAKE.recipe)
        with opened(top) as store:
            store.sync([top / "shared"])
            store.model_add("fake-2", model="fake:fake-2")
        began = time.monotonic()
        running = {number: start(top, number, seconds, site) for number in range(workers)}
        killed = stopped = 0
        while (left := began + seconds - time.monotonic()) > 0:
            time.sleep(min(left, chance.uniform(0.2, 0.8)))
            number = chance.randrange(workers)
            process = running[number]
            if process.poll() is not None:
                continue
            if chance.random() < 0.5:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
                running[number] = start(top, number, max(1.0, began + seconds - time.monotonic()), site)
            else:
                process.send_signal(signal.SIGSTOP)
                time.sleep(chance.uniform(0.05, 0.3))
                process.send_signal(signal.SIGCONT)
                stopped += 1
        for number, process in running.items():
            assert process.wait(300) == 0, (top / f"errors-{number}").read_text()
        done: Counter[str] = Counter()
        acknowledged: dict[str, str | None] = {}
        forgotten: set[str] = set()
        tags: set[str] = set()
        decided: set[str] = set()
        undone = ""
        waiting: dict[str, int] = {}
        resumed: set[str] = set()
        for number in range(workers):
            assert (top / f"errors-{number}").read_text() == ""
            for line in (top / f"acks-{number}").read_text().splitlines():
                ack = json.loads(line)
                done[ack["op"]] += 1
                if ack["op"] == "sync":
                    assert ack["snapshot"] not in acknowledged, "a number was used twice"
                    acknowledged[ack["snapshot"]] = ack["id"]
                elif ack["op"] == "forgetting":
                    forgotten.add(ack["snapshot"])
                elif ack["op"] == "tag":
                    tags.add(ack["tag"])
                elif ack["op"] == "decide":
                    decided.add(ack["id"])
                elif ack["op"] == "waiting":
                    assert waiting.setdefault(ack["id"], ack["rows"]) == ack["rows"], "an import's id was used twice"
                elif ack["op"] == "resuming":
                    resumed.add(ack["id"])
                elif ack["op"] == "undo":
                    undone += ack["about"] + "\n"
                assert ack.get("ok", True), f"a {ack['op']} in the midst of it all found damage"
        with opened(top) as store:
            # No stale lock: the killed hold none.
            store.sync([top / "shared"])
            report = store.check(read_data=True)
            assert report.ok, report.problems
            repo = Repository(top / ".vstore")
            for name, id in acknowledged.items():
                snapshot = repo.listing.find(name)
                if snapshot is None or not snapshot.kept:
                    assert name in forgotten, f"{name} was acknowledged, and is lost"
                else:
                    assert not snapshot.degraded, name
                    assert snapshot.id == (id or snapshot.id), name
            kept = {name: found.rows for name, found in repo.state.imports.items()}
            assert {name: kept.get(name) for name in waiting if name not in resumed} == {
                name: rows for name, rows in waiting.items() if name not in resumed
            }, "rows of imports that wait were lost"
            lost = {tag for tag in tags - repo.state.tags.keys() if tag not in undone}
            assert len(lost) <= killed, f"{lost} were acknowledged, and no undo that lived to tell took them back"
            lost = decided - {one.id.hex() for one in newest_decisions(repo)}
            assert len(lost) <= killed + undone.count("1 decision"), f"the decisions {lost} were acknowledged"
            store.gc(drop_unnamed=True)
            assert store.check(read_data=True).ok
        left_over = [p for p in (top / ".vstore").rglob("*") if p.name.startswith(".tmp-")]
        assert left_over == []
        with capsys.disabled():
            print(
                f"\n{workers} processes for {seconds:.0f} s, {killed} killed, {stopped} stopped: "
                + ", ".join(f"{name} {count}" for name, count in sorted(done.items())),
                end=" ",
            )
        assert done["import"]
        assert done["second space"]
        assert all(done[kind] for kind in ("decide", "fields", "facts", "part"))
        assert done["sync"] > 3
        assert done["search"] > 3


def test_many_processes_at_once_lose_nothing(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torture(15.0, 4, installed, capsys)


@pytest.mark.long
def test_many_processes_for_ten_minutes_lose_nothing(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torture(600.0, 8, installed, capsys)
