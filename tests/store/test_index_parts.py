"""Parts of indexes: written, read back, and never used unless every byte of them proves itself."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from support.builder import Builder, aliases
from support.failing_disks import Watched, disk
from support.index_parts import by_hand, head_of, killed_writers, parts_of, put_part, unfinished

from vstore.disk import durable
from vstore.disk.durable import Disk
from vstore.disk.file import File
from vstore.disk.index_head import IndexHead
from vstore.disk.index_parts import (
    BLOCK,
    LONGEST_HEAD,
    IndexPart,
    fitting_parts,
    part_files,
    part_folders,
    write_part,
)
from vstore.disk.inside import layout_of
from vstore.errors import Damage, DiskTrouble
from vstore.format.canonical import canonical
from vstore.format.entries import FileRef
from vstore.format.layout import Layout
from vstore.store import Store

__all__ = ["disk"]

SPACE, OTHER = "ab" * 32, "cd" * 32
REFS = [FileRef(f"{n:032x}.faiss", 1000 + n, f"{n:016x}", 3) for n in range(3)]
NAME = "0" * 32 + ".part"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    folder = tmp_path / ".vstore"
    folder.mkdir()
    return layout_of(folder)


def written(layout: Layout, payload: bytes = b"payload", covers: int = 2) -> Path:
    path = write_part(layout, head_of(SPACE, REFS[:covers], len(payload)), [payload])
    assert path is not None
    return path


def put_bytes(layout: Layout, data: bytes, space: str = SPACE) -> Path:
    folder = layout.indexes / space
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_bytes(data)
    return folder / NAME


def used(layout: Layout) -> list[bytes]:
    """Read the payload of each part that fits, as a search would; a bad block ends it."""
    found = []
    for part in fitting_parts(layout, SPACE, REFS):
        with part:
            try:
                found.append(b"".join(part.blocks()))
            except Damage:
                continue
    return found


# Written and read


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 5])
@pytest.mark.parametrize("piece", [1 << 18, 999_983, 3 * BLOCK])
def test_what_was_written_is_read_back_in_whatever_pieces_it_came(layout: Layout, size: int, piece: int) -> None:
    payload = os.urandom(size)
    head = head_of(SPACE, REFS[:2], size)
    path = write_part(layout, head, (payload[at : at + piece] for at in range(0, size, piece)))
    assert path is not None
    assert path.parent == layout.indexes / SPACE
    with IndexPart(path) as part:
        assert part.head == head
        assert b"".join(part.blocks()) == payload
        part.verify()
    assert used(layout) == [payload]


def test_a_part_has_the_bytes_that_the_table_says(layout: Layout) -> None:
    payload = os.urandom(BLOCK + 3)
    data = written(layout, payload).read_bytes()
    check = lambda part: xxhash.xxh3_64_intdigest(part).to_bytes(8, "little")  # noqa: E731
    length = struct.unpack_from("<I", data, 8)[0]
    head = data[12 : 12 + length]
    sums = check(payload[:BLOCK]) + check(payload[BLOCK:])
    assert head == canonical(
        {
            "covers": [[ref.name, ref.check] for ref in REFS[:2]],
            "kind": "graph",
            "parameters": {"degree": 32, "seed": [1, 2.5, None]},
            "size": len(payload),
            "space": SPACE,
        }
    )
    assert data == b"vindex01" + data[8:12] + head + check(head) + payload + sums + check(sums) + b"vindexed"
    assert by_hand(head) != data


def test_the_head_is_read_alone(layout: Layout, disk: Watched) -> None:
    path = written(layout, bytes(3 * BLOCK))
    disk.calls.clear()
    with IndexPart(path):
        assert disk.named("pread") == [path.name] * 2


def test_the_payload_of_one_block_is_held_at_a_time(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(layout, bytes(3 * BLOCK + 7))
    sizes: list[int] = []

    class Sized(Disk):
        def pread(self, fd: int, size: int, offset: int) -> bytes:
            sizes.append(size)
            return super().pread(fd, size, offset)

    monkeypatch.setattr(durable, "disk", Sized())
    with IndexPart(path) as part:
        blocks = part.blocks()
        assert len(next(blocks)) == BLOCK
        assert max(sizes) == BLOCK
        assert sizes.count(BLOCK) == 1


# Which parts fit


def test_a_part_fits_while_every_segment_it_covers_is_listed_with_its_checksum() -> None:
    head = head_of(SPACE, REFS[:2])
    assert head.fits(REFS)
    assert head.fits(REFS[1::-1])
    assert not head.fits(REFS[1:])
    assert not head.fits([])
    assert not head.fits([REFS[0]._replace(check="f" * 16), *REFS[1:]])
    assert head_of(SPACE).fits([])


def test_only_parts_that_fit_are_used(layout: Layout) -> None:
    for number, covers in enumerate((0, 1, 3)):
        written(layout, b"%d" % number, covers)
    write_part(layout, head_of(OTHER, (), 5), [b"other"])
    assert sorted(used(layout)) == [b"0", b"1", b"2"]
    assert sorted(b"".join(part.blocks()) for part in fitting_parts(layout, SPACE, REFS[:2])) == [b"0", b"1"]
    assert list(fitting_parts(layout, "ef" * 32, REFS)) == []


# Whatever is not proved is not used


def test_a_part_with_one_bit_that_is_another_is_never_used(layout: Layout) -> None:
    path = written(layout, b"the payload", covers=1)
    data = path.read_bytes()
    for at in range(len(data)):
        for bit in range(8):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
            assert used(layout) == [], at
            with pytest.raises(Damage, match=r"indexes/.* is damaged: "), IndexPart(path) as part:
                part.verify()
    path.write_bytes(data)
    assert used(layout) == [b"the payload"]


def test_a_part_that_is_cut_or_longer_is_never_used(layout: Layout) -> None:
    path = written(layout, os.urandom(300), covers=1)
    data = path.read_bytes()
    for end in range(len(data)):
        for tail in (b"", bytes(len(data) - end)):
            if data[end:] != tail:
                path.write_bytes(data[:end] + tail)
                assert used(layout) == [], end
    for more in (b"\0", b"vindexed", data):
        path.write_bytes(data + more)
        assert used(layout) == []


def test_a_later_block_that_rotted_is_damage_once_it_is_reached(layout: Layout) -> None:
    path = written(layout, bytes(2 * BLOCK))
    data = bytearray(path.read_bytes())
    data[-30 - BLOCK // 2] ^= 1
    path.write_bytes(data)
    with IndexPart(path) as part:
        blocks = part.blocks()
        assert next(blocks) == bytes(BLOCK)
        with pytest.raises(Damage, match="block 1 of its payload"):
            next(blocks)


HEAD = {"covers": [["0" * 32 + ".faiss", "0" * 16]], "kind": "graph", "parameters": {}, "size": 3, "space": SPACE}


def test_a_part_made_by_hand_is_a_part(layout: Layout) -> None:
    """The next tests alter it: it is they that must make the difference."""
    put_bytes(layout, by_hand(HEAD, b"abc"))
    assert used(layout) == [b"abc"]
    put_bytes(layout, by_hand({**HEAD, "later": 1}, b"abc"))
    assert used(layout) == [b"abc"]


@pytest.mark.parametrize("change", [{"size": 2}, {"size": 4}, {"size": 1 << 63}, {"size": 10**400}, {"space": OTHER}])
def test_a_head_that_does_not_fit_its_file_is_damage_though_its_checksum_fits(
    layout: Layout, change: dict[str, Any]
) -> None:
    path = put_bytes(layout, by_hand({**HEAD, **change}, b"abc"))
    assert used(layout) == []
    with pytest.raises(Damage):
        IndexPart(path)


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1},
        {"size": "3"},
        {"size": 3.0},
        {"size": True},
        {"size": None},
        {"space": "../" + SPACE},
        {"space": 1},
        {"kind": ""},
        {"kind": "Graph"},
        {"kind": "g" * 101},
        {"kind": None},
        {"parameters": []},
        {"parameters": None},
        {"covers": None},
        {"covers": 1},
        {"covers": [["0" * 32 + ".faiss"]]},
        {"covers": [[1, 2]]},
        {"covers": [["../" + "0" * 29 + ".faiss", "0" * 16]]},
        {"covers": [["0" * 32 + ".faiss", "0" * 15]]},
        {"covers": [["0" * 32 + ".faiss", "0" * 16, ""]]},
    ],
)
def test_a_head_with_a_field_of_another_kind_is_damage_though_its_checksum_fits(
    layout: Layout, change: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="its head"):
        IndexHead.from_bytes(canonical({**HEAD, **change}))
    path = put_bytes(layout, by_hand({**HEAD, **change}, b"abc"))
    assert used(layout) == []
    with pytest.raises(Damage):
        IndexPart(path)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"vindex01"',
        canonical(HEAD) + b" ",
        canonical(HEAD).replace(b":{}", b':{"a":NaN}'),
        canonical(HEAD).replace(b":{}", b':{"a":1e999}'),
        canonical(HEAD).replace(b":{}", b':{"a":1,"a":1}'),
        canonical(HEAD).replace(b"graph", "gräph".encode()),
        canonical(HEAD).replace(b":{}", b':{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        canonical({name: value for name, value in HEAD.items() if name != "covers"}),
        canonical({name: value for name, value in HEAD.items() if name != "parameters"}),
        b"\xff\xfe" + canonical(HEAD).decode().encode("utf-16-le"),
    ],
)
def test_a_head_that_is_no_canonical_json_is_damage(layout: Layout, head: bytes) -> None:
    path = put_bytes(layout, by_hand(head, b"abc"))
    assert used(layout) == []
    with pytest.raises(Damage):
        IndexPart(path)


@given(st.binary(max_size=300), st.booleans(), st.integers(0, 400))
def test_any_bytes_are_damage(tmp_path_factory: pytest.TempPathFactory, data: bytes, dressed: bool, claim: int) -> None:
    layout = Layout(tmp_path_factory.mktemp("store"))
    path = put_bytes(layout, by_hand(data, b"abc", claimed=claim) if dressed else data)
    assert used(layout) == []
    with pytest.raises(Damage), IndexPart(path) as part:
        part.verify()


@given(st.dictionaries(st.sampled_from(sorted(HEAD)), st.recursive(st.none() | st.integers() | st.text(), st.lists)))
def test_a_head_of_any_fields_is_a_head_or_a_typed_error(change: dict[str, Any]) -> None:
    try:
        head = IndexHead.from_bytes(canonical({**HEAD, **change}))
    except ValueError:
        return
    assert IndexHead.from_bytes(head.to_bytes()) == head


def test_lengths_are_refused_before_they_cost_memory(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(Disk):
        def pread(self, fd: int, size: int, offset: int) -> bytes:
            assert size < 1000
            return super().pread(fd, size, offset)

    monkeypatch.setattr(durable, "disk", Small())
    for claimed in (LONGEST_HEAD, LONGEST_HEAD + 1, (1 << 32) - 1):
        path = put_bytes(layout, by_hand(HEAD, b"abc", claimed=claimed))
        with pytest.raises(Damage, match=f"it claims a head of {claimed} bytes"):
            IndexPart(path)
    path = put_bytes(layout, by_hand({**HEAD, "size": 1 << 62}, b"abc"))
    with pytest.raises(Damage, match="do not fit its payload"):
        IndexPart(path)


def test_a_head_of_more_than_a_mebibyte_is_neither_read_nor_written(layout: Layout) -> None:
    shorter = len(canonical({**HEAD, "parameters": {"a": ""}}))
    whole = {**HEAD, "parameters": {"a": "x" * (LONGEST_HEAD - shorter)}}
    put_bytes(layout, by_hand(whole, b"abc"))
    assert used(layout) == [b"abc"]
    longer = {**HEAD, "parameters": {"a": "x" * (LONGEST_HEAD - shorter + 1)}}
    path = put_bytes(layout, by_hand(longer, b"abc"))
    with pytest.raises(Damage, match="it claims a head of 1048577 bytes"):
        IndexPart(path)
    path.unlink()
    head = IndexHead.from_bytes(canonical(longer))
    assert write_part(layout, head, [b"abc"]) is None
    assert write_part(layout, IndexHead.from_bytes(canonical(whole)), [b"abc"]) is not None


def test_a_part_in_the_folder_of_another_space_is_damage(layout: Layout) -> None:
    path = written(layout)
    (layout.indexes / OTHER).mkdir()
    moved = path.rename(layout.indexes / OTHER / path.name)
    with pytest.raises(Damage, match="it belongs to another space"):
        IndexPart(moved)
    assert list(fitting_parts(layout, OTHER, REFS)) == []


def test_a_disk_that_gives_no_bytes_back_is_damage_and_one_that_forbids_it_is_not(
    layout: Layout, disk: Watched
) -> None:
    path = written(layout)
    for error, kind in ((errno.EIO, Damage), (errno.EACCES, OSError)):
        disk.heal()
        disk.fail("look", error)
        with pytest.raises(kind):
            IndexPart(path)
        assert used(layout) == []
    disk.heal()
    disk.fail("pread", errno.EIO)
    assert used(layout) == []


# What lies in the folder


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # a socket's path may have 100 bytes or so


def names(layout: Layout) -> Iterator[tuple[str, Callable[[Path], None]]]:
    yield "link", lambda path: path.symlink_to(layout.indexes / SPACE / "sound.part")
    yield "dangling link", lambda path: path.symlink_to("nowhere")
    yield "link to itself", lambda path: path.symlink_to(path.name)
    yield "folder", lambda path: path.mkdir()
    yield "pipe", lambda path: os.mkfifo(path)
    yield "socket", bound


def test_links_and_special_files_are_no_parts_and_hold_nobody_up(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = written(layout)
    monkeypatch.chdir(sound.parent)
    sound.rename("sound.part")
    signal.alarm(20)  # a pipe that is opened to be read waits for its writer
    try:
        for what, make in names(layout):
            path = layout.indexes / SPACE / NAME
            make(path)
            with pytest.raises(Damage):
                IndexPart(path)
            assert used(layout) == [], what
            assert part_files(path.parent) == []
            path.rmdir() if what == "folder" else path.unlink()
    finally:
        signal.alarm(0)
    with pytest.raises(FileNotFoundError):
        File(layout.indexes / SPACE / NAME)
    Path("sound.part").rename(NAME)
    assert used(layout) == [b"payload"]


def test_other_names_in_the_folder_mean_nothing(layout: Layout) -> None:
    path = written(layout)
    for name in (path.name + ".bak", path.name.upper(), "0" * 31 + ".part", "notes.txt", "0" * 32 + ".faiss"):
        (path.parent / name).write_bytes(path.read_bytes())
    for name in ("notes", SPACE.upper(), SPACE[:32]):
        (layout.indexes / name).mkdir()
    (layout.indexes / OTHER).write_bytes(b"a file")
    (layout.indexes / ("ef" * 32)).symlink_to(path.parent)
    assert part_folders(layout) == [path.parent]
    assert part_files(path.parent) == [path]
    assert used(layout) == [b"payload"]
    assert list(fitting_parts(layout, OTHER, REFS)) == []
    assert list(fitting_parts(layout, "ef" * 32, [])) == []


def test_a_store_without_the_folder_or_with_a_file_or_a_link_there_has_no_parts(layout: Layout, tmp_path: Path) -> None:
    assert used(layout) == []
    layout.indexes.write_bytes(b"a file")
    assert (used(layout), write_part(layout, head_of(SPACE), [])) == ([], None)
    layout.indexes.unlink()
    elsewhere = layout_of(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    path = written(elsewhere)
    layout.indexes.symlink_to(elsewhere.indexes)
    assert (used(layout), write_part(layout, head_of(SPACE), [])) == ([], None)
    assert parts_of(elsewhere) == {path}


# Writing


def test_a_part_appears_by_renaming_and_needs_no_flush(layout: Layout, disk: Watched) -> None:
    written(layout)
    disk.calls.clear()
    path = written(layout)
    assert disk.named("rename") == [path.name]
    assert disk.named("write")[0] == ".tmp-ingest"
    assert disk.named("fsync") == []


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["mkdir", "open", "write", "rename"])
def test_a_part_that_cannot_be_written_is_no_error_and_leaves_nothing(
    layout: Layout, disk: Watched, call: str, error: int
) -> None:
    disk.fail(call, error)
    assert write_part(layout, head_of(SPACE, REFS, 7), [b"payload"]) is None
    assert [path for path in layout.folder.rglob("*") if path.is_file()] == []
    disk.heal()
    assert write_part(layout, head_of(SPACE, REFS, 7), [b"payload"]) is not None
    assert used(layout) == [b"payload"]


def test_a_payload_that_fails_or_has_another_length_leaves_nothing(layout: Layout) -> None:
    def failing() -> Iterator[bytes]:
        yield b"pay"
        raise DiskTrouble("the segment cannot be read")

    with pytest.raises(DiskTrouble):
        write_part(layout, head_of(SPACE, REFS, 7), failing())
    for pieces in ([b"payloa"], [b"payload", b"!"], []):
        with pytest.raises(AssertionError):
            write_part(layout, head_of(SPACE, REFS, 7), pieces)
    assert [path for path in layout.folder.rglob("*") if path.is_file()] == []


def test_a_writer_killed_at_any_call_leaves_a_whole_part_or_none_and_what_it_left_is_swept(tmp_path: Path) -> None:
    ends = set()
    for name, status in killed_writers(tmp_path, head_of(SPACE, REFS[:1], 7), [b"pay", b"load"]):
        layout = Layout(tmp_path / name)
        assert used(layout) in ([], [b"payload"])
        ends.add((status, bool(unfinished(layout)), bool(used(layout))))
        with Store(layout.folder) as store:
            store._repo.sweep()
        assert unfinished(layout) == []
    assert (name, status) == ("after-19", 0), "a writer makes more calls than are tried"
    died = -signal.SIGKILL
    assert ends == {(died, False, False), (died, True, False), (died, False, True), (0, False, True)}


def test_only_the_holder_of_ingest_removes_an_unfinished_part(builder: Builder) -> None:
    folder = put_part(builder.repo, builder.space).parent
    left = folder / f"{durable.TEMPORARY}ingest-{'0' * 32}"
    left.write_bytes(b"half")
    builder.add_snapshot({})  # takes `commit` alone
    assert left.exists()
    builder.repo.sweep()
    assert not left.exists()
    assert part_files(folder) != []


# The store around it


def test_the_folder_is_made_when_it_is_first_needed(builder: Builder) -> None:
    layout = builder.repo.layout
    builder.add_pictures(aliases(1))
    assert not layout.indexes.exists()
    put_part(builder.repo, builder.space)
    assert parts_of(layout)


def test_a_store_with_parts_is_read_and_written_as_one_without(builder: Builder) -> None:
    builder.add_pictures(aliases(1, 2))
    repo = builder.repo
    put_part(repo, builder.space, repo.state.segments(builder.space))
    folder = repo.layout.folder
    with Store(folder) as store:
        assert store.check(read_data=True).ok
        store.snapshot_tag("v1", "good")
    builder.repo.reload()
    builder.add_pictures(aliases(1, 2, 3))
    assert parts_of(repo.layout)
