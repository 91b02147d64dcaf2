from __future__ import annotations

from pathlib import Path

import pytest
from support.lines import Line


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Line:
    """Commands in an empty folder."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("VSTORE_DIR", raising=False)
    monkeypatch.delenv("VSTORE_DEBUG", raising=False)
    return Line(home, capsysbinary)


@pytest.fixture
def pictures(line: Line) -> Line:
    """Commands in a folder with a store of `pictures`: a.png, b.png and sub/c.png."""
    line.put({"pictures/a.png": 1, "pictures/b.png": 2, "pictures/sub/c.png": 3})
    line("sync", "pictures", "-q")
    return line
