"""Limits of size: what a file of a store claims to be is looked at before any of it is read into memory."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from support.folders import put
from support.forge import Forge
from support.format_page import TEXT, table

from vstore.disk import durable, environment, index_parts, journal, lock, packs, salvaged_blobs, segments, thumbs
from vstore.disk.cache import read_cache, write_cache
from vstore.disk.file import File
from vstore.disk.lock import Lock
from vstore.disk.salvaged_blobs import sound_blobs
from vstore.errors import Damage, Locked
from vstore.format import canonical, history, records
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum, store_hash
from vstore.repository import form
from vstore_cli.main import run

TERABYTE = 1 << 40  # as a sparse file it costs its maker nothing
LITTLE = 1 << 31  # bytes of address space


def grow(path: Path, size: int = TERABYTE) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.truncate(size)


# One reader


def test_the_sizes_are_those_of_the_table() -> None:
    said = {row["kind"]: row["bytes at most"] for row in table("sizes")}
    numbers = {kind: int(most.replace(",", "")) for kind, most in said.items() if most.replace(",", "").isdigit()}
    assert numbers == {
        "`FORMAT`": form.LONGEST,
        "record": records.LONGEST,
        "`cache/state`": records.LONGEST,
        "`cache/thumbs/…`": thumbs.LARGEST,
        "other files of `cache/`": canonical.SMALL,
        "`catalogue/data.mdb`": environment.MAP_SIZE,
        "`catalogue/seal`": len(checksum(b"")),
        "`catalogue/place`": environment.LONGEST_PLACE,
        "lock file": lock.LONGEST,
        "journal": journal.LONGEST,
        "manifest, recipe, probes": canonical.SMALL,
        "list of `history`; one of its chunks": history.LONGEST,
        "head of a part": index_parts.LONGEST_HEAD,
        "page of a tree": packs.LARGEST_PAGE,
        "names of what an import left over; any blob": packs.LARGEST_BLOB,
    }
    assert set(said) - set(numbers) == {"`cache/paths-…`", "`cache/rows-…`", "`cache/text-…`"}
    assert "are more than 4,294,967,296 together" in TEXT and canonical.MOST_MEMORY == 4_294_967_296
    assert segments.HOLES_FROM == packs.HOLES_FROM == 16_777_216


def test_a_file_is_read_up_to_the_size_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert durable.read(path, 5) == b"12345"
    assert durable.read(path, 1 << 40) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, and such a file has 4 at most") as caught:
        durable.read(path, 4)
    assert caught.value.errno == errno.EFBIG


def test_a_file_that_grows_while_it_is_read_is_not_read_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    real = os.fstat

    def before_it_grew(fd: int) -> os.stat_result:
        return os.stat_result([*real(fd)[:6], 10, *real(fd)[7:]])

    monkeypatch.setattr(os, "fstat", before_it_grew)
    assert durable.read(path, 1000) == b"x" * 1000
    with pytest.raises(OSError, match="at most"):
        durable.read(path, 100)


def test_nothing_is_read_of_a_file_that_is_too_long(tmp_path: Path) -> None:
    grow(tmp_path / "file")
    with pytest.raises(OSError, match="it has 1,099,511,627,776 bytes"):
        durable.read(tmp_path / "file", 1 << 30)


def test_a_cache_file_that_is_too_long_is_none(tmp_path: Path) -> None:
    write_cache(tmp_path, "x", b"12345678")
    assert read_cache(tmp_path, "x") == read_cache(tmp_path, "x", 8) == b"12345678"
    assert read_cache(tmp_path, "x", 7) is None


def test_a_lock_file_that_is_too_long_says_nothing_of_its_holder(tmp_path: Path) -> None:
    with Lock(tmp_path, "ingest") as held:
        held.acquire()
        grow(tmp_path / "ingest")
        with pytest.raises(Locked, match="an unknown process"):
            Lock(tmp_path, "ingest").acquire()


# Commands

CALL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), resource.RLIM_INFINITY))
from vstore_cli.main import run
sys.exit(run(sys.argv[2:]))
"""


def called(folder: Path, *words: str) -> tuple[int, str]:
    """Call a command in a process of little memory."""
    done = subprocess.run(
        [sys.executable, "-c", CALL, str(LITTLE), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"pictures/a.png": 1, "pictures/b.png": 2})
    assert run(["sync", "pictures", "-q"]) == 0
    return tmp_path / ".vstore"


def test_a_form_of_a_terabyte_is_damage(store: Path) -> None:
    grow(store / "FORMAT")
    code, said = called(store.parent, "snapshot", "list")
    assert code == 4 and "FORMAT cannot be read: it has 1,099,511,627,776 bytes, and such a file has 65,536" in said


def test_a_record_of_a_terabyte_is_damage(store: Path) -> None:
    for path in (store / "refs").iterdir():
        grow(path)
    code, said = called(store.parent, "snapshot", "list")
    assert code == 4 and "it has 1,099,511,627,776 bytes, and such a file has 268,435,456 at most" in said


@pytest.mark.parametrize("folder", ["packs", "segments"])
def test_an_object_of_a_terabyte_is_damage(store: Path, folder: str) -> None:
    for path in (store / folder).iterdir():
        grow(path)
    code, said = called(store.parent, "check")
    assert code == 4 and "1099511627776 bytes instead of" in said
    code, said = called(store.parent, "repair", "--dry-run", "--no-embed")
    assert code in (0, 4) and "Traceback" not in said


def test_what_is_only_derived_and_too_long_is_not_there(store: Path) -> None:
    for name in ("state", "checked", "verified", "names-refs", "model-files", "cached"):
        grow(store / "cache" / name)
    for path in (*(store / "cache").iterdir(), *(store / "catalogue").iterdir()):
        grow(path)
    for words in (("snapshot", "list"), ("check",), ("status",)):
        code, said = called(store.parent, *words)
        assert code in (0, 1), said


def test_facts_of_a_terabyte_are_not_read_for_their_checksum(store: Path) -> None:
    grow(store / "catalogue/data.mdb")
    code, said = called(store.parent, "status")
    assert code in (0, 1), said


def test_a_check_unpacks_no_page_that_is_longer_than_any(store: Path) -> None:
    Forge(store).snapshot([b"vp0" + bytes(40 << 20)])
    code, said = called(store.parent, "check")
    assert code == 4 and "has 41,943,043 bytes, where 33,554,432 are the most" in said


def test_a_picture_of_a_terabyte_is_not_read_to_search_with_it(store: Path) -> None:
    grow(store.parent / "x.png")
    code, said = called(store.parent, "search", "./x.png")
    assert code == 1 and "x.png: it has more than 1,073,741,824 bytes" in said


# Sizes that the log bears out


def test_a_pack_that_is_one_hole_is_not_read_for_its_blobs(tmp_path: Path) -> None:
    hash = store_hash("xxh3_128")
    grow(tmp_path / "x.pack")
    is_whole, blobs = sound_blobs(tmp_path, FileRef("x.pack", TERABYTE, "00" * 8), hash)
    assert not is_whole and list(blobs) == []


def test_a_segment_whose_keys_are_a_hole_is_damage(store: Path) -> None:
    """A footer that fits, over 64 GiB of keys that nobody wrote."""
    from vstore.disk.footer import Footer
    from vstore.disk.segments import Segment

    path = next((store / "segments").iterdir())
    old = Footer.from_bytes(path.read_bytes()[-128:])
    new = old._replace(rows=1 << 32 - 1)
    tail = new.to_bytes()
    with path.open("r+b") as file:
        file.seek(new.size - len(tail))
        file.write(tail)
    ref = FileRef(path.name, new.size, tail[-16:-8].hex(), new.rows)
    with pytest.raises(Damage, match="the disk holds none of its bytes"):
        Segment(path.parent, ref)


def test_a_pack_with_a_hole_is_damage(tmp_path: Path) -> None:
    """A footer that fits, over a table of 128 GiB that nobody wrote."""
    hash = store_hash("xxh3_128")
    count = (1 << 32) - 1
    foot = struct.pack("<QII", 8, count, hash.size) + bytes(16)
    data = foot + checksum(foot) + b"vpackend"
    with (tmp_path / "x.pack").open("wb") as file:
        file.write(b"vpack001")
        file.seek(8 + count * (hash.size + 16))
        file.write(data)
        size = file.tell()
    with pytest.raises(Damage, match="the disk holds none of its bytes"):
        packs.Pack(tmp_path, FileRef("x.pack", size, checksum(foot).hex()), hash)


def test_a_pack_of_streams_that_never_end_is_not_searched_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its bytes may begin a stream that leads to its end."""
    tried: list[int] = []
    real = salvaged_blobs._stream

    def stream(part: salvaged_blobs._Part, at: int) -> tuple[bytes, int, bool]:
        tried.append(at)
        return real(part, at)

    monkeypatch.setattr(salvaged_blobs, "_stream", stream)
    monkeypatch.setattr(salvaged_blobs, "LARGEST_BLOB", 1 << 20)
    data = b"vpack001" + bytes.fromhex("789c00ffff0000") * 100_000  # a stored block of 65,535 bytes
    (tmp_path / "x.pack").write_bytes(data)
    assert list(sound_blobs(tmp_path, FileRef("x.pack", len(data), "00" * 8), store_hash("xxh3_128"))[1]) == []
    assert 100 < len(tried) < 1_000  # of 100,000


def test_holes_are_found_where_the_disk_tells_of_them(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 65_536)
    with File(path) as file:
        assert file.first_hole(0, 65_536) is None and file.data_from(5) == 5
        buffer = memoryview(bytearray(10))
        file.readinto(buffer)
    grow(path, 1 << 30)
    with path.open("r+b") as file_:
        file_.seek((1 << 30) - 5)
        file_.write(b"xxxxx")
    with File(path) as file:
        buffer = memoryview(bytearray(10))
        assert file.readinto(buffer) == 10
        hole = file.first_hole(0, 1 << 30)
        assert hole is not None and hole[0] == 65_536 and hole[1] > (1 << 30) - 65_536
        assert file.first_hole(0, 1000) is None and file.data_from(100_000) == hole[1]
        file.readinto(buffer[:5])
        assert bytes(buffer[:5]) == b"xxxxx"[:5]  # the place of reading stays


# JSON


@pytest.mark.parametrize("one", [b"[]", b'{"":1}', b'""', b'{"a":[]}'])
def test_json_that_unfolds_in_memory_is_refused_before_it_is_parsed(
    one: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = 1 << 7  # of a record of the greatest length
    monkeypatch.setattr(canonical, "MOST_MEMORY", canonical.MOST_MEMORY // share)
    many = (1 << 28) // share // (len(one) + 1) - 1
    data = b"[" + (one + b",") * many + one + b"]"
    with pytest.raises(ValueError, match="of memory, and 33,554,432 at most are given"):
        canonical.parsed(data, 1 << 28)


def test_the_longest_record_of_a_store_of_format_1_is_read() -> None:
    """A million snapshots of 260 bytes."""
    entry = (
        b'"v1000000":{"id":"%b","images":1000000,"manifest":"%b","parent":"v999999","paths":1000000,"space":"%b",'
        b'"time":"2026-01-01T00:00:00Z"},' % (b"0" * 32, b"0" * 32, b"0" * 64)
    )
    assert len(entry) > 240
    canonical.refuse_large(entry * ((1 << 28) // len(entry)), 1 << 28)
