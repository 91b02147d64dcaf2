"""Stores that a stranger filled with very many entries: work grows with their number, not with its square."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.forge import Forge
from support.stores import opened, synced

from vstore import Store
from vstore.format.entries import Space

MANY = 50


COMMANDS: dict[str, Callable[[Store], object]] = {
    "model list": lambda store: store.model_list(),
    "check": lambda store: store.check(),
    "gc": lambda store: store.gc(dry_run=True),
    "stats": lambda store: store.stats(),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_of_many_spaces_is_read_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    synced(tmp_path)
    forge = Forge(tmp_path / ".vstore")
    space, list_ = forge.state["spaces"][forge.space], forge.state["segments"][forge.space]
    ids = [secrets.token_hex(32) for _ in range(MANY)]
    spaces = {id: {**space, "name": f"s{n}"} for n, id in enumerate(ids)}
    forge.record("model add", {"spaces": spaces, "segments": dict.fromkeys(ids, list_)})
    read: list[str] = []
    real = Space.from_json

    def reading(id: str, value: Any) -> Space:
        read.append(id)
        return real(id, value)

    with opened(tmp_path) as store:
        monkeypatch.setattr(Space, "from_json", reading)
        COMMANDS[command](store)
    assert len(read) <= 10 * (MANY + 1)
