"""`--accept-truncated`: pictures that are cut are taken from a share of their lines on, marked, and told."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.edited import Declared
from support.folders import World, classes, drawn, during, put, repaired, trust_young_stats

from vstore.errors import MigrationNeeded, UsageError, VstoreError
from vstore.format.facts import CUT_HEIGHT, CUT_LINES, Column, Fact, chosen, pixels
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
from vstore.pictures.scan_options import OptionEdits, ScanOptions
from vstore.repository.add_space import add_space
from vstore.repository.cut_facts import cut_among
from vstore.repository.facts import added, facts_of
from vstore.search.query import Operand
from vstore.store import Store
from vstore.sync.report import SyncReport
from vstore.testing import FakeEmbedder

OLD = Path(__file__).parent / "data" / "format-1" / "store"


def cut(seed: int, percent: int) -> bytes:
    """A drawn picture of 20 lines whose file is cut."""
    return drawn(seed)[: len(drawn(seed)) * percent // 100]


def half_of_an_avif() -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(drawn(1))).resize((300, 200)).save(out, "AVIF")
    return out.getvalue()[: len(out.getvalue()) // 2]


MOST, HALF = cut(1, 93), cut(2, 50)


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declared:
    trust_young_stats(monkeypatch)
    return Declared(tmp_path)


def marks(world: World) -> dict[str, tuple[int, int]]:
    """The marks of all pictures that are stored: by key in hex."""
    return {key.hex(): found for key, found in cut_among(world.repo, map(bytes.fromhex, world.keys())).items()}


def told(report: SyncReport) -> list[tuple[str, int, int]]:
    return [(os.fsdecode(path), lines, of) for path, lines, of in report.truncated]


def share(world: World, label: str = "pictures") -> Any:
    return world.repo.state.roots[label].options.get("accept_truncated")


# What is taken


def test_a_picture_is_taken_from_its_share_of_lines_on(settled: Declared) -> None:
    settled.put({"whole.png": 3, "most.png": MOST, "half.png": HALF})
    report = settled.sync(accept_truncated=80)
    assert classes(report) == {"new": 2, "failed": 1} and report.embedded == 2
    ((path, lines, of),) = told(report)
    assert (path, of) == ("pictures/most.png", 20) and 16 <= lines < 20
    (failure,) = report.failed
    assert failure.path == b"pictures/half.png" and failure.kind == "truncated"
    assert "of 20 lines are there, and --accept-truncated asks for 80%" in failure.reason
    assert marks(settled) == {settled.key(MOST): (lines, 20)}


def test_its_vector_is_that_of_its_lines_and_of_grey(settled: Declared) -> None:
    settled.put({"most.png": MOST})
    settled.sync(accept_truncated=80)
    picture, _ = prepare(MOST, Preparation(least=80))
    assert (np.asarray(picture)[-1] == 128).all()
    rows = settled.fake.embed_images([picture])
    assert settled.vector(settled.key(MOST)) == rows[0].astype(settled.repo.dtype).tobytes()


def test_without_the_option_nothing_changes(settled: Declared) -> None:
    settled.put({"most.png": MOST, "whole.png": 1})
    report = settled.sync()
    assert [failure.kind for failure in report.failed] == ["truncated"] and report.truncated == ()
    assert "accept_truncated" not in settled.repo.state.roots["pictures"].options


def test_a_whole_picture_gets_no_mark_and_no_record(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync(accept_truncated=50)
    assert marks(settled) == {}
    assert [row.op for row in settled.store.log()] == ["sync", "init"]


# Kept with the folder


def test_it_is_kept_and_switched_off_again(settled: Declared) -> None:
    settled.put({"a.png": 1})
    settled.sync(accept_truncated=80)
    assert share(settled) == 80
    settled.put({"most.png": MOST})
    assert len(settled.all().truncated) == 1
    settled.all(accept_truncated=0)
    assert share(settled) == 0
    settled.put({"other.png": cut(5, 93)})
    report = settled.all()
    assert [failure.path for failure in report.failed] == [b"pictures/other.png"]
    assert "pictures/most.png" in settled.paths(), "what was taken stays"


def test_known_failures_are_tried_again_once_when_it_is_given(settled: Declared) -> None:
    settled.put({"most.png": MOST, "half.png": HALF, "none.png": b"no picture", "a.png": 1})
    settled.sync()
    assert [failure.known for failure in settled.all().failed] == [True] * 3
    report = settled.all(accept_truncated=80)
    assert report.embedded == 1
    assert classes(report) == {"unchanged": 1, "new": 1, "failed": 2} and len(report.truncated) == 1
    again = settled.all()
    assert again.embedded == 0 and [failure.known for failure in again.failed] == [True] * 2
    lower = settled.all(accept_truncated=40)
    assert [path for path, _, _ in told(lower)] == ["pictures/half.png"]
    assert [failure.known for failure in settled.all().failed] == [True]


def test_a_dry_run_counts_what_would_be_tried_and_writes_nothing(settled: Declared) -> None:
    settled.put({"most.png": MOST, "a.png": 1})
    settled.sync()
    before = settled.repo.tip.number
    report = settled.status(accept_truncated=80)
    assert (report.to_embed, report.truncated) == (1, ())
    assert settled.repo.tip.number == before and share(settled) is None


@pytest.mark.parametrize("value", [-1, 101, 0.9, True, "90"])
def test_a_wrong_share_is_refused(world: World, value: Any) -> None:
    world.put({"a.png": 1})
    with pytest.raises(UsageError, match="is no share of lines"):
        world.sync(accept_truncated=value)


def test_a_store_of_format_1_has_no_place_for_marks(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "store")
    put(tmp_path / "pictures", {"most.png": MOST})
    with Store(tmp_path / "store") as store, pytest.raises(MigrationNeeded, match=r"cut pictures.*vstore migrate"):
        store.sync([tmp_path / "pictures"], accept_truncated=80)


# Several folders


def other(world: World) -> Path:
    return world.top / "other"


def test_each_folder_has_its_own_share(settled: Declared) -> None:
    settled.put({"half.png": HALF, "a.png": 1})
    put(other(settled), {"most.png": MOST, "b.png": 3})
    settled.sync(accept_truncated=40)
    report = settled.sync(other(settled))
    assert [failure.path for failure in report.failed] == [b"other/most.png"]
    report = settled.all(retry_failed=True)
    assert [failure.path for failure in report.failed] == [b"other/most.png"]


@pytest.mark.parametrize("first", ["a", "z"])
def test_a_picture_in_two_folders_is_taken_if_one_takes_it(settled: Declared, first: str) -> None:
    strict = settled.top / first
    put(strict, {"half.png": HALF, "b.png": 3})
    settled.sync(strict)
    settled.put({"a.png": 1})
    settled.sync(accept_truncated=40)
    put(strict, {"new.png": cut(7, 60)})
    settled.put({"new.png": cut(7, 60), "half.png": HALF})
    report = settled.all()
    assert {path for path in settled.paths() if "new" in path} == {"pictures/new.png", f"{first}/new.png"}
    assert {path for path in settled.paths() if "half" in path} == {"pictures/half.png", f"{first}/half.png"}
    assert report.failed == () and len(report.truncated) == 2
    assert set(marks(settled)) == {settled.key(cut(7, 60)), settled.key(HALF)}


def test_a_wider_folder_takes_the_share_over(settled: Declared) -> None:
    settled.put({"half.png": HALF, "a.png": 1})
    settled.sync(accept_truncated=40)
    report = settled.sync(settled.top)
    assert report.absorbed and share(settled, settled.top.name) == 40 and report.removed == 0
    assert (
        ScanOptions(accept_truncated=60).taking_over(ScanOptions(accept_truncated=30), b"a", b"/x").accept_truncated
        == 30
    )
    assert OptionEdits(accept_truncated=0).applied(ScanOptions(accept_truncated=30)).accept_truncated == 0


# The mark


class Killed(BaseException):
    """As if the process had ended here."""


def test_no_kill_leaves_a_vector_without_a_mark(settled: Declared) -> None:
    """The journal of a killed run holds the vector: its mark is published before."""
    settled.put({f"{number:02}.png": cut(number, 93) for number in range(40)})

    def kill() -> None:
        raise Killed

    during(settled.fake, kill, 3)
    with pytest.raises(Killed):
        settled.sync(accept_truncated=80)
    settled.store.gc()
    shutil.rmtree(settled.folder / "catalogue", ignore_errors=True)
    report = settled.sync(accept_truncated=80)
    assert report.recovered > 0
    assert set(marks(settled)) == set(settled.keys()) and len(settled.keys()) == 40


def test_a_mark_stays_as_long_as_a_vector_may(settled: Declared) -> None:
    settled.put({"most.png": MOST, **{f"{n}.png": n for n in range(10, 20)}})
    settled.sync(accept_truncated=80)
    (settled.pictures / "most.png").unlink()
    for number in range(10, 20):
        (settled.pictures / f"{number}.png").unlink()
    settled.put({"a.png": 1})
    settled.sync(allow_mass_delete=True)
    settled.store.snapshot_forget(["v1"])
    settled.store.gc()
    assert cut_among(settled.repo, [bytes.fromhex(settled.key(MOST))])


def test_a_mark_is_handed_on_to_what_wins() -> None:
    strange = Column("pixels/" + "0" * 16, "k")
    marked = Fact(b"k", 0, {CUT_LINES: 3, CUT_HEIGHT: 9})
    for later in (Fact(b"k", 0, {strange: b"d"}), Fact(b"k", 4, {strange: b"d"})):
        for order in ([marked, later], [later, marked]):
            assert chosen(order).values[CUT_LINES] == 3 and chosen(order).values[CUT_HEIGHT] == 9
            assert chosen(order).values[strange] == b"d"


def test_repair_keeps_it_where_a_later_reading_wins(settled: Declared) -> None:
    settled.put({"most.png": MOST})
    settled.sync(accept_truncated=80)
    key = bytes.fromhex(settled.key(MOST))
    before = cut_among(settled.repo, [key])
    repo = settled.repo
    with repo.lock("ingest") as lock:
        lock.acquire(0.0, "test", lambda: False)
        with repo.committing("test"):
            changes, blobs = added(repo, [Fact(key, 3, {Column("frames", "4"): 1})])
            repo.publish("seal", changes, blobs=blobs)
    repaired(settled)
    assert cut_among(settled.repo, [key]) == before


def test_facts_lists_the_cut_pictures_of_the_snapshot(settled: Declared) -> None:
    settled.put({"most.png": MOST, "also most.png": MOST, "a.png": 1})
    settled.sync(accept_truncated=80)
    ((path, lines, of),) = settled.store.facts().truncated
    assert (path, of) == (b"pictures/also most.png", 20) and 16 <= lines < 20
    (settled.pictures / "most.png").unlink()
    (settled.pictures / "also most.png").unlink()
    settled.sync()
    assert settled.store.facts().truncated == ()


# What comes after


def test_the_whole_picture_is_another_one(settled: Declared) -> None:
    settled.put({"most.png": MOST})
    settled.sync(accept_truncated=80)
    settled.put({"most.png": drawn(1)})
    report = settled.sync()
    assert (report.changed, report.embedded, report.same_pixels, report.truncated) == (1, 1, 0, ())
    assert marks(settled).keys() == {settled.key(MOST)}


def test_check_and_repair_know_it_after_it_was_switched_off(settled: Declared) -> None:
    settled.put({"most.png": MOST})
    settled.sync(accept_truncated=80)
    settled.sync(accept_truncated=0)
    before = settled.vector(settled.key(MOST))
    found = settled.store.check(reembed=1)
    assert found.reembed is not None and found.reembed.fits and found.reembed.off == ()
    for path in (settled.folder / "segments").rglob("*.faiss"):
        path.unlink()
    repaired(settled)
    assert settled.vector(settled.key(MOST)) == before


def test_check_takes_what_an_export_brought_without_a_mark(settled: Declared, tmp_path: Path) -> None:
    settled.put({"most.png": MOST, "whole.png": 3})
    settled.sync(accept_truncated=80)
    out = tmp_path / "out.npz"
    settled.store.export(out, format="npz")
    again, recipe = tmp_path / "again", settled.fake.recipe
    Store.import_new(again, embeddings=out, root=tmp_path / "pictures", recipe=recipe)
    with Store(again, load_embedder=settled.load) as store:
        found = store.check(reembed=2).reembed
    assert found is not None and found.fits and found.off == ()


def test_a_cut_picture_whose_lines_cannot_be_told_says_so(settled: Declared) -> None:
    settled.put({"half.avif": half_of_an_avif()})
    (failure,) = settled.sync(accept_truncated=1).failed
    assert failure.kind == "truncated" and failure.reason.endswith("cannot tell which lines are there")


def test_digests_and_marks_that_miss_are_filled_in(settled: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put({"most.png": MOST})
    settled.sync(accept_truncated=80)
    repo, key = settled.repo, bytes.fromhex(settled.key(MOST))
    before = facts_of(repo, [key])[key]
    with repo.lock("ingest") as lock:
        lock.acquire(0.0, "test", lambda: False)
        with repo.committing("test"):
            repo.publish("seal", {"facts": repo.state.facts_changed([])})
    assert cut_among(settled.repo, [key]) == {}
    report = settled.store.facts(fill=True, pixels=True)
    assert (report.filled, report.failed) == (1, ()) and len(report.truncated) == 1
    assert facts_of(settled.repo, [key])[key] == before
    assert pixels(settled.fake.recipe["prepare"]) in before.values


def test_workers_take_them_too(settled: Declared) -> None:
    settled.put({"most.png": MOST})
    report = settled.sync(accept_truncated=80, isolate_decoding=True)
    assert len(report.truncated) == 1 and report.failed == ()


def test_another_space_takes_them_as_the_folder_does(settled: Declared) -> None:
    settled.put({"most.png": MOST, "a.png": 1})
    settled.sync(accept_truncated=80)
    two = FakeEmbedder("two")
    add_space(settled.repo, two.recipe, "two")
    with Store(settled.folder, load_embedder=lambda recipe: two) as store:
        report = store.sync(space="two")
    assert report.embedded == 2 and report.failed == () and len(report.truncated) == 1


def test_a_cut_query_is_refused_unless_the_store_has_the_picture(settled: Declared) -> None:
    settled.put({"most.png": MOST, "a.png": 1})
    settled.sync(accept_truncated=80)
    put(settled.top / "queries", {"same.png": MOST, "other.png": cut(9, 93)})
    known = Operand(1.0, os.fsencode(settled.top / "queries/same.png"))
    assert settled.store.search([known]).hits[0].paths == (b"pictures/most.png",)
    with pytest.raises(VstoreError, match="cut short"):
        settled.store.search([known._replace(image=os.fsencode(settled.top / "queries/other.png"))])
