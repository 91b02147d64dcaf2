"""Stores that a stranger filled with very many entries: work grows with their number, not with its square."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.folders import put
from support.forge import Forge
from support.stores import opened, synced

from vstore import Store
from vstore.check.findings import Findings
from vstore.check.objects import Objects
from vstore.disk.segments import Segment
from vstore.format.entries import FileRef, Space
from vstore.progress import Stages
from vstore.repair import vectors
from vstore.repair.run import repair
from vstore.repair.snapshots import Snapshots
from vstore.repair.stored_keys import StoredKeys
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


OTHER = "22" * 32


def with_another_space_of_the_same_list(place: Path) -> Forge:
    synced(place)
    forge = Forge(place / ".vstore")
    other = {**forge.state["spaces"][forge.space], "name": "other"}
    forge.record("model add", {"spaces": {OTHER: other}, "segments": {OTHER: forge.state["segments"][forge.space]}})
    return forge


def test_spaces_of_one_list_share_their_keys_in_a_check(tmp_path: Path) -> None:
    forge = with_another_space_of_the_same_list(tmp_path)
    repo = Repository(forge.folder)
    objects = Objects(repo, repo.state, Findings(), read_whole=False, stages=Stages())
    objects.check_segments()
    assert objects.keys[OTHER] is objects.keys[forge.space]
    assert objects.keys[OTHER]


def test_spaces_of_one_list_share_their_keys_in_a_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forge = with_another_space_of_the_same_list(tmp_path)
    read: list[str] = []
    seen: list[Mapping[str, StoredKeys]] = []
    real = vectors.whole_segment

    def reading(folder: Path, ref: FileRef) -> Segment | None:
        read.append(ref.name)
        return real(folder, ref)

    monkeypatch.setattr(vectors, "whole_segment", reading)
    monkeypatch.setattr(Snapshots, "degrade", lambda _, stored: seen.append(stored))
    repair(forge.folder, None, dry_run=True, embed=False)
    (stored,) = seen
    assert stored[OTHER].shared is stored[forge.space].shared
    assert stored[OTHER].shared
    assert len(read) == len(set(read)) == len(forge.state["segments"][forge.space])


def test_what_one_space_gets_is_not_another_s() -> None:
    shared = frozenset([b"a", b"b"])
    one, other = StoredKeys(shared), StoredKeys(shared)
    one.update([b"b", b"c"])
    assert b"c" in one and b"c" not in other and b"a" in other
    assert ({b"a", b"c", b"d"} - one, {b"a", b"c", b"d"} - other) == ({b"d"}, {b"c", b"d"})
