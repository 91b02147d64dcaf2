"""A clock that is a year off, before or after: no answer depends on it, except for the times that are shown."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest
from PIL import Image
from support.folders import World, drawn

YEAR = 365 * 86400


def bitmap() -> bytes:
    """Make a picture whose pixel bytes may be changed freely."""
    out = io.BytesIO()
    Image.open(io.BytesIO(drawn(51))).save(out, "BMP")
    return out.getvalue()


def shift(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Let all of Python's clocks for dates run this many seconds ahead; the kernel's stamps on files stay right."""
    now, now_ns, gmtime = time.time, time.time_ns, time.gmtime
    monkeypatch.setattr(time, "time", lambda: now() + seconds)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + seconds * 10**9)
    monkeypatch.setattr(time, "gmtime", lambda at=None: gmtime(now() + seconds if at is None else at))


@pytest.mark.parametrize("first", [-YEAR, YEAR])
def test_a_clock_that_jumps_a_year_and_back_loses_and_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    world = World(tmp_path)
    world.put({f"{n}.png": n for n in range(6)})
    world.sync()
    with monkeypatch.context() as patched:
        shift(patched, first)
        world.put({"0.png": 50, "new.bmp": bitmap()})
        report = world.sync()
        assert (report.changed, report.new) == (1, 1)
        world.store.snapshot_tag("v2", "meanwhile")
    # A picture that is edited in place, with its old size and mtime, right after it was read under the wrong clock.
    found = (world.pictures / "new.bmp").stat()
    data = bytearray(bitmap())
    data[-20] ^= 1
    with (world.pictures / "new.bmp").open("r+b") as file:
        file.write(data)
    os.utime(world.pictures / "new.bmp", ns=(found.st_atime_ns, found.st_mtime_ns))
    (world.pictures / "1.png").unlink()
    report = world.sync()
    assert report.snapshot == "v3"
    assert (report.changed, report.removed) == (1, 1)
    rows = world.store.snapshot_list()
    assert [row.snapshot for row in rows] == ["v3", "v2", "v1"], "the order is that of the numbers"
    assert [row.parent for row in rows] == ["v2", "v1", None]
    world.store.rollback("latest~1")
    world.store.undo()
    assert world.repo.state.current == "v3"
    kept = {entry.snapshot for entry in world.store.snapshot_forget(keep_last=1).kept}
    assert kept == {"v3", "v2"}
    before = {name: world.aliases(name) for name in ("v2", "v3")}
    with monkeypatch.context() as patched:
        shift(patched, -first)
        world.store.gc()
    assert {name: world.aliases(name) for name in ("v2", "v3")} == before
    assert world.store.check(read_data=True).ok
