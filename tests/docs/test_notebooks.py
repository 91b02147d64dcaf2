"""The notebooks of examples/ run from top to bottom, and show what their cells give."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from docs_tools.console import TOP, Differs
from docs_tools.notebook import notebooks, refreshed, written

LARGEST = 100_000  # bytes of a notebook with its outputs


def made(*cells: str) -> dict[str, Any]:
    code = [
        {"cell_type": "code", "execution_count": None, "id": str(n), "metadata": {}, "outputs": [], "source": [cell]}
        for n, cell in enumerate(cells)
    ]
    return {"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_there_is_one() -> None:
    assert "vectors.ipynb" in {path.name for path in notebooks()}


@pytest.mark.parametrize("path", notebooks(), ids=[path.name for path in notebooks()])
def test_a_notebook_runs_and_shows_what_its_cells_give(path: Path) -> None:
    before = json.loads(path.read_text())
    assert refreshed(before, str(path.parent.relative_to(TOP / "examples"))) == before, "run `make docs-output`"
    assert path.read_text() == written(before)
    assert path.stat().st_size < LARGEST, "keep its outputs small"
    assert (before["nbformat"], before["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in before["cells"]]
    assert len(set(ids)) == len(ids)


def test_a_notebook_holds_no_name_of_the_machine_that_ran_it() -> None:
    for path in notebooks():
        text = path.read_text()
        assert "/tmp/" not in text and "/work/" not in text and os.path.expanduser("~") not in text


# The machinery itself


def outputs(*cells: str) -> list[list[dict[str, Any]]]:
    return [cell["outputs"] for cell in refreshed(made(*cells))["cells"]]


def test_a_cell_that_fails_is_named() -> None:
    with pytest.raises(Differs, match=r"(?s)cell 2.*ZeroDivisionError"):
        refreshed(made("x = 1", "x / 0", "x"))


def test_cells_share_their_names_and_show_their_last_expression() -> None:
    first, second, third = outputs("x = 2\nprint('said')", "x * 21", "x;\nNone")
    assert first == [{"name": "stdout", "output_type": "stream", "text": ["said\n"]}]
    assert second == [
        {"data": {"text/plain": ["42"]}, "execution_count": 2, "metadata": {}, "output_type": "execute_result"}
    ]
    assert third == []


def test_what_has_html_shows_it_and_a_change_of_it_is_none() -> None:
    cell = "class Shown:\n    def _repr_html_(self):\n        return '<p>'\n\nShown()"
    notebook = refreshed(made(cell))
    (shown,) = notebook["cells"][0]["outputs"]
    assert shown["data"]["text/html"] == ["<p>"]
    shown["data"]["text/html"] = ["<b>"]
    assert refreshed(notebook) == notebook


def test_another_text_is_a_change_and_a_time_is_none() -> None:
    notebook = refreshed(made("import time\nprint(time.strftime('%Y-%m-%d %H:%M:%S'))", "1"))
    notebook["cells"][0]["outputs"][0]["text"] = ["2001-01-01 00:00:00\n"]
    assert refreshed(notebook) == notebook
    notebook["cells"][1]["outputs"][0]["data"]["text/plain"] = ["2"]
    assert refreshed(notebook) != notebook
