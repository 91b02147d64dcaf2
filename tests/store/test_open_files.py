"""Files that stay open between reads: few of them, and none is closed under a thread that reads it."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest

from vstore.disk.open_files import MOST, OpenFiles
from vstore.disk.pack_writer import merge_packs, write_pack
from vstore.disk.packs import Packs
from vstore.format.hashing import store_hash

HASH = store_hash("xxh3_128")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    for number in range(20):
        (tmp_path / str(number)).write_bytes(b"%d" % number * 5)
    return [tmp_path / str(number) for number in range(20)]


@pytest.fixture(autouse=True)
def nothing_left_open() -> None:
    gc.collect()  # closes what earlier tests left open, before it is counted


def opened() -> int:
    return len(os.listdir("/dev/fd"))


def read(files: OpenFiles, path: Path) -> bytes:
    with files.of(path, path) as file:
        return file.pread(5, 0)


def test_no_more_files_stay_open_than_the_most_and_the_one_read_longest_ago_is_closed(paths: list[Path]) -> None:
    before, files = opened(), OpenFiles(3)
    for path in paths[:5]:
        assert read(files, path) == path.read_bytes()[:5]
    assert opened() == before + 3
    for path in paths[:5]:
        path.unlink()
    assert read(files, paths[2]) == b"2" * 5, "it is still open"
    with pytest.raises(FileNotFoundError):
        read(files, paths[1])
    for path in paths:
        files.close(path)
    assert opened() == before


def test_a_file_is_closed_after_an_error(paths: list[Path]) -> None:
    before, files = opened(), OpenFiles(3)
    with pytest.raises(ValueError, match="mine"), files.of("owner", paths[0]):
        raise ValueError("mine")
    assert opened() == before


def test_a_file_that_is_being_read_is_not_closed_for_others(paths: list[Path]) -> None:
    before, files = opened(), OpenFiles(2)
    with files.of("owner", paths[0]) as file:
        for path in paths[1:]:
            read(files, path)
        with files.of("owner", paths[0]) as second:
            assert second is not file, "another thread's"
        files.close("owner")
        assert file.pread(1, 0) == b"0"
    files.close("owner")
    for path in paths:
        files.close(path)
    assert opened() == before


def test_threads_that_read_more_files_than_may_be_open_read_the_right_ones(paths: list[Path]) -> None:
    files, wrong = OpenFiles(4), []

    def run(first: int) -> None:
        for at in range(2000):
            path = paths[(first + at * 7) % len(paths)]
            if read(files, path) != (path.name * 5).encode()[:5]:
                wrong.append(path)

    threads = [threading.Thread(target=run, args=(first,)) for first in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    for path in paths:
        files.close(path)


def test_descriptors_do_not_grow_with_the_number_of_packs(tmp_path: Path) -> None:
    before = opened()
    refs = [write_pack(tmp_path, HASH, {HASH.digest(b"%d" % n): b"%d" % n}, "commit") for n in range(3 * MOST)]
    packs = Packs(tmp_path, refs, HASH)
    assert len(packs.opened()) == 3 * MOST
    assert opened() <= before + MOST
    for number in range(3 * MOST):
        assert packs.get(HASH.digest(b"%d" % number)) == b"%d" % number
    merged = merge_packs(tmp_path, HASH, packs.opened(), "ingest")
    assert opened() <= before + MOST
    packs.listing([merged])
    assert packs.get(HASH.digest(b"7")) == b"7"
    packs.close()
    assert opened() == before


def test_a_pack_collected_after_it_was_closed_is_reported_as_missing(tmp_path: Path) -> None:
    refs = [write_pack(tmp_path, HASH, {HASH.digest(b"%d" % n): b"%d" % n}, "commit") for n in range(MOST + 5)]
    packs = Packs(tmp_path, refs, HASH)
    packs.opened()
    for ref in refs:
        (tmp_path / ref.name).unlink()
    missing = 0
    for number in range(len(refs)):
        try:
            assert packs.get(HASH.digest(b"%d" % number)) == b"%d" % number
        except FileNotFoundError:
            missing += 1
    assert missing == 5
    packs.close()
