"""Rows that are no vectors of norm 1, with right checksums: never in an answer, found by a check, lost to a repair."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from support.folders import put
from support.forge import Forge, checksum

from vstore import Operand, Store
from vstore.disk.norms import of_norm_1
from vstore.errors import Damage
from vstore_cli.main import run

NONE = [b"\x00\x7e", b"\x00\x7c", b"\xff\x7b", b"\x00\x00"]  # not a number, infinity, 65,504, zero
DIM = 333


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"pictures/a.png": 1, "pictures/b.png": 2, "pictures/c.png": 3})
    assert run(["sync", "pictures", "-q"]) == 0
    return tmp_path


def forge(folder: Path, value: bytes) -> None:
    """Let the last row of the segment be of this value."""
    Forge(folder / ".vstore").segment(rows=lambda old: old[: -2 * DIM] + value * DIM)


def test_half_floats_and_imports_are_of_norm_1() -> None:
    rows = np.random.default_rng(0).standard_normal((500, 64))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert of_norm_1(rows.astype(np.float16)).all() and of_norm_1((rows * 1.001).astype(np.float16)).all()
    assert not of_norm_1((rows * 1.02).astype(np.float16)).any()
    assert not of_norm_1(np.array([[np.nan, 1], [np.inf, 0], [0, 0], [3e38, 3e38]], np.float32)).any()


@pytest.mark.parametrize("value", NONE[:3])
def test_such_a_row_is_in_no_answer(folder: Path, value: bytes) -> None:
    forge(folder, value)
    with Store(".vstore") as store, pytest.raises(Damage, match="no vectors of norm 1"):
        store.search([Operand(1.0, b"pictures/a.png")], k=3)


@pytest.mark.parametrize("value", NONE)
def test_such_a_row_is_no_query(folder: Path, value: bytes) -> None:
    """The last row is that of the picture that the disk listed last."""
    forge(folder, value)
    damaged = []
    with Store(".vstore") as store:
        for name in (b"a", b"b", b"c"):
            try:
                store.search([Operand(1.0, b"pictures/%s.png" % name)], k=3)
            except Damage as err:
                assert "no vectors of norm 1" in str(err)
                damaged.append(name)
    assert len(damaged) == (1 if value == NONE[3] else 3), "a row of zeros is like no other"


@pytest.mark.parametrize("value", NONE)
def test_pictures_are_not_compared_by_such_a_row(folder: Path, value: bytes) -> None:
    forge(folder, value)
    with Store(".vstore") as store, pytest.raises(Damage, match="no vectors of norm 1"):
        store.dupes(near=0.9)


@pytest.mark.parametrize("value", NONE)
def test_no_chance_is_told_by_such_a_row(folder: Path, value: bytes) -> None:
    forge(folder, value)
    with Store(".vstore") as store, pytest.raises(Damage, match="no vectors of norm 1"):
        store.search([Operand(1.0, b"pictures/a.png")], k=1, collapse=True)


@pytest.mark.parametrize("value", NONE)
def test_a_check_finds_it_and_a_repair_embeds_its_picture_again(folder: Path, value: bytes) -> None:
    forge(folder, value)
    with Store(".vstore") as store:
        assert store.check().ok, "without --read-data no row is read"
        (problem,) = store.check(read_data=True).problems
        assert "1 of its rows are no vectors of norm 1, the first is row 2" in str(problem)
    (folder / ".vstore/segments").joinpath(first_segment(folder)).unlink()  # the sound one that the forgery replaced
    report = Store.repair(".vstore")
    assert report.changed
    with Store(".vstore") as store:
        assert store.check(read_data=True).ok
        assert len(store.search([Operand(1.0, b"pictures/a.png")], k=3).hits) == 3


def first_segment(folder: Path) -> str:
    """The segment that no record lists any more."""
    listed = {name for places in Forge(folder / ".vstore").state["segments"].values() for name, *_ in places.values()}
    (unlisted,) = set(os.listdir(folder / ".vstore/segments")) - listed
    return unlisted


@pytest.mark.parametrize("value", NONE)
def test_it_is_not_sealed_out_of_a_journal(folder: Path, value: bytes) -> None:
    forged = Forge(folder / ".vstore")
    nonce = bytes(16)
    head = struct.pack("<8sHHI32s16s", b"vjourn01", 1, 16, DIM, bytes.fromhex(forged.space), nonce)
    one = struct.pack("<e", 1) + bytes(2 * DIM - 2)
    frames = b""
    for number, row in enumerate([value * DIM, one]):
        body = bytes([number]) * 16 + row
        frames += body + checksum(nonce + struct.pack("<Q", number) + body)
    (folder / ".vstore/journal").mkdir(exist_ok=True)
    (folder / f".vstore/journal/{forged.space}-{nonce.hex()}").write_bytes(head + checksum(head) + frames)
    with Store(".vstore") as store:
        assert store.sync().recovered == 1
        assert store.check(read_data=True).ok
