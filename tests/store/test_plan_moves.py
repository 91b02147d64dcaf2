"""Moves to a trash folder and back: on plain files, without a store."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.failing_disks import Watched
from support.folders import put
from support.guarded import mounted
from support.plans import files

from vstore.disk import durable
from vstore.disk.durable import Disk
from vstore.disk.moving import rename_new
from vstore.errors import Locked, UsageError
from vstore.format.hashing import HASHES
from vstore.plans import way
from vstore.plans.mover import Going, move_away
from vstore.plans.moves import Head, Move, parsed
from vstore.plans.proof import Keeper
from vstore.plans.restore import restore
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Unfit

HASH = HASHES["xxh3_128"]
PLAN = b"20261130-120000-0123abcd"
HEAD = Head(PLAN.decode(), "store", "p", HASH.name, "2026-11-30T12:00:00Z")


class Place:
    """A folder with a copy to move away, `sub/copy.jpg`, and the file that stays for it, `kept.jpg`."""

    def __init__(self, top: Path) -> None:
        self.top = top
        put(top, {"kept.jpg": b"bytes", "sub/copy.jpg": b"bytes"})
        self.trash = top / os.fsdecode(b".vstore-trash/" + PLAN)

    def away(self, path: str = "sub/copy.jpg", data: bytes = b"bytes", keeper: str = "kept.jpg") -> bool:
        with TrashFolder(os.fsencode(self.top), PLAN, HEAD) as trash:
            keepers = [Keeper(trash.root, os.fsencode(keeper), HASH.digest(b"bytes"), HASH.new)]
            done = move_away(trash, Going(os.fsencode(path), HASH.digest(data), HASH.new, keepers))
            trash.flush()
            return done

    def refused(self, *words: str, **more: object) -> str:
        """Expect that a file is not moved, and nothing changes. Returns: the reason."""
        before = files(self.top)
        with pytest.raises(Unfit) as caught:
            self.away(*words, **more)  # type: ignore[arg-type]
        assert files(self.top) == before
        return caught.value.reason

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.trash / "moves.jsonl").read_bytes().splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "p")


def test_a_file_goes_to_the_trash_and_back_with_its_bytes_and_times(place: Place) -> None:
    before, was = files(place.top), (place.top / "sub/copy.jpg").stat()
    assert place.away()
    assert files(place.top) == {"kept.jpg": b"bytes", f".vstore-trash/{PLAN.decode()}/sub/copy.jpg": b"bytes"}
    report = restore(os.fsencode(place.trash))
    assert (report.moved, report.done, report.refused, report.left) == ((b"sub/copy.jpg",), 0, (), ())
    assert files(place.top) == before
    after = (place.top / "sub/copy.jpg").stat()
    assert (after.st_ino, after.st_mtime_ns) == (was.st_ino, was.st_mtime_ns)


def test_the_record_says_what_was_moved(place: Place) -> None:
    place.away()
    head, move = place.lines()
    assert head == {
        "vstore_moves": 1, "plan": PLAN.decode(), "store": "store", "label": "p", "hash": "xxh3_128",
        "time": "2026-11-30T12:00:00Z",
    }  # fmt: skip
    found = (place.trash / "sub/copy.jpg").stat()
    assert move == {
        "from": "sub/copy.jpg",
        "to": f".vstore-trash/{PLAN.decode()}/sub/copy.jpg",
        "key": HASH.digest(b"bytes").hex(),
        "size": 5,
        "mtime": found.st_mtime_ns,
    }


def test_the_line_of_a_move_is_flushed_before_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Watched()
    monkeypatch.setattr(durable, "disk", disk)
    place.away()
    calls = [call for call, name in disk.calls]
    at = calls.index("move")
    assert calls[at - 2 : at] == ["write", "fsync"]
    assert disk.calls[at - 1][1] == "moves.jsonl"


class Flushes(Disk):
    """A disk that notes what is flushed, by inode, and when a file is moved."""

    def __init__(self) -> None:
        self.calls: list[int | str] = []

    def fsync(self, fd: int) -> None:
        super().fsync(fd)
        self.calls.append(os.fstat(fd).st_ino)

    def move(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        super().move(folder, name, to, new)
        self.calls.append("move")


def test_the_record_is_found_after_a_power_cut_and_so_is_the_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Flushes()
    monkeypatch.setattr(durable, "disk", disk)
    place.away()
    at = disk.calls.index("move")
    above = (place.top, place.trash.parent, place.trash)
    assert {path.stat().st_ino for path in above} <= set(disk.calls[:at]), "all folders above the record, before a move"
    both = (place.top / "sub", place.trash / "sub")
    assert {path.stat().st_ino for path in both} <= set(disk.calls[at:]), "both folders of the file, after it"


def test_new_folders_outlive_a_power_cut_before_the_file_leaves_its_own(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place.top, {"sub/deep/copy.jpg": b"bytes"})
    disk = Flushes()
    monkeypatch.setattr(durable, "disk", disk)

    def after_the_move(old: Path, new: list[Path]) -> None:
        calls = disk.calls[disk.calls.index("move") :]
        at = calls.index(old.stat().st_ino)
        assert {path.stat().st_ino for path in new} <= set(calls[:at]), "all folders on the way, before the old one"
        disk.calls.clear()

    place.away("sub/deep/copy.jpg")
    after_the_move(place.top / "sub/deep", [place.trash, place.trash / "sub", place.trash / "sub/deep"])
    shutil.rmtree(place.top / "sub")
    restore(os.fsencode(place.trash))
    after_the_move(place.trash / "sub/deep", [place.top, place.top / "sub", place.top / "sub/deep"])


def test_a_second_time_nothing_is_moved(place: Place) -> None:
    assert place.away()
    after = files(place.top)
    assert not place.away()
    assert files(place.top) == after
    assert len(place.lines()) == 2
    restore(os.fsencode(place.trash))
    report = restore(os.fsencode(place.trash / "moves.jsonl"))
    assert (report.moved, report.done) == ((), 1)
    assert place.away()
    assert restore(os.fsencode(place.trash)).moved == (b"sub/copy.jpg",)


def test_a_changed_file_is_not_moved(place: Place) -> None:
    put(place.top, {"sub/copy.jpg": b"other"})
    assert place.refused() == "it has changed since"
    assert not place.trash.parent.exists(), "no trash for nothing"


def test_a_file_is_not_moved_without_one_that_stays(place: Place) -> None:
    put(place.top, {"kept.jpg": b"other"})
    assert place.refused() == (
        "no file that is to stay for it is there with its bytes (kept.jpg: it has changed since)"
    )
    (place.top / "kept.jpg").unlink()
    assert "(kept.jpg: it is gone)" in place.refused()
    (place.top / "kept.jpg").symlink_to("sub/copy.jpg")
    assert "(kept.jpg: it is a link)" in place.refused()
    (place.top / "kept.jpg").unlink()
    os.link(place.top / "sub/copy.jpg", place.top / "kept.jpg")
    assert place.refused() == "it is another name of the file that stays for it"
    assert place.refused(keeper="sub/copy.jpg") == "it is another name of the file that stays for it"


@pytest.mark.parametrize("what", ["st_size", "st_mtime_ns", "st_ctime_ns", ""])
def test_a_file_is_not_moved_for_itself_behind_another_mount(
    place: Place, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Two mounts of one folder have two devices, and may have two inodes for one file: its times tell."""

    def stands(keeper: Keeper) -> os.stat_result:
        found = (place.top / "sub/copy.jpg").stat()
        fields = [name for name in dir(found) if name.startswith("st_")]
        values = {name: getattr(found, name) for name in fields} | {"st_dev": found.st_dev + 1, "st_ino": 7}
        return SimpleNamespace(**values | ({what: values[what] + 1} if what else {}))  # type: ignore[return-value]

    monkeypatch.setattr(Keeper, "stands", stands)
    if what:
        assert place.away()
    else:
        assert place.refused() == "it may be the file that stays for it, seen through another mount"


def test_what_lies_in_the_trash_stays_for_nothing(place: Place) -> None:
    """Whoever empties the trash would lose the last copy."""
    put(place.top, {"second.jpg": b"bytes"})
    place.away("second.jpg")
    assert "it lies in the trash" in place.refused(keeper=f".vstore-trash/{PLAN.decode()}/second.jpg")


def test_a_file_of_the_same_key_and_other_bytes_is_not_moved(place: Place) -> None:
    """Whoever wants can make two files for one key of xxh3."""

    class Weak:
        def update(self, data: bytes) -> None: ...

        def digest(self) -> bytes:
            return bytes(16)

    put(place.top, {"sub/copy.jpg": b"BYTES"})
    with TrashFolder(os.fsencode(place.top), PLAN, HEAD) as trash:
        kept = Keeper(trash.root, b"kept.jpg", bytes(16), Weak)
        with pytest.raises(Unfit, match="it has the key of the file that stays for it, and other bytes"):
            move_away(trash, Going(b"sub/copy.jpg", bytes(16), Weak, [kept]))
    assert (place.top / "sub/copy.jpg").read_bytes() == b"BYTES"


def to_link(place: Place) -> None:
    (place.top / "sub/copy.jpg").rename(place.top / "real.jpg")
    (place.top / "sub/copy.jpg").symlink_to("../real.jpg")


def to_link_on_the_way(place: Place) -> None:
    (place.top / "sub").rename(place.top / "real")
    (place.top / "sub").symlink_to("real")


def to_pipe(place: Place) -> None:
    (place.top / "sub/copy.jpg").unlink()
    os.mkfifo(place.top / "sub/copy.jpg")


def to_socket(place: Place) -> None:
    (place.top / "sub/copy.jpg").unlink()
    os.chdir(place.top / "sub")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("copy.jpg")


def to_folder(place: Place) -> None:
    (place.top / "sub/copy.jpg").unlink()
    (place.top / "sub/copy.jpg").mkdir()


def to_file_on_the_way(place: Place) -> None:
    (place.top / "sub/copy.jpg").unlink()
    (place.top / "sub").rmdir()
    put(place.top, {"sub": b"x"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (to_link, "it is a link"),
        (to_link_on_the_way, "sub on the way to it is a link"),
        (to_pipe, "it is no regular file"),
        (to_socket, "it is no regular file"),
        (to_folder, "it is no regular file"),
        (to_file_on_the_way, "sub on the way to it is no folder"),
        (lambda place: (place.top / "sub/copy.jpg").unlink(), "it is gone"),
    ],
)
def test_only_plain_files_are_moved(
    place: Place, monkeypatch: pytest.MonkeyPatch, change: Callable[[Place], object], reason: str
) -> None:
    monkeypatch.chdir(place.top)
    change(place)
    with pytest.raises(Unfit) as caught:
        place.away()
    assert caught.value.reason == reason
    assert not place.trash.exists()


@pytest.mark.parametrize("path", ["../out.jpg", "/etc/hosts", "sub//copy.jpg", "./kept.jpg", "", "sub/../kept.jpg"])
def test_no_path_leads_out_of_the_folder(place: Place, path: str) -> None:
    put(place.top.parent, {"out.jpg": b"bytes"})
    assert place.refused(path) == "it is no path below its folder"


def test_what_lies_in_the_trash_is_not_moved(place: Place) -> None:
    place.away()
    assert place.refused(f".vstore-trash/{PLAN.decode()}/sub/copy.jpg") == "it lies in the trash"


def test_a_file_in_the_trash_is_never_replaced(place: Place) -> None:
    place.away()
    put(place.top, {"sub/copy.jpg": b"bytes"})
    assert place.refused() == "the trash has another file of its path"


def test_the_record_itself_is_never_replaced(place: Place) -> None:
    put(place.top, {"moves.jsonl": b"bytes", "moves.jsonl.d/copy.jpg": b"bytes"})
    with pytest.raises(Unfit, match="the trash has another file of its path"):
        place.away("moves.jsonl")
    assert (place.top / "moves.jsonl").read_bytes() == b"bytes"


def test_a_name_that_is_taken_in_the_very_moment_is_not_replaced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = durable.disk.move

    def taken(folder: int, name: bytes, to: int, new: bytes) -> None:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT, dir_fd=to)
        os.write(fd, b"a stranger's")
        os.close(fd)
        real(folder, name, to, new)

    monkeypatch.setattr(durable.disk, "move", taken)
    with pytest.raises(Unfit, match="another file is at its place now"):
        place.away()
    assert (place.trash / "sub/copy.jpg").read_bytes() == b"a stranger's"
    assert (place.top / "sub/copy.jpg").read_bytes() == b"bytes"


def test_a_file_that_takes_its_name_in_the_very_moment_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = durable.disk.move
    moved = []

    def swapped(folder: int, name: bytes, to: int, new: bytes) -> None:
        if not moved:
            (place.top / "sub/copy.jpg").rename(place.top / "aside.jpg")
            put(place.top, {"sub/copy.jpg": b"new work"})
        moved.append(name)
        real(folder, name, to, new)

    monkeypatch.setattr(durable.disk, "move", swapped)
    with pytest.raises(Unfit, match="it has changed since"):
        place.away()
    assert (place.top / "sub/copy.jpg").read_bytes() == b"new work"
    assert (place.top / "aside.jpg").read_bytes() == b"bytes"
    assert not (place.trash / "sub/copy.jpg").exists()


def test_a_file_that_changes_after_it_was_read_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = TrashFolder.note

    def edited(self: TrashFolder, move: Move) -> None:
        real(self, move)
        put(place.top, {"sub/copy.jpg": b"BYTES"})

    monkeypatch.setattr(TrashFolder, "note", edited)
    with pytest.raises(Unfit, match="it has changed since"):
        place.away()
    assert (place.top / "sub/copy.jpg").read_bytes() == b"BYTES"


def test_a_file_that_changes_under_its_old_times_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = TrashFolder.note

    def edited(self: TrashFolder, move: Move) -> None:
        real(self, move)
        path = place.top / "sub/copy.jpg"
        before = path.stat()
        path.write_bytes(b"BYTES")
        while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of a disk may tick slowly
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    monkeypatch.setattr(TrashFolder, "note", edited)
    with pytest.raises(Unfit, match="it has changed since"):
        place.away()
    assert (place.top / "sub/copy.jpg").read_bytes() == b"BYTES"


def test_a_kept_file_that_goes_after_it_was_read_keeps_the_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = TrashFolder.note

    def gone(self: TrashFolder, move: Move) -> None:
        real(self, move)
        (place.top / "kept.jpg").unlink()

    monkeypatch.setattr(TrashFolder, "note", gone)
    with pytest.raises(Unfit, match="no file that is to stay for it"):
        place.away()
    assert (place.top / "sub/copy.jpg").read_bytes() == b"bytes"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_such_a_move_moves_nothing(place: Place, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Watched().fail("move", code)
    monkeypatch.setattr(durable, "disk", disk)
    assert place.refused() == "its disk knows no move that is sure to replace no file"


def test_nothing_is_moved_to_another_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(durable, "disk", Watched().fail("move", errno.EXDEV))
        assert place.refused() == way.ELSEWHERE
    (place.top / "sub/copy.jpg").unlink()
    with mounted(place.top / "sub", "-t", "tmpfs", "tmpfs"):
        put(place.top, {"sub/copy.jpg": b"bytes"})
        assert place.refused() == way.ELSEWHERE


def test_nothing_is_noted_of_what_lies_on_another_disk(place: Place) -> None:
    (place.top / "sub/copy.jpg").unlink()
    with mounted(place.top / "sub", "-t", "tmpfs", "tmpfs"):
        put(place.top, {"sub/copy.jpg": b"bytes"})
        assert place.refused() == way.ELSEWHERE
    assert not place.trash.exists()


def test_the_system_renames_without_replacing(tmp_path: Path) -> None:
    put(tmp_path, {"a": b"a", "b": b"b"})
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(FileExistsError):
            rename_new(fd, b"a", fd, b"b")
        with pytest.raises(FileNotFoundError):
            rename_new(fd, b"c", fd, b"d")
        rename_new(fd, b"a", fd, b"c")
    finally:
        os.close(fd)
    assert files(tmp_path) == {"b": b"b", "c": b"a"}


# Restore


def test_a_place_that_is_taken_is_not_replaced(place: Place) -> None:
    place.away()
    put(place.top, {"sub/copy.jpg": b"new work"})
    report = restore(os.fsencode(place.trash))
    assert [(row.path, row.reason) for row in report.refused] == [(b"sub/copy.jpg", "another file is at its place now")]
    assert (place.top / "sub/copy.jpg").read_bytes() == b"new work"
    assert (place.trash / "sub/copy.jpg").read_bytes() == b"bytes"
    (place.top / "sub/copy.jpg").unlink()
    assert restore(os.fsencode(place.trash)).moved == (b"sub/copy.jpg",)


def test_a_folder_that_went_meanwhile_is_made_again(place: Place) -> None:
    place.away()
    (place.top / "sub").rmdir()
    assert restore(os.fsencode(place.trash)).moved == (b"sub/copy.jpg",)
    assert (place.top / "sub/copy.jpg").read_bytes() == b"bytes"


def test_nobody_sees_more_of_a_private_folder_than_before(place: Place) -> None:
    (place.top / "sub").chmod(0o700)
    place.away()
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (place.trash, place.trash / "sub")] == [0o700, 0o700]
    (place.top / "sub").rmdir()
    restore(os.fsencode(place.trash))
    assert stat.S_IMODE((place.top / "sub").stat().st_mode) == 0o700


def test_what_lies_below_a_folder_that_nobody_may_write_into_is_moved(place: Place) -> None:
    put(place.top, {"sub/deep/copy.jpg": b"bytes"})
    (place.top / "sub").chmod(0o555)
    try:
        place.away("sub/deep/copy.jpg")
        made = place.trash / "sub"
        assert stat.S_IMODE(made.stat().st_mode) & ~0o022 == 0o755 & ~0o022
        restore(os.fsencode(place.trash))
    finally:
        (place.top / "sub").chmod(0o755)
    assert (place.top / "sub/deep/copy.jpg").read_bytes() == b"bytes"


def test_a_folder_of_pictures_that_was_moved_is_restored_where_it_is(place: Place) -> None:
    place.away()
    other = place.top.with_name("q")
    place.top.rename(other)
    assert restore(os.fsencode(other / place.trash.relative_to(place.top))).moved == (b"sub/copy.jpg",)
    assert (other / "sub/copy.jpg").read_bytes() == b"bytes"


def test_what_the_user_took_out_of_the_trash_is_said(place: Place) -> None:
    place.away()
    (place.trash / "sub/copy.jpg").unlink()
    put(place.trash, {"mine.txt": b"mine"})
    report = restore(os.fsencode(place.trash))
    assert [row.reason for row in report.refused] == ["it is neither in the trash nor at its place"]
    assert report.left == (os.fsencode(f".vstore-trash/{PLAN.decode()}/mine.txt"),)
    assert (place.trash / "mine.txt").read_bytes() == b"mine"


def test_a_link_in_the_trash_or_on_the_way_back_is_not_followed(place: Place) -> None:
    place.away()
    outside = place.top.with_name("outside")
    outside.mkdir()
    (place.top / "sub").rmdir()
    (place.top / "sub").symlink_to(outside)
    assert [row.reason for row in restore(os.fsencode(place.trash)).refused] == ["sub on the way to it is a link"]
    assert files(outside) == {}
    (place.top / "sub").unlink()
    (place.trash / "sub/copy.jpg").rename(outside / "copy.jpg")
    (place.trash / "sub/copy.jpg").symlink_to(outside / "copy.jpg")
    assert [row.reason for row in restore(os.fsencode(place.trash)).refused] == ["it is a link"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("../out.jpg", f".vstore-trash/{PLAN.decode()}/sub/copy.jpg"),
        ("/tmp/out.jpg", f".vstore-trash/{PLAN.decode()}/sub/copy.jpg"),
        ("out.jpg", "kept.jpg"),
        ("out.jpg", f".vstore-trash/{PLAN.decode()}/../../kept.jpg"),
        ("out.jpg", ".vstore-trash/another/kept.jpg"),
        (".vstore-trash/another/out.jpg", f".vstore-trash/{PLAN.decode()}/sub/copy.jpg"),
    ],
)
def test_a_forged_record_moves_nothing_from_elsewhere_and_nothing_out(place: Place, old: str, new: str) -> None:
    place.away()
    line = {"from": old, "to": new, "key": "00" * 16, "size": 5, "mtime": 0}
    (place.trash / "moves.jsonl").write_text(json.dumps(line) + "\n")
    before = files(place.top.parent)
    report = restore(os.fsencode(place.trash))
    assert (report.moved, len(report.refused)) == ((), 1)
    assert files(place.top.parent) == before


@pytest.mark.parametrize("place_of", ["out.jpg", "deep/down/there/out.jpg"])
def test_an_edited_record_may_name_another_place_in_the_folder(place: Place, place_of: str) -> None:
    place.away()
    record = place.trash / "moves.jsonl"
    record.write_bytes(record.read_bytes().replace(b'"from":"sub/copy.jpg"', f'"from":"{place_of}"'.encode()))
    assert restore(os.fsencode(place.trash)).moved == (os.fsencode(place_of),)
    assert (place.top / place_of).read_bytes() == b"bytes"


@pytest.mark.parametrize(
    ("store", "old"),
    [
        ("", ".vstore/journal/out.jpg"),
        ("", "sub/.VStore/out.jpg"),
        ("", ".vstore"),
        ("named", "named/journal/out.jpg"),
        (".", "out.jpg"),
    ],
)
def test_a_forged_record_moves_nothing_into_a_store(place: Place, store: str, old: str) -> None:
    place.away()
    if store:
        put(place.top / store, {"FORMAT": b"vstore 2"})
    line = {"from": old, "to": f".vstore-trash/{PLAN.decode()}/sub/copy.jpg", "key": "00" * 16, "size": 5, "mtime": 0}
    (place.trash / "moves.jsonl").write_text(json.dumps(line) + "\n")
    before = files(place.top)
    report = restore(os.fsencode(place.trash))
    assert [row.reason for row in report.refused] == ["the record names a place in a store for it"]
    assert files(place.top) == before


def test_a_forged_record_does_not_move_itself(place: Place) -> None:
    place.away()
    record = place.trash / "moves.jsonl"
    record.write_bytes(record.read_bytes() + Move(b"stolen", record_of(place), b"", 0, 0).to_line())
    report = restore(os.fsencode(place.trash))
    assert (report.moved, [row.reason for row in report.refused]) == ((b"sub/copy.jpg",), ["the record names itself"])
    assert record.exists()


def record_of(place: Place) -> bytes:
    return os.fsencode((place.trash / "moves.jsonl").relative_to(place.top))


@pytest.mark.parametrize("what", ["nothing", "kept.jpg", ".vstore-trash", ".", "sub"])
def test_what_is_no_trash_folder_is_refused(place: Place, what: str) -> None:
    place.away()
    with pytest.raises(UsageError, match="is not the trash folder of a plan") as caught:
        restore(os.fsencode(place.top / what))
    if what in (".vstore-trash", "."):
        assert str(place.trash) in str(caught.value)


def test_a_trash_folder_without_a_record_is_refused(place: Place) -> None:
    place.away()
    (place.trash / "moves.jsonl").unlink()
    with pytest.raises(UsageError, match=r"cannot read .*moves.jsonl: No such file or directory"):
        restore(os.fsencode(place.trash))
    (place.trash / "moves.jsonl").symlink_to("/etc/hosts")
    with pytest.raises(UsageError, match=r"cannot read .*moves.jsonl"):
        restore(os.fsencode(place.trash))


def test_two_processes_do_not_work_on_one_trash_folder(place: Place) -> None:
    place.away()
    with TrashFolder(os.fsencode(place.top), PLAN, HEAD) as trash:
        trash.prepare()
        with pytest.raises(Locked, match="another process is moving files"):
            restore(os.fsencode(place.trash))


# The record


def test_names_that_are_not_utf8_come_back(place: Place) -> None:
    name = os.fsdecode(b"sub/\xff\n.jpg")
    put(place.top, {name: b"bytes"})
    before = files(place.top)
    assert place.away(name)
    assert restore(os.fsencode(place.trash)).moved == (os.fsencode(name),)
    assert files(place.top) == before


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_line_that_was_cut_off_spoils_no_other(place: Place, cut: int) -> None:
    put(place.top, {"second.jpg": b"bytes"})
    place.away()
    record = place.trash / "moves.jsonl"
    data = record.read_bytes()
    record.write_bytes(data + data[-150:][:cut])
    assert parsed(record.read_bytes()).is_cut
    assert place.away("second.jpg")
    assert record.read_bytes().startswith(data)
    assert set(restore(os.fsencode(place.trash)).moved) == {b"sub/copy.jpg", b"second.jpg"}


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"{", b"null", b'{"from": 1}', b'{"from":"a","to":"b","key":"zz","size":1,"mtime":1}',
     b'{"from":"a","to":"b","key":"00","size":true,"mtime":1}', b"\xff\xfe", b'{"from_b64":1,"to":"b"}',
     b"[" * 5000, b"x" * (1 << 17)],
)  # fmt: skip
def test_lines_that_are_no_moves_are_passed_over(line: bytes) -> None:
    move = Move(b"a", b"b", b"\0", 1, 2)
    assert parsed(HEAD.to_line() + line + b"\n" + move.to_line()) == (True, False, (move,))
