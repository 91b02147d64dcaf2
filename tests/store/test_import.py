"""Taking an old index in: which rows get which pictures, what is kept, what is refused, and what it leaves behind."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from support.folders import World, digests, drawn
from support.old_indexes import OldIndex, reasons, states, unit

from vstore.disk import durable
from vstore.errors import LabelTaken, Locked, ModelError, Refused, UsageError, VstoreError
from vstore.format.recipes import space_id
from vstore.importing.faiss_source import FaissSource
from vstore.importing.report import ImportRefused
from vstore.repository.add_space import add_space
from vstore.store import Store
from vstore.testing import FakeEmbedder


@pytest.fixture
def old(tmp_path: Path) -> OldIndex:
    return OldIndex(tmp_path)


# The main case


def test_a_triple_becomes_a_snapshot_of_the_pictures_under_the_root(old: OldIndex) -> None:
    report = old.new()
    assert states(report) == {"matched": 12}
    assert (report.snapshot, report.current, report.added, report.left) == ("v1", "v1", 12, 0)
    assert old.aliases() == {f"pictures/{name}": old.key(i) for i, name in enumerate(old.names)}


def test_every_picture_has_the_row_that_its_path_had(old: OldIndex) -> None:
    old.new()
    stored = old.stored()
    assert all(stored[old.key(i)].tobytes() == old.rows[i].astype(np.float16).tobytes() for i in range(12))


def test_the_imported_snapshot_answers_searches(old: OldIndex) -> None:
    old.new()
    with Store(old.folder, load_embedder=lambda recipe: FakeEmbedder()) as store:
        from vstore.search.query import Operand

        report = store.search([Operand(1.0, image=os.fsencode(old.pictures / "p03.png"))], k=1)
    assert [os.fsdecode(path) for path in report.hits[0].paths] == ["pictures/p03.png"]


def test_a_sync_after_an_import_embeds_only_what_the_old_index_lacked(old: OldIndex) -> None:
    fake = FakeEmbedder()
    old.new(recipe=fake.recipe)
    old.put({"new.png": 100, "copy.png": 3})
    with Store(old.folder, load_embedder=lambda recipe: fake) as store:
        report = store.sync([old.pictures])
    assert (report.embedded, report.new, report.copied, report.unchanged) == (1, 1, 1, 12)


def test_an_import_reads_each_picture_once_for_all_later_syncs(old: OldIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.folders import Reads, trust_young_stats

    trust_young_stats(monkeypatch)
    old.new()
    reads = Reads(monkeypatch)
    with old.store as store:
        assert store.status([old.pictures]).unchanged == 12
    assert reads.opened == []


def test_an_import_can_be_undone_and_done_again(old: OldIndex) -> None:
    old.new()
    with old.store as store:
        assert store.undo().current is None
        assert store.redo().current == "v1"


def test_importing_the_same_again_adds_nothing_and_writes_no_snapshot(old: OldIndex) -> None:
    old.new()
    with old.store as store:
        report = store.import_index(**old.triple())
    assert (report.added, report.known, report.snapshot, report.current) == (0, 12, None, "v1")


def test_an_import_into_a_store_with_another_space_becomes_current_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path / "w")
    world.put({"own.png": 50})
    world.sync()
    old = OldIndex(tmp_path / "o")
    report = world.store.import_index(**{**old.triple(), "as_label": "theirs"})
    assert (report.snapshot, report.current) == ("v2", "v2")
    assert world.paths() == [f"theirs/{name}" for name in old.names]
    assert any("v1 was in another embedding space" in note for note in report.notes)
    world.store.undo()
    assert world.paths() == ["pictures/own.png"]


def test_an_import_into_the_space_that_is_current_adds_to_it(tmp_path: Path) -> None:
    world = World(tmp_path / "w")
    world.put({"own.png": 50})
    world.sync()
    old = OldIndex(tmp_path / "o")
    report = world.store.import_index(**{**old.triple(), "as_label": "theirs", "recipe": world.fake.recipe})
    assert world.paths() == ["pictures/own.png", *(f"theirs/{name}" for name in old.names)]
    assert (report.status, report.space_name) == ("claimed", "fake-1")


def test_pictures_that_the_space_knows_already_get_no_second_row(tmp_path: Path) -> None:
    fake = FakeEmbedder()
    old = OldIndex(tmp_path)
    old.new(recipe=fake.recipe)
    old.write(old.paths[:3], old.rows[:3])
    with old.store as store:
        store.import_index(**{**old.triple(), "recipe": fake.recipe})
    repo = old.repo
    assert sum(ref.rows for ref in repo.state.segments(space_id(fake.recipe))) == 12


# The space


def test_without_a_model_the_space_is_the_digest_of_the_vector_file(old: OldIndex) -> None:
    import hashlib

    report = old.new()
    recipe = {"family": "imported", "dim": 8, "sha256": hashlib.sha256(old.npy.read_bytes()).hexdigest()}
    assert (report.space, report.status) == (space_id(recipe), "claimed")
    assert old.repo.recipe(report.space) == recipe


def test_with_a_model_the_space_is_claimed_to_be_its(old: OldIndex) -> None:
    recipe = FakeEmbedder("lora-v11").recipe
    report = old.new(recipe=recipe)
    assert (report.space, report.space_name, report.status) == (space_id(recipe), "lora-v11", "claimed")


def test_a_space_can_be_named(old: OldIndex) -> None:
    assert old.new(as_space="lora-a").space_name == "lora-a"
    with old.store as store:
        assert store.snapshot_list()[0].space_name == "lora-a"


@pytest.mark.parametrize("name", ["2024", "face", "2026-11-20"])
def test_a_space_may_be_called_by_what_means_nothing_else(old: OldIndex, name: str) -> None:
    assert old.new(as_space=name).space_name == name
    with old.store as store:
        assert store.model_show(name).row.space_name == name


@pytest.mark.parametrize("name", ["v12", "latest", "a b"])
def test_a_space_cannot_be_called_as_a_snapshot_is(old: OldIndex, name: str) -> None:
    with pytest.raises(UsageError):
        old.new(as_space=name)
    assert not old.folder.exists()


def test_a_model_of_another_dimension_is_refused(old: OldIndex) -> None:
    with pytest.raises(UsageError, match="16 numbers"):
        old.new(recipe=FakeEmbedder(dim=16).recipe)
    assert not old.folder.exists()


# Bits


def test_half_floats_of_unit_norm_keep_their_bits(old: OldIndex) -> None:
    report = old.only("embeddings", "metadata")
    assert (report.kept_bits, report.normalised) == (12, 0)


def test_float32_is_normalised_in_float64_and_rounded_once(old: OldIndex) -> None:
    rows = old.rows * np.linspace(0.5, 30, 12, dtype=np.float32)[:, None]
    old.write(rows=rows)
    report = old.only("faiss", "metadata")
    exact = rows.astype(np.float64)
    wanted = (exact / np.linalg.norm(exact, axis=1, keepdims=True)).astype(np.float16)
    stored = old.stored()
    assert all(stored[old.key(i)].tobytes() == wanted[i].tobytes() for i in range(12))
    assert (report.kept_bits, report.normalised) == (0, 12)
    assert any("every row is normalised" in note for note in report.notes)


def test_with_both_files_the_half_floats_give_the_rows(old: OldIndex) -> None:
    report = old.new()
    assert report.vectors_from.endswith("old.npy")
    assert any("half floats of unit norm" in note for note in report.notes)


@pytest.mark.parametrize("kind", ["float32", "not unit"])
def test_with_both_files_anything_else_leaves_the_rows_to_faiss(old: OldIndex, kind: str) -> None:
    np.save(old.npy, old.rows if kind == "float32" else (old.rows * 3).astype(np.float16))
    report = old.new()
    assert report.vectors_from.endswith("old.faiss")
    assert report.normalised == 12


def test_a_norm_within_a_thousandth_is_unit_and_beyond_is_not(old: OldIndex) -> None:
    rows = np.zeros((12, 8), np.float16)
    rows[np.arange(12), np.arange(12) % 8] = 1
    rows[0, 0], rows[1, 1] = np.float16(1.00098), np.float16(1.0039)
    rows += np.float16(0)
    np.save(old.npy, rows)
    report = old.only("embeddings", "metadata", force=True)
    assert (report.kept_bits, report.normalised) == (11, 1)
    assert old.stored()[old.key(0)][0] == np.float16(1.00098)
    assert old.stored()[old.key(1)][1] == np.float16(1)


def test_a_store_of_float32_gets_float32(old: OldIndex) -> None:
    old.only("faiss", "metadata", store_dtype="float32")
    assert np.allclose(old.stored()[old.key(2)], old.rows[2], atol=1e-7)


def test_a_store_of_sha256_has_keys_of_sha256(old: OldIndex) -> None:
    old.new(hash="sha256")
    assert old.aliases()["pictures/p00.png"] == old.key(0)
    assert len(old.key(0)) == 32


# Which file a path means


def test_a_path_that_says_where_its_file_lies_is_believed(tmp_path: Path) -> None:
    old = OldIndex(tmp_path, old_folder="pictures")
    old.put({"other/p00.png": 40})
    report = old.new()
    assert states(report) == {"matched": 12}
    assert {row.reason for row in report.rows_of} == {"where it says"}


def test_an_absolute_path_that_leads_under_the_root_is_believed(tmp_path: Path) -> None:
    old = OldIndex(tmp_path, old_folder=str(tmp_path / "pictures"))
    assert {row.reason for row in old.new().rows_of} == {"where it says"}


def test_the_longest_common_end_of_a_path_wins(old: OldIndex) -> None:
    old.put({"summer/p00.png": 30, "winter/p00.png": 31})
    old.write(["../o00_images/summer/p00.png", *old.paths[1:]])
    old.new()
    assert old.aliases()["pictures/summer/p00.png"] == old.key(30)
    assert "pictures/winter/p00.png" not in old.aliases()


def test_a_name_at_the_top_of_the_root_wins_over_one_further_down(old: OldIndex) -> None:
    old.put({"deep/p00.png": 30})
    old.new()
    assert old.aliases()["pictures/p00.png"] == old.key(0)
    assert "pictures/deep/p00.png" not in old.aliases()


def test_a_moved_picture_is_found_by_its_name_where_that_is_asked_for(old: OldIndex) -> None:
    (old.pictures / "moved").mkdir()
    (old.pictures / "p00.png").rename(old.pictures / "moved" / "p00.png")
    report = old.new(dry_run=True)
    assert (states(report), report.near, report.by_name) == ({"matched": 11, "missing": 1}, 1, 0)
    assert report.of("missing")[0].files == (b"moved/p00.png",)
    report = old.new(by_name=True)
    assert (states(report), report.near, report.by_name) == ({"matched": 12}, 0, 1)
    assert old.aliases()["pictures/moved/p00.png"] == old.key(0)


def test_a_name_that_fits_several_files_is_not_guessed(old: OldIndex) -> None:
    (old.pictures / "p00.png").unlink()
    old.put({"a/p00.png": 0, "b/p00.png": 30})
    report = old.new()
    assert states(report) == {"matched": 11, "ambiguous": 1}
    assert reasons(report, "ambiguous") == ["2 files match it"]
    assert not [path for path in old.aliases() if path.endswith("p00.png")]


def test_several_files_that_are_one_picture_are_no_question(old: OldIndex) -> None:
    (old.pictures / "p00.png").unlink()
    old.put({"a/p00.png": 0, "b/p00.png": 0})
    assert states(old.new(dry_run=True)) == {"matched": 11, "ambiguous": 1}, "both may be another picture"
    report = old.new(by_name=True)
    assert states(report) == {"matched": 12}
    assert old.aliases()["pictures/a/p00.png"] == old.key(0)


@pytest.mark.parametrize("by", ["size", "mtime"])
def test_a_name_that_fits_several_files_is_settled_by_size_or_date(old: OldIndex, by: str) -> None:
    (old.pictures / "p00.png").unlink()
    old.put({"a/p00.png": 0, "b/p00.png": drawn(30) + b"more"})
    os.utime(old.pictures / "a/p00.png", (1000, 1000))
    stat = (old.pictures / "a/p00.png").stat()
    said = {"path": old.paths[0], by: stat.st_size if by == "size" else stat.st_mtime}
    old.write([said, *({"path": path, by: None} for path in old.paths[1:])])
    report = old.new(by_name=True)
    assert states(report) == {"matched": 12}
    assert old.aliases()["pictures/a/p00.png"] == old.key(0)
    assert "settled by its" in report.rows_of[0].reason


def test_of_two_files_the_one_that_is_older_than_the_index_is_meant(old: OldIndex) -> None:
    (old.pictures / "p00.png").unlink()
    old.put({"a/p00.png": 0})
    old.put({"b/p00.png": 30}, newer=True)
    report = old.new(by_name=True)
    assert states(report) == {"matched": 12}
    assert "newer than the index" in report.rows_of[0].reason


def test_two_rows_that_fit_one_file_alike_are_not_guessed(old: OldIndex) -> None:
    old.write(["../x/p00.png", "../y/p00.png", *old.paths[2:]])
    assert states(old.new(dry_run=True)) == {"matched": 10, "missing": 2}
    report = old.new(by_name=True)
    assert states(report) == {"matched": 10, "ambiguous": 2}


def test_a_row_that_fits_a_file_better_has_it(old: OldIndex) -> None:
    old.put({"x/q.png": 30})
    old.write(["../x/q.png", "../y/q.png", *old.paths[2:]])
    report = old.new(by_name=True)
    assert states(report) == {"matched": 11, "ambiguous": 1}
    assert old.aliases()["pictures/x/q.png"] == old.key(30)


def test_paths_of_windows_are_found_by_their_ends(tmp_path: Path) -> None:
    old = OldIndex(tmp_path)
    old.write([f"C:\\Users\\me\\o00_images\\{name}" for name in old.names])
    assert states(old.new()) == {"matched": 12}


def test_a_name_may_hold_a_backslash(old: OldIndex) -> None:
    old.put({"odd\\p00.png": 30})
    old.write(["../o00_images/odd\\p00.png", *old.paths[1:]])
    old.new()
    assert old.aliases()["pictures/odd\\p00.png"] == old.key(30)


def test_a_path_that_climbs_out_of_the_root_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.png").write_bytes(drawn(60))
    old = OldIndex(tmp_path)
    old.write(["pictures/../outside/secret.png", "../../../../etc/passwd", *old.paths[2:]])
    report = old.new()
    assert states(report) == {"matched": 10, "missing": 2}


@pytest.mark.parametrize(
    "path", ["a\nb.png", "x/" * 2100 + "p.png", "n" * 300 + ".png", "nul\0.png", "", "/", "..", "\ud800.png"]
)
def test_a_path_that_no_file_has_is_missing_and_costs_one_row(old: OldIndex, path: str) -> None:
    old.write([path, *old.paths[1:]])
    report = old.new()
    assert states(report) == {"matched": 11, "missing": 1}


def test_a_name_with_a_newline_is_found_where_it_is(old: OldIndex) -> None:
    old.put({"a\nb.png": 30})
    old.write(["../o00_images/a\nb.png", *old.paths[1:]])
    old.new()
    assert old.aliases()["pictures/a\nb.png"] == old.key(30)


def test_names_that_are_not_utf8_are_found(old: OldIndex) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    old.put({name: 30})
    (old.top / "list.txt").write_bytes(
        b"\n".join([b"../o00_images/caf\xe9.png", *map(os.fsencode, old.paths[1:])]) + b"\n"
    )
    report = old.new(metadata=old.top / "list.txt")
    assert states(report) == {"matched": 12}


def test_files_that_a_sync_would_not_see_are_not_matched(old: OldIndex) -> None:
    old.put({".hidden/p00.png": 0})
    (old.pictures / "p00.png").unlink()
    assert states(old.new()) == {"matched": 11, "missing": 1}


# Edited, missing, duplicated


def test_telling_where_the_model_lies_proves_nothing_of_what_was_imported(old: OldIndex) -> None:
    """As `vstore model add` does: only a sample that fits makes a claimed space verified."""
    fake = FakeEmbedder()
    old.new(recipe=fake.recipe)
    repo = old.repo
    (space,) = repo.state.spaces.values()
    add_space(repo, fake.recipe, space.name, place={"model": "/models/fake"})
    (now,) = old.repo.state.spaces.values()
    assert (now.status, now.place) == ("claimed", {"model": "/models/fake"})


def test_a_file_that_is_newer_than_the_index_is_not_matched(old: OldIndex) -> None:
    old.put({"p00.png": 30}, newer=True)
    report = old.new()
    assert states(report) == {"matched": 11, "possibly_edited": 1}
    assert "pictures/p00.png" not in old.aliases()


def test_unless_it_is_trusted(old: OldIndex) -> None:
    old.put({"p00.png": 0}, newer=True)
    assert states(old.new(trust_edited=True)) == {"matched": 12}


def test_a_file_whose_size_is_another_than_the_list_says_is_possibly_edited(old: OldIndex) -> None:
    sizes = [(old.pictures / name).stat().st_size for name in old.names]
    old.write(
        [{"path": path, "size": size + (path == old.paths[0])} for path, size in zip(old.paths, sizes, strict=True)]
    )
    report = old.new()
    assert states(report) == {"matched": 11, "possibly_edited": 1}


def test_a_file_whose_date_the_list_knows_is_not_edited_however_young(old: OldIndex) -> None:
    old.put({"p00.png": 0}, newer=True)
    times = [(old.pictures / name).stat().st_mtime for name in old.names]
    old.write([{"path": path, "mtime": when} for path, when in zip(old.paths, times, strict=True)])
    assert states(old.new()) == {"matched": 12}


def test_pictures_that_stand_twice_have_one_row(old: OldIndex) -> None:
    rows = old.rows.copy()
    rows[5] = rows[2]
    old.put({"p05.png": 2})
    old.write(rows=rows)
    report = old.new()
    assert states(report) == {"matched": 11, "duplicated": 1}
    assert reasons(report, "duplicated") == ["the same picture as row 2"]
    assert old.aliases()["pictures/p05.png"] == old.aliases()["pictures/p02.png"] == old.key(2)
    assert len(old.stored()) == 11


def test_a_path_that_stands_twice_is_one_picture(old: OldIndex) -> None:
    rows = old.rows.copy()
    rows[5] = rows[2]
    paths = list(old.paths)
    paths[5] = paths[2]
    old.write(paths, rows)
    assert states(old.new()) == {"matched": 11, "duplicated": 1}


def test_what_was_not_found_waits_with_its_vector_and_its_old_path(old: OldIndex) -> None:
    from vstore.repository.leftovers import LeftVectors, left_rows

    (old.pictures / "p04.png").unlink()
    report = old.new()
    repo = old.repo
    kept = repo.state.imports[report.import_id]
    assert [(left.row, left.path, left.state) for left in left_rows(repo, kept)] == [
        (4, b"../o00_images/p04.png", "missing")
    ]
    assert LeftVectors(repo, kept).block(0, 1).tobytes() == old.rows[4:5].astype(np.float16).tobytes()
    assert len(old.stored()) == 11
    assert repo.segment(repo.state.segments(report.space)[0]).footer.rows == 11


def test_a_picture_that_turns_up_is_joined_bit_for_bit(old: OldIndex) -> None:
    (old.pictures / "p04.png").unlink()
    first = old.new()
    old.put({"p04.png": 4})
    with old.store as store:
        report = store.import_index(resume=first.import_id)
    assert (states(report), report.added, report.left, report.snapshot) == ({"matched": 1}, 1, 0, "v2")
    assert old.stored()[old.key(4)].tobytes() == old.rows[4].astype(np.float16).tobytes()
    assert old.repo.state.imports == {}


def test_what_does_not_turn_up_goes_on_waiting_under_its_number(old: OldIndex) -> None:
    (old.pictures / "p04.png").unlink()
    (old.pictures / "p09.png").unlink()
    first = old.new()
    old.put({"p04.png": 4})
    with old.store as store:
        report = store.import_index(resume=first.import_id)
        assert [row.row for row in report.of("missing")] == [9]
        again = store.import_index(resume=first.import_id)
        assert (again.snapshot, again.added, [row.row for row in again.of("missing")]) == (None, 0, [9])
        old.put({"p09.png": 9})
        store.import_index(resume=first.import_id)
    assert old.stored()[old.key(9)].tobytes() == old.rows[9].astype(np.float16).tobytes()


def test_what_may_have_been_edited_is_joined_once_it_is_trusted(old: OldIndex) -> None:
    old.put({"p00.png": 0}, newer=True)
    first = old.new()
    with old.store as store:
        report = store.import_index(resume=first.import_id, trust_edited=True)
    assert (states(report), report.added) == ({"matched": 1}, 1)


def test_a_later_sync_reports_pictures_with_the_name_of_a_row_that_waits(old: OldIndex) -> None:
    fake = FakeEmbedder()
    old.embed(fake)
    (old.pictures / "p04.png").unlink()
    first = old.new(recipe=fake.recipe)
    old.put({"back/p04.png": 4})
    with Store(old.folder, load_embedder=lambda recipe: fake) as store:
        looked = store.status([old.pictures])
        assert [tuple(c) for c in looked.candidates] == [
            (first.import_id, b"../o00_images/p04.png", b"pictures/back/p04.png", "name")
        ]
        assert len(store.sync([old.pictures]).candidates) == 1
        report = store.import_index(resume=first.import_id)
        assert reasons(report, "duplicated") == ["its picture exists as pictures/back/p04.png and was embedded again"]
        assert (report.added, report.known, report.left) == (0, 0, 0)


def test_a_renamed_picture_is_known_by_its_vector_once_it_was_embedded(old: OldIndex) -> None:
    fake = FakeEmbedder()
    old.embed(fake)
    (old.pictures / "p04.png").rename(old.pictures / "renamed.png")
    (old.pictures / "p06.png").unlink()
    first = old.new(recipe=fake.recipe)
    with Store(old.folder, load_embedder=lambda recipe: fake) as store:
        report = store.sync([old.pictures])
        assert [tuple(c) for c in report.candidates] == [
            (first.import_id, b"../o00_images/p04.png", b"pictures/renamed.png", "vector")
        ]
        joined = store.import_index(resume=first.import_id)
        assert states(joined) == {"missing": 1, "duplicated": 1}
        assert reasons(joined, "duplicated") == ["its picture exists as pictures/renamed.png and was embedded again"]
        assert (joined.left, joined.added, joined.snapshot) == (1, 0, None)
        assert [row.row for row in joined.of("missing")] == [6]


def test_importing_the_same_again_does_not_keep_what_waits_twice(old: OldIndex) -> None:
    (old.pictures / "p04.png").unlink()
    first = old.new()
    before = digests(old.folder)
    with old.store as store:
        again = store.import_index(**old.triple())
    assert again.import_id == first.import_id
    assert digests(old.folder) == before
    assert list(old.repo.state.imports) == [first.import_id]


def test_joining_what_waited_leaves_a_verified_space_verified_and_a_new_import_does_not(old: OldIndex) -> None:
    fake = FakeEmbedder()
    old.embed(fake)
    (old.pictures / "p04.png").unlink()
    first = old.new(recipe=fake.recipe)
    with Store(old.folder, load_embedder=lambda recipe: fake) as store:
        store.check(reembed=8)
        old.put({"p04.png": 4})
        assert store.import_index(resume=first.import_id).status == "verified"
        old.put({"q.png": 77})
        old.write(["pictures/q.png"], old.rows[:1])
        report = store.import_index(**old.triple(), recipe=fake.recipe)
    assert report.status == "claimed"
    assert any("only claimed" in note for note in report.notes)


def test_what_waited_is_sealed_while_another_space_is_current(tmp_path: Path) -> None:
    old = OldIndex(tmp_path)
    (old.pictures / "p04.png").unlink()
    first = old.new()
    other = OldIndex(tmp_path / "other")
    with old.store as store:
        store.import_index(**{**other.triple(), "as_label": "theirs", "recipe": FakeEmbedder().recipe})
        old.put({"p04.png": 4})
        report = store.import_index(resume=first.import_id)
        assert (report.added, report.snapshot, report.current) == (1, None, "v2")
        store.rollback("v1")
        assert store.sync().known == 1


def adopted(old: OldIndex) -> tuple[Store, str]:
    """A store into which an index was imported without its model, but for one picture, and whose vectors were then
    adopted by a space of the model that made them. Returns: it, and the number of the import."""
    fake = FakeEmbedder()
    old.embed(fake)
    (old.pictures / "p04.png").unlink()
    first = old.new()
    store = Store(old.folder, load_embedder=lambda recipe: fake)
    sample = store.check(reembed=8, recipe=fake.recipe, adopt="as-declared").reembed
    assert sample is not None and sample.adopted_snapshot == "v2"
    return store, first.import_id


@pytest.mark.parametrize("collected", [False, True])
def test_what_waited_is_joined_to_the_space_that_adopted_the_import(old: OldIndex, collected: bool) -> None:
    store, waiting = adopted(old)
    with store:
        if collected:
            store.gc(drop_unnamed=True)
        old.put({"p04.png": 4})
        report = store.import_index(resume=waiting)
        assert (report.added, report.snapshot, report.current) == (1, "v3", "v3")
        (row,) = [row for row in store.model_list() if row.current]
        assert (report.space, report.space_name, report.status) == (row.space, row.space_name, "verified")
        assert row.rows == 12
        assert old.repo.state.imports == {}
        assert store.sync().embedded == 0
    assert old.stored()[old.key(4)].tobytes() == old.rows[4].astype(np.float16).tobytes()


def test_after_an_adoption_was_undone_what_waited_is_joined_to_the_imported_space(old: OldIndex) -> None:
    store, waiting = adopted(old)
    with store:
        store.undo()
        old.put({"p04.png": 4})
        report = store.import_index(resume=waiting)
        assert (report.added, report.snapshot, report.status) == (1, "v3", "claimed")
        assert report.space == next(row.space for row in store.snapshot_list() if row.snapshot == "v1")


def test_a_sync_after_an_adoption_knows_a_renamed_picture_by_the_vector_that_waits(old: OldIndex) -> None:
    store, waiting = adopted(old)
    with store:
        old.put({"renamed.png": 4})
        report = store.sync()
        (found,) = report.candidates
        assert (found.id, found.by) == (waiting, "vector")
        joined = store.import_index(resume=waiting)
        assert reasons(joined, "duplicated") == ["its picture exists as pictures/renamed.png and was embedded again"]
        assert old.repo.state.imports == {}


def test_dropping_an_imported_space_leaves_what_waits_to_the_one_that_adopted_it(old: OldIndex) -> None:
    store, waiting = adopted(old)
    with store:
        store.snapshot_forget(["v1"])
        name = next(row.space_name for row in store.model_list() if not row.current)
        assert store.model_drop(name).rows == 11
        old.put({"p04.png": 4})
        report = store.import_index(resume=waiting)
        assert (report.added, report.snapshot) == (1, "v3")


def test_what_waits_survives_a_collection(old: OldIndex) -> None:
    (old.pictures / "p04.png").unlink()
    first = old.new()
    with old.store as store:
        store.gc(drop_unnamed=True)
        old.put({"p04.png": 4})
        assert store.import_index(resume=first.import_id).added == 1
    assert old.stored()[old.key(4)].tobytes() == old.rows[4].astype(np.float16).tobytes()


def test_an_unknown_import_cannot_be_resumed(old: OldIndex) -> None:
    old.new()
    with old.store as store, pytest.raises(UsageError, match="i77"):
        store.import_index(resume="i77")


# Checked, then believed


def test_counts_that_differ_are_refused(old: OldIndex) -> None:
    old.write(old.paths[:-1])
    with pytest.raises(UsageError, match="12 vectors, and the list 11 pictures"):
        old.new()
    assert not old.folder.exists()


def test_a_faiss_and_an_npy_of_other_rows_are_refused(old: OldIndex) -> None:
    np.save(old.npy, np.roll(old.rows, 1, axis=0).astype(np.float16))
    with pytest.raises(ImportRefused, match="row 0 of the first is row 1 of the second"):
        old.new()
    assert not old.folder.exists()


def test_a_faiss_and_an_npy_agree_though_one_is_not_normalised(old: OldIndex) -> None:
    np.save(old.npy, (old.rows * 5).astype(np.float16))
    assert states(old.new()) == {"matched": 12}


def test_files_of_other_shapes_are_refused(old: OldIndex) -> None:
    np.save(old.npy, old.rows[:, :4].astype(np.float16))
    with pytest.raises(UsageError, match="8 numbers a vector"):
        old.new()
    np.save(old.npy, old.rows[:5].astype(np.float16))
    with pytest.raises(UsageError, match="12 vectors"):
        old.new()


def test_one_picture_with_two_vectors_means_that_the_order_is_broken(old: OldIndex) -> None:
    old.put({"p05.png": 2})
    with pytest.raises(ImportRefused, match="order of the rows is broken"):
        old.new()
    assert not old.folder.exists()
    report = old.new(force=True)
    assert any(note.startswith("forced") for note in report.notes)
    assert old.stored()[old.key(2)].tobytes() == old.rows[2].astype(np.float16).tobytes()


def test_a_shifted_list_is_found_out_by_pictures_that_the_store_knows(old: OldIndex) -> None:
    recipe = FakeEmbedder().recipe
    old.new(recipe=recipe)
    before = digests(old.folder)
    old.write(rows=np.roll(old.rows, 1, axis=0))
    with old.store as store, pytest.raises(ImportRefused, match="the vector in the store"):
        store.import_index(**{**old.triple(), "recipe": recipe})
    assert digests(old.folder) == before


def test_rows_of_nan_and_zero_are_left_out_and_listed(old: OldIndex) -> None:
    rows = old.rows.copy()
    rows[3], rows[4, 2], rows[5, 1] = 0, np.nan, np.inf
    old.write(rows=rows)
    report = old.only("faiss", "metadata")
    assert states(report) == {"matched": 9, "unfit": 3}
    assert [row.row for row in report.of("unfit")] == [3, 4, 5]
    assert all(np.isfinite(row).all() for row in old.stored().values())


def test_rows_that_are_equal_are_remarked_upon(old: OldIndex) -> None:
    rows = old.rows.copy()
    rows[3] = rows[1]
    old.write(rows=rows)
    report = old.new()
    assert any("1 row is equal to an earlier one, bit for bit: 3" in note for note in report.notes)


def test_an_index_from_which_rows_were_removed_keeps_its_own_numbers(old: OldIndex) -> None:
    """faiss itself answers with other ids then; the order of the rows is right."""
    import faiss

    inner = faiss.IndexIVFFlat(faiss.IndexFlatIP(8), 8, 2)
    inner.train(old.rows)
    index = faiss.IndexIDMap(inner)
    index.add_with_ids(old.rows, np.arange(12) * 3 + 5)
    index.remove_ids(np.array([5, 20]))
    faiss.write_index(index, str(old.faiss))
    old.json.write_text(json.dumps({str(n * 3 + 5): old.paths[n] for n in range(12) if n not in (0, 5)}))
    assert states(old.only("faiss", "metadata")) == {"matched": 10}
    stored = old.stored()
    assert all(np.abs(stored[old.key(n)] - old.rows[n]).max() < 1e-3 for n in range(12) if n not in (0, 5))
    index.add_with_ids(old.rows[:1], np.array([5]))
    faiss.write_index(index, str(old.faiss))
    old.json.write_text(json.dumps({str(n * 3 + 5): old.paths[n] for n in range(12) if n != 5}))
    with pytest.raises(UsageError, match="several of its rows have the same number, as after remove_ids"):
        old.store.import_index(faiss=old.faiss, metadata=old.json, root=old.pictures)


def test_lists_in_another_file_are_refused_with_what_saves_the_vectors(old: OldIndex) -> None:
    import faiss
    from faiss.contrib.ondisk import merge_ondisk

    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(8), 8, 2)
    index.train(old.rows)
    faiss.write_index(index, str(old.top / "trained.faiss"))
    index.add(old.rows)
    faiss.write_index(index, str(old.top / "block.faiss"))
    merged = faiss.read_index(str(old.top / "trained.faiss"))
    merge_ondisk(merged, [str(old.top / "block.faiss")], str(old.top / "merged.ivfdata"))
    faiss.write_index(merged, str(old.faiss))
    with pytest.raises(UsageError, match="its lists are in another file") as caught:
        old.only("faiss", "metadata")
    assert "make_direct_map()" in (caught.value.next_step or "")
    saved = faiss.read_index(str(old.faiss), faiss.IO_FLAG_ONDISK_SAME_DIR)
    saved.make_direct_map()
    np.save(old.npy, saved.reconstruct_n(0, saved.ntotal))
    assert states(old.only("embeddings", "metadata")) == {"matched": 12}


@pytest.mark.parametrize("head", [b"\x93NUMPY", b"PK\x03\x04", b"PAR1"], ids=["npy", "npz", "parquet"])
def test_a_file_of_embeddings_given_as_an_index_leads_to_its_own_option(tmp_path: Path, head: bytes) -> None:
    old = OldIndex(tmp_path)
    old.faiss.write_bytes(head + bytes(100))
    with pytest.raises(UsageError, match="not a FAISS index") as caught:
        old.only("faiss", "metadata")
    assert caught.value.next_step == "give it with --embeddings"


# What bad input gets


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("pickled", "pickled"),
        ("truncated npy", "cannot be imported"),
        ("not npy", "not a .npy"),
        ("truncated faiss", "cut short"),
        ("empty faiss", "empty"),
        ("not faiss", "not a FAISS index"),
        ("graph", r"a graph \(HNSW\) over codes"),
        ("graph without vectors", "vectors are in another file"),
        ("refined by codes", "refines another index, and the vectors do not lie"),
        ("codes", "codes"),
        ("metric", "neither inner product nor L2"),
        ("turned", "rotated, shifted or shortened"),
        ("normalised, then codes", "normalised first, then stored as codes"),
        ("not json", "not JSON"),
        ("no list", "instead of a list"),
        ("missing file", "cannot be read"),
        ("nothing matches", "none of the 12 rows"),
        ("no root", "root"),
        ("no metadata", "--metadata"),
        ("no vectors", "--faiss"),
        ("integers", "int64"),
        ("one dimension", "shape"),
    ],
)
def test_bad_input_is_refused_and_leaves_the_store_as_it_was(tmp_path: Path, what: str, match: str) -> None:
    world = World(tmp_path / "w")
    world.put({"own.png": 50})
    world.sync()
    old = OldIndex(tmp_path / "o")
    options: dict[str, Any] = old.triple()
    _spoil(old, what, options)
    before = digests(world.folder)
    with pytest.raises((UsageError, ImportRefused), match=match):
        world.store.import_index(**options, as_label="theirs")
    assert digests(world.folder) == before
    with pytest.raises((UsageError, ImportRefused)):
        Store.import_new(tmp_path / "fresh", **options)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o", "w"]


def _spoil(old: OldIndex, what: str, options: dict[str, Any]) -> None:
    match what:
        case "pickled":
            np.save(old.npy, np.array([{"a": 1}] * 12, dtype=object), allow_pickle=True)
        case "truncated npy":
            old.npy.write_bytes(old.npy.read_bytes()[:-20])
        case "not npy":
            old.npy.write_bytes(b"what")
        case "truncated faiss":
            old.faiss.write_bytes(old.faiss.read_bytes()[:-3])
        case "empty faiss":
            old.faiss.write_bytes(b"")
        case "not faiss":
            old.faiss.write_bytes(b"\x89PNG and so on")
        case "graph":
            index = faiss.IndexHNSWPQ(8, 2, 4, 2)
            index.train(old.rows)
            _write(old, index)
        case "graph without vectors":
            index = faiss.IndexHNSWFlat(8, 4)
            index.add(old.rows)
            faiss.write_index(index, str(old.faiss), faiss.IO_FLAG_SKIP_STORAGE)
        case "refined by codes":
            index = faiss.index_factory(8, "Flat,Refine(SQ8)")
            index.train(old.rows)
            _write(old, index)
        case "codes":
            index = faiss.IndexPQ(8, 2, 2)
            index.train(old.rows)
            _write(old, index)
        case "metric":
            _write(old, faiss.IndexFlat(8, faiss.METRIC_L1))
        case "turned":
            index = faiss.index_factory(8, "PCA4,Flat")
            index.train(old.rows)
            _write(old, index)
        case "normalised, then codes":
            index = faiss.index_factory(8, "L2norm,SQ8")
            index.train(old.rows)
            _write(old, index)
        case "not json":
            old.json.write_text("[1, 2")
        case "no list":
            old.json.write_text("17")
        case "missing file":
            old.json.unlink()
        case "nothing matches":
            old.write([f"../other/q{i}.png" for i in range(12)])
        case "no root":
            options["root"] = None
        case "no metadata":
            options["metadata"] = None
        case "no vectors":
            options["faiss"] = options["embeddings"] = None
        case "integers":
            np.save(old.npy, np.zeros((12, 8), np.int64))
        case "one dimension":
            np.save(old.npy, np.zeros(12, np.float16))


def _write(old: OldIndex, index: Any) -> None:
    index.add(old.rows)
    faiss.write_index(index, str(old.faiss))


def test_ten_thousand_paths_that_match_nothing_are_one_clear_refusal(tmp_path: Path) -> None:
    old = OldIndex(tmp_path)
    rows = unit(np.random.default_rng(0).standard_normal((10_000, 8)))
    old.write([f"../elsewhere/q{i}.png" for i in range(10_000)], rows)
    with pytest.raises(ImportRefused, match="none of the 10,000 rows has a picture") as caught:
        old.new(report=tmp_path / "report.json")
    assert len(str(caught.value)) < 1500
    assert len(json.loads((tmp_path / "report.json").read_text())["rows"]) == 10_000
    assert not old.folder.exists()


def test_where_all_pictures_are_newer_the_refusal_says_what_to_do(old: OldIndex) -> None:
    old.put({name: i for i, name in enumerate(old.names)}, newer=True)
    with pytest.raises(ImportRefused, match="--trust-edited"):
        old.new()


def test_a_label_that_is_another_folders_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path / "w")
    world.put({"own.png": 50})
    world.sync()
    old = OldIndex(tmp_path / "o")
    with pytest.raises(LabelTaken):
        world.store.import_index(**old.triple())


def test_an_import_beside_a_sync_is_refused(old: OldIndex) -> None:
    old.new()
    with old.repo.lock("ingest") as lock, old.store as store:
        lock.acquire(0.0, "sync")
        with pytest.raises(Locked):
            store.import_index(**old.triple())


def test_a_held_store_takes_no_import(old: OldIndex) -> None:
    old.new()
    with old.store as store:
        store.rollback("v1", hold=True)
        with pytest.raises(Refused, match="held"):
            store.import_index(**old.triple())


# Reports


def test_a_dry_run_says_all_and_writes_nothing(old: OldIndex) -> None:
    old.put({"p00.png": 30}, newer=True)
    report = old.new(dry_run=True)
    assert (states(report), report.dry_run) == ({"matched": 11, "possibly_edited": 1}, True)
    assert not old.folder.exists()
    old.new()
    before = digests(old.folder)
    with old.store as store:
        store.import_index(**old.triple(), dry_run=True)
    assert digests(old.folder) == before


def test_a_report_keeps_the_fate_of_every_row(old: OldIndex) -> None:
    (old.pictures / "p04.png").unlink()
    old.new(report=old.top / "report.json")
    report = json.loads((old.top / "report.json").read_text())
    assert report["import"]["missing"] == 1
    assert [row["row"] for row in report["rows"]] == list(range(12))
    assert report["rows"][0] == {
        "row": 0,
        "path": "../o00_images/p00.png",
        "state": "matched",
        "reason": "by the end of its path",
        "files": ["p00.png"],
        "key": old.key(0).hex(),
    }


def test_a_report_says_whether_the_store_is_new(old: OldIndex) -> None:
    old.new(report=old.top / "report.json")
    assert json.loads((old.top / "report.json").read_text())["import"]["created_store"] is True
    with old.store as store:
        store.import_index(**old.triple(), report=old.top / "report.json")
    assert json.loads((old.top / "report.json").read_text())["import"]["created_store"] is False


@pytest.mark.parametrize("name", ["no/folder/report.json", ".", "old.json", "pictures/../old.npy"])
def test_a_report_that_cannot_be_written_stops_an_import_before_it_changes_anything(old: OldIndex, name: str) -> None:
    Store.init(old.folder, recipe=FakeEmbedder().recipe)
    before, files = digests(old.folder), digests(old.top, without=[".vstore"])
    with old.store as store, pytest.raises(UsageError, match="report"):
        store.import_index(**old.triple(), report=old.top / name)
    assert digests(old.folder) == before
    assert digests(old.top, without=[".vstore"]) == files


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full disk to write to")
def test_a_report_that_the_disk_has_no_room_for_makes_no_failure_of_an_import_that_is_done(old: OldIndex) -> None:
    report = old.new(report="/dev/full")
    assert report.snapshot == "v1"
    assert report.notes[-1] == "the report /dev/full cannot be written: No space left on device"
    with old.store as store:
        assert store.check(read_data=True).ok


def test_a_space_without_a_model_says_how_to_name_one(old: OldIndex) -> None:
    old.new()
    old.put({"new.png": 99})
    with old.store as store, pytest.raises(ModelError, match="imported without a model") as caught:
        store.sync()
    assert "vstore check --reembed 32 --model" in caught.value.next_step


def test_the_report_for_programs_lists_what_was_not_matched(old: OldIndex) -> None:
    (old.pictures / "p04.png").unlink()
    value = old.new().to_json()
    assert (value["matched"], value["missing"], value["left"]) == (11, 1, 1)
    assert [row["path"] for row in value["unmatched"]] == ["../o00_images/p04.png"]
    json.dumps(value)


# Kinds of vectors


def _build(kind: str, rows: Any) -> Any:
    index = faiss.index_factory(rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index.train(rows)
    index.add(rows)
    return index


@pytest.mark.parametrize("kind", ["Flat", "SQfp16", "SQ8", "IVF2,Flat", "IVF2,SQfp16"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_flat_scalar_quantised_and_inverted_indexes_give_their_rows(tmp_path: Path, kind: str, metric: str) -> None:
    old = OldIndex(tmp_path, count=100)
    index = faiss.index_factory(8, kind, faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2)
    index.train(old.rows)
    index.add(old.rows)
    faiss.write_index(index, str(old.faiss))
    report = old.only("faiss", "metadata")
    assert states(report) == {"matched": 100}
    stored = old.stored()
    tolerance = 0.02 if "SQ8" in kind else 1e-3
    assert all(np.abs(stored[old.key(i)] - old.rows[i]).max() < tolerance for i in range(100))
    assert any("approximately" in note for note in report.notes) == ("SQ8" in kind)


@pytest.mark.parametrize("kind", ["Flat", "SQ8", "HNSW8"])
def test_an_index_below_a_folder_that_is_not_utf8_is_read(tmp_path: Path, kind: str) -> None:
    rows = np.eye(8, dtype=np.float32)
    file = tmp_path / os.fsdecode(b"\xff") / "index.faiss"
    file.parent.mkdir()
    faiss.write_index(_build(kind, rows), str(tmp_path / "index.faiss"))
    (tmp_path / "index.faiss").rename(file)
    source = FaissSource(file)
    assert np.abs(source.block(0, 8) - rows).max() < 0.02


@pytest.mark.parametrize(
    "kind",
    [
        "HNSW8",
        "HNSW8,SQfp16",
        "SQ8,RFlat",
        "IVF2,Flat,RFlat",
        "IVF2,PQ4x2,RFlat",
        "SQ8,Refine(SQfp16)",
        "IVF2_HNSW4,Flat",
        "L2norm,Flat",
        "L2norm,HNSW8",
    ],
)
@pytest.mark.parametrize("numbered", [False, True])
def test_graphs_and_refined_indexes_give_the_vectors_that_they_store(tmp_path: Path, kind: str, numbered: bool) -> None:
    old = OldIndex(tmp_path, count=200)
    index = faiss.index_factory(8, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(old.rows)
    order = np.random.default_rng(1).permutation(200) if numbered else np.arange(200)
    if numbered:
        index = faiss.IndexIDMap2(index)
        index.add_with_ids(old.rows[order], order)
    else:
        index.add(old.rows)
    faiss.write_index(index, str(old.faiss))
    report = old.only("faiss", "metadata")
    assert states(report) == {"matched": 200}
    assert not any("approximately" in note for note in report.notes)
    stored = old.stored()
    assert all(stored[old.key(i)].tobytes() == _once(old.rows[i], half="fp16" in kind) for i in range(200))


def _once(row: Any, half: bool) -> bytes:
    """Round a row once, as the store does: half floats of unit norm stay, others are normalised first."""
    exact = row.astype(np.float16 if half else np.float32)
    kept = half and abs(np.linalg.norm(exact.astype(np.float64)) - 1) <= 1e-3
    wide = exact.astype(np.float64)
    return exact.tobytes() if kept else (wide / np.linalg.norm(wide)).astype(np.float16).tobytes()


def test_a_graph_over_coarse_codes_says_that_they_are(tmp_path: Path) -> None:
    old = OldIndex(tmp_path, count=100)
    faiss.write_index(_build("HNSW8,SQ8", old.rows), str(old.faiss))
    report = old.only("faiss", "metadata")
    assert states(report) == {"matched": 100}
    assert any("HNSW over scalar-quantised" in note and "approximately" in note for note in report.notes)
    stored = old.stored()
    assert all(np.abs(stored[old.key(i)] - old.rows[i]).max() < 0.02 for i in range(100))


def test_half_floats_of_a_faiss_file_keep_their_bits(old: OldIndex) -> None:
    _write(old, faiss.IndexScalarQuantizer(8, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT))
    report = old.only("faiss", "metadata")
    assert (report.kept_bits, report.normalised) == (12, 0)


@pytest.mark.parametrize("kind", ["IDMap,Flat", "IDMap2,Flat", "IVF2,Flat", "IDMap,SQfp16"])
def test_rows_that_bear_numbers_belong_to_the_entries_with_these_positions(tmp_path: Path, kind: str) -> None:
    old = OldIndex(tmp_path, count=100)
    order = np.random.default_rng(1).permutation(100)
    index = faiss.index_factory(8, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(old.rows)
    index.add_with_ids(old.rows[order], order)
    faiss.write_index(index, str(old.faiss))
    old.only("faiss", "metadata")
    stored = old.stored()
    assert all(np.abs(stored[old.key(i)] - old.rows[i]).max() < 1e-3 for i in range(100))


@pytest.mark.parametrize("kind", ["IDMap,Flat", "IVF2,Flat"])
@pytest.mark.parametrize("shape", ["object", "ids"])
def test_numbers_of_a_database_are_joined_with_those_of_the_list(tmp_path: Path, kind: str, shape: str) -> None:
    old = OldIndex(tmp_path, count=100)
    numbers = np.random.default_rng(1).permutation(100) * 7 + 1_000_000
    index = faiss.index_factory(8, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(old.rows)
    index.add_with_ids(old.rows, numbers)
    faiss.write_index(index, str(old.faiss))
    pairs = list(zip(numbers.tolist(), old.paths, strict=True))[::-1]
    listed: Any = dict(pairs) if shape == "object" else [{"id": n, "path": path} for n, path in pairs]
    old.json.write_text(json.dumps(listed))
    old.only("faiss", "metadata")
    stored = old.stored()
    assert all(np.abs(stored[old.key(i)] - old.rows[i]).max() < 1e-3 for i in range(100))


def test_an_object_that_counts_from_one_is_refused_and_taken_as_it_stands_where_that_is_said(old: OldIndex) -> None:
    old.write({str(number): path for number, path in enumerate(old.paths, 1)})
    with pytest.raises(UsageError, match=r"12 is not a row; .*--rows-by order"):
        old.new()
    old.new(rows_by="order")
    stored = old.stored()
    assert all((stored[old.key(i)] == old.rows[i].astype(np.float16)).all() for i in range(12))


def test_numbers_that_the_list_does_not_know_are_refused(old: OldIndex) -> None:
    index = faiss.IndexIDMap(faiss.IndexFlatIP(8))
    index.add_with_ids(old.rows, np.arange(12) + 500)
    faiss.write_index(index, str(old.faiss))
    with pytest.raises(UsageError, match="numbers its rows itself"):
        old.only("faiss", "metadata")


def test_an_index_that_was_cut_anywhere_is_refused(tmp_path: Path) -> None:
    from vstore.importing.faiss_structure import structure

    rows = unit(np.random.default_rng(0).standard_normal((64, 8)))
    cut = tmp_path / "cut.faiss"
    for kind in ("Flat", "SQfp16", "SQ8", "IVF4,Flat", "IVF4,SQ8", "HNSW4", "SQ8,RFlat"):
        path = tmp_path / "whole.faiss"
        faiss.write_index(_build(kind, rows), str(path))
        data = path.read_bytes()
        assert structure(path).rows == 64
        for end in (*range(0, 130, 7), *range(130, len(data), 397), len(data) - 1):
            cut.write_bytes(data[:end])
            with pytest.raises(UsageError):
                structure(cut)
        cut.write_bytes(data + b"x")
        with pytest.raises(UsageError, match=r"follow its end|do not lie at its end"):
            structure(cut)


def test_the_vectors_are_never_all_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    from vstore.importing.finishing import selected
    from vstore.importing.npy_source import NpySource
    from vstore.importing.profile import profile

    def peak(count: int) -> int:
        np.save(tmp_path / "v.npy", unit(np.ones((count, 512), np.float32)).astype(np.float16))
        tracemalloc.start()
        source = NpySource([tmp_path / "v.npy"])
        seen = profile(source)
        assert sum(map(len, selected(source, seen, range(3, count, 2), "float16"))) == (count - 2) // 2
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(4000)  # what is imported now is not counted later
    assert peak(16_000) - peak(4000) < 12_000 * 512 * 2 / 3


# What a disk that goes wrong leaves


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "link", "open"])
def test_an_import_that_the_disk_stops_leaves_the_store_as_it_was_or_whole(
    old: OldIndex, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (old.pictures / "p04.png").unlink()
    fake = FakeEmbedder()
    Store.init(old.folder, recipe=fake.recipe)
    for stop in range(40):
        broken = _Stopping(call, stop)
        monkeypatch.setattr(durable, "disk", broken)
        with old.store as store, contextlib.suppress(VstoreError):
            store.import_index(**old.triple())
        monkeypatch.undo()
        with old.store as store:
            assert store.check(read_data=True).ok
            names = store.snapshot_list()
        if names:
            assert old.aliases() == {f"pictures/{n}": old.key(i) for i, n in enumerate(old.names) if i != 4}
            assert len(old.repo.state.imports) == 1
        else:
            assert old.repo.state.imports == {}
            assert len(old.repo.state.spaces) == 1
        if not broken.stopped:
            break
    assert names
    with old.store as store:
        assert store.import_index(**old.triple()).added == 0


class _Stopping(durable.Disk):
    """Lets the n-th call of one kind fail; those of the locks and the catalogue are not its own."""

    def __init__(self, call: str, number: int) -> None:
        self._call = call
        self._left = number
        self.stopped = False

    def _maybe(self, call: str) -> None:
        if call == self._call:
            if self._left == 0:
                self.stopped = True
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._left -= 1

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self._maybe("open")
        return super().open(path, flags, mode)

    def write(self, fd: int, data: Any) -> int:
        self._maybe("write")
        return super().write(fd, data)

    def fsync(self, fd: int) -> None:
        self._maybe("fsync")
        super().fsync(fd)

    def link(self, old: str, new: str) -> None:
        self._maybe("link")
        super().link(old, new)

    def rename(self, old: str, new: str) -> None:
        self._maybe("rename")
        super().rename(old, new)


def test_a_new_store_that_the_disk_stops_leaves_nothing_behind(old: OldIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(os.listdir(old.top))
    for stop in range(0, 60, 3):
        broken = _Stopping("fsync", stop)
        monkeypatch.setattr(durable, "disk", broken)
        with contextlib.suppress(VstoreError):
            old.new()
        monkeypatch.undo()
        if not broken.stopped:
            break
        assert [name for name in sorted(os.listdir(old.top)) if name != ".vstore"] == before
        if old.folder.exists():  # stopped after it had its name
            with old.store as store:
                assert store.check(read_data=True).ok
            shutil.rmtree(old.folder)


def test_damage_to_what_an_import_left_over_is_found(old: OldIndex) -> None:
    (old.pictures / "p04.png").unlink()
    old.new()
    with old.store as store:
        assert store.check(read_data=True).ok
    repo = old.repo
    kept = next(iter(repo.state.imports.values()))
    listed = list(repo.state.packs)
    for pack in repo.packs.opened():
        if pack.get(kept.names) is not None:
            ref = pack.ref
    assert ref in listed
    with repo.committing("test"):
        repo.publish("merge", {"packs": {ref.name: None}})
    with old.store as store:
        report = store.check()
    assert not report.ok
    assert any(kept.id in problem.file for problem in report.problems)


def test_rows_of_folders_that_are_left_out_are_told_and_taken_in(old: OldIndex) -> None:
    moved = {0: "#recycle/p00.png", 1: "x/#recycle/p01.png", 2: "Thumbs/p02.png"}
    for number, name in moved.items():
        (old.pictures / old.names[number]).unlink()
        old.put({name: number})
    old.write([f"../o00_images/{moved.get(number, name)}" for number, name in enumerate(old.names)])
    report = old.new()
    assert states(report) == {"matched": 9, "missing": 3}
    assert [note for note in report.notes if "left out" in note] == [
        f"2 missing rows of {old.pictures}/#recycle, which is left out (deleted files): to take it in, write the line "
        "!#recycle/ into .vstoreignore under --root and import again",
        f"1 missing row of {old.pictures}/Thumbs, which is left out (previews): to take it in, write the line !Thumbs/ "
        "into .vstoreignore under --root and import again",
    ]
    (old.pictures / ".vstoreignore").write_text("!#recycle/\n!Thumbs/\n")
    again = old.store.import_index(**old.triple())
    assert states(again) == {"matched": 12} and not any("left out" in note for note in again.notes)


def test_a_pointer_to_a_content_elsewhere_takes_no_row(old: OldIndex) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    old.put({old.names[0]: pointer})
    report = old.new()
    assert states(report)["matched"] == 11 and report.left == 1
    assert old.key(pointer) not in old.stored()
    old.put({old.names[0]: 0})
    resumed = old.store.import_index(**old.triple())
    assert states(resumed)["matched"] == 12 and old.key(0) in old.stored()
