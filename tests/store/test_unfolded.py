from __future__ import annotations

from pathlib import Path

import pytest
from support.forge import Forge
from support.forged_stores import long_tree
from support.stores import opened, synced

from vstore import Store
from vstore.errors import Damage, UsageError
from vstore.format import unfolded
from vstore.format.hashing import HASHES
from vstore.format.tree import Tree
from vstore.format.unfolded import EACH, ROOM, Unfolded

HASH = HASHES["xxh3_128"]


def test_many_paths_that_share_a_long_beginning_are_damage(tmp_path: Path) -> None:
    synced(tmp_path)
    Forge(tmp_path / ".vstore").snapshot(long_tree(200))  # 240 KB that unfold to 3 GB
    with opened(tmp_path) as store, pytest.raises(Damage, match="a tree unfolds to too much: "):
        store.status()


def test_check_names_them_and_repair_cuts_them(tmp_path: Path) -> None:
    synced(tmp_path)
    Forge(tmp_path / ".vstore").snapshot(long_tree(20))
    with opened(tmp_path) as store:
        assert any("unfolds to too much" in problem.what for problem in store.check().problems)
    Store.repair(tmp_path / ".vstore", no_embed=True)
    with opened(tmp_path) as store:
        assert store.check().ok
        store.status()


def test_few_such_paths_are_read(tmp_path: Path) -> None:
    pages = {HASH.digest(page): page for page in long_tree(2)}
    tree = Tree(HASH, pages.__getitem__, next(iter(pages)))
    assert len(list(tree)) == len(tree) == 1024


def test_first_keys_of_pages_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {HASH.digest(page): page for page in long_tree(2)}
    tree = Tree(HASH, pages.__getitem__, next(iter(pages)))
    monkeypatch.setattr(unfolded, "ROOM", 2 * 31_000 - 2 * EACH)
    with pytest.raises(Damage, match="2 paths have"):
        len(tree)


def test_a_page_counts_once() -> None:
    counted = Unfolded()
    path = bytes(ROOM + EACH)
    assert [counted.count(b"page", [path]) for _ in range(2)] == [None, None]
    assert counted.count(b"other", [bytes(EACH + 1)]) is not None


def test_no_tree_is_made_that_no_reader_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfolded, "ROOM", 10_000)
    empty = Tree.empty(HASH, {}.__getitem__)
    some = empty.edited({b"pictures/" + b"a" * 5_000 + b"%d" % n: HASH.digest(b"") for n in range(2)})
    assert len(list(some)) == 2
    with pytest.raises(UsageError, match="the paths of the pictures are too long for a store"):
        some.edited({b"pictures/" + b"b" * 5_000 + b"%d" % n: HASH.digest(b"") for n in range(2)})
