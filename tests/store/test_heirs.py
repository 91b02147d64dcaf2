"""What users said of a picture holds for the one that an edit of its metadata made of it, from the same record on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.edited import Declared, edited
from support.failing_disks import EVERY, Failing, Killed, Watched
from support.folders import trust_young_stats

from vstore.disk import durable
from vstore.errors import VstoreError
from vstore.format.fields import FieldValue
from vstore.repository.decisions import Choice, decide, newest_decisions
from vstore.repository.fields import fields_of, picture_fields, set_fields


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declared:
    trust_young_stats(monkeypatch)
    return Declared(tmp_path)


def put(world: Declared, picture: int | bytes, **fields: FieldValue | None) -> None:
    set_fields(world.repo, {(bytes.fromhex(world.key(picture)), name): value for name, value in fields.items()})


def of(world: Declared, picture: int | bytes, snapshot: str = "current") -> dict[str, FieldValue]:
    repo = world.repo
    return picture_fields(repo, fields_of(repo, repo.snapshot(snapshot)), bytes.fromhex(world.key(picture)))


def different(world: Declared, *pictures: int | bytes) -> None:
    decide(world.repo, [Choice("different", [bytes.fromhex(world.key(picture)) for picture in pictures])])


def decided(world: Declared) -> list[tuple[str, frozenset[str]]]:
    """List the decisions, newest first."""
    return [(one.verb, frozenset(key.hex() for key in one.keys)) for one in newest_decisions(world.repo)]


def test_fields_and_decisions_go_on_in_the_record_of_the_sync(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    put(settled, 1, stars=5, words="holiday")
    different(settled, 1, 2)
    before = settled.repo.tip.number
    settled.put({"1.png": edited(1)})
    assert settled.sync().same_pixels == 1
    assert settled.repo.tip.number == before + 1
    assert of(settled, edited(1)) == of(settled, 1) == {"stars": 5, "words": "holiday"}
    assert decided(settled) == [
        ("different", frozenset({settled.key(edited(1)), settled.key(2)})),
        ("different", frozenset({settled.key(1), settled.key(2)})),
    ]
    assert settled.store.check(read_data=True).ok


def test_what_changed_pixels_is_another_picture(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    put(settled, 1, stars=5)
    different(settled, 1, 2)
    settled.put({"1.png": 3})
    settled.sync()
    assert of(settled, 3) == {} and len(decided(settled)) == 1


def test_undo_takes_back_both(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    put(settled, 1, stars=5)
    different(settled, 1, 2)
    settled.put({"1.png": edited(1)})
    settled.sync()
    settled.store.undo()
    assert of(settled, edited(1)) == {} and of(settled, 1) == {"stars": 5}
    assert len(decided(settled)) == 1
    settled.store.redo()
    assert of(settled, edited(1)) == {"stars": 5} and len(decided(settled)) == 2


def test_an_edit_that_is_taken_back_brings_what_was_said_meanwhile(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    put(settled, 1, stars=5, words="holiday")
    settled.put({"1.png": edited(1)})
    settled.sync()
    put(settled, edited(1), stars=3)
    settled.put({"1.png": 1})
    settled.sync()
    assert of(settled, 1) == {"stars": 3, "words": "holiday"}


def test_a_picture_that_has_a_path_keeps_its_own_word(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": edited(1)})
    settled.sync()
    put(settled, 1, stars=5, words="holiday")
    put(settled, edited(1), stars=1)
    settled.put({"1.png": edited(1)})
    settled.sync()
    assert of(settled, edited(1)) == {"stars": 1, "words": "holiday"}


def test_of_two_pictures_that_became_one_the_first_path_counts(settled: Declared) -> None:
    settled.put({"1.png": edited(1, "a"), "2.png": edited(1, "b")})
    settled.sync()
    put(settled, edited(1, "a"), stars=1)
    put(settled, edited(1, "b"), stars=2, words="holiday")
    settled.put({"1.png": edited(1, "c"), "2.png": edited(1, "c")})
    settled.sync()
    assert of(settled, edited(1, "c")) == {"stars": 1, "words": "holiday"}


def test_one_of_two_paths_of_a_picture_leaves_the_other_its_fields(settled: Declared) -> None:
    settled.put({"1.png": 1, "also 1.png": 1})
    settled.sync()
    put(settled, 1, stars=5)
    settled.put({"1.png": edited(1)})
    settled.sync()
    assert of(settled, edited(1)) == of(settled, 1) == {"stars": 5}


def test_code_that_declares_nothing_embeds_and_the_user_s_words_go_on(
    settled: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Declared.load, "sees_pixels_alone", False)
    settled.put({"1.png": 1})
    settled.sync()
    put(settled, 1, stars=5)
    settled.put({"1.png": edited(1)})
    report = settled.sync()
    assert (report.embedded, report.same_pixels) == (1, 0)
    assert of(settled, edited(1)) == {"stars": 5}


def test_a_vector_that_came_by_a_name_alone_is_doubted_under_its_new_key_too(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    repo = settled.repo
    space = str(repo.state.current_space)
    with repo.committing("test"):
        repo.publish("seal", {"spaces": {space: {"by_name": [settled.key(1)]}}})
    settled.put({"1.png": edited(1), "2.png": edited(2)})
    settled.sync()
    named = [key.hex() for key in settled.repo.state.spaces[space].by_name]
    assert named == [settled.key(edited(1)), settled.key(1)]


WAYS = ["fails", "reports an error and yet succeeds", "killed before", "killed after"]


@pytest.mark.parametrize("how", WAYS)
def test_whatever_call_goes_wrong_no_word_is_lost(settled: Declared, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    put(settled, 1, stars=5)
    different(settled, 1, 2)
    settled.store.close()
    settled.put({"1.png": edited(1), "3.png": 3})
    shutil.copytree(settled.folder, settled.top / "before")

    def run(disk: Watched) -> None:
        shutil.rmtree(settled.folder)
        shutil.copytree(settled.top / "before", settled.folder)
        with monkeypatch.context() as patch:
            patch.setattr(durable, "disk", disk)
            try:
                with settled.another() as store:
                    store.sync([settled.pictures])
            except (VstoreError, Killed):
                pass

    whole = Watched()
    run(whole)
    for at in range(WAYS.index(how) % EVERY, len(whole.calls), EVERY):
        run(Failing(at, how))
        with settled.another() as store:
            store.sync([settled.pictures])
            said = f"call {at} of {len(whole.calls)}, {how}"
            assert of(settled, edited(1)) == {"stars": 5}, said
            assert len(decided(settled)) == 2, said
            assert store.check(read_data=True).ok, said
