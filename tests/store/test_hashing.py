"""The hashes of a store, and the checksum of small things."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from vstore.errors import UsageError
from vstore.format import hashing
from vstore.format.hashing import HASHES, checksum, store_hash


def test_the_digest_of_xxh3_is_the_big_endian_form_that_xxhsum_prints() -> None:
    # Source: xxhsum -H128 of an empty file, and of "a".
    hash = store_hash("xxh3_128")
    assert hash.digest(b"").hex() == "99aa06d3014798d86001c324468d497f"
    assert hash.digest(b"a").hex() == "a96faf705af16834e6c632b61e964e1f"


def test_the_digest_of_sha256_is_the_usual_one() -> None:
    assert store_hash("sha256").digest(b"a") == hashlib.sha256(b"a").digest()


@pytest.mark.parametrize("name", HASHES)
@given(parts=st.lists(st.binary()))
def test_what_comes_in_pieces_has_the_digest_of_the_whole(name: str, parts: list[bytes]) -> None:
    hash = store_hash(name)
    hasher = hash.new()
    for part in parts:
        hasher.update(part)
    digest = hash.digest(b"".join(parts))
    assert hasher.digest() == digest
    assert len(digest) == hash.size


def test_a_hash_that_this_version_does_not_know_is_an_error_that_lists_those_it_knows() -> None:
    with pytest.raises(UsageError, match="unknown hash 'md5'; choose one of: xxh3_128, sha256"):
        store_hash("md5")


@given(parts=st.lists(st.binary()))
def test_a_checksum_is_xxh3_64_little_endian_of_all_parts(parts: list[bytes]) -> None:
    assert checksum(*parts) == xxhash.xxh3_64_intdigest(b"".join(parts)).to_bytes(8, "little")


def test_a_store_that_does_not_want_sha256_does_not_load_it() -> None:
    code = "import sys, vstore.format.hashing; sys.exit('hashlib' in sys.modules)"
    source = str(Path(hashing.__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}).returncode == 0
