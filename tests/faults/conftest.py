"""The fakes are an installed plug-in in every test of this folder, so that a store can load its models by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stores import plugin


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = plugin(tmp_path_factory.mktemp("site"))
    monkeypatch.syspath_prepend(str(site))
    return site
