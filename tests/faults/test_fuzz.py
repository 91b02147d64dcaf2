"""Arbitrary bytes in place of our files: typed errors, bounded memory, no hang; repair copes with all of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.every_kind import BEGIN, GO_ON, add_parts, small_window
from support.folders import put
from support.stores import FAKE, load, opened

from vstore.disk.footer import FOOTER_SIZE, Footer
from vstore.disk.salvage import pack_ref, segment_ref
from vstore.disk.salvaged_blobs import sound_blobs
from vstore.disk.salvaged_rows import remains
from vstore.disk.segments import Segment
from vstore.errors import Damage, VstoreError
from vstore.format.entries import FileRef
from vstore.format.hashing import store_hash
from vstore.repository.form import read_form
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store

LONG = int(os.environ.get("VSTORE_EXAMPLES", "0"))
QUICK = settings(max_examples=LONG or 150, deadline=None, suppress_health_check=list(HealthCheck))
SLOW = settings(max_examples=LONG or 60, deadline=None, suppress_health_check=list(HealthCheck))
HASH = store_hash("xxh3_128")


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """Make a store with several files of each kind, and things of every kind, and the folder of its pictures."""
    top = Path(tempfile.mkdtemp(prefix="vstore-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    (top / "pictures").mkdir()
    Store.init(top / ".vstore", recipe=FAKE.recipe)
    with small_window(), opened(top) as store:
        for number in range(3):
            put(top / "pictures", {f"{number}-{n}.png": 10 * number + n for n in range(3)})
            store.sync([top / "pictures"], message=f"sync {number}")
        store.snapshot_tag("v1", "good")
        store.rollback("v2")
        store.undo()
        store.search([Operand(1.0, image=os.fsencode(top / "pictures" / "0-0.png"))])
        for step in (*BEGIN, *GO_ON):
            step(store._repo)
        add_parts(store._repo)
    yield top
    shutil.rmtree(top)


@given(st.binary(max_size=400))
@QUICK
def test_a_footer_of_any_bytes_is_a_footer_or_a_typed_error(data: bytes) -> None:
    for tail in (data, data[:FOOTER_SIZE].ljust(FOOTER_SIZE, b"\0"), data[:120].ljust(120, b"\1") + b"vsegment"):
        try:
            Footer.from_bytes(tail)
        except ValueError:
            continue


@given(st.binary(max_size=600), st.integers(0, 50), st.integers(1, 16))
@QUICK
def test_a_segment_of_any_bytes_is_damage_without_remains(data: bytes, rows: int, dim: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("0" * 32 + ".faiss")
        path.write_bytes(data)
        ref = FileRef(path.name, len(data), "00" * 8, rows)
        with pytest.raises(Damage):
            Segment(Path(folder), ref)
        left = remains(Path(folder), ref, dim, "float16", 16, frozenset())
        assert left.keys == []
        with contextlib.suppress(ValueError):
            segment_ref(path)


@given(st.binary(max_size=600), st.booleans())
@QUICK
def test_a_pack_of_any_bytes_gives_up_no_blob_that_is_not_one(data: bytes, dressed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("0" * 32 + ".pack")
        path.write_bytes(b"vpack001" + data + b"vpackend" if dressed else data)
        whole, blobs = sound_blobs(Path(folder), pack_ref(path), HASH)
        assert not whole
        assert all(HASH.digest(blob) == digest for digest, blob in blobs)


@given(st.binary(max_size=200))
@QUICK
def test_a_format_of_any_bytes_is_damage(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "FORMAT").write_bytes(data)
        with pytest.raises(VstoreError) as error:
            read_form(Path(folder))
        assert error.value.exit_code in (4, 12)


NAMES = ("FORMAT", "refs", "segments", "packs", "journal", "cache", "indexes", "reserve")
HARM = st.tuples(
    st.integers(0, 10**6),
    st.sampled_from(["flip", "cut", "zero", "delete", "garbage", "swap", "double", "empty"]),
    st.floats(0, 1, exclude_max=True),
    st.binary(min_size=1, max_size=64),
)


def spoil(store: Path, which: int, how: str, where: float, data: bytes) -> None:
    files = sorted(p for p in store.rglob("*") if p.is_file() and p.relative_to(store).parts[0] in NAMES)
    if not files:
        return
    path = files[which % len(files)]
    before = path.read_bytes()
    at = int(len(before) * where)
    if how == "delete":
        path.unlink()
    elif how == "swap":
        other = files[(which // 7) % len(files)]
        swapped = other.read_bytes()
        other.write_bytes(before)
        path.write_bytes(swapped)
    elif how == "double":
        path.write_bytes(before + before)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(data)
    elif how == "cut":
        path.write_bytes(before[:at])
    else:
        part = bytes(len(data)) if how == "zero" else bytes(b ^ 0x41 for b in before[at : at + len(data)])
        path.write_bytes(before[:at] + part + before[at + len(part) :])


@given(harms=st.lists(HARM, min_size=1, max_size=6))
@SLOW
def test_a_store_that_is_damaged_in_any_way_is_repaired_or_says_why_not(
    template: Path, harms: list[tuple[int, str, float, bytes]]
) -> None:
    with tempfile.TemporaryDirectory(dir=template.parent, prefix="vstore-spoilt-") as folder:
        top = Path(folder) / "top"
        shutil.copytree(template, top, ignore=shutil.ignore_patterns("catalogue"))
        store = top / ".vstore"
        right = {p.name: HASH.digest(p.read_bytes()) for p in (top / "pictures").iterdir()}
        for harm in harms:
            spoil(store, *harm)
        # Before: whatever is answered is right, or refused.
        try:
            with opened(top) as damaged:
                damaged.check(read_data=True)
                picture = top / "pictures" / "1-1.png"
                hits = damaged.search([Operand(1.0, image=os.fsencode(picture))], k=1).hits
                if hits and hits[0].score == 1.0:
                    assert hits[0].key == right[picture.name]
        except VstoreError:
            pass
        try:
            report = Store.repair(store, load_embedder=load)
        except VstoreError as err:
            assert err.exit_code in (4, 10), err
            return
        with Store(store, load_embedder=load) as repaired:
            checked = repaired.check(read_data=True)
            assert checked.ok or report.left, (checked.problems, report)
        repo = Repository(store)
        for snapshot in list(repo.listing.kept()):
            for path, key in repo.tree(snapshot):
                assert right[os.fsdecode(path).rpartition("/")[2]] == key
        repo.close()
        again = Store.repair(store, load_embedder=load)
        assert not again.degraded
        assert not again.quarantined
        assert not again.changed, again
        if not report.left and repo.state.spaces:
            with Store(store, load_embedder=load) as repaired:
                done = repaired.sync([top / "pictures"])
                assert done.paths == 9
                assert repaired.check(read_data=True).ok
