"""The list of operations, and the little that these commands load and write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.folders import World
from support.numbered import NumberedStore

from vstore.disk.oplog import Oplog
from vstore.errors import UsageError
from vstore.repository.repository import Repository
from vstore.versions.log import log
from vstore.versions.moves import redo, rollback, undo
from vstore.versions.show import snapshot_list
from vstore.versions.tags import snapshot_tag


@pytest.fixture
def world(tmp_path: Path) -> NumberedStore:
    return NumberedStore(tmp_path)


def test_the_log_tells_every_operation_and_which_are_undone(world: NumberedStore) -> None:
    world.snapshots(2)
    rollback(world.repo, "v1")
    snapshot_tag(world.repo, "v1", "tag")
    undo(world.repo)
    undo(world.repo)
    redo(world.repo)
    rows = log(world.repo)
    assert [(row.op, row.current, row.undone) for row in rows] == [
        ("redo", "v1", False),
        ("undo", "v2", False),
        ("undo", "v1", False),
        ("tag", "v1", True),
        ("rollback", "v1", False),
        ("sync", "v2", False),
        ("sync", "v1", False),
        ("init", None, False),
    ]
    assert rows[0].about.startswith("rollback of 20") and rows[0].about.endswith("(to v1)")
    assert [row.number for row in rows] == list(range(8, 0, -1))
    assert log(world.repo, 3) == rows[:3]
    assert log(world.repo, 0) == []
    with pytest.raises(UsageError, match="a log of -1 operations is none"):
        log(world.repo, -1)
    assert rows[0].to_json()["op"] == "redo"


def test_a_log_is_told_though_another_process_collects_its_records(tmp_path: Path) -> None:
    world = World(tmp_path)
    for number in range(3):
        world.put({f"{number}.png": number})
        world.sync()
    repo = Repository(tmp_path / ".vstore")
    rows = log(repo)
    world.store.gc()
    told = repo.reading(lambda: log(repo, 3))
    assert [row.op for row in told] == ["gc", "sync", "sync"]
    assert told[1:] == rows[:2]


def test_the_newest_lines_are_told_without_the_whole_log(world: NumberedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    world.snapshots(10)
    for number in range(4):
        snapshot_tag(world.repo, "v1", f"tag-{number}")
    undo(world.repo)
    repo = world.repo
    rows = log(repo)
    read: list[int] = []
    real = Oplog.read
    monkeypatch.setattr(Oplog, "read", lambda log, number: read.append(number) or real(log, number))  # type: ignore[func-returns-value]
    for limit in range(len(rows) + 2):
        read.clear()
        assert log(repo, limit) == rows[:limit]
        # Tags tell of no current snapshot: the last operation before them does.
        assert len(read) <= max(limit + 1, 6)
    assert rows[1].undone


def test_snapshots_need_neither_numpy_nor_faiss(world: NumberedStore) -> None:
    world.snapshots(3)
    code = """
import sys
from vstore.store import Store
store = Store(sys.argv[1])
store.snapshot_list(), store.snapshot_show("v1"), store.snapshot_diff("v1", "v3"), store.snapshot_tag("v1", "tag")
store.snapshot_untag("tag"), store.rollback("v1", hold=True), store.rollback(release=True)
store.undo(), store.redo(), store.log()
loaded = {"numpy", "faiss", "PIL", "lmdb", "tqdm", "torch", "importlib.metadata"} & set(sys.modules)
assert not loaded, loaded
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(world.repo.layout.folder)], check=True, env=environment)


def test_history_changes_only_the_log(world: NumberedStore) -> None:
    world.snapshots(3)

    def files() -> dict[str, bytes]:
        folder = world.repo.layout.folder
        return {
            str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.parent.name not in ("locks", "cache")
        }

    before = files()
    rollback(world.repo, "v1")
    snapshot_tag(world.repo, "v2", "tag")
    undo(world.repo)
    after = files()
    assert all(after[name] == data for name, data in before.items())
    assert all("/refs/" in name for name in after.keys() - before.keys())
    assert snapshot_list(world.repo)[0].snapshot == "v3"
