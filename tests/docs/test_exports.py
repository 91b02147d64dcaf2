"""The code of the page on exports, run on an export."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from docs_tools.site import TOP
from support.folders import World


def test_the_code_that_reads_an_npz_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    world.store.export(tmp_path / "vectors.npz", format="npz")
    page = (TOP / "docs" / "reference" / "exports.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["paths"].tolist() == sorted(names["paths"].tolist(), key=lambda path: world.aliases()[path])
    assert (names["fields"], names["vectors"].shape) == ([{}, {}], (2, 8))
