"""A folder of pictures and a store of them, for the tests that sync."""

from __future__ import annotations

from pathlib import Path

import pytest
from store.folders import World, trust_young_stats


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def settled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which a file may be trusted as soon as it is written."""
    trust_young_stats(monkeypatch)
    return world
