"""What a store says, put so that two runs can be compared; and the operations that are interrupted."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from store.folders import drawn, put

from vstore.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder

FAKE = FakeEmbedder()


def load(recipe: Any) -> FakeEmbedder:
    return FAKE


def opened(top: Path) -> Store:
    return Store(top / ".vstore", load_embedder=load)


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A temporary folder in memory where there is such a thing: a thousand stores are made and thrown away in it."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="vstore-faults-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Said(NamedTuple):
    """What a store says: its versions with their pictures, what is current, the tags, the hold."""

    versions: dict[str, tuple[str, str, bool]]
    current: str | None
    tags: dict[str, str]
    hold: str | None


def said(repo: Repository) -> Said:
    """Read all that the log says, and of each version every page. Raises: whatever is wrong."""
    state = repo.state
    versions = {}
    for snapshot in state.snapshots():
        tree = repo.tree(snapshot)
        assert len(dict(tree)) == snapshot.paths
        versions[snapshot.name] = (snapshot.id, snapshot.message, snapshot.degraded)
    repo.close()  # thousands of them are opened in one process
    return Said(versions, state.current, state.tags, state.hold)


def vectors(repo: Repository) -> dict[tuple[str, bytes], bytes]:
    """The winning row of every key that a version names, by space and key; every row is verified."""
    found: dict[tuple[str, bytes], bytes] = {}
    for space in repo.state.spaces:
        for ref in repo.state.segments(space):
            segment = repo.segment(ref)
            segment.verify()
            rows = segment.rows()
            for row, key in enumerate(segment.key_list()):
                found.setdefault((space, key), rows[row].tobytes())
    named = {(s.space, key) for s in repo.state.snapshots() for _, key in repo.tree(s)}
    missing = named - found.keys()
    assert not missing, f"{len(missing)} pictures without a vector"
    repo.close()
    return {name: found[name] for name in named}


class Operation(NamedTuple):
    """Something that may be interrupted.

    prepare: makes, in an empty folder, the store before it. run: does it. again: whether it may be run once more after
    it went well. settings: names of our constants that it needs otherwise.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], object]
    again: bool = True
    settings: dict[str, Any] = {}  # noqa: RUF012


def base(top: Path) -> None:
    """Three versions, a tag, and a fourth picture folder state on disk that is not synced yet."""
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
    put(top / "pictures", {"f.png": 6, "g.png": 7, "sub/h.png": 8})
    (top / "pictures" / "b.png").rename(top / "pictures" / "moved.png")


def with_garbage(top: Path) -> None:
    """One segment that is dead, one that is mostly dead, one that is alive; packs that are dead and alive."""
    base(top)
    with opened(top) as store:
        for name in ("moved.png", "d.png"):
            (top / "pictures" / name).unlink()
        store.sync([top / "pictures"], message="four")
        store.snapshot_untag("good")
        store.snapshot_forget(keep_last=1)


def with_journal(top: Path) -> None:
    """As a sync leaves it that was killed before it could seal."""
    from vstore.journal import JournalWriter
    from vstore.segments import rounded

    base(top)
    with opened(top) as store:
        repo = store._repo
        space = repo.snapshot("current").space
        writer = JournalWriter(repo.layout.journal, space, 16, 8, repo.dtype)
        from vstore.images import Preparation, prepare

        pictures = [prepare(drawn(seed), Preparation())[0] for seed in (6, 7)]
        keys = [repo.hash.digest(drawn(seed)) for seed in (6, 7)]
        writer.append(keys, rounded(FAKE.embed_images(pictures), repo.dtype))
        writer.flush()
        writer.close()


def damaged(top: Path) -> None:
    """The newest segment has lost a row, and the newest record is torn: it was a rollback to v2."""
    base(top)
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


OPERATIONS = [
    Operation("sync", base, sync),
    Operation("seal", base, sync, settings={"vstore.sync.keeper.SEAL_BYTES": 0, "vstore.sync.ingest.BATCH": 1}),
    Operation("commit", base, partial_sync, settings={"vstore.sync.ingest.BATCH": 1}),
    Operation("recover", with_journal, sync),
    Operation("merge", base, sync, settings={"vstore.packs.TOO_MANY": 1, "vstore.segments.TOO_MANY": 1}),
    Operation("rollback", base, call("rollback", "v1")),
    Operation("tag", base, call("snapshot_tag", "v2", "new")),
    Operation("undo", base, call("undo"), again=False),
    Operation("forget", base, call("snapshot_forget", keep_last=1)),
    Operation("gc", with_garbage, call("gc", drop_unnamed=True)),
    Operation("repair", damaged, repair),
    Operation("migrate", base, call("migrate")),
    Operation("init", nothing, init, again=False),
]
