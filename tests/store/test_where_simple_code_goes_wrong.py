"""Where simple code goes wrong: the cases that the design names, each with the tests that hold it.

| case | tests |
|---|---|
| a sync that finishes after a rollback | test_sync_commit.py::test_a_rollback_during_a_sync_is_what_the_sync_builds_on |
| a sync that finishes after a change of space | test_sync_spaces.py::test_a_change_of_space_during_a_sync_ends_it_and_keeps_its_vectors |
| undo, undo, redo | test_where_simple_code_goes_wrong.py::test_undo_undo_redo |
| rollback, sync, rollback | test_where_simple_code_goes_wrong.py::test_rollback_sync_rollback |
| a commit whose link reported an error and yet succeeded | test_sync_commit.py::test_a_link_that_reported_an_error_and_yet_succeeded_is_a_commit |
| the newest record torn | test_where_simple_code_goes_wrong.py::test_the_newest_record_torn |
| /a/pictures, then /b/pictures | test_sync_roots.py::test_two_folders_of_one_name_need_a_label_each |
| pictures/2024, then pictures | test_sync_roots.py::test_a_root_around_others_takes_them_in_and_reads_nothing |
| Pictures and pictures on a case-insensitive disk | test_sync_roots.py::test_places_are_compared_by_device_and_inode |
| a root moved together with its store | test_sync_roots.py::test_a_root_that_moved_together_with_its_store_is_where_it_was_beside_it |
| a folder without permission | test_sync_seen.py::test_a_folder_without_permission_is_carried_over |
| a file edited twice within a clock tick | test_sync_reading.py::test_a_file_edited_twice_within_a_clock_tick_is_read_again |
| an mtime in the future | test_sync_reading.py::test_an_mtime_in_the_future_hides_no_edit |
| a picture replaced while it is read | test_sync_reading.py::test_a_picture_replaced_while_it_is_read_is_read_again_by_the_next_sync |
| two stores open in one process | test_sync_commit.py::test_two_stores_open_in_one_process_see_what_the_other_did |
| key column and vectors of one row merged in different order | test_where_simple_code_goes_wrong.py::test_key_column_and_vectors_are_merged_in_one_order |
| a black picture | test_sync_failures.py::test_a_black_picture_has_a_vector |
| 4 KB paths, newlines, bytes that are not UTF-8 | test_sync_roots.py::test_a_label_and_a_path_may_be_any_bytes_and_long |
| three pictures of which one is deleted | test_sync_guards.py::test_three_pictures_of_which_one_is_deleted_are_no_accident |
| all 10,000 renamed | test_sync_guards.py::test_all_of_ten_thousand_pictures_renamed_are_read_once_and_neither_decoded_nor_embedded |
"""  # noqa: E501

from __future__ import annotations

import ast
import os
import random
from pathlib import Path

import numpy as np
import pytest
from support.folders import World, classes, drawn

from vstore.errors import Damage, NothingToUndo
from vstore.format import small_files
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
from vstore.search.query import Operand


def test_the_table_names_tests_that_are_there() -> None:
    rows = [line.split("|") for line in (__doc__ or "").splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 20
    for _, _, test, _ in rows:
        file, _, name = test.strip().partition("::")
        tree = ast.parse((Path(__file__).parent / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def three_versions(world: World) -> None:
    for number in range(3):
        world.put({f"{number}.png": number})
        world.sync()


def test_undo_undo_redo(settled: World) -> None:
    three_versions(settled)
    store = settled.store
    assert [store.undo().current, store.undo().current, store.redo().current] == ["v2", "v1", "v2"]
    assert store.redo().current == "v3"
    with pytest.raises(NothingToUndo):
        store.redo()
    assert [store.undo().current, store.undo().current, store.undo().current] == ["v2", "v1", None]
    with pytest.raises(NothingToUndo):
        store.undo()
    assert [store.redo().current, store.redo().current, store.undo().current] == ["v1", "v2", "v1"]
    # A new operation ends redo, and the number of an undone snapshot is not given again.
    report = settled.sync()
    assert (report.snapshot, report.parent, report.embedded) == ("v4", "v1", 0)
    with pytest.raises(NothingToUndo):
        store.redo()
    assert [row.snapshot for row in store.snapshot_list()] == ["v4", "v3", "v2", "v1"]
    assert settled.repo.snapshot("v4").id == settled.repo.snapshot("v3").id


def test_rollback_sync_rollback(settled: World) -> None:
    three_versions(settled)
    before = {name: settled.aliases(name) for name in ("v1", "v2", "v3")}
    settled.store.rollback("v1")
    assert settled.paths() == ["pictures/0.png"]
    report = settled.sync()
    assert (report.snapshot, report.parent, classes(report)) == ("v4", "v1", {"unchanged": 1, "known": 2})
    assert settled.aliases() == before["v3"]
    settled.store.rollback("v2")
    assert settled.aliases() == before["v2"]
    report = settled.sync()
    assert (report.snapshot, report.parent, classes(report)) == ("v5", "v2", {"unchanged": 2, "known": 1})
    assert settled.fake.embedded == 3
    assert {name: settled.aliases(name) for name in before} == before
    assert [settled.store.undo().current for _ in range(4)] == ["v2", "v4", "v1", "v3"]


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "zeros"])
def test_the_newest_record_torn(settled: World, how: str) -> None:
    three_versions(settled)
    newest = settled.repo.layout.record(settled.repo.tip.number)
    data = newest.read_bytes()
    torn = {"cut": data[:-20], "empty": b"", "flipped": data[:50] + b"!" + data[51:], "zeros": bytes(len(data))}
    newest.write_bytes(torn[how])
    # Whoever reads has the newest sound one, and is told; whoever writes is refused, until a repair.
    with settled.another() as store:
        assert [row.snapshot for row in store.snapshot_list()] == ["v2", "v1"]
        hit = store.search([Operand(1.0, os.fsencode(settled.pictures / "1.png"))]).hits[0]
        assert (hit.score, hit.paths) == (1.0, (b"pictures/1.png",))
        for act in (lambda: store.sync([settled.pictures]), lambda: store.rollback("v1"), store.undo):
            with pytest.raises(Damage, match="vstore repair") as damage:
                act()
            assert damage.value.exit_code == 4
    newest.write_bytes(data)
    with settled.another() as store:
        assert store.snapshot_show("current").row.snapshot == "v3"


def test_key_column_and_vectors_are_merged_in_one_order(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "TOO_MANY", 4)
    numbers = list(range(40))
    random.Random(1).shuffle(numbers)
    for at in range(0, len(numbers), 5):
        settled.put({f"{number:02d}.png": number for number in numbers[at : at + 5]})
        settled.sync()
    repo = settled.repo
    space = repo.snapshot("current").space
    assert len(repo.state.segments(space)) <= 4
    assert "merge" in [row.op for row in settled.store.log()]
    rows = {}
    for ref in repo.state.segments(space):
        segment = repo.segment(ref)
        segment.verify()
        rows |= dict(zip(segment.key_list(), segment.rows().astype(np.float32), strict=True))
    for number in numbers:
        own = settled.fake.of(prepare(drawn(number), Preparation())[0])
        assert np.allclose(rows[repo.hash.digest(drawn(number))], own, atol=1e-3)
        hit = settled.store.search([Operand(1.0, os.fsencode(settled.pictures / f"{number:02d}.png"))], k=1).hits[0]
        assert (hit.score, hit.paths) == (1.0, (f"pictures/{number:02d}.png".encode(),))
