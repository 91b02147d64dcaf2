"""The things that a program searches for, and what each one finds."""

from __future__ import annotations

import io
import os
import sys
import types
from array import array
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.folders import World, drawn, plain, put

from vstore import ModelError, Operand, UsageError, VstoreError
from vstore.store import Store
from vstore.testing import FakeEmbedder


@pytest.fixture
def filled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    put(world.pictures, {f"{number}.png": number for number in range(5)})
    world.sync()
    monkeypatch.chdir(world.pictures)
    return world


def best(world: World, wanted: Any) -> str:
    hit = world.store.search(wanted, k=1).hits[0]
    assert hit.score == pytest.approx(1, abs=1e-3)
    return os.fsdecode(hit.paths[0])


def vector(world: World, number: int) -> Any:
    (row,) = world.fake.embed_images([Image.open(io.BytesIO(drawn(number)))])
    return row


FORMS = {
    "word": lambda world: "3.png",
    "word of a path": lambda world: "./3.png",
    "address": lambda world: (world.pictures / "3.png").as_uri(),
    "stored path": lambda world: "pictures/3.png",
    "path": lambda world: world.pictures / "3.png",
    "key": lambda world: bytes.fromhex(world.key(3)),
    "key in a buffer": lambda world: memoryview(bytes.fromhex(world.key(3))),
    "key in hex": lambda world: world.key(3).upper(),
    "picture": lambda world: Image.open(io.BytesIO(drawn(3))),
    "vector": lambda world: vector(world, 3) * 700,
    "vector of halves": lambda world: vector(world, 3).astype(np.float16),
    "numbers": lambda world: vector(world, 3).tolist(),
    "numbers in an array": lambda world: array("d", vector(world, 3).tolist()),
    "very small numbers": lambda world: (vector(world, 3).astype(np.float64) * 1e-200).tolist(),
    "whole numbers": lambda world: np.rint(vector(world, 3) * 10_000).astype(int),
    "hit": lambda world: world.store.search("./3.png", k=2)[0],
    "operand": lambda world: Operand(0.5, image=world.pictures / "3.png"),
    "operand of a key": lambda world: Operand(0.5, key=world.key(3)),
    "operand of a picture": lambda world: Operand(0.5, picture=Image.open(io.BytesIO(drawn(3)))),
    "operand of a vector": lambda world: Operand(2, vector=vector(world, 3)),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_finds_its_picture_alone_and_in_a_list(filled: World, form: str) -> None:
    wanted = FORMS[form](filled)
    assert best(filled, wanted) == "pictures/3.png"
    assert best(filled, [wanted]) == "pictures/3.png"
    with filled.store.view() as view:
        assert view.search(wanted, k=5) == filled.store.search(wanted, k=5)


def test_a_word_is_taken_as_on_the_command_line_and_the_notes_say_so(filled: World) -> None:
    assert filled.store.search("3.png").notes == ("3.png is taken as the picture",)
    assert filled.store.search("./3.png").notes == ()


def test_a_key_needs_neither_a_file_nor_the_model(filled: World) -> None:
    (filled.pictures / "3.png").unlink()
    loaded = filled.loaded
    assert best(filled, bytes.fromhex(filled.key(3))) == "pictures/3.png"
    assert filled.loaded == loaded


def test_forms_may_be_mixed_and_weighted(filled: World) -> None:
    wanted = ["1.png", Operand(-0.5, key=filled.key(2)), vector(filled, 3)]
    total = vector(filled, 1) - 0.5 * vector(filled, 2) + vector(filled, 3)
    found = filled.store.search(wanted, k=5)
    again = filled.store.search(total, k=5)
    assert [hit.key for hit in found.hits] == [hit.key for hit in again.hits]
    np.testing.assert_allclose([h.score for h in found.hits], [h.score for h in again.hits], atol=2e-3)
    assert filled.store.search(iter(wanted), k=5) == found


@pytest.mark.parametrize("weight", [1e308, 5e-324, Fraction(1, 3), Decimal(2), np.float32(3e38)])
def test_of_weights_only_their_ratios_count(filled: World, weight: Any) -> None:
    keys = [bytes.fromhex(filled.key(number)) for number in (2, 3)]
    even = filled.store.search([Operand(1.0, key=key) for key in keys], k=5)
    weighted = [Operand(weight, key=key) for key in keys]
    assert filled.store.search(weighted, k=5) == even
    assert filled.store.search([Operand(-weight, key=keys[0]), Operand(weight, key=keys[1])], k=5).hits
    with filled.store.view() as view:
        assert [hit.key for hit in view.search_many([weighted], k=5)[0]] == [hit.key for hit in even]


def test_an_extreme_weight_damages_nothing(filled: World) -> None:
    wanted = [Operand(1e308, image="./3.png"), Operand(1e-300, image="./2.png")]
    assert best(filled, wanted) == "pictures/3.png"


@pytest.mark.parametrize("count", [np.int64(2), np.uint8(2)])
def test_a_count_may_be_one_of_numpy(filled: World, count: Any) -> None:
    with filled.store.view() as view:
        assert len(filled.store.search("./3.png", k=count)) == len(view.search("./3.png", k=count)) == 2
        assert [len(one) for one in view.search_many([Path("3.png")], count)] == [2]
    assert [len(batch.keys) for batch in filled.store.batches(size=count)] == [2, 2, 1]


@pytest.mark.parametrize("count", [2.5, "2", None, float("inf"), np.array([1, 2])])
def test_a_count_that_is_none_is_refused_in_words(filled: World, count: Any) -> None:
    with filled.store.view() as view:
        for ask in (filled.store.search, view.search):
            with pytest.raises(UsageError, match="and no whole number; give 1 or more"):
                ask("./3.png", k=count)
        with pytest.raises(UsageError, match="and no whole number"):
            view.search_many([Path("3.png")], count)
    with pytest.raises(UsageError, match="is not a size of a batch"):
        filled.store.batches(size=count)


@pytest.mark.parametrize("at", [None, 3, b"v1"])
def test_a_snapshot_and_a_space_are_named_by_texts(filled: World, at: Any) -> None:
    for ask in (filled.store.view, filled.store.vectors, filled.store.batches, filled.store.index):
        with pytest.raises(UsageError, match="is no name of a snapshot"):
            ask(at)
    if at is not None:
        with pytest.raises(UsageError, match="is no name of a snapshot"):
            filled.store.search("./3.png", at=at)
        with pytest.raises(UsageError, match="is no name of a space"):
            filled.store.embed("3.png", space=at)
        with pytest.raises(UsageError, match="is not a valid score"):
            filled.store.search("./3.png", min_score="high")  # type: ignore[arg-type]


def test_half_a_character_is_a_text(filled: World) -> None:
    with pytest.raises(ModelError, match="does not read text"):
        filled.store.search("half\ud800 of it")


def test_a_picture_of_one_colour_is_noted(filled: World) -> None:
    assert filled.store.search(Image.open(io.BytesIO(plain((9, 9, 9))))).flat_query
    assert not filled.store.search(Image.open(io.BytesIO(drawn(3)))).flat_query


def test_a_picture_that_cannot_be_prepared_is_named(filled: World) -> None:
    cut = Image.open(io.BytesIO(drawn(3)[:-900]))
    with pytest.raises(VstoreError, match="cannot search with the picture of 30 x 20 pixels: the file is cut short"):
        filled.store.search(cut)


def test_a_folder_of_links_is_made_of_any_of_them(filled: World, tmp_path: Path) -> None:
    filled.store.export(tmp_path / "links", format="links", operands=vector(filled, 3), k=1)
    assert len(list((tmp_path / "links").iterdir())) == 1
    with pytest.raises(UsageError, match="takes no search"):
        filled.store.export(tmp_path / "more", operands=vector(filled, 3))


class Reads(FakeEmbedder):
    """A fake that reads texts: the number of the picture that they name last."""

    def embed_texts(self, texts: Sequence[str]) -> Any:
        return self.embed_images([Image.open(io.BytesIO(drawn(int(text.split()[-1])))) for text in texts])


def test_other_words_are_texts_where_the_model_reads_them(tmp_path: Path) -> None:
    world = World(tmp_path, Reads("reads"))
    put(world.pictures, {f"{number}.png": number for number in range(5)})
    world.sync()
    assert best(world, "the picture 3") == "pictures/3.png"
    both = world.store.search(["the picture 3", Operand(0.1, image=world.pictures / "4.png")], k=2)
    assert both[0].key.hex() == world.key(3)


def test_a_text_is_refused_where_the_model_reads_none(filled: World) -> None:
    with pytest.raises(ModelError, match="cannot search for the text 'a red car'"):
        filled.store.search("a red car")


def test_hits_of_a_report_are_searched_for_together(filled: World) -> None:
    report = filled.store.search("./3.png", k=3)
    assert filled.store.search(report, k=5) == filled.store.search([hit.key for hit in report], k=5)


def test_operands_are_equal_if_they_look_for_the_same(filled: World) -> None:
    one, other = vector(filled, 1), vector(filled, 2)
    assert Operand(1.0, vector=one) == Operand(1.0, vector=one.tolist())
    assert not (Operand(1.0, vector=one) != Operand(1.0, vector=one.copy()))  # noqa: SIM202
    for unequal in (Operand(1.0, vector=other), Operand(2.0, vector=one), Operand(1.0, vector=one[:3]), Operand(1.0)):
        assert Operand(1.0, vector=one) != unequal
    assert Operand(1.0, text="a") != (1.0, None, "a")
    assert len({Operand(1.0, vector=one), Operand(1.0, vector=one.copy()), Operand(1.0, vector=other)}) == 2


@pytest.mark.parametrize("given", [3, 1.5, object()])
def test_what_is_no_path_or_device_is_refused_in_words(filled: World, given: Any) -> None:
    store = filled.store
    for ask in (
        lambda: store.search("./3.png", under=given),
        lambda: store.dupes(under=given),
        lambda: store.show(given),
        lambda: store.export(given),
        lambda: store.sync([given]),
        lambda: Store(given),
    ):
        with pytest.raises(UsageError, match="is no path; give a str or a Path"):
            ask()
    for ask in (lambda: store.sync(given), lambda: store.ls(given), lambda: list(store.watch(given))):
        with pytest.raises(UsageError, match="is neither a path or text nor a list of these"):
            ask()
    for ask in (
        lambda: store.search("./3.png", device=given),
        lambda: store.view(device=given),
        lambda: store.embed("3.png", device=given),
        lambda: store.sync(device=given),
    ):
        with pytest.raises(UsageError, match="does not name devices; give a text"):
            ask()
    with pytest.raises(UsageError, match="is no name of a snapshot"):
        store.search("pictures/3.png", at=given)
    for slip in (
        lambda: store.snapshot_tag("v1", given),
        lambda: store.snapshot_untag(given),
        lambda: store.find_pictures(given),
        lambda: store.fields_set({"label": "cat"}, "pictures/3.png", message=given),
    ):
        with pytest.raises(UsageError, match="and no text; give a str"):
            slip()


@pytest.mark.parametrize("given", [b"0.9", "0.9", [1], True, float("nan"), 10**400])
def test_a_cosine_that_is_none_is_refused_in_words(filled: World, given: Any) -> None:
    with pytest.raises(UsageError, match="is not a valid --near"):
        filled.store.dupes(near=given)
    with pytest.raises(UsageError, match="is not a valid score"):
        filled.store.search("./3.png", min_score=given)


@pytest.mark.parametrize("given", [b"x", "3", [1]])
def test_what_is_no_number_is_refused_in_words(filled: World, given: Any) -> None:
    with pytest.raises(UsageError, match="and no whole number"):
        filled.store.snapshot_forget(keep_last=given)
    with pytest.raises(UsageError, match="is none; give 0 or more"):
        filled.store.log(given)
    with pytest.raises(UsageError, match="the format"):
        filled.store.export("out", format=[given])  # type: ignore[arg-type]


def test_one_tag_to_keep_is_no_list_of_its_letters(filled: World) -> None:
    filled.store.snapshot_tag("v1", "good")
    filled.put({"5.png": 5})
    filled.sync()
    filled.put({"6.png": 6})
    filled.sync()
    found = filled.store.snapshot_forget(keep_tag="good", dry_run=True)  # type: ignore[arg-type]
    assert found == filled.store.snapshot_forget(keep_tag=["good"], dry_run=True)
    assert found.forgotten == ("v2",)


def test_another_thread_may_be_loading_pillow(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", types.ModuleType("PIL.Image"))  # as it is at the begin of its loading
    assert filled.store.search(bytes.fromhex(filled.key(1)), k=1)
