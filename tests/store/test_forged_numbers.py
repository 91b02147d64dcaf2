"""Stores that a stranger filled with very many entries: work grows with their number, not with its square."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import put
from support.forge import Forge
from support.stores import opened, synced

from vstore import Store
from vstore.check.findings import Findings
from vstore.check.objects import Objects
from vstore.format.entries import Space
from vstore.repository.repository import Repository

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


def test_a_sync_of_many_folders_looks_at_each_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced(tmp_path)
    forge = Forge(tmp_path / ".vstore")
    root = forge.state["roots"]["pictures"]
    forge.record("roots", {"roots": {f"r{n}": {**root, "place": f"r{n}"} for n in range(MANY)}})
    asked: list[str] = []
    real = os.fsencode

    def encoded(name: str) -> bytes:
        if name == "r7":  # of one folder: so often as it is looked at
            asked.append(name)
        return real(name)

    put(tmp_path / "pictures", {"more.png": 9})
    with opened(tmp_path) as store:
        monkeypatch.setattr(os, "fsencode", encoded)
        store.sync()
    assert len(asked) <= 30


def test_spaces_of_one_list_share_their_keys_in_a_check(tmp_path: Path) -> None:
    synced(tmp_path)
    forge = Forge(tmp_path / ".vstore")
    other = {**forge.state["spaces"][forge.space], "name": "other"}
    id = "22" * 32
    forge.record("model add", {"spaces": {id: other}, "segments": {id: forge.state["segments"][forge.space]}})
    repo = Repository(forge.folder)
    objects = Objects(repo, repo.state, Findings(), read_whole=False)
    objects.check_segments()
    assert objects.keys[id] is objects.keys[forge.space]
    assert objects.keys[id]
