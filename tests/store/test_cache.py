"""Files of `cache/`, and the hash of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.disk.cache import read_cache, read_cache_json, write_cache
from vstore.disk.file_hash import hash_file


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    assert write_cache(tmp_path, "name", b"content")
    assert read_cache(tmp_path, "name") == b"content"
    assert write_cache(tmp_path, "name", b"")
    assert read_cache(tmp_path, "name") == b""


@given(st.integers(0, 8 * 15 - 1))
def test_one_bit_that_is_another_is_a_miss(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    folder = tmp_path_factory.mktemp("cache")
    write_cache(folder, "name", b"content")
    data = bytearray((folder / "name").read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    (folder / "name").write_bytes(data)
    assert read_cache(folder, "name") is None


def test_a_file_under_the_name_of_another_is_a_miss(tmp_path: Path) -> None:
    write_cache(tmp_path, "name", b"content")
    (tmp_path / "name").rename(tmp_path / "other")
    assert read_cache(tmp_path, "other") is None


def test_a_missing_a_torn_and_an_unreadable_file_are_misses(tmp_path: Path) -> None:
    assert read_cache(tmp_path, "name") is None
    (tmp_path / "name").write_bytes(b"short")
    assert read_cache(tmp_path, "name") is None
    (tmp_path / "folder").mkdir()
    assert read_cache(tmp_path, "folder") is None


def test_json_is_read_as_what_it_says_and_other_bytes_are_a_miss(tmp_path: Path) -> None:
    write_cache(tmp_path, "name", b'{"a": [1]}')
    assert read_cache_json(tmp_path, "name") == {"a": [1]}
    write_cache(tmp_path, "name", b"{")
    assert read_cache_json(tmp_path, "name") is None
    assert read_cache_json(tmp_path, "other") is None


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not write_cache(tmp_path / "file", "name", b"content")


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 5])
def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "file").write_bytes(data)
    assert hash_file(tmp_path / "file", hashlib.sha256()).digest() == hashlib.sha256(data).digest()
