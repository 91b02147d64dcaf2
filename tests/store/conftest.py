"""A folder of pictures and a store of them, for the tests that sync."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builder import Builder
from support.folders import FakeOs, Reads, World, trust_young_stats

import vstore.pictures.listing
import vstore.pictures.rules
import vstore.pictures.scan


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """A store that is written record by record."""
    return Builder(tmp_path / ".vstore")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def settled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which a file may be trusted as soon as it is written."""
    trust_young_stats(monkeypatch)
    return world


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """A record of the files opened, and of the pictures decoded."""
    return Reads(monkeypatch)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> FakeOs:
    """A disk under the pictures that can be told to go wrong."""
    fake = FakeOs()
    for module in (vstore.pictures.listing, vstore.pictures.rules, vstore.pictures.scan):
        monkeypatch.setattr(module, "os", fake)
    monkeypatch.setattr("vstore.intake.reader.os", fake)
    return fake
