"""The command that is changing a store, as others see it."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.folders import World, during

from vstore import Running
from vstore.disk.lock import Lock
from vstore.progress import Stage, Stages
from vstore.repository.running import running

HELD = {"pid": 1, "host": "here", "command": "sync", "since": "2026-01-01T00:00:00Z"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put({f"{n:02}.png": n for n in range(40)})
    return world


def seen_during(world: World, batch: int = 1) -> Running | None:
    """Sync, and ask meanwhile what is running."""
    found = []
    during(world.fake, lambda: found.append(world.another().running()), batch=batch)
    world.sync()
    assert len(found) == 1
    return found[0]


def test_a_sync_is_seen_with_its_process_and_stage(world: World) -> None:
    assert world.store.running() is None
    found = seen_during(world)
    assert found is not None
    assert (found.pid, found.host, found.command) == (os.getpid(), os.uname().nodename, "sync")
    assert (found.stage, found.unit, found.total) == ("embedding", "files", 40)
    assert found.since <= (found.at or "")
    assert world.store.running() is None


def test_how_far_it_is_grows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.progress.SHARED", 0.0)
    found = seen_during(world, batch=2)
    assert found is not None and found.done is not None
    assert 0 < found.done <= 40


def test_status_tells_it(world: World) -> None:
    found = []
    world.sync()
    world.put({"new.png": 99})
    during(world.fake, lambda: found.append(world.another().status()), batch=world.fake.calls + 1)
    report = world.sync()
    assert report.running is None, "a sync knows that it is running"
    assert found[0].running is not None
    assert found[0].to_json()["running"] == {**found[0].running._asdict()}
    assert world.store.status().running is None
    assert world.store.status().to_json()["running"] is None


def test_what_a_killed_command_left_is_not_running(world: World) -> None:
    (world.folder / "locks").mkdir(exist_ok=True)
    (world.folder / "locks" / "ingest").write_text(json.dumps({**HELD, "pid": os.getpid()}))
    assert world.store.running() is None


def test_whoever_looks_keeps_nobody_from_the_lock(tmp_path: Path) -> None:
    (tmp_path / "ingest").write_text(json.dumps(HELD))
    assert running(tmp_path) is None
    with Lock(tmp_path, "ingest") as lock:
        lock.acquire(0)
        assert running(tmp_path) is not None


def test_who_finds_somebody_looking_tries_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(tmp_path / "ingest", "w+b") as looking, Lock(tmp_path, "ingest") as lock:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr("vstore.disk.lock._GLANCE", 60.0)
        monkeypatch.setattr("vstore.disk.lock.time.sleep", lambda seconds: fcntl.flock(looking, fcntl.LOCK_UN))
        lock.acquire(0.0)
        assert lock.held


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        json.dumps({**HELD, "pid": "1"}).encode(),
        json.dumps({**HELD, "pid": True}).encode(),
        json.dumps({**HELD, "command": 7}).encode(),
        json.dumps({**HELD, "command": "x" * 1000}).encode(),
        json.dumps({**HELD, "done": -1}).encode(),
        json.dumps({**HELD, "stage": ["reading"]}).encode(),
        b"x" * (1 << 13),
        b"[" * 4000,
        b'{"pid":' * 500,
    ],
)
def test_what_no_holder_writes_is_nobody(tmp_path: Path, value: bytes) -> None:
    with Lock(tmp_path, "ingest") as lock:
        lock.acquire(0)
        (tmp_path / "ingest").write_bytes(value)
        assert running(tmp_path) is None


def test_a_lock_that_is_a_pipe_or_missing_is_nobody(world: World) -> None:
    lock = world.folder / "locks" / "ingest"
    lock.unlink(missing_ok=True)
    assert world.store.running() is None
    os.mkfifo(lock)
    assert world.store.running() is None


def test_a_lock_that_is_free_again_says_nothing_more(tmp_path: Path) -> None:
    with Lock(tmp_path, "ingest") as lock:
        lock.acquire(0, "sync")
        lock.tell(Stage("reading", 3))
        assert json.loads((tmp_path / "ingest").read_bytes())["total"] == 3
    lock.tell(Stage("reading", 4))
    assert (tmp_path / "ingest").read_bytes() == b""


def test_stages_tell_others_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("vstore.progress.time.monotonic", lambda: clock[0])
    told: list[tuple[str, int]] = []

    def at(seconds: float, act: Any, *words: Any) -> list[tuple[str, int]]:
        clock[0] = 100.0 + seconds
        act(*words)
        new = told[:]
        told.clear()
        return new

    stages = Stages()
    stages.begin("before")
    stages.share(lambda stage: told.append((stage.name, stage.files)))
    assert at(0.0, stages.begin, "listing") == []
    assert at(0.9, stages.advance) == []
    assert at(1.0, stages.advance) == [("listing", 2)]
    assert at(1.9, stages.advance) == []
    assert at(1.9, stages.begin, "reading") == [("reading", 0)], "a new stage is told at once"
    assert at(2.8, stages.advance, 5) == []
    assert at(3.0, stages.advance, 5) == [("reading", 10)]


def test_loading_a_model_is_told_at_once_and_so_is_its_end() -> None:
    told = []
    stages = Stages()
    stages.share(lambda stage: told.append(stage.name))
    stages.begin("reading")
    with stages.loading("a model"):
        assert told == ["loading the model"]
    assert told == ["loading the model", "reading"]


def test_other_commands_share_their_progress(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.progress.SHARED", 0.0)
    world.sync()
    told: list[str] = []
    plain = Lock.tell

    def tell(self: Lock, stage: Stage) -> None:
        told.append(stage.name)
        plain(self, stage)

    monkeypatch.setattr(Lock, "tell", tell)
    for act in (world.store.gc, lambda: type(world.store).repair(world.folder, load_embedder=world.load)):
        told.clear()
        act()
        assert told
