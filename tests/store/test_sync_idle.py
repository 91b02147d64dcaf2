"""A sync that has nothing to do writes nothing, flushes nothing, opens no picture and loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from support.failing_disks import Watched, disk  # noqa: F401
from support.folders import ENVIRONMENT, Reads, World, classes, put, stats_of

HEAVY = ("numpy", "PIL", "faiss", "torch", "transformers", "tqdm", "rich", "importlib.metadata")

SCRIPT = """
import json, sys
import vstore.intake.reader
from vstore.store import Store
vstore.intake.reader.SETTLED_NS = 0  # as if the pictures had been written long ago
with Store(sys.argv[1]) as store:
    report = store.sync(sys.argv[2:])
print(json.dumps([report.snapshot, report.paths, sorted(sys.modules)]))
"""


@pytest.fixture
def idle(settled: World) -> World:
    """A world in which everything is known: several roots, a thousand files in one folder, a picture that fails."""
    settled.put({f"many/{number:04d}.png": 1 for number in range(1100)})
    settled.put({"a.png": 2, "x/y/b.png": 3, "bad.png": b"garbage", "notes.txt": b"words"})
    put(settled.top / "other", {"c.png": 4, ".vstoreignore": b"d.png\n", "d.png": 5})
    settled.sync(settled.pictures, settled.top / "other")
    settled.all()
    return settled


def test_no_file_of_the_store_changes(idle: World) -> None:
    before = stats_of(idle.folder)
    report = idle.all()
    assert (classes(report), report.snapshot) == ({"unchanged": 1103, "failed": 1}, None)
    assert stats_of(idle.folder) == before


def test_no_call_that_writes_or_flushes_is_made(
    idle: World,
    disk: Watched,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[bool] = []
    real = lmdb.open

    class Environment:
        def __init__(self, *args: object, **options: object) -> None:
            self._real = real(*args, **options)

        def begin(self, *args: object, **options: object) -> object:
            begun.append(bool(options.get("write")))
            return self._real.begin(*args, **options)

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    idle.store.close()
    idle.store = idle.another()
    monkeypatch.setattr(lmdb, "open", Environment)
    assert idle.all().snapshot is None
    assert begun
    assert not any(begun), "the catalogue is only read"
    called = {call for call, _ in disk.calls}
    assert called <= {"read", "look", "pread", "open", "close"}
    assert not disk.named("fsync") + disk.named("write") + disk.named("link") + disk.named("rename")


def test_no_picture_is_opened(idle: World, reads: Reads) -> None:
    idle.all()
    assert (reads.opened, reads.decoded) == ([], 0)


def test_neither_numpy_nor_a_decoder_nor_faiss_nor_torch_is_loaded(tmp_path: Path) -> None:
    from vstore.store import Store

    put(tmp_path / "pictures", {"a.png": 1, "x/b.png": 2})
    Store.init(tmp_path / ".vstore")

    def run() -> list[object]:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / ".vstore"), str(tmp_path / "pictures")]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
        found: list[object] = json.loads(done.stdout)
        return found

    assert run()[:2] == ["v1", 2]
    before = stats_of(tmp_path / ".vstore")
    snapshot, paths, modules = run()
    assert (snapshot, paths) == (None, 2)
    assert not [name for name in HEAVY if name in modules]  # type: ignore[operator]
    assert stats_of(tmp_path / ".vstore") == before


def test_renames_alone_load_no_decoder_and_no_model(tmp_path: Path) -> None:
    from vstore.store import Store

    put(tmp_path / "pictures", {"a.png": 1, "x/b.png": 2})
    Store.init(tmp_path / ".vstore")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / ".vstore"), str(tmp_path / "pictures")]
    subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
    (tmp_path / "pictures/a.png").rename(tmp_path / "pictures/z.png")
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
    snapshot, paths, modules = json.loads(done.stdout)
    assert (snapshot, paths) == ("v2", 2)
    assert not [name for name in ("numpy", "PIL", "faiss", "torch") if name in modules]


def test_a_sync_of_a_part_or_of_one_root_that_has_nothing_to_do_writes_nothing_either(idle: World) -> None:
    idle.all()
    before = stats_of(idle.folder)
    for paths in ([idle.pictures], [idle.pictures / "x"], [idle.pictures / "a.png"], [idle.top / "other"]):
        assert idle.store.sync(paths).snapshot is None
        assert stats_of(idle.folder) == before
