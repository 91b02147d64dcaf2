"""The format is what it was before the modules moved: FORMAT.md may be reworded, its facts stay.

`format-1-facts.json` holds the facts of the page as it stood in aa97ee1. A change of format replaces it, on purpose.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.format_facts import facts, tables, tokens

TOP = Path(__file__).resolve().parents[2]
BEFORE: dict[str, Any] = json.loads((Path(__file__).parent / "format-1-facts.json").read_text())
NOW = facts((TOP / "store/FORMAT.md").read_text())
MOVED = ("13", "14")  # to docs/reference/json.md


def test_no_section_went() -> None:
    assert NOW.keys() == BEFORE.keys()


@pytest.mark.parametrize("section", [section for section in BEFORE if section not in MOVED])
@pytest.mark.parametrize("kind", ["tables", "tokens", "blocks"])
def test_the_facts_of_a_section_are_what_they_were(section: str, kind: str) -> None:
    assert NOW[section][kind] == BEFORE[section][kind]


def test_the_json_contract_has_every_table_that_format_had() -> None:
    text = (TOP / "docs/reference/json.md").read_text()
    assert tables(text) == BEFORE["13"]["tables"] + BEFORE["14"]["tables"]


def test_the_facts_are_those_of_that_commit() -> None:
    show = ["git", "show", "aa97ee1:store/FORMAT.md"]
    old = subprocess.run(show, cwd=TOP, capture_output=True, text=True, check=False)
    if old.returncode:
        pytest.skip("this clone does not have the commit aa97ee1")
    assert facts(old.stdout) == BEFORE


def test_a_number_or_a_field_that_changes_would_be_seen() -> None:
    text = (TOP / "store/FORMAT.md").read_text()
    for old, new in (
        ("128 entries", "129 entries"),
        ("| `hash` |", "| `hashes` |"),
        ("import hashlib", "import os, hashlib"),
    ):
        if old in text:
            assert facts(text.replace(old, new, 1)) != facts(text), old
    assert tokens("`key`, of 16 bytes (see section 3)") == tokens("16 bytes: a `key`")
