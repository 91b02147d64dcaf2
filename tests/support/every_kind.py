"""A store of format 2 in which every kind of thing is filled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import facts as made_up
from support.folders import put
from support.index_parts import put_part
from support.kinds import fetch, identify
from support.stores import FAKE, full, left_journals, opened, synced

from vstore.format import facts
from vstore.format.fact_columns import TYPES
from vstore.format.facts import Column, Fact, Value
from vstore.format.fields import FieldValue
from vstore.repository.decisions import Choice, decide
from vstore.repository.facts import added
from vstore.repository.fields import set_fields
from vstore.repository.repository import Repository

SMALL = {"vstore.format.listing.WINDOW": 2, "vstore.format.listing.PENDING": 3}  # so few snapshots fill a tree
FETCHED = ("origin/v7", "origin/v73")  # the second begins a page of the tree of snapshots, by its hash
PREPARED = facts.pixels({"policy": 2})  # of a preparation to come
LONG = "x" * 30_000  # three of them do not fit a leaf of a table
MANY = 2_500  # keys of a decision: two of them do not fit a leaf
ROWS = 1_030  # facts of a run of two leaves

FIELDS: dict[str, FieldValue] = {
    "title": "a picture, ü",
    "stars": -5,
    "weight": 0.25,
    "is good": True,
    "seen": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    "tags": ("red", "", "blue"),
    "story": LONG,
}


@contextmanager
def small_window() -> Iterator[None]:
    """Let snapshots move into the tree as soon as there are a few."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(name, value)
        yield


def keys_of(repo: Repository) -> list[bytes]:
    """List the pictures of the current snapshot, sorted."""
    return sorted(set(repo.tree(repo.snapshot("current")).every_key()))


def add_fields(repo: Repository) -> None:
    """Give the first pictures fields of every type, in a snapshot; one more is of no picture here."""
    first, second, *_ = keys_of(repo)
    edits: dict[tuple[bytes, str], FieldValue | None] = {(first, name): value for name, value in FIELDS.items()}
    edits |= {(second, "story"): LONG, (second, "title"): "another", (made_up.key(1), "story"): LONG}
    assert set_fields(repo, edits, "fields") is not None


def edit_fields(repo: Repository) -> None:
    """Change, add and remove fields, in a snapshot."""
    first, second, *_ = keys_of(repo)
    assert set_fields(repo, {(first, "stars"): 4, (second, "new"): False, (second, "title"): None}, "edited")


def decide_different(repo: Repository) -> None:
    """Decide about two pictures, and about many."""
    first, second, *_ = keys_of(repo)
    decide(repo, [Choice("different", (first, second)), Choice("same", [made_up.key(n) for n in range(MANY)])])


def decide_keep(repo: Repository) -> None:
    """Decide which of three pictures to keep."""
    first, second, third, *_ = keys_of(repo)
    decide(repo, [Choice("keep", (first, second, third), (second,))])


def decide_again(repo: Repository) -> None:
    """Decide otherwise about two pictures, and about many."""
    first, second, *_ = keys_of(repo)
    decide(repo, [Choice("same", (first, second)), Choice("different", [made_up.key(2 * n) for n in range(MANY)])])


def put_facts(repo: Repository, rows: Sequence[Fact]) -> None:
    """Publish facts as a run."""
    with repo.committing("facts"):
        changes, blobs = added(repo, rows)
        repo.publish("seal", changes, blobs=blobs)


def add_large_run(repo: Repository) -> None:
    """Add a run of two leaves."""
    put_facts(repo, made_up.made(1, range(ROWS)))  # of no picture here: the next gc takes it away


def add_every_column(repo: Repository) -> None:
    """Add a run with every known column, and columns of each type that no program knows yet."""
    samples: dict[str, Value] = {"1": 6, "2": 7, "4": 600, "8": 700, "s": -3, "d": -45.5, "t": "Größe"}
    samples["k"] = bytes(range(repo.hash.size))
    strange = [Column(f"zz-{kind}", kind) for kind in sorted(TYPES)]
    values = {column: samples[column.type] for column in (*facts.KNOWN, made_up.PREPARED, PREPARED, *strange)}
    first, second, *_ = keys_of(repo)
    put_facts(repo, [Fact(first, 1, values), Fact(second, 2, {facts.WIDTH: 30, PREPARED: second})])


def add_older_facts(repo: Repository) -> None:
    """Add facts that an older reader read, and those of another picture."""
    _, second, third, *_ = keys_of(repo)
    put_facts(repo, [Fact(second, 1, {facts.WIDTH: 31}), Fact(third, 1, {facts.CAMERA: "a camera"})])


def add_newer_facts(repo: Repository) -> None:
    """Add facts that a newer reader read; it did not prepare the pixels again."""
    put_facts(repo, [Fact(keys_of(repo)[0], 3, {facts.WIDTH: 32, facts.RATING: 5})])


def fetch_one(repo: Repository) -> None:
    fetch(repo, FETCHED[0])


def fetch_next(repo: Repository) -> None:
    fetch(repo, FETCHED[1], parent=FETCHED[0])


def add_parts(repo: Repository) -> None:
    """Write parts of indexes for the segments of every space, and for whole spaces."""
    for space, refs in repo.state.segment_lists().items():
        put_part(repo, space, refs, b"a graph" * 1000)
        put_part(repo, space, (), b"of the whole space")


# Each makes one record.
BEGIN = (identify, add_fields, decide_different, decide_keep, add_every_column, fetch_one)
GO_ON = (edit_fields, decide_again, add_large_run, add_older_facts, add_newer_facts, fetch_next)


def fill(top: Path) -> None:
    """Fill every kind of a store of a few snapshots; a gc in between leaves history."""
    with small_window(), opened(top) as store:
        repo = store._repo
        for step in BEGIN:
            step(repo)
        store.snapshot_forget(["v2"])
        store.gc()
        for step in GO_ON:
            step(repo)
        put(top / "pictures", {"last.png": 30})
        store.sync([top / "pictures"], message="last")
        store.snapshot_tag("v3", "older")
        store.snapshot_tag(FETCHED[0], "theirs")
        add_parts(repo)
        state = repo.state
        assert {"snapshots", "decisions", "history"} == state.document["trees"].keys()
        assert state.facts[0].rows > ROWS and len(state.facts) > 2  # the sync has merged some
        assert len(repo.listing.state.window) < len(list(repo.listing.every()))


def lean(top: Path) -> None:
    """Make a store of one space with every kind."""
    synced(top)
    fill(top)


def every_kind(top: Path) -> None:
    """Make a store with all that one may hold, in several spaces, with waiting rows of imports, and with journals."""
    full(top)
    fill(top)
    left_journals(top, FAKE)
