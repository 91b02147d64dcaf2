"""Format 1 is what it was: FORMAT.md may be reworded, its facts stay, and format 2 only adds.

`format-1-facts.json` holds the facts of the page as it stood in aa97ee1, and stays as it is. `format-2-facts.json`
holds what format 2 added to each section, and the few facts of format 1 that are said otherwise since. A later change
of format adds a file of its own, on purpose.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.format_facts import changed, facts, single, tables, tokens

HERE = Path(__file__).parent
TOP = HERE.parents[1]
FORMAT_1: dict[str, Any] = json.loads((HERE / "format-1-facts.json").read_text())
FORMAT_2: dict[str, Any] = json.loads((HERE / "format-2-facts.json").read_text())
NOW = facts((TOP / "store/FORMAT.md").read_text())
MOVED = ("13", "14")  # to docs/reference/json.md
JSON = [table for section in MOVED for table in FORMAT_1[section]["tables"]]
REWORDED = {  # how many facts of format 1 are said otherwise since, by section
    "1": 1,  # a content id begins with 1: with the number of the format, while that was 1
    "2": 3,  # the number in `FORMAT` is 1 or 2; `migrate` and `repair` write `FORMAT` again; `locks/` holds `watch`
    "3": 3,  # gc writes the trees of format 2, and removes parts of indexes; packs merge by levels
    "4": 2,  # the snapshots in the state are the window; `decide` is undoable
    "8": 5,  # recipes of more families have more values: their names, preparations, positions and texts
    "10": 2,  # the proof of a space is one of certain files; vectors of texts are those of a tokenizer
    "15": 1,  # the example reads both formats
}


def test_no_section_went() -> None:
    assert [section for section in NOW if section in FORMAT_1] == list(FORMAT_1)
    assert list(NOW) == [str(number) for number in range(1, len(NOW) + 1)]


@pytest.mark.parametrize("section", [section for section in NOW if section not in MOVED])
def test_the_facts_of_a_section_are_those_of_format_1_and_what_format_2_added(section: str) -> None:
    assert changed(FORMAT_1, NOW).get(section) == FORMAT_2.get(section), (
        "if it is meant: PYTHONPATH=tests python -m support.format_facts, and look at what changes"
    )


def test_what_is_said_otherwise_since_format_1_is_counted() -> None:
    assert {section: len(found["gone"]) for section, found in FORMAT_2.items() if found["gone"]} == REWORDED


@pytest.mark.parametrize("section", [section for section in FORMAT_1 if section not in MOVED])
def test_the_rows_of_the_tables_of_format_1_stand_in_their_order(section: str) -> None:
    def rows(found: Any) -> list[str]:
        return [fact for fact in single(found) if fact.startswith("row ")]

    gone = FORMAT_2.get(section, {}).get("gone", [])
    old = [row for row in rows(FORMAT_1[section]) if row not in gone]
    assert [row for row in rows(NOW[section]) if row in old] == old


def test_the_json_contract_has_every_row_that_format_had() -> None:
    """Fields are only ever added, and `tests/docs/test_json.py` sees to those."""
    text = (TOP / "docs/reference/json.md").read_text()
    now, before = ([(head, row) for head, *rows in found for row in rows] for found in (tables(text), JSON))
    left = iter(now)
    assert [row for row in before if row not in left] == [], "gone, or no longer in its place"


def test_the_facts_are_those_of_that_commit() -> None:
    show = ["git", "show", "aa97ee1:store/FORMAT.md"]
    old = subprocess.run(show, cwd=TOP, capture_output=True, text=True, check=False)
    if old.returncode:
        pytest.skip("this clone does not have the commit aa97ee1")
    assert facts(old.stdout) == FORMAT_1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("512 entries", "513 entries"),
        ("| `hash` |", "| `hashes` |"),
        ("import hashlib", "import os, hashlib"),
        ("more than 65,536 bytes together", "more than 65,537 bytes together"),
        ("| `listed` |", "| `list` |"),
    ],
)
def test_a_number_or_a_field_that_changes_would_be_seen(old: str, new: str) -> None:
    text = (TOP / "store/FORMAT.md").read_text()
    assert old in text
    before, after = facts(text), facts(text.replace(old, new, 1))
    assert any(Counter(single(before[part])) != Counter(single(after[part])) for part in before)


def test_the_order_of_words_is_no_fact() -> None:
    assert tokens("`key`, of 16 bytes (see section 3)") == tokens("16 bytes: a `key`")
