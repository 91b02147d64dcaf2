"""A power cut at any moment: no acknowledged snapshot is lost, and none is incomplete."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import facts as made_up
from support import stores
from support.every_kind import (
    FETCHED,
    FIELDS,
    add_every_column,
    fetch_next,
    fetch_one,
    keys_of,
    put_facts,
    small_window,
)
from support.folders import put
from support.index_parts import put_part
from support.kinds import identify
from support.power import Event, Model, RecordingDisk, digest, lay
from support.stores import (
    FAKE,
    ONE_PROBE,
    THIRD,
    contents,
    is_sealed,
    old_index,
    opened,
    quick_folder,
    told,
    vectors,
)

from vstore.disk import durable
from vstore.errors import Damage, NoStore
from vstore.repository.decisions import Choice, decide
from vstore.repository.fields import set_fields
from vstore.repository.index_parts import index_parts
from vstore.repository.repository import Repository
from vstore.store import Store

FIRST = "no store yet"
PAYLOAD = b"a graph" * 100
Acknowledged = tuple[Any, set[tuple[int, str]]]  # the contents, and the operations that were told of
FIRST_OLD = {"1-1.png": 11, "gone.png": 50, "lost.png": 51}
SECOND_OLD = {"1-1.png": 11, "2-0.png": 20, "away.png": 53}


def said(top: Path) -> Acknowledged:
    repo = Repository(top / ".vstore")
    return contents(repo), told(repo)


def begun(top: Path, disk: RecordingDisk) -> tuple[Path, Callable[[], None]]:
    """Make a store. Returns: the folder of its pictures, and a function that acknowledges its present contents."""
    pictures = top / "pictures"
    pictures.mkdir()

    def done() -> None:
        disk.ack(said(top))

    disk.ack((FIRST, set()))
    Store.init(top / ".vstore", recipe=FAKE.recipe)
    done()
    return pictures, done


def life(top: Path, disk: RecordingDisk) -> None:
    """Live the life of a store, from its making to its second gc; each operation is acknowledged."""
    pictures, done = begun(top, disk)
    with opened(top) as store:
        for number in range(3):
            put(pictures, {f"{number}-{n}.png": 10 * number + n for n in range(3)})
            if number:
                (pictures / f"{number - 1}-0.png").unlink()
            store.sync([pictures], message=f"sync {number}")
            done()
        for act in (
            lambda: store.snapshot_tag("v1", "good"),
            lambda: store.rollback("v2"),
            lambda: store.undo(),
            lambda: store.snapshot_untag("good"),
            lambda: store.snapshot_forget(keep_last=1),
            lambda: store.gc(drop_unnamed=True),
        ):
            act()
            done()
        put(pictures, {"late.png": 99})
        (pictures / "2-1.png").unlink()
        store.sync([pictures], message="last")
        done()
        store.gc(drop_unnamed=True)
        done()


def spaces(top: Path, disk: RecordingDisk) -> None:
    """Make, use and drop imports, their waiting rows, and other spaces."""
    pictures, done = begun(top, disk)
    with opened(top) as store:
        put(pictures, {name: seed for name, seed in {**FIRST_OLD, **SECOND_OLD}.items() if seed < 50})
        for act in (
            lambda: store.sync([pictures], message="sync"),
            lambda: store.import_index(**old_index(top, "first", FAKE, FIRST_OLD), recipe=FAKE.recipe),
            lambda: store.import_index(**old_index(top, "second", THIRD, SECOND_OLD), as_space="old"),
            lambda: store.check(reembed=2, recipe=THIRD.recipe, adopt="as-declared"),
            lambda: store.model_add("fake-2", model="fake:fake-2"),
            lambda: store.sync([pictures], space="fake-2", message="all of it again"),
            lambda: store.model_use("fake-1"),
            lambda: put(pictures, {"gone.png": 50}),
            lambda: store.import_index(resume=min(store._repo.state.imports)),
            lambda: store.snapshot_forget(["v2"]),
            lambda: store.model_drop("old"),
            lambda: store.gc(drop_unnamed=True),
        ):
            act()
            done()


def kinds(top: Path, disk: RecordingDisk) -> None:
    """Fill and change every kind that only format 2 holds, with snapshots in a tree, merges of facts and two gcs."""
    pictures, done = begun(top, disk)
    with small_window(), opened(top) as store:
        repo = store._repo
        for number in range(3):
            put(pictures, {f"{number}-{n}.png": 10 * number + n for n in range(2)})
            store.sync([pictures], message=f"sync {number}")
            done()
        key = keys_of(repo)[0]
        for act in (
            lambda: identify(repo),
            lambda: set_fields(repo, {(key, name): value for name, value in FIELDS.items() if name != "story"}),
            lambda: decide(repo, [Choice("different", (key, made_up.key(1)))]),
            lambda: store.undo(),
            lambda: decide(repo, [Choice("keep", (key, made_up.key(1)), (key,))]),
            lambda: put_facts(repo, made_up.made(1, range(3))),
            lambda: add_every_column(repo),
            lambda: fetch_one(repo),
            lambda: put_part(repo, repo.state.current_snapshot.space, repo.state.all_segments(), PAYLOAD),
            lambda: store.snapshot_forget(["v1"]),
            lambda: store.gc(drop_unnamed=True),
            lambda: decide(repo, [Choice("same", (key, made_up.key(1)))]),
            lambda: set_fields(repo, {(key, "stars"): None}),
            lambda: put_facts(repo, made_up.made(2, range(9))),  # merged with those before it by the next sync
            lambda: fetch_next(repo),
            lambda: store.snapshot_tag(FETCHED[0], "theirs"),
        ):
            act()
            done()
        put(pictures, {"late.png": 99})
        (pictures / "2-1.png").unlink()
        store.sync([pictures], message="last")
        done()
        store.gc(drop_unnamed=True)
        done()


def repairing(top: Path, disk: RecordingDisk) -> None:
    """Repair a store with a torn record and a lost row, and sync it."""
    stores.repair(top)
    disk.ack(said(top))
    stores.sync(top)
    disk.ack(said(top))


def recorded(top: Path, script: Any) -> list[Event]:
    disk = RecordingDisk(top / ".vstore")
    before, durable.disk = durable.disk, disk
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vstore.repository.proof.PROBES", ONE_PROBE["vstore.repository.proof.PROBES"])
            # Ten thousand times a mebibyte is no test of anything.
            patch.setattr("vstore.disk.reserve.RESERVE", 64)
            patch.setattr("vstore.intake.keeper.SEAL_BYTES", 0)
            patch.setattr("vstore.intake.lazy_model.BATCH", 2)
            script(top, disk)
    finally:
        durable.disk = before
    return disk.events


def judge_derived(repo: Repository) -> None:
    """See that a part of an index is what was written, or damage."""
    for space in repo.state.spaces if repo.layout.indexes.is_dir() else ():
        for part in index_parts(repo, space, "graph"):
            with part, suppress(Damage):
                assert b"".join(part.blocks()) == PAYLOAD


class Judge:
    """A judge of trees that a power cut left: it opens them, and compares them with what was acknowledged."""

    def __init__(self, top: Path, events: list[Event]) -> None:
        self._top = top
        self._acks = [event.said for event in events if event.what == "ack"]
        self._rows: dict[Any, bytes] = {}
        self.seen: set[bytes] = set()
        self.completed = 0

    def judge(self, tree: dict[str, bytes], acked: int, *, rerun: bool) -> None:
        """acked: how many operations were reported as done."""
        name = digest(tree)
        if name in self.seen:
            return
        self.seen.add(name)
        folder = self._top / ".vstore"
        shutil.rmtree(folder, ignore_errors=True)
        lay(tree, folder)
        allowed = [contents for contents, _ in self._acks[max(0, acked - 1) : acked + 1]]
        try:
            repo = Repository(folder)
        except NoStore:
            assert FIRST in allowed
            return
        try:
            assert repo.tip.complaint is None
            if repo.tip.number == 0:
                assert FIRST in allowed
                return
            now = contents(repo)
            assert now in allowed or is_sealed(now, allowed[0], allowed[-1]), f"{now} is none of {allowed}"
            for key, row in vectors(repo).items():
                assert self._rows.setdefault(key, row) == row
            assert not acked or told(repo) >= self._acks[acked - 1][1]
            judge_derived(repo)
        finally:
            repo.close()
        if rerun:
            with opened(self._top) as store:
                # What an import made current has no model that could embed more.
                store.sync([self._top / "pictures"], space="fake-1" if "old" in now.spaces else None)
                report = store.check(read_data=True)
                assert report.ok, report.problems
                store.gc(drop_unnamed=True)
                assert store.check(read_data=True).ok
            self.completed += 1


def replay(events: list[Event], model: Model, judge: Judge, wanted: int, more: int, every: int) -> None:
    """Cut the power after each event, again and again, until this many distinct trees were judged."""
    chance = random.Random(20260101)
    for round_number in range(50):
        now = Model.__new__(Model)
        now.__dict__.update(_copied(model).__dict__)
        acked = 0
        for event in events:
            if event.what == "ack":
                acked += 1
            else:
                now.apply(event)
            for tree in now.states(chance, more if round_number or len(judge.seen) < wanted else 0):
                judge.judge(tree, acked, rerun=len(judge.seen) % every == 0)
        if len(judge.seen) >= wanted:
            return


def _copied(model: Model) -> Model:
    import copy

    return copy.deepcopy(model)


# What is recorded, what makes the store before it, and its share of the states.
SCRIPTS = {
    "life": (life, None, 0.45),
    "spaces": (spaces, None, 0.25),
    "kinds": (kinds, None, 0.2),
    "repair": (repairing, stores.damaged, 0.1),
}


def run(wanted: int, more: int, every: int, names: Iterable[str] = SCRIPTS) -> Counter[str]:
    figures: Counter[str] = Counter()
    for name in names:
        script, prepare, share = SCRIPTS[name]
        with quick_folder() as folder:
            top = folder / "recorded"
            top.mkdir()
            if prepare is not None:
                prepare(top)
                (top / ".vstore" / "reserve").write_bytes(bytes(64))
            model = Model(top / ".vstore" if prepare else None)
            events = recorded(top, script)
            (folder / "judged").mkdir()
            shutil.copytree(top / "pictures", folder / "judged" / "pictures")
            judge = Judge(folder / "judged", events)
            if prepare is not None:
                judge = _JudgeOfRepair(folder / "judged", events)
            replay(events, model, judge, int(wanted * share), more, every)
            figures[f"{name}: calls"] = len(events)
            figures[f"{name}: states"] = len(judge.seen)
            figures[f"{name}: completed by a sync, a check and a gc"] = judge.completed
    return figures


class _JudgeOfRepair(Judge):
    """A judge of cuts during a repair: the store may still need one, which then gives what the first would have."""

    def judge(self, tree: dict[str, bytes], acked: int, *, rerun: bool) -> None:
        if acked:
            super().judge(tree, acked, rerun=rerun)
            return
        name = digest(tree)
        if name in self.seen:
            return
        self.seen.add(name)
        folder = self._top / ".vstore"
        shutil.rmtree(folder, ignore_errors=True)
        lay(tree, folder)
        Store.repair(folder, load_embedder=stores.load)
        repo = Repository(folder)
        assert contents(repo) == self._acks[0][0]
        vectors(repo)
        repo.close()


def show(figures: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\npower loss: " + ", ".join(f"{name} {count:,}" for name, count in figures.items()), end=" ")


def test_ten_thousand_power_cuts_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    figures = run(10_000, 8, 200)
    show(figures, capsys)
    assert sum(count for name, count in figures.items() if name.endswith("states")) >= 10_000


@pytest.mark.long
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_hundred_thousand_power_cuts_lose_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    figures = run(100_000, 60, 500, [name])
    show(figures, capsys)
    assert figures[f"{name}: states"] >= int(100_000 * SCRIPTS[name][2])


def test_the_model_finds_what_is_not_flushed(tmp_path: Path) -> None:
    """A store that forgets to flush its folder is caught: the replay does detect faults."""
    with quick_folder() as folder:
        top = folder / "recorded"
        top.mkdir()
        events = [event for event in recorded(top, life) if not (event.what == "syncdir" and event.path == "refs")]
        (folder / "judged").mkdir()
        shutil.copytree(top / "pictures", folder / "judged" / "pictures")
        with pytest.raises(AssertionError):
            replay(events, Model(), Judge(folder / "judged", events), 10_000, 2, 10**9)
    with quick_folder() as folder:
        top = folder / "recorded"
        top.mkdir()
        events = [event for event in recorded(top, life) if event.what != "fsync"]
        (folder / "judged").mkdir()
        shutil.copytree(top / "pictures", folder / "judged" / "pictures")
        with pytest.raises(Exception):  # noqa: B017  # whatever the torn file makes of itself
            replay(events, Model(), Judge(folder / "judged", events), 10_000, 2, 10**9)
