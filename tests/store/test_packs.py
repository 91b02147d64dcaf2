"""Packs: what is found in them, what is damage, and how many may be open."""

from __future__ import annotations

import gc
import os
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vstore.disk.pack_writer import merge_packs, write_pack
from vstore.disk.packs import FOOTER_SIZE, LARGEST_BLOB, LARGEST_PAGE, Pack, Packs
from vstore.disk.salvaged_blobs import sound_blobs
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.format.hashing import HASHES, Hash, checksum, store_hash

HASH = store_hash("xxh3_128")
BLOBS = [b"", b"a", b"page " * 2000, os.urandom(5000), b"\0" * 100_000]


@pytest.fixture(autouse=True)
def _nothing_open_of_others() -> None:
    """Close what earlier tests left to the collector: descriptors are counted here."""
    gc.collect()


def blobs_of(contents: list[bytes], hash: Hash = HASH) -> dict[bytes, bytes]:
    return {hash.digest(content): content for content in contents}


def write(folder: Path, contents: list[bytes], hash: Hash = HASH) -> FileRef:
    return write_pack(folder, hash, blobs_of(contents, hash), "commit")


@pytest.fixture
def ref(tmp_path: Path) -> FileRef:
    return write(tmp_path, BLOBS)


@pytest.mark.parametrize("hash", HASHES.values(), ids=HASHES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(contents=st.lists(st.binary(max_size=300), max_size=20, unique=True))
def test_every_blob_is_found_by_its_digest(tmp_path: Path, hash: Hash, contents: list[bytes]) -> None:
    pack = Pack(tmp_path, write(tmp_path, contents, hash), hash)
    assert {digest: pack.get(digest) for digest in pack.digests()} == blobs_of(contents, hash)
    assert list(pack.digests()) == sorted(pack.digests())
    assert pack.get(hash.digest(b"what is not in it")) is None
    pack.verify()
    pack.close()


def test_a_pack_is_laid_out_as_format_says(tmp_path: Path) -> None:
    ref = write(tmp_path, [b"one", b"two" * 100])
    data = (tmp_path / ref.name).read_bytes()
    assert len(data) == ref.size
    assert data[:8] == b"vpack001"
    table, count, width, body_sum, table_sum, check, end = struct.unpack("<QII8s8s8s8s", data[-48:])
    assert (count, width, end) == (2, 16, b"vpackend")
    assert body_sum == checksum(data[:table])
    assert table_sum == checksum(data[table:-48])
    assert check == checksum(data[-48:-16]) and check.hex() == ref.check
    for at in range(table, table + count * 32, 32):
        offset, stored, length = struct.unpack("<QII", data[at + 16 : at + 32])
        blob = zlib.decompress(data[offset : offset + stored])
        assert HASH.digest(blob) == data[at : at + 16] and len(blob) == length


def regions(ref: FileRef) -> dict[str, range]:
    table = ref.size - FOOTER_SIZE - len(BLOBS) * 32
    return {
        "magic": range(8),
        "blobs": range(8, table),
        "table": range(table, ref.size - FOOTER_SIZE),
        "footer": range(ref.size - FOOTER_SIZE, ref.size),
    }


@pytest.mark.parametrize("region", ["magic", "blobs", "table", "footer"])
def test_a_flipped_bit_is_damage_that_names_the_pack(tmp_path: Path, ref: FileRef, region: str) -> None:
    path = tmp_path / ref.name
    whole = path.read_bytes()
    places = regions(ref)[region]
    for at in {*places[:: max(1, len(places) // 40)], places[-1]}:
        for bit in range(8):
            data = bytearray(whole)
            data[at] ^= 1 << bit
            path.write_bytes(data)
            with pytest.raises(Damage, match=rf"packs/{ref.name} is damaged"):
                pack = Pack(tmp_path, ref, HASH)
                pack.verify()


def test_a_blob_that_is_not_what_was_written_is_damage_before_it_is_used(tmp_path: Path, ref: FileRef) -> None:
    path = tmp_path / ref.name
    whole = path.read_bytes()
    places = regions(ref)["blobs"]
    for at in places[:: len(places) // 100]:
        data = bytearray(whole)
        data[at] ^= 16
        path.write_bytes(data)
        pack = Pack(tmp_path, ref, HASH)
        for digest, content in blobs_of(BLOBS).items():
            try:
                assert pack.get(digest) == content
            except Damage as err:
                assert f"packs/{ref.name} is damaged: blob {digest.hex()}" in err.message
        pack.close()


@pytest.mark.parametrize("left", [0, 1, 47, 48, 500, -1])
def test_a_pack_that_was_cut_is_damage(tmp_path: Path, ref: FileRef, left: int) -> None:
    path = tmp_path / ref.name
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(Damage, match="bytes instead of"):
        Pack(tmp_path, ref, HASH)


def test_a_pack_in_another_ones_place_is_damage(tmp_path: Path) -> None:
    ref, other = write(tmp_path, [b"one"]), write(tmp_path, [b"two"])
    assert ref.size == other.size
    os.replace(tmp_path / other.name, tmp_path / ref.name)
    with pytest.raises(Damage):
        Pack(tmp_path, ref, HASH)


def crafted(tmp_path: Path, stored: bytes, content: bytes, length: int | None = None) -> tuple[FileRef, bytes]:
    """A pack whose checksums are right and whose one blob is stored otherwise than it should be."""
    digest = HASH.digest(content)
    size = len(content) if length is None else length
    body, table = b"vpack001" + stored, digest + struct.pack("<QII", 8, len(stored), size)
    head = struct.pack("<QII8s8s", 8 + len(stored), 1, 16, checksum(body), checksum(table))
    data = body + table + head + checksum(head) + b"vpackend"
    (tmp_path / "x.pack").write_bytes(data)
    return FileRef("x.pack", len(data), checksum(head).hex()), digest


@pytest.mark.parametrize(
    ("stored", "length"),
    [
        (zlib.compress(b"content") + b"more", 7),
        (zlib.compress(b"content")[:-1], 7),
        (zlib.compress(b"content"), 6),
        (zlib.compress(b"content"), 8),
        (zlib.compress(b"contents"), 7),
        (b"content", 7),
        (b"", 7),
        (zlib.compress(b"\0" * 10_000_000), 7),
        (zlib.compress(b"content"), (1 << 32) - 1),
    ],
)
def test_a_blob_that_is_not_stored_as_the_table_says_is_damage(tmp_path: Path, stored: bytes, length: int) -> None:
    ref, digest = crafted(tmp_path, stored, b"content", length)
    pack = Pack(tmp_path, ref, HASH)
    with pytest.raises(Damage):
        pack.get(digest)
    pack.close()


def test_a_blob_has_the_length_that_deflate_can_give_and_no_more(tmp_path: Path) -> None:
    content = bytes(10 << 20)
    stored = zlib.compress(content, 9)
    ref, digest = crafted(tmp_path, stored, content)
    with closing(Pack(tmp_path, ref, HASH)) as pack:
        assert len(content) > 1_000 * len(stored)
        assert pack.get(digest) == content
        assert [one for one, _ in pack.stored()] == [digest]
    ref, digest = crafted(tmp_path, stored, content, 1_032 * len(stored) + 1)
    with closing(Pack(tmp_path, ref, HASH)) as pack:
        for use in (lambda: pack.get(digest), lambda: list(pack.stored())):
            with pytest.raises(Damage, match=r"claims [0-9,]+ bytes in [0-9,]+"):
                use()


def test_a_blob_that_is_longer_than_its_kind_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(LARGEST_PAGE + 1)
    ref = write_pack(tmp_path, HASH, {HASH.digest(content): content}, "commit")
    packs = Packs(tmp_path, [ref], HASH)
    assert packs.get(HASH.digest(content), LARGEST_BLOB) == content
    monkeypatch.setattr(zlib, "decompressobj", lambda: pytest.fail("it is unpacked"))
    with pytest.raises(Damage, match="has 33,554,433 bytes, where 33,554,432 are the most"):
        packs.get(HASH.digest(content))
    packs.close()


@pytest.mark.parametrize("offset", [0, 7, 9, 1 << 40])
def test_a_blob_lies_between_the_head_and_the_table(tmp_path: Path, offset: int) -> None:
    stored = zlib.compress(b"content")
    digest = HASH.digest(b"content")
    body, table = b"vpack001" + stored, digest + struct.pack("<QII", offset, len(stored), 7)
    head = struct.pack("<QII8s8s", len(body), 1, 16, checksum(body), checksum(table))
    data = body + table + head + checksum(head) + b"vpackend"
    (tmp_path / "x.pack").write_bytes(data)
    pack = Pack(tmp_path, FileRef("x.pack", len(data), checksum(head).hex()), HASH)
    with closing(pack), pytest.raises(Damage, match="lies outside the blobs"):
        pack.get(digest)


def test_a_table_that_does_not_end_at_the_footer_is_damage(tmp_path: Path) -> None:
    ref, _ = crafted(tmp_path, zlib.compress(b"content"), b"content")
    data = bytearray((tmp_path / ref.name).read_bytes())
    data[-48:-40] = struct.pack("<Q", 9)
    data[-16:-8] = checksum(data[-48:-16])
    (tmp_path / ref.name).write_bytes(data)
    with pytest.raises(Damage):
        Pack(tmp_path, ref._replace(check=data[-16:-8].hex()), HASH)


# Several packs


def test_a_blob_is_found_in_whichever_pack_it_lies(tmp_path: Path) -> None:
    refs = [write(tmp_path, [b"one", b"both"]), write(tmp_path, [b"two", b"both"])]
    packs = Packs(tmp_path, refs, HASH)
    assert [packs.get(HASH.digest(c)) for c in (b"one", b"two", b"both")] == [b"one", b"two", b"both"]
    with pytest.raises(Damage, match=f"no pack holds the blob {HASH.digest(b'three').hex()}"):
        packs.get(HASH.digest(b"three"))
    packs.close()


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_a_pack_that_cannot_be_read_hides_nothing_that_another_holds(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    refs = [write(tmp_path, [name, b"both"]) for name in (b"one", b"two", b"three")]
    harm(tmp_path / refs[1].name)
    packs = Packs(tmp_path, refs, HASH)
    assert [packs.get(HASH.digest(one)) for one in (b"three", b"one", b"both")] == [b"three", b"one", b"both"]
    with pytest.raises((Damage, FileNotFoundError), match=refs[1].name):
        packs.get(HASH.digest(b"two"))
    with pytest.raises((Damage, FileNotFoundError), match=refs[1].name):
        packs.opened()
    packs.close()


def test_a_blob_that_is_spoilt_in_one_pack_is_read_from_another(tmp_path: Path) -> None:
    refs = [write(tmp_path, [b"both"]), write(tmp_path, [b"both", b"two"])]
    path = tmp_path / refs[0].name
    data = bytearray(path.read_bytes())
    data[12] ^= 1
    path.write_bytes(data)
    for order in (refs, refs[::-1]):
        packs = Packs(tmp_path, order, HASH)
        packs.opened()
        assert packs.get(HASH.digest(b"both")) == b"both"
        packs.close()


def test_packs_that_are_open_answer_although_their_files_were_collected(tmp_path: Path) -> None:
    ref = write(tmp_path, [b"one"])
    packs = Packs(tmp_path, [ref], HASH)
    packs.opened()
    (tmp_path / ref.name).unlink()
    assert packs.get(HASH.digest(b"one")) == b"one"
    packs.close()


def test_a_pack_that_is_missing_is_named(tmp_path: Path) -> None:
    ref = write(tmp_path, [b"one"])
    (tmp_path / ref.name).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        Packs(tmp_path, [ref], HASH).get(HASH.digest(b"one"))
    assert Path(caught.value.filename) == tmp_path / ref.name


def test_a_listing_without_a_pack_closes_it_and_one_with_more_opens_only_those(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    refs = [write(tmp_path, [b"%d" % i]) for i in range(20)]
    packs = Packs(tmp_path, refs, HASH)
    packs.opened()
    assert len(os.listdir("/dev/fd")) == before + 20
    merged = write(tmp_path, [b"%d" % i for i in range(20)])
    for ref in refs:
        (tmp_path / ref.name).unlink()
    packs.listing([merged])
    assert packs.get(HASH.digest(b"7")) == b"7"
    assert len(os.listdir("/dev/fd")) == before + 1
    packs.close()
    assert len(os.listdir("/dev/fd")) == before


def test_nothing_is_left_open_by_a_pack_that_is_damaged(tmp_path: Path, ref: FileRef) -> None:
    before = len(os.listdir("/dev/fd"))
    (tmp_path / ref.name).write_bytes(b"x" * ref.size)
    for _ in range(3):
        with pytest.raises(Damage):
            Pack(tmp_path, ref, HASH)
    assert len(os.listdir("/dev/fd")) == before


def test_of_several_packs_the_newest_and_the_oldest_are_opened_first_and_no_more_than_needed(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    refs = [write(tmp_path, [b"%d" % number]) for number in range(5)]
    for age, ref in enumerate(refs):
        os.utime(tmp_path / ref.name, (1000 + age, 1000 + age))
    packs = Packs(tmp_path, [refs[number] for number in (2, 4, 0, 3, 1)], HASH)
    for number, opened in ((4, 1), (0, 2), (4, 2), (3, 3), (1, 4), (2, 5)):
        assert packs.get(HASH.digest(b"%d" % number)) == b"%d" % number
        assert len(os.listdir("/dev/fd")) == before + opened
    packs.close()
    assert packs.get(HASH.digest(b"0")) == b"0", "they open again"
    assert {pack.ref for pack in packs.opened()} == set(refs)
    packs.close()
    assert len(os.listdir("/dev/fd")) == before


# A merge


def test_a_merged_pack_holds_the_blobs_of_all_once_and_as_they_were_stored(tmp_path: Path) -> None:
    refs = [write(tmp_path, [b"one", b"both"]), write(tmp_path, [b"two", b"both", b""])]
    packs = [Pack(tmp_path, ref, HASH) for ref in refs]
    merged = Pack(tmp_path, merge_packs(tmp_path, HASH, packs, "ingest"), HASH)
    merged.verify()
    assert dict(merged.stored()) == {**dict(packs[0].stored()), **dict(packs[1].stored())}
    assert {merged.get(digest) for digest in merged.digests()} == {b"one", b"two", b"both", b""}
    assert merged.count == 4
    for pack in (*packs, merged):
        pack.close()


def test_a_merge_checks_every_blob_and_publishes_nothing_of_a_damaged_one(tmp_path: Path) -> None:
    whole = write(tmp_path, [b"one"])
    damaged, _ = crafted(tmp_path, zlib.compress(b"content")[:-1], b"content")
    packs = [Pack(tmp_path, ref, HASH) for ref in (whole, damaged)]
    before = set(os.listdir(tmp_path))
    with pytest.raises(Damage, match=r"x\.pack"):
        merge_packs(tmp_path, HASH, packs, "ingest")
    assert set(os.listdir(tmp_path)) == before
    for pack in packs:
        pack.close()


@pytest.mark.parametrize("kind", ["sound", "twice", "falling", "shared"])
def test_a_table_that_names_bytes_twice_is_damage(tmp_path: Path, kind: str) -> None:
    """A megabyte may unfold to a gigabyte: once, and not as often as a table says."""
    blobs = [b"a" * 100_000, b"b" * 100_000]
    packed = [zlib.compress(blob) for blob in blobs]
    body, table = b"vpack001", []
    for blob, stored in zip(blobs, packed, strict=True):
        table.append(HASH.digest(blob) + struct.pack("<QII", len(body), len(stored), len(blob)))
        body += stored
    table.sort()
    if kind == "twice":
        table[1] = table[0]
    elif kind == "falling":
        table.reverse()
    elif kind == "shared":
        table = sorted([*table, b"\xff" * 16 + table[0][16:]])
    listed = b"".join(table)
    foot = struct.pack("<QII", len(body), len(table), 16) + checksum(body) + checksum(listed)
    data = body + listed + foot + checksum(foot) + b"vpackend"
    (tmp_path / "x.pack").write_bytes(data)
    pack = Pack(tmp_path, FileRef("x.pack", len(data), checksum(foot).hex()), HASH)
    if kind == "sound":
        assert sorted(pack.digests()) == sorted(map(HASH.digest, blobs))
        return
    for walk in (pack.digests, pack.sizes, pack.stored):
        with pytest.raises(Damage, match="its table is out of order, or names bytes twice"):
            list(walk())
    is_whole, found = sound_blobs(tmp_path, pack.ref, HASH)
    assert not is_whole and dict(found) == {HASH.digest(blob): blob for blob in blobs}
