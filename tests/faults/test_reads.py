"""Every reading call of every command that reads fails: the command gives an error that names the file and what to do,
or the right answer; never another one."""

from __future__ import annotations

import errno
import json
import mmap
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.every_kind import every_kind
from support.failing_disks import Hesitating
from support.kind_operations import READERS
from support.stores import edited, load, opened, quick_folder

from vstore.disk import durable
from vstore.disk.durable import Disk
from vstore.errors import VstoreError
from vstore.search.query import Operand
from vstore.store import Store

FEW = 60  # reading calls that fail in the short form
BAD = [errno.EIO, errno.EBADMSG]  # a block that cannot be read; a checksum of the file system that fails


class BadFile(Disk):
    """A disk with a bad file: from this reading call on, the file cannot be read, or (short) is read in parts."""

    def __init__(self, at: int | None = None, code: int = errno.EIO, *, short: bool = False) -> None:
        self._at = at
        self._code = code
        self._short = short
        self._names: dict[int, str] = {}
        self.calls: list[str] = []
        self.bad: str | None = None

    def _read(self, call: str, path: str) -> None:
        self.calls.append(call)
        if len(self.calls) - 1 == self._at:
            self.bad = path
        if path == self.bad:
            raise OSError(self._code, os.strerror(self._code))

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        if not flags & (os.O_CREAT | os.O_DIRECTORY):
            self._read("open", path)
        fd = super().open(path, flags, mode)
        self._names[fd] = path
        return fd

    def read(self, path: str, longest: int) -> bytes:
        self._read("read", path)
        return super().read(path, longest)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        self._read("pread", self._names[fd])
        return super().pread(fd, max(1, size // 3) if self._short else size, offset)

    def readinto(self, fd: int, buffer: memoryview) -> int:
        self._read("readinto", self._names[fd])
        return super().readinto(fd, buffer[: max(1, len(buffer) // 3)] if self._short else buffer)

    def map(self, fd: int) -> mmap.mmap:
        self._read("map", self._names[fd])
        return super().map(fd)


def found(store: Store, name: str, at: str) -> Any:
    report = store.search([Operand(1.0, image=os.fsencode(store.folder.parent / "pictures" / name))], at=at, k=4)
    return [(hit.key, round(hit.score, 4), hit.paths) for hit in report.hits]


def without_bytes(report: Any) -> Any:
    """Leave out what would be freed: lost lines of the history are not written."""
    return report._replace(**{name: 0 for name in ("bytes", "gc_frees") if name in report._fields})


def exported(store: Store, at: str) -> Any:
    out = store.folder.parent / "out.jsonl"
    try:
        store.export(out, format="jsonl", at=at)
        return sorted(map(json.dumps, map(json.loads, out.read_text().splitlines())))
    finally:
        out.unlink(missing_ok=True)


# What a check counts and how long it takes is no answer; whether all is well is.
COMMANDS: dict[str, Callable[[Store], Any]] = {
    "search": lambda store: found(store, "d.png", "current"),
    "search an older one": lambda store: found(store, "sub/c.png", "v1"),
    "search another space": lambda store: found(store, "sub/c.png", "v7"),
    "search by a new picture": lambda store: found(store, "f.png", "v6"),
    "search below a folder": lambda store: store.search(
        [Operand(1.0, image=os.fsencode(store.folder.parent / "pictures" / "d.png"))], under="pictures/sub"
    ),
    "dupes": lambda store: store.dupes(near=0.9).to_json(),
    "status": lambda store: {**store.status().to_json(), "seconds": 0, "full_seconds": 0, "embed_seconds": 0},
    "list": lambda store: store.snapshot_list(),
    "show": lambda store: store.snapshot_show("v3"),
    "diff": lambda store: store.snapshot_diff("v1", "v7"),
    "ls": lambda store: store.ls(at="v6", recursive=True).to_json(),
    "ls --space-missing": lambda store: store.ls(space_missing="fake-2").to_json(),
    "find": lambda store: store.find_pictures("*.png", all=True).to_json(),
    "show a picture": lambda store: store.show("pictures/sub/c.png", at="v1").to_json(),
    "log": lambda store: (store.log(), store.why_log_is_cut),
    "model list": lambda store: store.model_list(),
    "model show": lambda store: store.model_show("fake-2"),
    "export": lambda store: exported(store, "v6"),
    "stats": lambda store: store.stats(),
    "gc --dry-run": lambda store: store.gc(dry_run=True),
    "forget --dry-run": lambda store: store.snapshot_forget(keep_last=1, dry_run=True),
    "check": lambda store: store.check().ok,
    "check --read-data": lambda store: store.check(read_data=True).ok,
    **READERS,
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def top(folder: Path, installed: Path) -> Path:
    top = folder / "top"
    if not top.exists():
        top.mkdir()
        every_kind(top)
        edited(top)
    return top


def run(top: Path, command: Callable[[Store], Any], disk: Disk) -> tuple[Any, VstoreError | None, str | None]:
    """Run a command on a disk like this. Returns: its answer or its error, and the complaint of the store."""
    shutil.rmtree(top / ".vstore" / "cache", ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "disk", disk)
        store = None
        try:
            with opened(top) as store:
                return command(store), None, store.complaint
        except VstoreError as err:
            return None, err, store.complaint if store is not None else None


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_cannot_be_read_is_named_or_not_missed(
    name: str, top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_each(name, top, lambda calls: -(-calls // FEW), capsys)


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_cannot_be_read_from_any_call_on_is_named_or_not_missed(
    name: str, top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_each(name, top, lambda calls: 1, capsys)


def fail_each(name: str, top: Path, step: Callable[[int], int], capsys: pytest.CaptureFixture[str]) -> None:
    """Let reading calls of a command fail, each with all later ones on its file. step: from one to the next."""
    command = COMMANDS[name]
    well = BadFile()
    expected, error, _ = run(top, command, well)
    assert error is None
    figures: Counter[str] = Counter()
    for number in range(0, len(well.calls), step(len(well.calls))):
        disk = BadFile(number, BAD[number % len(BAD)])
        answer, error, complaint = run(top, command, disk)
        where = f"{name}: call {number} ({well.calls[number]}) of {disk.bad}: {error!r}"
        if complaint is not None:
            assert disk.bad is not None and os.path.basename(disk.bad) in complaint, (where, complaint)
            figures["answered from an older record, which is said"] += 1
        elif error is not None:
            assert disk.bad is not None, where
            if ".vstore" in disk.bad:
                assert error.exit_code == 4 and os.path.basename(disk.bad) in str(error), where
            else:  # what an export has written, and opens to flush it: no damage of the store
                assert error.exit_code == 1 and os.path.basename(disk.bad).split(".")[1] in str(error), where
            assert error.next_step, where
            figures["named"] += 1
        elif answer == expected:
            figures["answered all the same"] += 1
        elif name in ("gc --dry-run", "forget --dry-run") and without_bytes(answer) == without_bytes(expected):
            assert disk.bad is not None and (f"{os.sep}refs{os.sep}" in disk.bad or ".pack" in disk.bad), where
            figures["did without a line of the history"] += 1
        elif name == "parts":
            assert disk.bad is not None and ".part" in disk.bad, where
            assert len(answer) < len(expected) and set(answer) <= set(expected), where  # nobody needs them
            figures["done without"] += 1
        elif name == "log":
            rows, why = answer
            told = {row.number: row for row in expected[0]}
            for row in rows:  # what was current is not known after a lost record; of the two of a gc either tells
                assert row.op == "gc" or row in (told[row.number], told[row.number]._replace(current=None)), where
            assert disk.bad is not None and (os.path.basename(disk.bad) in why or "the history" in why), (where, why)
            figures["cut short, which is said"] += 1
        else:
            assert name.startswith("check") and answer is False, (where, answer)
            figures["found"] += 1
    with capsys.disabled():
        said = ", ".join(f"{what} {count}" for what, count in figures.items())
        print(f"\n{name}: {len(well.calls)} reading calls, {sum(figures.values())} failed, {said}", end=" ")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_that_gives_less_than_was_asked_for_is_asked_again(name: str, top: Path) -> None:
    expected, _, _ = run(top, COMMANDS[name], BadFile())
    assert run(top, COMMANDS[name], BadFile(short=True)) == (expected, None, None)


def test_a_repair_gives_up_nothing_for_a_disk_that_hesitates(top: Path) -> None:
    hesitate(top, 4)


@pytest.mark.long
def test_a_repair_gives_up_nothing_for_a_disk_that_hesitates_anywhere(top: Path) -> None:
    hesitate(top, 1)


def hesitate(top: Path, step: int) -> None:
    """Let a reading call of a repair fail once, each of them or every so many."""
    counting = Hesitating()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "disk", counting)
        Store.repair(top / ".vstore", load_embedder=load, dry_run=True)
    assert counting.reads > 50
    for at in range(0, counting.reads, step):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(durable, "disk", Hesitating(at))
            report = Store.repair(top / ".vstore", load_embedder=load)
        assert (report.done, report.degraded, report.left) == ((), (), ()), at
