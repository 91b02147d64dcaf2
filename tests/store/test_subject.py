"""The paths of the hits of a search."""

from __future__ import annotations

from typing import Any

import pytest

from vstore.format.hashing import store_hash
from vstore.format.tree import Tree
from vstore.search import subject
from vstore.search.subject import Subject

HASH = store_hash("xxh3_128")
COUNT = 3000


def key(number: int) -> bytes:
    return HASH.digest(str(number).encode())


@pytest.fixture
def whole() -> Subject:
    """A snapshot in which every third picture has two paths."""
    blobs: dict[bytes, bytes] = {}
    paths: dict[bytes, bytes | None] = {b"p/%05d.jpg" % number: key(number) for number in range(COUNT)}
    paths |= {b"q/%05d.jpg" % number: key(number) for number in range(0, COUNT, 3)}
    tree = Tree.empty(HASH, blobs.__getitem__).edited(paths)
    blobs |= tree.fresh
    tree = Tree(HASH, blobs.__getitem__, tree.root)
    nothing: Any = None
    columns = list(tree.key_columns())
    assert len(columns) > 10
    return Subject(nothing, tree, None, columns, nothing, (), ())


@pytest.mark.parametrize("count", [0, 1, subject._FEW, subject._FEW + 1, 2000])
def test_few_and_many_pictures_have_all_their_paths(whole: Subject, count: int) -> None:
    numbers = range(0, count * 7, 7)
    wanted = {key(number) for number in numbers}
    expected = {one: [path for path, other in whole.tree if other == one] for one in list(wanted)[:50]}
    found = whole.paths_of(wanted)
    assert found.keys() == wanted
    assert {one: found[one] for one in expected} == expected
    assert sum(map(len, found.values())) == sum(1 + (n % 3 == 0) for n in numbers if n < COUNT)


@pytest.mark.parametrize("count", [1, subject._FEW + 1])
def test_a_page_without_any_of_them_is_not_decoded(whole: Subject, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    decoded: list[Any] = []
    aliases = Tree.aliases
    monkeypatch.setattr(Tree, "aliases", lambda self, leaf: decoded.append(leaf) or aliases(self, leaf))
    whole.paths_of({key(1)} | {key(-n) for n in range(1, count)})
    assert len(decoded) == 1
