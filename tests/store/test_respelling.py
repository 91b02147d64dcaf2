"""`--under` finds names in another form of Unicode, and in another letter case where the disk does."""

from __future__ import annotations

import os
import re
import unicodedata

import pytest
from support.folders import World

from vstore.errors import UsageError
from vstore.repository import respelling
from vstore.search.query import Operand

NFC, NFD = (unicodedata.normalize(form, "Été à Zürich") for form in ("NFC", "NFD"))


def under(world: World, path: str) -> list[str]:
    """The pictures that a search finds below a path."""
    operand = Operand(1.0, os.fsencode(world.pictures / "a.png"))
    hits = world.store.search([operand], k=20, under=path).hits
    return sorted(os.fsdecode(path) for hit in hits for path in hit.paths)


@pytest.mark.parametrize(("typed", "on_disk"), [(NFC, NFD), (NFD, NFC)])
def test_a_stored_path_or_a_path_on_disk_in_the_other_form_is_found(world: World, typed: str, on_disk: str) -> None:
    world.put({"a.png": 1, f"{on_disk}/b.png": 2, f"{on_disk}/{on_disk}/c.png": 3, f"{on_disk}/{on_disk}.png": 4})
    world.sync()
    one, two, three = (f"pictures/{on_disk}/{name}" for name in (f"{on_disk}.png", f"{on_disk}/c.png", "b.png"))
    for top in ("pictures", os.fspath(world.pictures)):
        assert under(world, f"{top}/{typed}") == sorted([one, two, three])
        assert under(world, f"{top}/{typed}/") == sorted([one, two, three])
        assert under(world, f"{top}/{typed}/{typed}") == [two]
        assert under(world, f"{top}/{on_disk}/{typed}.png") == [one]
        with pytest.raises(UsageError, match=f"neither on disk nor in this snapshot; did you mean '{re.escape(top)}/"):
            under(world, f"{top}/{typed.upper()}")


def test_a_label_in_the_other_form_is_found(world: World) -> None:
    world.put({"a.png": 1, "b/c.png": 2})
    world.sync(world.pictures, as_label=NFD)
    assert under(world, f"{NFC}/b") == [f"{NFD}/b/c.png"]
    with pytest.raises(UsageError, match="is not in any synced folder"):
        under(world, "nobody/b")


def test_the_name_that_is_there_wins(world: World) -> None:
    world.put({"a.png": 1, f"{NFC}/b.png": 2, f"{NFD}/c.png": 3})
    world.sync()
    assert under(world, f"pictures/{NFC}") == [f"pictures/{NFC}/b.png"]
    assert under(world, f"pictures/{NFD}") == [f"pictures/{NFD}/c.png"]


@pytest.mark.parametrize("folds", [True, False])
def test_letter_case_matters_unless_the_disk_says_otherwise(
    world: World, monkeypatch: pytest.MonkeyPatch, folds: bool
) -> None:
    monkeypatch.setattr(respelling, "folds_case", lambda place: folds)
    world.put({"a.png": 1, "Animals/b.png": 2})
    world.sync()
    for typed, near in (("ANIMALS", "Animals"), ("animals/B.PNG", "Animals/b.png")):
        if folds:
            assert under(world, f"pictures/{typed}") == ["pictures/Animals/b.png"]
        else:
            with pytest.raises(UsageError, match=rf"did you mean pictures/{near}\?"):
                under(world, f"pictures/{typed}")


def test_dupes_find_them_too(world: World) -> None:
    world.put({"a.png": 1, f"{NFD}/b.png": 2, f"{NFD}/c.png": 2})
    world.sync()
    assert len(world.store.dupes(under=f"pictures/{NFC}").groups) == 1
