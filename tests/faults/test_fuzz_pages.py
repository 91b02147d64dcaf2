"""Pages of every kind by a stranger, with right digests: whoever reads them gets a typed error, in bounded time."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.builder import HASH, key
from support.every_kind import lean
from support.hostile_pages import Forged, Limited, Made, forged, histories, keys
from support.stores import load, opened, quick_folder

from vstore.errors import Damage, VstoreError
from vstore.format.canonical import Document
from vstore.format.decisions import Decision, encode_decision
from vstore.format.entries import Snapshot
from vstore.format.fact_pages import FactPage, encode_facts
from vstore.format.fact_runs import Run, merged, new_run
from vstore.format.facts import WIDTH, Fact
from vstore.format.fields import encode_field, field_key
from vstore.format.history import History, Line
from vstore.format.leb128 import put_number
from vstore.format.listing import snapshot_key
from vstore.format.pages import ALIAS, FACTS, TABLE, Child, decode_inner, encode_inner, encode_leaf
from vstore.format.run_entry import RunRef
from vstore.format.table import Table
from vstore.format.table_pages import decode_table_leaf, encode_table_leaf
from vstore.format.tree import Tree
from vstore.repository.decisions import Choice, decide, newest_decisions
from vstore.repository.facts import facts_of
from vstore.repository.fields import every_field, set_fields
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store

LONG = int(os.environ.get("VSTORE_EXAMPLES", "0"))
QUICK = settings(max_examples=LONG or 120, deadline=None, suppress_health_check=list(HealthCheck))
SLOW = settings(
    max_examples=LONG or 10, deadline=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False
)


def each(*reads: Callable[[], object]) -> None:
    """Read in every way; what cannot be read is damage, and nothing else."""
    for read in reads:
        try:
            found = read()
            if isinstance(found, Iterable):
                for _ in found:
                    pass
        except Damage:
            continue


@given(forged(TABLE), keys())
@QUICK
def test_a_table_of_any_pages_is_read_or_damage(tree: Forged, wanted: bytes) -> None:
    def table() -> Table:
        return Table(HASH, Limited(tree.blobs).fetch, tree.root.digest)

    each(
        lambda: table().items(),
        lambda: table().newest(),
        lambda: table().range(wanted, None),
        lambda: table().range(b"", wanted),
        lambda: table().get(wanted),
        lambda: len(table()),
        lambda: table().pages(),
        lambda: table().edited({wanted: b"value", b"": None}).items(),
    )


@given(forged(ALIAS), keys())
@QUICK
def test_aliases_of_any_pages_are_read_or_damage(tree: Forged, wanted: bytes) -> None:
    def aliases() -> Tree:
        return Tree(HASH, Limited(tree.blobs).fetch, tree.root.digest)

    each(
        lambda: aliases(),
        lambda: aliases().every_key(),
        lambda: aliases().under(wanted),
        lambda: len(aliases()),
        lambda: aliases().pages(),
        lambda: aliases().edited({wanted: b"k" * 16, b"": None}),
    )


@given(forged(FACTS), st.lists(st.integers(0, 40).map(key), max_size=20), st.booleans())
@QUICK
def test_facts_of_any_pages_are_read_or_damage(tree: Forged, wanted: list[bytes], is_right: bool) -> None:
    def run() -> Run:
        rows = tree.root.count if is_right else 5
        return Run(HASH, Limited(tree.blobs).fetch, RunRef(tree.root.digest, rows))

    each(
        lambda: run(),
        lambda: run().leaves(),
        lambda: run().digests(),
        lambda: run().find(sorted(set(wanted))),
        lambda: new_run(HASH, merged([run(), run()])),
    )


def bombs() -> Iterator[tuple[str, bytes, Callable[[bytes], object]]]:
    """Make pages that ask for far more memory than they have bytes."""
    long = bytearray(b"vt0")
    put_number(long, 512)
    put_number(long, 0)
    put_number(long, 4 << 20)
    long += bytes(4 << 20)
    for _ in range(511):
        put_number(long, 4 << 20)
        long += b"\x01a"
    yield "keys that share a long one", bytes(long) + bytes(512), decode_table_leaf
    yield "the same of children", b"vt1" + bytes(long[3:]) + bytes(17 * 512), lambda page: decode_inner(page, 16, TABLE)
    yield "and of facts", b"vf1" + bytes(long[3:]) + bytes(17 * 512), lambda page: decode_inner(page, 16, FACTS)
    yield "a value as long as the disk", b"vt0\x01\x00\x01a" + b"\xff" * 8 + b"\x7f", decode_table_leaf
    heads = b"vf0\x80\x08\x03\x03keyk\x06reader2\x04lenst"
    yield "texts that are not there", heads + bytes(1024 * 18 + 128) + b"\xff" * 4096, lambda page: FactPage(page, 16)
    yield "many columns", b"vf0\x80\x08\xff\xff\x7f" + bytes(5000), lambda page: FactPage(page, 16)
    lists = b"[" + b"[]," * (6 << 20) + b"[]]"
    digest = HASH.digest(lists)
    yield "a list of lists", lists, lambda page: History(HASH, lambda _: page, digest).chunks


@pytest.mark.parametrize("name", [name for name, _, _ in bombs()])
def test_a_page_takes_no_memory_that_it_does_not_have(name: str) -> None:
    (page, read), *_ = [(page, read) for one, page, read in bombs() if one == name]
    tracemalloc.start()
    with suppress(Damage):
        assert read(page) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(page) + 1_000_000


SLOTS = {"decisions": TABLE, "snapshots": TABLE, "fields": TABLE, "facts": FACTS}


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """Make a store with every kind, and the folder of its pictures."""
    with quick_folder() as folder:
        lean(folder)
        yield folder


def take_in(repo: Repository, slot: str, tree: Forged) -> None:
    """Publish a forged tree in a place of the state, or in the manifest of the current snapshot."""
    root = tree.root.digest
    with repo.committing("test"):
        if slot in ("fields", "aliases"):
            current = repo.snapshot("current")
            manifest = repo.manifest(current)._replace(**{"fields" if slot == "fields" else "tree": root})
            data = manifest.to_bytes()
            digest = repo.hash.digest(data)
            snapshot = Snapshot.of(manifest, digest, manifest.content_id(repo.hash))
            changes: Document = {"snapshots": {current.name: snapshot.to_json()}}
            repo.publish("sync", changes, blobs={**tree.blobs, digest: data})
            return
        if slot == "facts":
            changes = {"facts": {"99": [root.hex(), tree.root.count or 1]}}
        else:
            changes = {"trees": {slot: root.hex()}}
        repo.append("sync", {**changes, "packs": repo.write_blobs(tree.blobs)})


READS: list[Callable[[Store], object]] = [
    lambda store: store.check(read_data=True),
    lambda store: store.snapshot_list(),
    lambda store: store.log(),
    lambda store: store.snapshot_show("v4"),
    lambda store: store.snapshot_diff("v1", "current"),
    lambda store: store.search([Operand(1.0, image=os.fsencode(store.folder.parent / "pictures" / "d.png"))]),
    lambda store: store.ls(recursive=True).to_json(),
    lambda store: [store.ls([path], long=True).to_json() for path in ("pictures", "pictures/d.png")],
    lambda store: store.find_pictures("*d*", all=True).to_json(),
    lambda store: store.show("pictures/d.png"),
    lambda store: store.stats(),
    lambda store: store.gc(dry_run=True),
    lambda store: facts_of(store._repo, [key(n) for n in range(40)]),
    lambda store: list(newest_decisions(store._repo)),
    lambda store: list(every_field(store._repo, store._repo.snapshot("current"))),
]
WRITES: list[Callable[[Store], object]] = [
    lambda store: decide(store._repo, [Choice("same", (key(1), key(2)))]),
    lambda store: set_fields(store._repo, {(key(1), "a"): 1}),
    lambda store: store.snapshot_forget(["v5"]),
    lambda store: store.sync([store.folder.parent / "pictures"]),
    lambda store: store.gc(),
]


@given(st.data())
@SLOW
def test_a_store_with_forged_trees_is_read_or_refused_and_repaired(template: Path, data: st.DataObject) -> None:
    slot = data.draw(st.sampled_from(sorted(SLOTS)))
    tree = data.draw(forged(SLOTS[slot]))
    with quick_folder() as folder:
        top, other = folder / "top", folder / "other"
        shutil.copytree(template, top, ignore=shutil.ignore_patterns("catalogue"))
        with opened(top) as store:
            take_in(store._repo, slot, tree)
            attempt(store, *READS)
        for write in WRITES:
            shutil.copytree(top, other)
            with opened(other) as store:
                attempt(store, write)
            shutil.rmtree(other)
        report = Store.repair(top / ".vstore", load_embedder=load)
        assert not Store.repair(top / ".vstore", load_embedder=load).changed
        with opened(top) as store:
            for _ in range(2):
                # How fields are cut decides about equal ids, and is no harm: a repair leaves them.
                wrong = [one for one in store.check(read_data=True).problems if "are not cut" not in one.what]
                assert not wrong, (slot, wrong, report)
                store.gc()
                store.sync([top / "pictures"])


def unfolding(kind: bytes, leaf: bytes, first: bytes) -> Forged:
    """Make seven pages over one leaf with one entry that unfold to a thousand million million leaves."""
    made = Made(HASH.digest(leaf), 0, first, first, 1)
    blobs = {made.digest: leaf}
    for level in range(1, 8):
        children = [Child(first + b"%03d" % n if n else first, made.digest, made.count) for n in range(200)]
        page = encode_inner(children, level, kind)
        made = Made(HASH.digest(page), level, first, first, 200 * made.count)
        blobs[made.digest] = page
    return Forged(kind, made, blobs)


@pytest.mark.parametrize("slot", ["aliases", *SLOTS])
def test_pages_that_unfold_without_end_are_refused_and_repaired(template: Path, slot: str) -> None:
    kind = SLOTS.get(slot, ALIAS)
    decision = Decision(b"i" * 16, "same", (b"a" * 16, b"b" * 16), (), 5)
    entry = {
        "aliases": (b"pictures/a.png", b"k" * 16),
        "fields": (field_key(key(1), "a"), encode_field(1)),
        "decisions": encode_decision(decision),
        "snapshots": (snapshot_key("v4"), b"{}"),
        "facts": (key(1), b""),
    }[slot]
    leaf = {
        ALIAS: lambda: encode_leaf([entry]),
        TABLE: lambda: encode_table_leaf([entry]),
        FACTS: lambda: encode_facts([Fact(key(1), 1, {WIDTH: 1})], 16),
    }[kind]()
    with quick_folder() as folder:
        top = folder / "top"
        shutil.copytree(template, top)
        with opened(top) as store:
            take_in(store._repo, slot, unfolding(kind, leaf, entry[0]))
            attempt(store, *READS, *WRITES)
        Store.repair(top / ".vstore", load_embedder=load, no_embed=True)
        with opened(top) as store:
            assert store.check(read_data=True).ok


def attempt(store: Store, *commands: Callable[[Store], object]) -> None:
    """Run commands; what they refuse, they say."""
    for command in commands:
        try:
            command(store)
        except VstoreError as err:
            assert err.exit_code in (1, 2, 4), err


@given(histories(), histories(), st.booleans())
@QUICK
def test_history_of_any_bytes_is_read_or_lost(listed: bytes, chunk: bytes, found: bool) -> None:
    digest = HASH.digest(chunk)
    if found:
        listed = b'[[1,2,"' + digest.hex().encode() + b'"]]'
    root = HASH.digest(listed)
    history = History(HASH, Limited({digest: chunk, root: listed}).fetch, root)
    more = [Line(10**12 - 1, "sync", "2026-01-02T03:04:05Z", "", None, False)]
    assert next(history.appended(more).newest()) == more[0]
    assert history.without_lost().lost_chunks() == []
    assert len(list(history.newest())) <= 3
    assert history.blobs() >= {root}
