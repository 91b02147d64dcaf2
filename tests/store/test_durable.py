"""The one door to the disk: what is written, flushed, published, removed."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.failing_disks import NO_LINKS, Watched, disk

from vstore.disk import durable
from vstore.disk.durable import Appender
from vstore.errors import DiskTrouble, ReadOnly, VstoreError

__all__ = ["disk"]
FULL, BROKEN, READ_ONLY = errno.ENOSPC, errno.EIO, errno.EROFS


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# Writing durably


def test_a_file_is_flushed_before_it_has_its_name_and_the_folder_after(tmp_path: Path, disk: Watched) -> None:
    durable.write_durably(tmp_path / "a.pack", [b"one", b"two"], "commit")
    assert (tmp_path / "a.pack").read_bytes() == b"onetwo"
    assert disk.calls == [
        ("open", ".tmp-commit"),
        ("write", ".tmp-commit"),
        ("write", ".tmp-commit"),
        ("fsync", ".tmp-commit"),
        ("rename", "a.pack"),
        ("open", tmp_path.name),
        ("fsync", tmp_path.name),
    ]


def test_short_writes_are_gone_on_with(tmp_path: Path, disk: Watched) -> None:
    disk.most = 3
    durable.write_durably(tmp_path / "a", [b"0123456789", memoryview(b"abcdefg")], "ingest")
    assert (tmp_path / "a").read_bytes() == b"0123456789abcdefg"


def test_what_is_written_may_be_any_buffer(tmp_path: Path, disk: Watched) -> None:
    import numpy as np

    disk.most = 5
    rows = np.arange(12, dtype="<f4").reshape(3, 4)
    durable.write_durably(tmp_path / "a", [rows, bytearray(b"tail")], "ingest")
    assert (tmp_path / "a").read_bytes() == rows.tobytes() + b"tail"


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
@pytest.mark.parametrize("error", [FULL, BROKEN, READ_ONLY])
def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path, disk: Watched, call: str, error: int) -> None:
    disk.fail(call, error)
    with pytest.raises(VstoreError):
        durable.write_durably(tmp_path / "a", [b"one", b"two"], "commit")
    assert names(tmp_path) == []


def test_nothing_is_left_when_what_should_be_written_cannot_be_made(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"one"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        durable.write_durably(tmp_path / "a", parts(), "ingest")
    assert names(tmp_path) == []


def test_a_file_whose_folder_cannot_be_flushed_stays_whole(tmp_path: Path, disk: Watched) -> None:
    disk.fail("fsync", BROKEN, tmp_path.name)
    with pytest.raises(DiskTrouble):
        durable.write_durably(tmp_path / "a", [b"one"], "commit")
    assert (tmp_path / "a").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (FULL, DiskTrouble, "free some space"),
        (errno.EDQUOT, DiskTrouble, "free some space"),
        (READ_ONLY, ReadOnly, "make the store writable"),
        (errno.EACCES, ReadOnly, "make the store writable"),
        (BROKEN, DiskTrouble, "look at the disk"),
    ],
)
def test_an_error_names_the_file_the_reason_and_what_to_do(
    tmp_path: Path, disk: Watched, error: int, kind: type[VstoreError], words: str
) -> None:
    disk.fail("write", error)
    with pytest.raises(kind) as caught:
        durable.write_durably(tmp_path / "a.pack", [b"one"], "commit")
    assert type(caught.value) is kind
    assert caught.value.message == f"cannot write {tmp_path / 'a.pack'}: {os.strerror(error)}"
    assert words in caught.value.next_step


# Publishing


def test_a_record_is_flushed_linked_and_its_folder_flushed(tmp_path: Path, disk: Watched) -> None:
    assert durable.publish(tmp_path / "7.json", b"record", "commit")
    assert names(tmp_path) == ["7.json"]
    assert disk.calls == [
        ("open", ".tmp-commit"),
        ("write", ".tmp-commit"),
        ("fsync", ".tmp-commit"),
        ("link", "7.json"),
        ("unlink", ".tmp-commit"),
        ("open", tmp_path.name),
        ("fsync", tmp_path.name),
    ]


def test_a_name_that_is_taken_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "7.json").write_bytes(b"somebody else's")
    assert not durable.publish(tmp_path / "7.json", b"ours", "commit")
    assert (tmp_path / "7.json").read_bytes() == b"somebody else's"
    assert names(tmp_path) == ["7.json"]


def test_a_link_that_reports_an_error_and_yet_succeeded_is_a_publication(tmp_path: Path, disk: Watched) -> None:
    disk.fail("link", BROKEN, after=True)
    assert durable.publish(tmp_path / "7.json", b"record", "commit")
    assert names(tmp_path) == ["7.json"]
    assert disk.named("fsync")[-1] == tmp_path.name


def test_a_name_that_our_own_bytes_took_before_is_a_publication(tmp_path: Path) -> None:
    (tmp_path / "7.json").write_bytes(b"record")
    assert durable.publish(tmp_path / "7.json", b"record", "commit")


def test_a_link_that_fails_publishes_nothing(tmp_path: Path, disk: Watched) -> None:
    disk.fail("link", BROKEN)
    with pytest.raises(DiskTrouble):
        durable.publish(tmp_path / "7.json", b"record", "commit")
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
@pytest.mark.parametrize("error", [FULL, BROKEN, READ_ONLY])
def test_nothing_is_left_of_a_record_that_cannot_be_written(
    tmp_path: Path, disk: Watched, call: str, error: int
) -> None:
    disk.fail(call, error, durable.TEMPORARY)
    with pytest.raises(VstoreError):
        durable.publish(tmp_path / "7.json", b"record", "commit")
    assert names(tmp_path) == []


def test_a_record_whose_folder_cannot_be_flushed_is_there_and_the_error_says_so(tmp_path: Path, disk: Watched) -> None:
    disk.fail("fsync", BROKEN, tmp_path.name)
    with pytest.raises(DiskTrouble, match=r"7\.json is published, but a power cut may undo it"):
        durable.publish(tmp_path / "7.json", b"record", "commit")
    assert (tmp_path / "7.json").read_bytes() == b"record"


def test_a_temporary_name_that_cannot_be_removed_does_not_undo_a_publication(tmp_path: Path, disk: Watched) -> None:
    disk.fail("unlink", BROKEN)
    assert durable.publish(tmp_path / "7.json", b"record", "commit")
    assert (tmp_path / "7.json").read_bytes() == b"record"


@pytest.mark.parametrize("error", NO_LINKS)
def test_where_there_are_no_hard_links_a_record_is_renamed_into_place(
    tmp_path: Path, disk: Watched, error: int
) -> None:
    disk.fail("link", error)
    assert durable.publish(tmp_path / "7.json", b"record", "commit")
    assert (tmp_path / "7.json").read_bytes() == b"record"
    assert names(tmp_path) == ["7.json"]
    assert disk.named("fsync")[-1] == tmp_path.name


@pytest.mark.parametrize("error", NO_LINKS)
def test_where_there_are_no_hard_links_a_taken_name_is_not_replaced_either(
    tmp_path: Path, disk: Watched, error: int
) -> None:
    disk.fail("link", error)
    (tmp_path / "7.json").write_bytes(b"somebody else's")
    assert not durable.publish(tmp_path / "7.json", b"ours", "commit")
    assert (tmp_path / "7.json").read_bytes() == b"somebody else's"
    assert names(tmp_path) == ["7.json"]


# Cache files


def test_a_cache_file_is_renamed_into_place_without_a_flush(tmp_path: Path, disk: Watched) -> None:
    (tmp_path / "state").write_bytes(b"older")
    assert durable.write_unflushed(tmp_path / "state", [b"newer"])
    assert (tmp_path / "state").read_bytes() == b"newer"
    assert disk.named("fsync") == []


@pytest.mark.parametrize("call", ["open", "write", "rename"])
@pytest.mark.parametrize("error", [FULL, BROKEN, READ_ONLY])
def test_a_cache_file_that_cannot_be_written_is_no_error(tmp_path: Path, disk: Watched, call: str, error: int) -> None:
    disk.fail(call, error)
    assert not durable.write_unflushed(tmp_path / "state", [b"newer"])
    assert names(tmp_path) == []


def test_a_cache_folder_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    assert durable.write_unflushed(tmp_path / "cache" / "state", [b"newer"])
    assert (tmp_path / "cache" / "state").read_bytes() == b"newer"


# Folders, removal, sweeping


def test_a_folder_is_made_and_its_name_flushed_once(tmp_path: Path, disk: Watched) -> None:
    durable.make_folder(tmp_path / "refs")
    assert disk.calls == [("mkdir", "refs"), ("open", tmp_path.name), ("fsync", tmp_path.name)]
    disk.calls.clear()
    durable.make_folder(tmp_path / "refs")
    assert disk.calls == [("mkdir", "refs")]


def test_what_is_not_there_is_removed_without_complaint(tmp_path: Path, disk: Watched) -> None:
    durable.remove(tmp_path / "gone")
    (tmp_path / "there").write_bytes(b"")
    disk.fail("unlink", READ_ONLY)
    with pytest.raises(ReadOnly):
        durable.remove(tmp_path / "there")


def test_sweeping_removes_the_temporaries_of_its_lock_and_nothing_else(tmp_path: Path) -> None:
    kept = [".tmp-commit-1", ".tmp-cache-2", "a.pack", "ingest", "tmp-ingest-3"]
    for name in [*kept, ".tmp-ingest-4", ".tmp-ingest-5"]:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".tmp-ingest-6").mkdir()
    (tmp_path / ".tmp-ingest-6" / "data.mdb").write_bytes(b"")
    durable.sweep(tmp_path, "ingest")
    assert names(tmp_path) == sorted(kept)


def test_sweeping_what_is_not_there_does_nothing(tmp_path: Path) -> None:
    durable.sweep(tmp_path / "gone", "ingest")


def test_a_file_that_is_set_aside_keeps_its_bytes_and_never_replaces_another(tmp_path: Path, disk: Watched) -> None:
    (tmp_path / "quarantine").mkdir()
    for content in (b"one", b"two"):
        (tmp_path / "bad").write_bytes(content)
        durable.set_aside(tmp_path / "bad", tmp_path / "quarantine")
    assert names(tmp_path) == ["quarantine"]
    assert sorted(path.read_bytes() for path in (tmp_path / "quarantine").iterdir()) == [b"one", b"two"]
    assert all(name.startswith("bad") for name in names(tmp_path / "quarantine"))
    assert disk.named("fsync") == ["quarantine", tmp_path.name] * 2


# Appending


def test_what_is_appended_lies_in_order_whatever_the_writes_take(tmp_path: Path, disk: Watched) -> None:
    disk.most = 2
    file = Appender(tmp_path / "journal")
    file.append(b"12345")
    file.sync()
    file.append(memoryview(b"678"))
    file.sync_name()
    file.close()
    file.close()
    assert (tmp_path / "journal").read_bytes() == b"12345678"
    assert disk.named("fsync") == ["journal", tmp_path.name]


def test_a_file_that_is_there_is_not_appended_to_by_another_run(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"")
    with pytest.raises(DiskTrouble):
        Appender(tmp_path / "journal")


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_an_append_that_fails_says_why_and_keeps_what_was_there(tmp_path: Path, disk: Watched, call: str) -> None:
    file = Appender(tmp_path / "journal")
    file.append(b"before")
    disk.fail(call, FULL)
    with pytest.raises(DiskTrouble, match=r"cannot write .*journal: No space left"):
        file.append(b"after")
        file.sync()
    file.close()
    assert (tmp_path / "journal").read_bytes().startswith(b"before")


def test_a_file_that_is_to_be_mapped_has_room_on_the_disk_and_keeps_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "lock.mdb"
    durable.allocate(path, 8192)
    assert path.stat().st_size == 8192 and path.stat().st_blocks * 512 >= 8192
    path.write_bytes(b"held")
    durable.allocate(path, 8192)
    assert path.read_bytes() == b"held" + bytes(8188)


# Flushing


def test_on_macos_a_flush_reaches_the_disk_and_not_only_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(durable.sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda fd, what: asked.append((fd, what)))
    durable.disk.fsync(0)
    assert asked == [(0, 51)]


def test_on_macos_a_disk_that_knows_no_full_flush_is_flushed_as_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []

    def refuse(fd: int, what: int) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(durable.sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(durable.os, "fsync", flushed.append)
    durable.disk.fsync(7)
    assert flushed == [7]


def test_on_macos_a_full_flush_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(fd: int, what: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(durable.sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", break_down)
    with pytest.raises(OSError, match="input/output error"):
        durable.disk.fsync(7)
