"""Manifests, and the content ids of snapshots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import JSON, OBJECTS

from vstore.errors import Damage
from vstore.format.canonical import canonical
from vstore.format.entries import Snapshot
from vstore.format.hashing import store_hash
from vstore.format.manifest import Manifest, content_id

HASH = store_hash("xxh3_128")


MANIFEST = Manifest("v1", "ab" * 32, b"\7" * 16, 3, 2, "2026-11-23T20:02:39Z", "words", None, False)


@given(st.text(max_size=9), st.none() | st.just("v7"), st.booleans())
def test_a_manifest_is_read_back_as_it_was_written(message: str, parent: str | None, partial: bool) -> None:
    manifest = MANIFEST._replace(message=message, parent=parent, partial=partial)
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@given(st.binary() | JSON.map(canonical) | OBJECTS.map(canonical))
def test_what_is_no_manifest_is_damage(data: bytes) -> None:
    with pytest.raises(Damage):
        Manifest.from_bytes(data)


def test_the_id_of_a_snapshot_is_that_of_its_content_alone() -> None:
    other = MANIFEST._replace(name="v9", message="other", parent="v8", partial=True, time="", paths=9, images=9)
    assert other.content_id(HASH) == MANIFEST.content_id(HASH) == content_id(HASH, MANIFEST.space, MANIFEST.tree)
    parts = b'[1,"xxh3_128","%s","%s"]' % (b"ab" * 32, b"07" * 16)
    assert MANIFEST.content_id(HASH) == HASH.digest(parts).hex()
    assert MANIFEST.content_id(store_hash("sha256")) != MANIFEST.content_id(HASH)
    assert MANIFEST._replace(space="cd" * 32).content_id(HASH) != MANIFEST.content_id(HASH)
    assert MANIFEST._replace(tree=b"\6" * 16).content_id(HASH) != MANIFEST.content_id(HASH)


def test_a_snapshot_and_its_manifest_are_made_from_one_another() -> None:
    manifest = MANIFEST._replace(parent="v0", partial=True)
    snapshot = Snapshot.of(manifest, b"digest", "id")
    assert (snapshot.manifest, snapshot.id) == (b"digest", "id")
    assert snapshot.manifest_over(manifest.tree) == manifest
    assert snapshot.manifest_over(b"other") == manifest._replace(tree=b"other")
