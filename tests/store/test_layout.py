"""Where things lie in a store, and what may be called what."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.format.layout import Layout, record_number, why_not_a_space, why_not_a_tag

LAYOUT = Layout(Path("/pictures/.vstore"))


def test_records_are_named_by_twelve_digits() -> None:
    assert LAYOUT.record(42) == Path("/pictures/.vstore/refs/000000000042.json")


@given(st.integers(0, 10**12 - 1))
def test_the_number_of_a_record_can_be_read_off_its_name(number: int) -> None:
    assert record_number(LAYOUT.record(number).name) == number


@pytest.mark.parametrize(
    "name",
    [
        "",
        "42.json",
        "000000000042",
        "000000000042.jsn",
        "0000000000042.json",
        "00000000004x.json",
        "-00000000042.json",
        "٠٠٠٠٠٠٠٠٠٠٤٢.json",
        ".tmp-commit-000000000042.json",
        "000000000042.json.bak",
    ],
)
def test_other_names_are_no_records(name: str) -> None:
    assert record_number(name) is None


def test_every_folder_of_a_store_lies_in_it_once() -> None:
    folders = LAYOUT.folders()
    assert {folder.parent for folder in folders} == {LAYOUT.folder}
    assert len(set(folders)) == len(folders)
    assert LAYOUT.catalogue not in folders, "the catalogue is made by renaming a whole new folder in"


@pytest.mark.parametrize(
    "name", ["before-cleanup", "lora-v12", "v12a", "abc", "été", "2024_holiday", "1.2", "2024", "face", "vacation"]
)
def test_names_that_mean_nothing_else_may_be_given(name: str) -> None:
    assert why_not_a_tag(name) is None
    assert why_not_a_space(name) is None


@pytest.mark.parametrize("name", ["latest", "current", "HEAD"])
def test_words_that_mean_snapshots_are_refused(name: str) -> None:
    assert why_not_a_tag(name) == f"{name!r} already means a snapshot"


@pytest.mark.parametrize(("name", "word"), [("Latest", "latest"), ("CURRENT", "current"), ("head", "HEAD")])
def test_words_that_would_be_taken_for_others_are_refused(name: str, word: str) -> None:
    assert why_not_a_tag(name) == f"{name!r} would be taken for {word}"


@pytest.mark.parametrize("name", ["v12", "V1", "v0", "v99999999999999999999"])
def test_the_names_of_snapshots_are_refused(name: str) -> None:
    assert why_not_a_tag(name) == f"{name!r} is the name of a snapshot, made or to come"


@pytest.mark.parametrize("name", ["2026-11-20", "1970-01-01", "9999-99-99"])
def test_names_that_look_like_dates_are_refused(name: str) -> None:
    assert why_not_a_tag(name) == f"{name!r} looks like a date, which means the newest snapshot made by then"


@pytest.mark.parametrize("name", ["2026-11-20", "2024", "abcdef", "face"])
def test_no_space_is_looked_up_by_what_means_a_snapshot(name: str) -> None:
    assert why_not_a_space(name) is None


@pytest.mark.parametrize("name", ["v12", "V1", "latest", "HEAD", "Current"])
def test_a_space_is_not_called_as_snapshots_are(name: str) -> None:
    said = f"{name!r} is how a snapshot is called, and a space of this name would be taken for one"
    assert why_not_a_space(name) == said


@pytest.mark.parametrize("name", ["2026-11", "2026-11-20-before", "x2026-11-20", "2026-1-2"])
def test_names_with_a_date_in_them_may_be_given(name: str) -> None:
    assert why_not_a_tag(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a^",
        "x" * 101,
        "a@b",
        "a~1",
        "{a",
        "a}",
        "a/b",
        "a\\b",
        "a:b",
        "a b",
        "a\tb",
        "a\nb",
        "a\x1b[1m",
        "-a",
        "+a",
        ".a",
    ],
)
def test_names_that_could_be_taken_for_something_else_are_refused(name: str) -> None:
    assert why_not_a_space(name) is not None
    assert why_not_a_tag(name) is not None
