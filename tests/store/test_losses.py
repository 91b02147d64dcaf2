"""The subfolders that lose all their pictures."""

from __future__ import annotations

import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from vstore.format.delta import Change
from vstore.format.hashing import HASHES
from vstore.format.tree import Tree
from vstore.sync.losses import Emptied, Lost, emptied

HASH = HASHES["xxh3_128"]
PATHS = st.lists(st.sampled_from("ab0-"), min_size=1, max_size=4).map("/".join)


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def tree_of(paths: list[bytes]) -> Tree:
    empty = Tree.empty(HASH, lambda digest: b"")
    return empty.edited({path: key(number) for number, path in enumerate(paths, 1)})


def plainly(tree: Tree, changes: list[Change], lost: Lost, least: int) -> list[Emptied]:
    """Do the same by looking at every path for every folder."""
    paths = sorted((path, one) for one, path in lost.items())
    folders = {path[:at] for path, _ in paths for at in range(len(path)) if path[at : at + 1] == b"/"}
    found = []
    for folder in sorted(folder for folder in folders if b"/" in folder):
        below = [(path, one) for path, one in paths if path.startswith(folder + b"/")]
        gone = [path for path, old, _ in changes if old is not None and path.startswith(folder + b"/")]
        new = any(new is not None and path.startswith(folder + b"/") for path, _, new in changes)
        if len(below) > least and len(gone) == sum(1 for _ in tree.under(folder)):
            found.append(Emptied(folder, below, not new))
    return found


@given(st.sets(PATHS, min_size=1), st.data())
def test_they_are_those_that_a_look_at_every_path_finds(names: set[str], data: st.DataObject) -> None:
    paths = sorted(b"p/" + name.encode() + b".jpg" for name in names)
    tree = tree_of(paths)
    gone = data.draw(st.sets(st.sampled_from(paths)))
    added = data.draw(st.sets(PATHS)) - names
    changes: list[Change] = [(path, old, None) for path, old in tree if path in gone]
    changes += [(b"p/" + name.encode() + b".jpg", None, key(1000)) for name in added]
    lost = {old: path for path, old in tree if path in gone}
    for least in (0, 1):
        assert emptied(tree, sorted(changes), lost, least) == plainly(tree, changes, lost, least)


def test_many_folders_cost_no_more_for_each_path() -> None:
    """A disk of a hundred thousand folders was once compared with each lost picture: for hours."""
    tree = tree_of([b"p/%05d/%02d.jpg" % (folder, name) for folder in range(400) for name in range(3)])
    changes: list[Change] = [(path, old, None) for path, old in tree]
    lost = {old: path for path, old in tree}
    calls: Counter[str] = Counter()
    sys.setprofile(lambda frame, event, what: calls.update([event]))
    try:
        found = emptied(tree, changes, lost, 2)
    finally:
        sys.setprofile(None)
    assert len(found) == 400 and all(len(one.lost) == 3 for one in found)
    assert calls["c_call"] < 100 * len(lost)
