"""Tiny models, made once for all tests; no test reaches for the network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.shell import Shell
    from support.zoo import Zoo

os.environ["HF_HUB_OFFLINE"] = "1"

MISSING = [name for name in ("torch", "transformers", "peft") if find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_report_header() -> str:
    return f"tests/models: left out, as {', '.join(MISSING)} is missing" if MISSING else ""


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    import transformers
    from support.zoo import Zoo

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield Zoo(tmp_path_factory.mktemp("models"))


@pytest.fixture
def vstore(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A working directory with pictures, and `vstore` in it."""
    from support.shell import Shell

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VSTORE_DIR", raising=False)
    return Shell(tmp_path, capsys)
