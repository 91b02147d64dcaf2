"""A store from a stranger, in which one name is a link, a pipe or a socket: no command goes through it, none hangs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.folders import put
from support.opened import watched

from vstore.disk.index_head import IndexHead
from vstore.disk.index_parts import write_part
from vstore.disk.journal import JournalWriter
from vstore.repository.repository import Repository
from vstore_cli.main import run

# In this order: what changes little comes first, and all meet the fault.
COMMANDS = [
    ["snapshot", "list"],
    ["snapshot", "show"],
    ["snapshot", "diff", "v1", "v2"],
    ["search", "./pictures/0.png"],
    ["dupes"],
    ["ls", "-R", "--long"],
    ["find", "*", "--all"],
    ["show", "pictures/0.png"],
    ["log"],
    ["stats"],
    ["facts"],
    ["model", "list"],
    ["export", "out.npz", "--format", "npz"],
    ["status"],
    ["check", "--read-data"],
    ["repair", "--dry-run"],
    ["gc", "--dry-run"],
    ["snapshot", "tag", "v1", "good"],
    ["snapshot", "untag", "good"],
    ["rollback", "v1"],
    ["undo"],
    ["sync", "pictures"],
    ["snapshot", "forget", "v1"],
    ["gc"],
    ["repair"],
]
# What these hold is passed over where it is none of ours, as FORMAT.md says; nobody reads `quarantine/`.
PASSED_OVER = ("indexes", "quarantine")
DECOYS = [
    *(
        "small.txt",
        "thesis.doc",
        ".tmp-ingest-0",
        ".tmp-commit-0",
        ".tmp-cache-0",
        "0" * 32 + ".faiss",
        "0" * 32 + ".pack",
    ),
    *("000000000009.json", "rows-0", "state", "data.mdb", "lock.mdb", "seal", "ingest", "commit"),
]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and a store that has a file in each of its folders."""
    home = tmp_path_factory.mktemp("origin")
    store = home / ".vstore"
    put(home / "pictures", {f"{n}.png": n for n in range(4)})
    for seed in (4, 5):
        assert run(["--store", str(store), "sync", "-q", str(home / "pictures")]) == 0
        put(home / "pictures", {f"{seed}.png": seed})
    repo = Repository(store)
    space = repo.state.spaces[next(iter(repo.state.spaces))]
    head = IndexHead(space.id, "flat", (), {}, 3)
    assert write_part(repo.layout, head, [b"abc"]) is not None
    JournalWriter(repo.layout.journal, space.id, key_size=16, dim=space.dim, dtype=repo.dtype).close()
    (repo.layout.quarantine / "old.pack").write_bytes(b"rot")
    repo.close()
    assert run(["--store", str(store), "search", str(home / "pictures" / "0.png")]) == 0
    return home


def paths(origin: Path, kind: str) -> list[str]:
    """Name what lies in the store: of one kind and folder the newest; for sockets, what differs from pipes."""
    store = origin / ".vstore"
    found = {}
    for path in sorted(store.rglob("*"), key=lambda path: path.stat().st_mtime_ns):
        alike = path.parent.name, path.suffix if path.suffix in (".json", ".pack", ".faiss") else path.name
        found[alike] = str(path.relative_to(store))
    return [name for name in found.values() if kind != "socket" or name in ("FORMAT", "packs", "locks/commit")]


def linked(path: Path, victim: Path) -> None:
    """Put what stood there among the user's files, and a link in its place: what it leads to would be accepted."""
    os.rename(path, victim / "theirs")
    path.symlink_to(victim / "theirs")


def linked_to_others(path: Path, victim: Path) -> None:
    """Put a link to the user's files there, a folder for a folder."""
    target = victim if path.is_dir() else victim / "small.txt"
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(target)


def pipe(path: Path, victim: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    os.mkfifo(path)


def listening(path: Path, victim: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


HARM: dict[str, Callable[[Path, Path], None]] = {
    "link": linked, "link to others": linked_to_others, "pipe": pipe, "socket": listening,
}  # fmt: skip


def tree(folder: Path) -> Iterator[tuple[str, int, int, int, bytes]]:
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        yield str(path.relative_to(folder)), found.st_ino, found.st_size, found.st_mtime_ns, content


@pytest.mark.parametrize("kind", HARM)
def test_no_command_leaves_the_store(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    for number, name in enumerate(paths(origin, kind)):
        home, victim = tmp_path / f"{number}", tmp_path / f"victim-{number}"
        shutil.copytree(origin, home)
        victim.mkdir()
        for decoy in DECOYS:
            (victim / decoy).write_bytes(b"the user's " + decoy.encode())
        monkeypatch.chdir(home)
        HARM[kind](home / ".vstore" / name, victim)
        codes, said = [], ""
        before = list(tree(victim))
        with watched([path for path in (victim, victim / "theirs") if path.exists()]) as events:
            for words in COMMANDS:
                signal.alarm(20)
                codes.append(run(["--store", ".vstore", *words]))
                signal.alarm(0)
                said += capsys.readouterr().err
                (home / "out.npz").unlink(missing_ok=True)
        told = f"{kind} at {name}: {list(zip(codes, COMMANDS, strict=True))}\n{said}"
        assert events == [], told
        assert list(tree(victim)) == before, told
        assert "Traceback" not in said, told
        if name.split("/")[0] not in PASSED_OVER:
            assert 4 in codes, told
            assert f"{name} is a " in said, told
        assert set(codes) <= {0, 1, 3, 4, 10}, told
        shutil.rmtree(home)
