"""Progress: what a run counts, and what listeners of either kind are told."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.folders import put

from vstore.progress import Progress, Silent, Stage, Stages
from vstore.search.query import Operand
from vstore.store import Store


class Old:
    """A listener as programs wrote it before there was more to tell."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def stage(self, name: str, total: int | None) -> None:
        self.told.append((name, total))

    def advance(self, n: int = 1) -> None:
        self.told.append(n)

    def note(self, text: str) -> None:
        self.told.append(text)

    def close(self) -> None:
        self.told.append(None)


class New(Old):
    """A listener that watches."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[Stage] = []

    def watch(self, stage: Stage) -> None:
        self.stages.append(stage)

    def put_down(self, file: bytes) -> None:
        self.told.append(file)


def test_an_old_listener_is_told_what_it_knows() -> None:
    old = Old()
    listener: Progress = old
    stages = Stages(listener)
    stages.begin("reading", 5, size=100)
    stages.advance(2, 60, failed=1)
    stages.note("a line")
    stages.take(b"/a.png")
    stages.advance()
    stages.close()
    assert old.told == [("reading", 5), 2, "a line", 1, None]


def test_a_model_is_loaded_amid_a_stage_whose_counts_go_on() -> None:
    old, new = Old(), New()
    for listener in (old, new):
        stages = Stages(listener)
        stages.begin("embedding", 9)
        stages.advance(2)
        with stages.loading("clip"):
            stages.note("downloading")
        stages.advance()
    assert old.told == [("embedding", 9), 2, ("loading the model", None), "downloading", ("embedding", 9), 2, 1]
    first, loading, again = new.stages
    assert (loading.name, loading.about, loading.files_total) == ("loading the model", "clip", None)
    assert again is first
    assert (first.files, first.model) == (3, "clip")


def test_a_model_that_is_all_there_is_to_do_ends_its_stage() -> None:
    old = Old()
    with Stages(old).loading("clip"):
        pass
    assert old.told == [("loading the model", None), None]


def test_a_model_that_cannot_be_loaded_stays_the_current_stage() -> None:
    old = Old()
    stages = Stages(old)
    stages.begin("embedding", 9)
    with pytest.raises(ZeroDivisionError), stages.loading("clip"):
        _ = 1 / 0
    assert old.told == [("embedding", 9), ("loading the model", None)]


def test_a_watched_stage_tells_files_bytes_failures_and_the_file_at_hand() -> None:
    new = New()
    stages = Stages(new)
    stages.begin("reading", 3, size=600, work=7, unit="pictures")
    (stage,) = new.stages
    stages.advance(1, 100)
    stages.advance(2, 500, failed=1, work=7)
    assert (stage.name, stage.unit, stage.files, stage.files_total) == ("reading", "pictures", 3, 3)
    assert (stage.bytes, stage.bytes_total, stage.failed, stage.work, stage.work_total) == (600, 600, 1, 7, 7)


def test_the_file_that_was_taken_first_is_the_one_at_hand() -> None:
    new = New()
    stages = Stages(new)
    stages.begin("reading", 3)
    (stage,) = new.stages
    assert stage.file is None
    stages.take(b"slow")
    others: list[int] = []

    def another() -> None:
        stages.take(b"quick")
        stages.take(b"next")
        others.append(threading.get_ident())

    thread = threading.Thread(target=another)
    thread.start()
    thread.join()
    assert stage.file == b"slow"
    assert stage.held_by(others[0]) == b"next"
    assert stage.held_by(threading.get_ident()) == b"slow"
    stages.put_down()
    assert stage.file == b"next"
    stages.put_down()  # nothing is held any more, which is no error
    assert new.told == [("reading", 3), b"slow"]


@pytest.mark.parametrize(("listener", "heard"), [(None, False), (Silent(), False), (Old(), True), (New(), True)])
def test_only_who_listens_has_the_sizes_added_up(listener: Progress | None, heard: bool) -> None:
    assert Stages(listener).is_heard is heard


def test_a_sync_counts_files_bytes_and_failures(tmp_path: Path) -> None:
    home = tmp_path / "pictures"
    put(home, {"a.png": 1, "b.png": 2, "copy.png": 1, "no.jpg": b"\xff\xd8\xffno picture"})
    new = New()
    Store.init(tmp_path / "store")
    with Store(tmp_path / "store") as store:
        report = store.sync([home], progress=new)
    assert len(report.failed) == 1
    names = [stage.name for stage in new.stages]
    first, last = "listing folders", "writing the snapshot"
    assert names == [first, "embedding", "loading the model", "embedding", last]
    reading = new.stages[1]
    sizes = [path.stat().st_size for path in home.iterdir()]
    assert (reading.files, reading.files_total, reading.failed) == (4, 4, 1)
    assert (reading.bytes, reading.bytes_total) == (sum(sizes), sum(sizes))
    assert reading.file is None
    assert sorted(name for name in new.told if isinstance(name, bytes) and name.endswith((b"png", b"jpg"))) == sorted(
        os.fsencode(path) for path in home.iterdir()
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of three pictures, one of them under two names."""
    put(tmp_path / "pictures", {"a.png": 1, "b.png": 2, "copy.png": 1, "c.png": 3})
    Store.init(tmp_path / "store")
    with Store(tmp_path / "store") as opened:
        opened.sync([tmp_path / "pictures"])
        yield opened


STAGES: dict[str, tuple[Callable[[Store, New], object], list[tuple[str, int, int | None]]]] = {
    "check": (
        lambda store, new: store.check(read_data=True, progress=new),
        [("reading the store", 3, 3), ("comparing snapshots", 0, None)],
    ),
    "check a part": (
        lambda store, new: store.check(read_data_subset="1/1", progress=new),
        [("reading the store", 3, 3), ("comparing snapshots", 0, None), ("reading the store", 3, 3)],
    ),
    "check the source": (
        lambda store, new: store.check(source=True, progress=new),
        [
            ("reading the store", 3, 3), ("comparing snapshots", 0, None), ("listing folders", 4, None),
            ("reading", 4, 4),
        ],
    ),
    "check by the model": (
        lambda store, new: store.check(reembed=3, progress=new),
        [
            ("reading the store", 3, 3), ("comparing snapshots", 0, None), ("loading the model", 0, None),
            ("embedding", 3, 3),
        ],
    ),
    "repair": (lambda store, new: Store.repair(store.folder, progress=new), [("reading the store", 3, 3)]),
    "migrate": (
        lambda store, new: store.migrate(progress=new),
        [("reading the store", 0, None), ("writing the store", 0, 0)],
    ),
    "gc": (
        lambda store, new: store.gc(progress=new),
        [("looking for unused data", 0, None), ("rewriting", 0, 0), ("deleting unused files", 0, 0)],
    ),
    "export": (
        lambda store, new: store.snapshot_export("v1", store.folder.parent / "out.npz", format="npz", progress=new),
        [("reading the store", 1, 1), ("reading facts and fields", 3, 3), ("writing vectors", 3, 3)],
    ),
    "export of rows": (
        lambda store, new: store.snapshot_export("v1", store.folder.parent / "out.csv", format="csv", progress=new),
        [("reading the store", 1, 1), ("reading facts and fields", 3, 3), ("writing rows", 4, 4)],
    ),
    "dupes": (lambda store, new: store.dupes(progress=new), []),
    "verified dupes": (lambda store, new: store.dupes(verify=True, progress=new), [("comparing files", 2, 2)]),
    "near dupes": (lambda store, new: store.dupes(near=0.9, progress=new), [("comparing", 3, 3)]),
    "facts": (lambda store, new: store.facts(fill=True, pixels=True, progress=new), [("reading", 0, 0)]),
    "init": (
        lambda store, new: Store.init(store.folder.parent / "new", model="builtin", progress=new),
        [("loading the model", 0, None)],
    ),
    "model add": (
        lambda store, new: store.model_add("old", model="builtin", prepare=1, progress=new),
        [("loading the model", 0, None)],
    ),
    "search for a picture of the store": (
        lambda store, new: store.search([Operand(1.0, b"pictures/a.png", None)], progress=new), []
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STAGES)
def test_every_long_operation_names_its_stages_and_ends_with_all_counted(
    name: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.folder.parent)
    operation, expected = STAGES[name]
    new = New()
    operation(store, new)
    assert [(stage.name, stage.files, stage.files_total) for stage in new.stages] == expected
    for stage in new.stages:
        assert stage.file is None, stage.name
        assert stage.failed == 0
        assert stage.bytes_total in (None, stage.bytes) or stage.name == "writing the store", stage.name
        assert stage.work == (stage.work_total or 0)


def test_what_a_gc_rewrites_and_deletes_is_counted_in_bytes(store: Store) -> None:
    pictures = store.folder.parent / "pictures"
    put(pictures, {f"{number}.png": number for number in range(10, 20)})
    for name in ("a.png", "copy.png", "b.png"):
        (pictures / name).unlink()
    store.sync()
    store.snapshot_forget(["v1"])
    new = New()
    report = store.gc(drop_unnamed=True, progress=new)
    assert report.vectors == 2
    stages = {stage.name: stage for stage in new.stages}
    rewriting, deleting = stages["rewriting"], stages["deleting unused files"]
    assert 0 < rewriting.files == rewriting.files_total
    assert 0 < deleting.files == deleting.files_total
    assert (rewriting.bytes, deleting.bytes) == (rewriting.bytes_total, deleting.bytes_total)


def test_a_picture_that_is_computed_again_is_counted(store: Store) -> None:
    for segment in (store.folder / "segments").iterdir():
        segment.unlink()
    new = New()
    report = Store.repair(store.folder, progress=new)
    assert report.embedded == 3
    names = [stage.name for stage in new.stages]
    assert names == ["reading the store", "embedding what was lost", "loading the model", "embedding what was lost"]
    reading, lost = new.stages[:2]
    assert (reading.files, reading.failed) == (3, 1)
    assert (lost.files, lost.files_total, lost.unit) == (3, 3, "pictures")
