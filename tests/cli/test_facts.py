"""`vstore facts`: what it prints, and its exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.edited import edited
from support.lines import Line, Ran

from vstore.intake.new_facts import NewFacts


@pytest.fixture
def old(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """A store of three pictures without digests."""
    line.put({"pictures/a.png": 1, "pictures/b.png": 2, "pictures/c.png": 3})
    with monkeypatch.context() as patch:
        patch.setattr(NewFacts, "unlisted", lambda self, having: [])
        line("sync", "pictures/")
    return line


def test_it_says_what_is_missing_and_how_it_is_filled_in(old: Line) -> None:
    assert " ".join(old("facts").lines) == (
        "Of 3 pictures of 3 no facts were read yet. Fill them in with: vstore facts --fill "
        "3 pictures of 3 of v1 in the space builtin-2 (preparation 2) have no pixel digest: "
        "an edit will cost an embedding. Fill them in with: vstore facts --fill --pixels"
    )
    ran = old("facts", "--fill", "--pixels")
    assert ran.lines[0].startswith("Filled in 3 pixel digests in ")
    assert ran.lines[1].startswith("Read the facts of 3 pictures in ")
    known = [
        "The facts of all 3 pictures of v1 were read.",
        "All 3 pictures of v1 in the space builtin-2 (preparation 2) have a pixel digest.",
    ]
    assert ran.lines[2:] == known
    assert old("facts").lines == known
    assert old("facts", "--fill", "--pixels", "--quiet").out == ""


WAYS = [["ls"], ["find", "*"], ["search", "pictures/a.png"], ["dupes"], ["export", "out.csv", "--format", "csv"]]


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_where_says_that_facts_are_missing(old: Line, words: list[str]) -> None:
    note = (
        "Note: of 3 pictures no facts were read yet, such as sizes and dates; fill them in with: vstore facts --fill\n"
    )

    def ran(*more: str) -> Ran:
        (old.home / "out.csv").unlink(missing_ok=True)
        return old(*words, "--where", *more)

    assert note in ran("width > 1").err
    assert note in ran("width is null").err
    assert "facts" not in ran("name like '%' and key like '%' and modified is not null").err
    told = ran("width > 1", "--json")
    assert "facts" in told.out if words[0] == "search" else not told.err
    old.put({"pictures/new.png": 77})
    old("sync", "-q")
    assert note in ran("width > 1").err  # some are found, and others may be
    old("facts", "--fill")
    assert "facts" not in ran("width > 1").err + ran("width < 1").err


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_where_says_that_an_old_format_has_no_facts(line: Line, words: list[str]) -> None:
    shutil.copytree(Path(__file__).parent.parent / "store/data/format-1/store", line.home / ".vstore")
    words = words if words[0] != "search" else ["search", line("ls", "-R").lines[0]]
    err = line(*words, "--where", "width > 1").err
    assert "Note: facts of pictures need store format 2, and this store has format 1; run: vstore migrate\n" in err


def test_headers_are_read_alone(old: Line) -> None:
    found = old("facts", "--fill", "--json").json
    assert (found["read"], found["without_facts"], found["filled"], found["without_pixels"]) == (3, 0, 0, 3)
    assert "The facts of all 3 pictures of v1 were read." in old("facts").lines


def test_what_a_configuration_says_of_decoding_hinders_no_other_run(old: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSTORE_MAX_PIXELS", "10")
    monkeypatch.setenv("VSTORE_WAIT", "1")
    old("facts")
    old("facts", "--fill")
    old("facts", "--fill", "--pixels", code=3)


def test_a_sync_that_paid_for_a_missing_digest_says_what_would_have_helped(old: Line) -> None:
    old.put({"pictures/a.png": edited(1)})
    said = " ".join(old("sync").lines[-2:])
    assert "2 pictures have no pixel digest: an edit will cost an embedding. Fill them in with:" in said
    assert said.endswith("vstore facts --fill --pixels")
    old("facts", "--fill", "--pixels")
    old.put({"pictures/b.png": edited(2)})
    assert "pixel digest" not in old("sync").out


def test_pictures_that_do_not_decode_are_named(old: Line) -> None:
    ran = old("facts", "--fill", "--pixels", "--max-pixels", "10", code=3)
    assert "  pictures/a.png: " in ran.err
    found = old("facts", "--fill", "--pixels", "--max-pixels", "10", "--json", code=3).json
    assert [one["path"] for one in found["failed"]] == ["pictures/a.png", "pictures/b.png", "pictures/c.png"]


def test_pictures_that_are_gone_are_counted(old: Line) -> None:
    (old.home / "pictures/a.png").unlink()
    assert "Passed over 1 picture: their files are missing, or have changed." in old("facts", "--fill", "--pixels").out


@pytest.mark.parametrize(
    "words", [["--pixels"], ["--wait"], ["--fill", "--max-pixels", "9"], ["--fill", "--isolate-decoding"]]
)
def test_words_that_do_not_go_together_are_refused(old: Line, words: list[str]) -> None:
    assert "vstore facts --fill --pixels" in old("facts", *words, code=2).err


def test_a_store_without_a_snapshot_says_how_to_make_one(line: Line) -> None:
    line("init")
    assert line("facts").lines == ["There is no snapshot yet; make the first one with: vstore sync PATH"]
