"""The contents of a store, for comparing two runs; and the operations that tests interrupt."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.folders import drawn, put
from support.format_1 import begin

from vstore.embed.embedder import Embedder
from vstore.embed.load import load_embedder
from vstore.errors import Damage
from vstore.format.fact_runs import merged
from vstore.format.facts import Fact, pixels
from vstore.format.recipes import space_id
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation, preparation_1
from vstore.repository.decisions import newest_decisions
from vstore.repository.facts import runs_of
from vstore.repository.fields import every_field
from vstore.repository.leftovers import LeftVectors, left_rows
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder
from vstore.versions.log import log

FAKE = FakeEmbedder()
SECOND = FakeEmbedder("fake-2", 12)  # a space of its own, with probes
THIRD = FakeEmbedder("fake-3")  # what made the vectors of an old index that does not say so
FAKES = {fake.recipe["name"]: fake for fake in (FAKE, SECOND, THIRD, FakeEmbedder("fake-4", 4))}


class Plugin:
    """A plugin with the fakes, for a store that loads its embedder by itself. See `conftest.py`."""

    @staticmethod
    def describe(words: Any) -> Any:
        return FAKES[words.model.partition(":")[2]].recipe

    @staticmethod
    def load(recipe: Any, words: Any, settings: Any) -> FakeEmbedder:
        return FAKES[recipe["name"]]


def plugin(folder: Path) -> Path:
    """Write the metadata of an installed package that brings the fakes."""
    (folder / "fake-1.dist-info").mkdir(parents=True)
    (folder / "fake-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: fake\nVersion: 1\n")
    (folder / "fake-1.dist-info/entry_points.txt").write_text("[vstore.embedders]\nfake = support.stores:Plugin\n")
    return folder


def load(recipe: Any) -> Embedder:
    return FAKES.get(recipe.get("name")) or load_embedder(recipe)


def opened(top: Path) -> Store:
    """Open the store, with fakes that are not asked to prove themselves."""
    return Store(top / ".vstore", load_embedder=load)


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Make a temporary folder, in memory if possible: a thousand stores are made and thrown away in it."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="vstore-faults-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Contents(NamedTuple):
    """The contents of a store.

    snapshots: id, message and degraded, by name.
    current:   the current snapshot.
    tags:      the snapshot of each tag.
    hold:      the snapshot at which syncing is held.
    spaces:    the status and the identity of each space, by name.
    waiting:   how many rows of imports wait in each space.
    decisions: verb, pictures and kept ones of each decision, oldest first.
    facts:     those that count of each picture, without the digests that syncs note.
    """

    snapshots: dict[str, tuple[str, str, bool]]
    current: str | None
    tags: dict[str, str]
    hold: str | None
    spaces: dict[str, tuple[str, str]]
    waiting: list[tuple[str, int]]
    decisions: list[tuple[str, tuple[bytes, ...], tuple[bytes, ...]]]
    facts: list[Fact]


def contents(repo: Repository) -> Contents:
    """Read the whole state, and every page of each snapshot. Raises: whatever is wrong."""
    state = repo.state
    snapshots = {}
    for snapshot in repo.listing.kept():
        tree = repo.tree(snapshot)
        assert len(dict(tree)) == snapshot.paths
        list(every_field(repo, snapshot))  # the id tells whether they are those that were set
        snapshots[snapshot.name] = (snapshot.id, snapshot.message, snapshot.degraded)
    spaces = {space.name: (space.status, space.identity) for space in state.spaces.values()}
    assert all(repo.recipe(space)["dim"] == found.dim for space, found in state.spaces.items())
    waiting = sorted((state.spaces[found.space].name, found.rows) for found in state.imports.values())
    decisions = [(one.verb, one.keys, one.kept) for one in newest_decisions(repo)][::-1]
    # The digests that syncs note are left out: a vector that a killed sync journaled has none.
    noted = pixels(preparation_1())
    read = merged([[fact for fact in run if fact.reader] for run in runs_of(repo)])
    facts = [fact._replace(values={c: v for c, v in fact.values.items() if c != noted}) for fact in read]
    repo.close()  # thousands of them are opened in one process
    return Contents(snapshots, state.current, state.tags, state.hold, spaces, waiting, decisions, facts)


def is_sealed(now: Contents, before: Contents, after: Contents) -> bool:
    """Tell whether a store is as before an operation, but for facts: a record may list them ahead of the snapshot."""
    known = all(fact in before.facts or fact in after.facts for fact in now.facts)
    return known and now._replace(facts=before.facts) == before


def told(repo: Repository) -> set[tuple[int, str]]:
    """Collect number and name of every operation that the log tells, with its history."""
    found = {(row.number, row.op) for row in log(repo)}
    repo.close()
    return found


def vectors(repo: Repository) -> dict[tuple[str, bytes], bytes]:
    """Read the winning row of every key in use, by space and key, and the waiting rows of imports, by space and path.

    Every row is verified.
    """
    found: dict[tuple[str, bytes], bytes] = {}
    for space in repo.state.spaces:
        for ref in repo.state.segments(space):
            segment = repo.segment(ref)
            segment.verify()
            rows = segment.rows()
            for row, key in enumerate(segment.key_list()):
                found.setdefault((space, key), rows[row].tobytes())
    named = {(s.space, key) for s in repo.listing.kept() for _, key in repo.tree(s)}
    missing = named - found.keys()
    assert not missing, f"{len(missing)} pictures without a vector"
    rows = {name: found[name] for name in named}
    for kept in repo.state.imports.values():
        left = LeftVectors(repo, kept)
        assert left.count() == kept.rows
        for at, one in enumerate(left_rows(repo, kept)):
            rows[kept.space, one.path] = left.block(at, at + 1).tobytes()
    repo.close()
    return rows


class Operation(NamedTuple):
    """An operation that tests interrupt.

    name:     its name.
    prepare:  makes the store before it, in an empty folder.
    run:      does it.
    again:    it may be run once more after it went well.
    settings: our constants that get another value, by name.
    turns:    in the short form each call fails in one way only, in turn, as it takes long.
    few:      in the short form only some calls fail, from the first to the last.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], object]
    again: bool = True
    settings: dict[str, Any] = {}  # noqa: RUF012
    turns: bool = False
    few: bool = False

    @contextmanager
    def set(self) -> Iterator[None]:
        """Give our constants the values of `settings`."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.items():
                module, _, constant = name.rpartition(".")
                patch.setattr(importlib.import_module(module), constant, value)
            yield


def synced(top: Path) -> None:
    """Make three snapshots of one space, and a tag."""
    (top / "pictures").mkdir()
    Store.init(top / ".vstore", recipe=FAKE.recipe)
    with opened(top) as store:
        put(top / "pictures", {"a.png": 1, "b.png": 2, "sub/c.png": 3})
        store.sync([top / "pictures"], message="one")
        put(top / "pictures", {"d.png": 4})
        (top / "pictures" / "a.png").unlink()
        store.sync([top / "pictures"], message="two")
        store.snapshot_tag("v1", "good")
        put(top / "pictures", {"e.png": 5})
        store.sync([top / "pictures"], message="three")


def edited(top: Path) -> None:
    """Change the pictures since the last sync."""
    put(top / "pictures", {"f.png": 6, "g.png": 7, "sub/h.png": 8})
    (top / "pictures" / "b.png").rename(top / "pictures" / "moved.png")


def base(top: Path) -> None:
    """Make a small store, and pictures that are not synced yet."""
    synced(top)
    edited(top)


def old_index(top: Path, name: str, fake: FakeEmbedder, entries: Mapping[str, int]) -> dict[str, Any]:
    """Write an old index of pictures, by path and seed. Returns: the options of its import."""
    rows = np.stack([fake.of(prepare(drawn(seed), Preparation())[0]) for seed in entries.values()])
    np.save(top / f"{name}.npy", rows.astype(np.float16))
    (top / f"{name}.json").write_text(json.dumps(list(entries)))
    return {"embeddings": top / f"{name}.npy", "metadata": top / f"{name}.json", "root": top / "pictures"}


def full(top: Path) -> None:
    """Make a store with all that one may hold.

    Eight snapshots of four spaces; one space has probes, and two list one segment. Rows of two imports wait for their
    pictures.
    """
    synced(top)
    put(top / "pictures", {"new.png": 9})
    with opened(top) as store:
        entries = {"new.png": 9, "b.png": 2, "gone.png": 50, "lost.png": 51}
        store.import_index(**old_index(top, "first", FAKE, entries), recipe=FAKE.recipe)
        entries = {"sub/c.png": 3, "d.png": 4, "away.png": 53}
        store.import_index(**old_index(top, "second", THIRD, entries), as_space="old")
        store.check(reembed=2, recipe=THIRD.recipe, adopt="as-declared")
        store.model_add("fake-2", model="fake:fake-2")
        store.sync([top / "pictures"], space="fake-2", message="all of it again")
        store.model_use("fake-1", message="back again")
        state = store._repo.state
        assert len(state.spaces) == 4
        assert len(state.imports) == 2
        assert len(list(store._repo.listing.kept())) == 8
        assert sum(bool(space.probes) for space in state.spaces.values()) == 1


def rich(top: Path) -> None:
    """Make a store with all that one may hold, and pictures that are not synced yet."""
    full(top)
    edited(top)


def rich_1(top: Path) -> None:
    """Make the same store in format 1."""
    begin(top / ".vstore")
    rich(top)


def with_garbage(top: Path) -> None:
    """Make segments of which none, little and all is used, and packs that are used and unused."""
    rich(top)
    with opened(top) as store:
        for name in ("moved.png", "d.png"):
            (top / "pictures" / name).unlink()
        store.sync([top / "pictures"], message="four")
        store.snapshot_untag("good")
        store.snapshot_forget(keep_last=1)


def with_journal(top: Path) -> None:
    """Leave journals of two killed syncs, in two spaces."""
    rich(top)
    left_journals(top, FAKE, SECOND)


def left_journals(top: Path, *fakes: FakeEmbedder) -> None:
    """Leave a journal of a killed sync in the space of each."""
    from vstore.disk.journal import JournalWriter
    from vstore.disk.segment_writer import rounded

    with opened(top) as store:
        repo = store._repo
        for fake in fakes:
            writer = JournalWriter(
                repo.layout.journal, space_id(fake.recipe), key_size=16, dim=fake.dim, dtype=repo.dtype
            )
            pictures = [prepare(drawn(seed), Preparation())[0] for seed in (6, 7)]
            keys = [repo.hash.digest(drawn(seed)) for seed in (6, 7)]
            writer.append(keys, rounded(fake.embed_images(pictures), repo.dtype))
            writer.flush()
            writer.close()


def damaged(top: Path) -> None:
    """Damage a row of the newest segment, and tear the newest record: it was a rollback to v2."""
    rich(top)
    with opened(top) as store:
        store.rollback("v2")
        repo = store._repo
        ref = repo.state.segments(repo.snapshot("v3").space)[-1]
        record = repo.layout.record(repo.log.numbers()[-1])
    record.write_bytes(record.read_bytes()[:50])
    path = top / ".vstore" / "segments" / ref.name
    data = bytearray(path.read_bytes())
    data[85] ^= 1
    path.write_bytes(data)


def sync(top: Path) -> object:
    with opened(top) as store:
        return store.sync([top / "pictures"], message="four")


def call(name: str, *args: Any, **options: Any) -> Callable[[Path], object]:
    def run(top: Path) -> object:
        with opened(top) as store:
            return getattr(store, name)(*args, **options)

    return run


def partial_sync(top: Path) -> object:
    with opened(top) as store:
        return store.sync([top / "pictures"], message="four", commit_every=0.0)


def repair(top: Path) -> object:
    return Store.repair(top / ".vstore", load_embedder=load)


def nothing(top: Path) -> None:
    (top / "pictures").mkdir()


def init(top: Path) -> object:
    return Store.init(top / ".vstore", recipe=FAKE.recipe)


def to_import(top: Path) -> None:
    rich(top)
    old_index(top, "third", FAKE, {"g.png": 7, "sub/h.png": 8, "d.png": 4, "far.png": 60, "lost.png": 51})


def import_third(top: Path) -> object:
    with opened(top) as store:
        named = {"embeddings": top / "third.npy", "metadata": top / "third.json", "root": top / "pictures"}
        return store.import_index(**named, recipe=FAKE.recipe)


def found_again(top: Path) -> None:
    """Add one of the pictures that an import waits for."""
    rich(top)
    put(top / "pictures", {"gone.png": 50})


def resume(top: Path) -> object:
    with opened(top) as store:
        waiting = min(store._repo.state.imports, default="none")
        return store.import_index(resume=waiting) if waiting != "none" else None


def to_found(top: Path) -> None:
    put(top / "pictures", {"a.png": 1, "b.png": 2})
    old_index(top, "first", FAKE, {"a.png": 1, "b.png": 2, "gone.png": 50})


def found(top: Path) -> object:
    named = {"embeddings": top / "first.npy", "metadata": top / "first.json", "root": top / "pictures"}
    return Store.import_new(top / ".vstore", **named, recipe=FAKE.recipe)


def second_space(top: Path) -> object:
    """Sync into another space, with a model that proves itself first."""
    with Store(top / ".vstore") as store:
        return store.sync([top / "pictures"], space="fake-2", message="four")


def to_use(top: Path) -> None:
    rich(top)
    with opened(top) as store:
        store.rollback("v7")


def to_drop(top: Path) -> None:
    """Leave a space that no snapshot uses, with waiting rows of an import; another space lists its segment too."""
    rich(top)
    with opened(top) as store:
        store.snapshot_forget(["v5"])


def to_adopt(top: Path) -> None:
    rich(top)
    with opened(top) as store:
        store.rollback("v5")
        store.snapshot_forget(["v6"])
        store.model_drop("fake-3")


def adopt(top: Path) -> object:
    with opened(top) as store:
        return store.check(reembed=2, recipe=THIRD.recipe, adopt="as-declared")


def verify(top: Path) -> object:
    with opened(top) as store:
        report = store.check(reembed=2)
        if store.complaint:  # an older record was answered from, which the command line says too
            raise Damage(store.complaint)
        return report


def model_add(top: Path) -> object:
    with Store(top / ".vstore") as store:
        return store.model_add("fake-4", model="fake:fake-4")


ONE_PROBE = {"vstore.repository.proof.PROBES": ("tiny",)}  # to draw and to embed all six takes longer than all else
FEW_IN_STATE = {"vstore.format.listing.PENDING": 2, "vstore.format.listing.WINDOW": 3}
OPERATIONS = [
    Operation("sync", rich, sync),
    Operation(
        "seal",
        base,
        sync,
        settings={"vstore.intake.keeper.SEAL_BYTES": 0, "vstore.intake.lazy_model.BATCH": 1},
        turns=True,
    ),
    Operation("commit", base, partial_sync, settings={"vstore.intake.lazy_model.BATCH": 1}, turns=True),
    Operation("recover", with_journal, sync, turns=True),
    Operation("merge", rich, sync, settings={"vstore.format.small_files.TOO_MANY": 1}, turns=True),
    Operation("rollback", rich, call("rollback", "v1")),
    Operation("tag", rich, call("snapshot_tag", "v2", "new")),
    Operation("undo", rich, call("undo"), again=False),
    Operation("root remove", rich, call("root_remove", "pictures"), again=False, turns=True),
    Operation("root rename", rich, call("root_rename", "pictures", "photos"), again=False, turns=True),
    Operation("forget", rich, call("snapshot_forget", keep_last=1)),
    Operation("gc", with_garbage, call("gc", drop_unnamed=True)),
    Operation("repair", damaged, repair, turns=True),
    Operation("migrate", rich_1, call("migrate"), settings=FEW_IN_STATE),
    Operation("init", nothing, init, again=False),
    Operation("import", to_import, import_third, turns=True),
    Operation("resume", found_again, resume, turns=True),
    Operation("found", to_found, found, again=False),
    Operation("second space", rich, second_space, settings=ONE_PROBE, turns=True),
    Operation("model add", rich, model_add, settings=ONE_PROBE),
    Operation("model use", to_use, call("model_use", "fake-1")),
    Operation("model drop", to_drop, call("model_drop", "old"), again=False),
    Operation("verify", rich, verify, turns=True),
    Operation("adopt", to_adopt, adopt, again=False, turns=True),
]
