"""The journal: what was appended is read back; what a crash tore off is passed over; the next run seals the rest."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.builder import Builder, unit_vectors
from support.failing_disks import Watched, disk

from vstore.disk import journal as module
from vstore.disk.file import File
from vstore.disk.journal import Journal, JournalWriter, journals
from vstore.disk.segment_writer import rounded
from vstore.disk.segments import Segment
from vstore.errors import Damage, DiskTrouble
from vstore.format.hashing import checksum, store_hash
from vstore.format.layout import DTYPES
from vstore.intake.keeper import Keeper, recover

__all__ = ["disk"]
HASH = store_hash("xxh3_128")
SPACE = "5a" * 32
HEAD = 72


def key(number: int) -> bytes:
    return HASH.digest(b"%d" % number)


def writer(folder: Path, dtype: str = "float16", dim: int = 8, key_size: int = 16, space: str = SPACE) -> JournalWriter:
    return JournalWriter(folder, space, key_size=key_size, dim=dim, dtype=dtype)


def written(folder: Path, count: int, dtype: str = "float16") -> Path:
    journal = writer(folder, dtype)
    for at in range(0, count, 3):
        part = range(at, min(at + 3, count))
        journal.append([key(i) for i in part], rounded(unit_vectors(count)[part.start : part.stop], dtype))
    journal.close()
    return journal.path


def frames(path: Path) -> list[tuple[int, bytes]]:
    return list(Journal(path).frames())


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_was_appended_is_read_back(tmp_path: Path, dtype: str) -> None:
    path = written(tmp_path, 10, dtype)
    journal = Journal(path)
    assert (journal.space, journal.dim, journal.dtype, journal.key_size) == (SPACE, 8, dtype, 16)
    assert list(journal.frames()) == [(i, key(i)) for i in range(10)]
    rows = np.concatenate(list(journal.rows(range(10))))
    assert rows.dtype.name == dtype
    assert np.array_equal(rows, rounded(unit_vectors(10), dtype))
    some = np.concatenate(list(journal.rows([7, 2])))
    assert np.array_equal(some, rounded(unit_vectors(10)[[7, 2]], dtype))
    assert list(journal.rows([])) == []


def test_rows_come_in_blocks_of_bounded_size(tmp_path: Path) -> None:
    count = 2500
    journal = writer(tmp_path)
    journal.append([key(i) for i in range(count)], rounded(unit_vectors(count), "float16"))
    journal.close()
    blocks = list(Journal(journal.path).rows(range(count)))
    assert [len(block) for block in blocks] == [1024, 1024, 452]
    assert np.array_equal(np.concatenate(blocks), rounded(unit_vectors(count), "float16"))


def test_a_journal_is_laid_out_as_format_says(tmp_path: Path) -> None:
    path = written(tmp_path, 2)
    data = path.read_bytes()
    nonce = bytes.fromhex(path.name.removeprefix(f"{SPACE}-"))
    assert struct.unpack("<8sHHI32s16s", data[:64]) == (b"vjourn01", 1, 16, 8, bytes.fromhex(SPACE), nonce)
    assert data[64:72] == checksum(data[:64])
    size = 16 + 16 + 8
    assert len(data) == 72 + 2 * size
    for number in range(2):
        frame = data[72 + number * size : 72 + (number + 1) * size]
        assert frame[:16] == key(number)
        assert frame[-8:] == checksum(nonce, struct.pack("<Q", number), frame[:-8])


# What a crash leaves


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("journal"), 6).read_bytes()


FRAME = 16 + 16 + 8


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, HEAD + 6 * FRAME), zeros=st.integers(0, 3 * FRAME))
def test_what_was_torn_off_or_left_as_zeros_is_passed_over(tmp_path: Path, whole: bytes, cut: int, zeros: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(whole[:cut] + bytes(zeros))
    if cut < HEAD:
        with pytest.raises(ValueError, match="head"):
            Journal(path)
    else:
        assert frames(path) == [(i, key(i)) for i in range((cut - HEAD) // FRAME)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(HEAD * 8, (HEAD + 6 * FRAME) * 8 - 1))
def test_a_frame_with_a_flipped_bit_is_passed_over_and_the_others_are_not(
    tmp_path: Path, whole: bytes, at: int
) -> None:
    data = bytearray(whole)
    data[at // 8] ^= 1 << at % 8
    path = tmp_path / "journal"
    path.write_bytes(data)
    bad = (at // 8 - HEAD) // FRAME
    assert frames(path) == [(i, key(i)) for i in range(6) if i != bad]


@pytest.mark.parametrize("at", range(HEAD))
def test_a_head_with_a_flipped_bit_is_no_head(tmp_path: Path, whole: bytes, at: int) -> None:
    data = bytearray(whole)
    data[at] ^= 1
    (tmp_path / "journal").write_bytes(data)
    with pytest.raises(ValueError, match="head"):
        Journal(tmp_path / "journal")


def test_frames_of_another_journal_and_frames_out_of_place_are_none(tmp_path: Path, whole: bytes) -> None:
    other = written(tmp_path, 6).read_bytes()
    path = tmp_path / "journal"
    path.write_bytes(whole[: HEAD + FRAME] + other[HEAD + FRAME :])
    assert frames(path) == [(0, key(0))]
    path.write_bytes(whole[:HEAD] + whole[HEAD + FRAME :])
    assert frames(path) == []


@pytest.mark.parametrize(("at", "value"), [(0, b"vjourn02"), (8, b"\3\0")])
def test_a_head_of_another_format_is_refused(tmp_path: Path, whole: bytes, at: int, value: bytes) -> None:
    data = bytearray(whole)
    data[at : at + len(value)] = value
    data[64:72] = checksum(data[:64])
    (tmp_path / "journal").write_bytes(data)
    with pytest.raises(ValueError, match="another format"):
        Journal(tmp_path / "journal")


def test_journals_are_listed_without_temporary_names(tmp_path: Path) -> None:
    first, second = written(tmp_path, 1), written(tmp_path, 1)
    (tmp_path / ".tmp-ingest-1").write_bytes(b"")
    assert journals(tmp_path) == sorted([first, second])
    assert journals(tmp_path / "gone") == []


# What is flushed


def test_the_name_of_a_journal_is_flushed_before_its_first_row(tmp_path: Path, disk: Watched) -> None:
    journal = writer(tmp_path)
    assert disk.calls[-1] == ("fsync", tmp_path.name)
    journal.append([key(0)], rounded(unit_vectors(1), "float16"))
    journal.close()


def test_rows_are_flushed_by_the_first_append_after_five_seconds(
    tmp_path: Path, disk: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    journal = writer(tmp_path)
    row = rounded(unit_vectors(1), "float16")
    flushed = lambda: len([name for name in disk.named("fsync") if name == journal.path.name])  # noqa: E731
    for at, expected in ((101.0, 0), (104.9, 0), (105.0, 1), (109.9, 1), (200.0, 2)):
        clock[0] = at
        journal.append([key(int(at * 10))], row)
        assert flushed() == expected
    journal.flush()
    assert flushed() == 3
    journal.close()


# Recovery


@pytest.fixture
def store(tmp_path: Path) -> Builder:
    return Builder(tmp_path / ".vstore")


def leave(store: Builder, numbers: range, space: str | None = None, dim: int = 8) -> Path:
    """Leave a journal with these rows, as a killed run does."""
    journal = writer(store.repo.layout.journal, space=space or store.space, dim=dim)
    rows = unit_vectors(100, dim)[numbers.start : numbers.stop]
    journal.append([key(i) for i in numbers], rounded(rows, "float16"))
    journal.close()
    return journal.path


def stored(store: Builder) -> dict[bytes, Any]:
    found: dict[bytes, Any] = {}
    for ref in store.repo.state.segments(store.space):
        segment = Segment(store.repo.layout.segments, ref)
        segment.verify()
        rows = dict(zip(segment.key_list(), segment.rows(), strict=True))
        assert not found.keys() & rows.keys(), "no key stands twice"
        found |= rows
    return found


def test_the_next_run_seals_what_a_killed_run_left(store: Builder) -> None:
    paths = [leave(store, range(5)), leave(store, range(3, 9))]
    assert recover(store.repo, "sync") == 9
    assert set(stored(store)) == {key(i) for i in range(9)}
    for i in range(9):
        assert np.array_equal(stored(store)[key(i)], rounded(unit_vectors(100), "float16")[i])
    assert not any(path.exists() for path in paths)
    assert [row.op for row in store.repo.records()][-2:] == ["seal", "seal"]


def test_what_the_list_holds_already_is_not_sealed_again(store: Builder) -> None:
    store.add_segment([key(i) for i in range(5)], unit_vectors(5))
    path = leave(store, range(5))
    before = store.repo.tip.number
    assert recover(store.repo, "sync") == 0
    assert store.repo.tip.number == before and not path.exists()


def test_a_key_that_a_journal_holds_twice_is_sealed_once(store: Builder) -> None:
    journal = writer(store.repo.layout.journal, space=store.space)
    journal.append([key(0), key(1), key(0)], rounded(unit_vectors(3), "float16"))
    journal.close()
    assert recover(store.repo, "sync") == 2
    assert np.array_equal(stored(store)[key(0)], rounded(unit_vectors(3), "float16")[0])


def test_a_journal_that_was_killed_within_its_head_is_removed(store: Builder) -> None:
    path = leave(store, range(2))
    for left in (0, 10, HEAD - 1, HEAD):
        path.write_bytes(path.read_bytes()[:left] or bytes(left))
        assert recover(store.repo, "sync") == 0
        assert not path.exists()
        path.write_bytes(bytes(HEAD))


def test_a_journal_whose_head_is_damaged_is_set_aside_with_what_it_holds(store: Builder) -> None:
    path = leave(store, range(5))
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    assert recover(store.repo, "sync") == 0
    assert not path.exists()
    assert (store.repo.layout.quarantine / path.name).read_bytes() == data


def test_a_journal_of_a_space_that_the_store_does_not_know_is_left_as_it_is(store: Builder) -> None:
    path = leave(store, range(5), space="ab" * 32)
    data = path.read_bytes()
    assert recover(store.repo, "sync") == 0
    assert path.read_bytes() == data


def test_a_journal_that_does_not_fit_its_space_stops_the_run_and_says_what_to_do(store: Builder) -> None:
    path = leave(store, range(5), dim=9)
    with pytest.raises(Damage, match=f"journal/{path.name} does not fit its space; move it out"):
        recover(store.repo, "sync")
    assert path.exists()


def test_a_store_without_a_journal_folder_has_nothing_to_recover(store: Builder) -> None:
    store.repo.layout.journal.rmdir()
    assert recover(store.repo, "sync") == 0
    keeper = Keeper(store.repo, store.space, 8)
    keeper.keep([key(0)], unit_vectors(1))
    keeper.close()
    assert recover(store.repo, "sync") == 1


@pytest.mark.parametrize("step", ["segment", "record", "removal"])
def test_a_crash_at_any_step_of_a_recovery_loses_and_doubles_nothing(store: Builder, disk: Watched, step: str) -> None:
    leave(store, range(5))
    call, on = {
        "segment": ("rename", ".faiss"),
        "record": ("link", ".json"),
        "removal": ("unlink", store.space),
    }[step]
    disk.fail(call, 5, on)
    with pytest.raises(DiskTrouble):
        recover(store.repo, "sync")
    disk.heal()
    recover(store.repo, "sync")
    assert set(stored(store)) == {key(i) for i in range(5)}
    assert journals(store.repo.layout.journal) == []
    listed = {ref.name for ref in store.repo.state.segments(store.space)}
    assert listed <= set(os.listdir(store.repo.layout.segments))


def test_what_an_append_tore_does_not_hide_what_was_whole(store: Builder, disk: Watched) -> None:
    keeper = Keeper(store.repo, store.space, 8)
    keeper.keep([key(i) for i in range(5)], unit_vectors(5))
    disk.most = 50
    writes = len(disk.named("write"))

    class Filling(Exception):
        pass

    plain = Watched.write

    def fill(self: Watched, fd: int, data: Any) -> int:
        if len(disk.named("write")) - writes >= 2:
            raise OSError(28, "No space left on device")
        return plain(self, fd, data)

    disk.write = fill.__get__(disk)  # type: ignore[method-assign]
    with pytest.raises(DiskTrouble, match="No space left"):
        keeper.keep([key(i) for i in range(5, 10)], unit_vectors(10)[5:])
    del disk.write  # type: ignore[method-assign]
    keeper.close()
    saved = recover(store.repo, "sync")
    assert saved == 7, "a hundred bytes are two frames of forty, and a part of the third"


CLAIMS = [(0, 8), (17, 8), (65_535, 8), (16, 0), (16, (1 << 20) + 1), (16, (1 << 32) - 1)]


@pytest.mark.parametrize(("width", "dim"), CLAIMS)
def test_a_head_that_claims_what_no_journal_has_is_none(tmp_path: Path, width: int, dim: int) -> None:
    head = struct.pack("<8sHHI32s16s", b"vjourn01", 1, width, dim, bytes(32), bytes(16))
    path = tmp_path / "journal"
    path.write_bytes(head + checksum(head))
    with pytest.raises(ValueError, match="its head claims keys of"):
        Journal(path)


def test_a_journal_that_is_longer_than_any_is_none(tmp_path: Path) -> None:
    head = struct.pack("<8sHHI32s16s", b"vjourn01", 1, 16, 8, bytes(32), bytes(16))
    path = tmp_path / "journal"
    path.write_bytes(head + checksum(head))
    os.truncate(path, module.LONGEST)
    assert Journal(path).dim == 8
    os.truncate(path, module.LONGEST + 1)
    with pytest.raises(ValueError, match="in 1,073,741,825 bytes"):
        Journal(path)


def test_long_rows_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    pread = File.pread
    monkeypatch.setattr(File, "pread", lambda self, size, at: asked.append(size) or pread(self, size, at))
    head = struct.pack("<8sHHI32s16s", b"vjourn01", 2, 16, 1 << 20, bytes(32), bytes(16))
    path = tmp_path / "journal"
    path.write_bytes(head + checksum(head))
    os.truncate(path, 200 << 20)
    assert list(Journal(path).frames()) == []
    assert max(asked) < 20 << 20
