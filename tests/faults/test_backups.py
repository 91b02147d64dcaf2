"""A copy of a store that is being written opens at the current snapshot of before or after the write."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from pathlib import Path

import pytest
from support.folders import put
from support.stores import base, contents, load, opened, quick_folder, sync, vectors

from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store


def copied(source: Path, target: Path, names: list[str]) -> None:
    """Copy a folder like `cp -r`, which takes names in the order in which the folder has them."""
    target.mkdir(exist_ok=True)
    for name in names:
        path = source / name
        if path.is_dir():
            shutil.copytree(path, target / name)
        elif path.exists():
            shutil.copy2(path, target / name)


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_made_while_a_sync_commits_opens_at_one_of_both_records(seed: int) -> None:
    chance = random.Random(seed)
    with quick_folder() as folder:
        (folder / "template").mkdir()
        base(folder / "template")
        for number in range(8):
            top = folder / f"top-{number}"
            shutil.copytree(folder / "template", top)
            store, copy = top / ".vstore", top / "copy" / ".vstore"
            copy.parent.mkdir()
            names = sorted(path.name for path in store.iterdir())
            chance.shuffle(names)
            cut = chance.randrange(len(names) + 1)
            before = contents(Repository(store))
            copied(store, copy, names[:cut])
            sync(top)
            after = contents(Repository(store))
            copied(store, copy, names[cut:])
            repo = Repository(copy)
            now = contents(repo)
            assert now in (before, after)
            vectors(repo)
            picture = os.fsencode(top / "pictures" / "d.png")
            with Store(copy, load_embedder=load) as opened_copy:
                hits = opened_copy.search([Operand(1.0, image=picture)]).hits
                assert hits[0].score == 1.0
            if repo.tip.complaint:
                # The pictures do not lie beside the copy: as long as that may be a disk that is not mounted, nothing
                # is let go, and it says how to.
                report = Store.repair(copy, load_embedder=load)
                assert all("--no-embed" in words for words in report.left)
                Store.repair(copy, load_embedder=load, no_embed=True)
            with Store(copy, load_embedder=load) as opened_copy:
                assert opened_copy.check(read_data=True).ok
                put(top / "pictures", {"after.png": 200})
                opened_copy.sync([top / "pictures"], as_label="moved")
                assert opened_copy.check(read_data=True).ok


def test_a_copy_made_at_any_moment_of_a_sync_is_whole() -> None:
    """The folders are copied one by one, in every order of those that matter; a commit falls between any two."""
    with quick_folder() as folder:
        (folder / "template").mkdir()
        base(folder / "template")
        rest = ["FORMAT", "journal", "cache", "reserve"]
        for order in itertools.permutations(["refs", "packs", "segments"]):
            for cut in range(4):
                top = folder / f"{'-'.join(order)}-{cut}"
                shutil.copytree(folder / "template", top)
                store, copy = top / ".vstore", top / "copy"
                before = contents(Repository(store))
                copied(store, copy, [*rest, *order[:cut]])
                sync(top)
                after = contents(Repository(store))
                copied(store, copy, list(order[cut:]))
                repo = Repository(copy)
                assert contents(repo) in (before, after)
                vectors(repo)
                if cut == 0:
                    assert contents(repo) == after
                shutil.rmtree(top)


def test_a_whole_copy_is_a_store_of_its_own(tmp_path: Path) -> None:
    base(tmp_path)
    shutil.copytree(tmp_path, tmp_path.with_name("other"), symlinks=True)
    other = tmp_path.with_name("other")
    with opened(other) as store:
        assert store.sync([other / "pictures"]).embedded == 3
        assert store.check(read_data=True).ok
    with opened(tmp_path) as store:
        assert store.snapshot_show().row.snapshot == "v3"
        assert store.check(read_data=True).ok
