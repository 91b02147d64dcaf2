"""The file FORMAT."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.failing_disks import disk

from vstore.errors import (
    Damage,
    FormatTooNew,
    NoStore,
)
from vstore.format.canonical import canonical
from vstore.format.hashing import checksum
from vstore.format.layout import NEWEST
from vstore.repository.create import create_store
from vstore.repository.repository import Repository

__all__ = ["disk"]


def test_where_there_is_no_store_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(NoStore, match="vstore init") as caught:
            Repository(folder)
        assert caught.value.exit_code == 10


def test_a_store_of_a_later_format_is_refused_by_its_version(tmp_path: Path) -> None:
    create_store(tmp_path / ".vstore")
    path = tmp_path / ".vstore" / "FORMAT"
    later = {"format": NEWEST + 1, "whatever": True}
    path.write_bytes(canonical({**later, "check": checksum(canonical(later)).hex()}))
    with pytest.raises(FormatTooNew, match=f"has format {NEWEST + 1}; this vstore reads up to") as caught:
        Repository(tmp_path / ".vstore")
    assert caught.value.exit_code == 12


def test_a_format_that_is_not_what_was_written_is_damage(tmp_path: Path) -> None:
    create_store(tmp_path / ".vstore")
    path = tmp_path / ".vstore" / "FORMAT"
    whole = path.read_bytes()
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(Damage, match="FORMAT"):
            Repository(tmp_path / ".vstore")
    for cut in range(len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(Damage, match="FORMAT cannot be read"):
            Repository(tmp_path / ".vstore")
    for text in (b"[]", b"null", b"7", b"\xff", b"{}"):
        path.write_bytes(text)
        with pytest.raises(Damage):
            Repository(tmp_path / ".vstore")
