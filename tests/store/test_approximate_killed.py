"""Builds of an approximate index that end at any call to the disk: answers stay true, and the next build goes on."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from support.failing_disks import Watched
from support.inverted import Asked, built, clustered, copied, grow, parts, store
from support.killed import Fatal

from vstore.approximate import covering as covering_module
from vstore.approximate.about import CENTROIDS, LISTS, RECALL
from vstore.disk import durable
from vstore.errors import DiskTrouble

QUERIES = clustered(4, seed=5)


class Killed(BaseException):
    """The end of a process."""


class Dying(Fatal):
    """A disk that takes nothing any more from a chosen call on, as for a process that was killed there."""

    is_dead = False

    @contextlib.contextmanager
    def doing(self) -> Iterator[None]:
        if self.is_dead:
            raise Killed
        self.calls += 1
        now = self.calls == self._at
        if now and self._how == "before":
            self.is_dead = True
            raise Killed
        yield
        if now:
            self.is_dead = True
            raise Killed


def test_a_build_that_is_killed_anywhere_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build trains again for four times as many rows, and merges its parts, in place of an older index."""
    monkeypatch.setattr(covering_module, "PART", 1)
    (tmp_path / "base").mkdir()
    base = store(tmp_path / "base", [40])
    built(base)
    grow(base, [41, 42, 43], clustered(126, seed=4))
    encoded = []
    for at in count(1, 16):
        (tmp_path / str(at)).mkdir()
        builder = copied(base, tmp_path / str(at))
        disk = Dying(at, ("before", "amid", "after")[at % 3])
        with monkeypatch.context() as patched:
            patched.setattr(durable, "disk", disk)
            with contextlib.suppress(Killed):
                built(builder)
        if disk.calls < at:
            break
        assert Asked(builder, QUERIES).is_true()
        again = built(builder)
        encoded.append(again.encoded)
        assert again.generation and again.reached is not None
        assert [len(parts(builder, kind)) for kind in (CENTROIDS, LISTS, RECALL)] == [1, 1, 1]
        asked = Asked(builder, QUERIES)
        assert asked.is_approximate and asked.is_true()
    assert len(encoded) > 5
    assert max(encoded) == 166 and min(encoded) == 0  # what was coded is not coded again


@pytest.mark.parametrize("call", ["mkdir", "write", "rename"])
def test_a_build_on_a_disk_that_is_full_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    builder = store(tmp_path, [60])
    with monkeypatch.context() as patched:
        patched.setattr(durable, "disk", Watched().fail(call, errno.ENOSPC))
        with pytest.raises(DiskTrouble, match="could not be written") as error:
            built(builder)
    assert "vstore index build" in str(error.value)
    assert Asked(builder, QUERIES).is_exact
    assert built(builder).generation
