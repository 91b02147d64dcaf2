"""Progress: what a run counts, and what listeners of either kind are told."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest
from support.folders import put

from vstore.progress import Progress, Silent, Stage, Stages
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


def test_names_of_stages_are_words_for_users() -> None:
    """Their list stands in the JSON contract, too: tests/docs/test_json.py."""
    rooms = Path(__file__).resolve().parents[2] / "store/vstore"
    names = {
        name
        for path in rooms.rglob("*.py")
        for name in re.findall(r"""(?:begin|stage)\(\s*"([^"]+)\"""", path.read_text())
    }
    assert "listing folders" in names
    assert all(re.fullmatch(r"[a-z]+ing( [a-z]+)*", name) for name in names), names
