"""Files that are read in pieces: the same bytes, and no wait for the rest of a file that nobody wants."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vstore.format.hashing import store_hash
from vstore.intake import reader as reading
from vstore.intake.reader import Answer, Reader
from vstore.intake.survey import GONE, TROUBLE, Chunk, Item
from vstore.pictures.folder import files_of, packed
from vstore.pictures.listing import row_of
from vstore.pictures.preparation import Preparation


def items(folder: Path) -> list[Item]:
    names = sorted(os.listdir(folder))
    (head,) = packed(names, b"".join(row_of(os.stat(folder / name)) for name in names), [])
    chunk = Chunk(b"x", 0, os.fsencode(folder), head, key_size=16, only=False, doubtful=False)
    return [Item(chunk, number, b"x/" + file.name, file) for number, file in enumerate(files_of(head))]


def answers(folder: Path, hash: str = "xxh3_128", stop: threading.Event | None = None) -> list[Answer]:
    reader = Reader(store_hash(hash), Preparation(), max_size=1 << 30, stop=stop or threading.Event())
    return list(reader.answers(items(folder), decode=False))


@pytest.mark.parametrize("hash", ["xxh3_128", "sha256"])
@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2000, 2001, 12_345])
def test_a_file_that_is_read_in_pieces_has_the_key_of_its_bytes(
    hash: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE", 1000)
    data = os.urandom(size)
    (tmp_path / "a.png").write_bytes(data)
    (answer,) = answers(tmp_path, hash)
    assert (answer.key, answer.size) == (store_hash(hash).digest(data), size)


@pytest.mark.parametrize("grows", [1, 5000])
def test_a_large_file_that_grows_while_it_is_read_is_read_again(
    grows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE", 1000)
    path = tmp_path / "a.png"
    path.write_bytes(b"a" * 3000)
    plain, calls = os.preadv, []

    def preadv(fd: int, buffers: list[memoryview], at: int) -> int:
        calls.append(at)
        if len(calls) == 2:
            with path.open("ab") as file:
                file.write(b"b" * grows)
        return plain(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", preadv)
    (answer,) = answers(tmp_path)
    assert answer.key == store_hash("xxh3_128").digest(b"a" * 3000 + b"b" * grows)
    assert len(calls) > 4


def test_a_large_file_that_gets_shorter_again_and_again_is_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE", 10)
    (tmp_path / "a.png").write_bytes(b"a" * 3000)
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, at: 0)
    (answer,) = answers(tmp_path)
    assert answer.state in (TROUBLE, GONE)
    assert answer.key is None


def test_a_stop_amid_a_file_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 10)
    (tmp_path / "a.png").write_bytes(b"a" * 3000)
    stop, plain, calls = threading.Event(), os.preadv, []

    def preadv(fd: int, buffers: list[memoryview], at: int) -> int:
        calls.append(at)
        stop.set()
        return plain(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", preadv)
    assert answers(tmp_path, stop=stop) == []
    assert len(calls) == 1


def test_a_stop_amid_a_hash_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 10)
    (tmp_path / "a.png").write_bytes(b"a" * 3000)
    stop, hash = threading.Event(), store_hash("xxh3_128")

    class Hasher:
        pieces = 0

        def update(self, piece: bytes) -> None:
            Hasher.pieces += 1
            stop.set()

    reader = Reader(hash._replace(new=Hasher), Preparation(), max_size=1 << 30, stop=stop)
    assert list(reader.answers(items(tmp_path), decode=False)) == []
    assert Hasher.pieces == 1


def test_a_reading_that_is_left_waits_for_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an interruption leaves it: nobody set an event."""
    for number in range(40):
        (tmp_path / f"{number:02}.png").write_bytes(b"%d" % number)
    reader = Reader(store_hash("xxh3_128"), Preparation(), max_size=1 << 30, stop=threading.Event())
    plain, read, inside, go = Reader._answer, [], threading.Event(), threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def slow(self: Reader, item: Item, decode: bool) -> Answer:
        read.append(item.file.name)
        if item.file.name == b"32.png":  # the first of the second group
            inside.set()
            assert go.wait(60)
        return plain(self, item, decode)

    def go_on(self: ThreadPoolExecutor, *words: bool, **more: bool) -> None:
        go.set()  # the reading is left by now, and waits for its threads
        shutdown(self, *words, **more)

    monkeypatch.setattr(Reader, "_answer", slow)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", go_on)
    found = reader.answers(items(tmp_path), decode=False)
    next(found)
    assert inside.wait(60)
    found.close()
    assert len(read) == 33
