"""The user's own caches of other users' stores: private, and bounded."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from vstore.disk import user_cache


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "vstore" / "stores" / "a"


def _used(folder: Path) -> bool:
    """Tell whether the caches in a folder would be used: `caches_for` takes an error for a no."""
    try:
        return user_cache.make(folder)
    except OSError:
        return False


def test_it_is_made_for_this_user_alone(folder: Path) -> None:
    assert user_cache.make(folder)
    for made in (folder, folder.parent):
        assert made.stat().st_mode & 0o777 == 0o700


def test_one_that_others_may_change_is_not_used(folder: Path) -> None:
    user_cache.make(folder)
    for made in (folder, folder.parent):
        made.chmod(0o770)
        assert not user_cache.make(folder)
        made.chmod(0o700)
    assert user_cache.make(folder)


def test_a_link_is_not_used(folder: Path, tmp_path: Path) -> None:
    user_cache.make(folder)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert not _used(folder)


def test_one_that_grew_too_large_is_emptied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_cache.make(folder)
    monkeypatch.setattr(user_cache, "MOST", 3)
    for name in "abc":
        (folder / name).write_bytes(b"")
    assert user_cache.make(folder)
    assert len(list(folder.iterdir())) == 3
    (folder / "d").write_bytes(b"")
    assert user_cache.make(folder)
    assert list(folder.iterdir()) == []


def test_those_of_stores_that_are_no_longer_read_go(folder: Path) -> None:
    user_cache.make(folder)
    (folder / "rows").write_bytes(b"")
    old = time.time() - user_cache.UNUSED - 10
    os.utime(folder, (old, old))
    younger = folder.with_name("b")
    user_cache.make(younger)
    assert [path.name for path in folder.parent.iterdir()] == ["b"]
    user_cache.make(folder.with_name("c"))
    assert sorted(path.name for path in folder.parent.iterdir()) == ["b", "c"]
