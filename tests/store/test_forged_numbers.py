"""Stores that a stranger filled with very many entries: work grows with their number, not with its square."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from support.forge import Forge
from support.stores import opened, synced

from vstore.format.entries import Space

MANY = 50


def test_many_spaces_are_listed_by_reading_each_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced(tmp_path)
    forge = Forge(tmp_path / ".vstore")
    space = forge.state["spaces"][forge.space]
    forge.record("model add", {"spaces": {secrets.token_hex(32): {**space, "name": f"s{n}"} for n in range(MANY)}})
    read: list[str] = []
    real = Space.from_json

    def reading(id: str, value: Any) -> Space:
        read.append(id)
        return real(id, value)

    with opened(tmp_path) as store:
        monkeypatch.setattr(Space, "from_json", reading)
        assert len(store.model_list()) == MANY + 1
    assert len(read) <= 3 * (MANY + 1)
