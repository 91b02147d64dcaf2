"""Pictures are regular files, or links to such: nobody waits for a pipe that took the name of one."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.folders import World, drawn

from vstore.errors import UsageError, VstoreError
from vstore.pictures.picture_file import open_regular, read_regular
from vstore.search.group_files import _are_same
from vstore.search.query import Operand


@pytest.fixture(autouse=True)
def hurry() -> Iterator[None]:
    signal.alarm(30)
    yield
    signal.alarm(0)


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "b.png").symlink_to("a.png")
    for name in ("a.png", "b.png"):
        assert read_regular(os.fsencode(tmp_path / name)) == b"picture"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("pipe", "link")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    assert stat.S_ISCHR(os.stat("/dev/zero").st_mode)
    for name in (b"pipe", b"link", b"socket", b"/dev/zero"):
        with pytest.raises(OSError, match="not a regular file") as caught:
            open_regular(name)
        assert caught.value.errno == errno.EINVAL
    with pytest.raises(IsADirectoryError):
        open_regular(b".")
    with pytest.raises(FileNotFoundError):
        open_regular(b"none")


@pytest.mark.parametrize("name", ["pipe.png", "/dev/zero"])
def test_a_query_that_is_a_pipe_or_a_device_is_refused(world: World, tmp_path: Path, name: str) -> None:
    world.put({"a.png": 1})
    world.sync()
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(VstoreError, match=r"cannot read .*: it is not a regular file; name a picture file"):
        world.store.search([Operand(1, os.fsencode(tmp_path / name))])
    with pytest.raises(UsageError, match="is a folder"):
        world.store.search([Operand(1, os.fsencode(tmp_path))])


def test_a_query_that_the_shell_opened_is_read_to_its_end(world: World) -> None:
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    reading, writing = os.pipe()
    os.write(writing, drawn(1))
    os.close(writing)
    try:
        hits = world.store.search([Operand(1, f"/dev/fd/{reading}".encode())]).hits
    finally:
        os.close(reading)
    assert hits[0].paths == (b"pictures/a.png",)


def test_a_picture_that_became_a_pipe_is_no_longer_that_picture(world: World) -> None:
    world.put({"a.png": 1, "b.png": 1, "c.png": 2})
    world.sync()
    for name in ("b.png", "c.png"):
        (world.pictures / name).unlink()
        os.mkfifo(world.pictures / name)
    (group,) = world.store.dupes(verify=True).groups
    assert dict(group.troubles) == {b"pictures/b.png": "it is not a regular file"}
    assert _are_same(*[os.fsencode(world.pictures / "a.png")] * 2)
    with pytest.raises(OSError, match="not a regular file"):
        _are_same(os.fsencode(world.pictures / "a.png"), os.fsencode(world.pictures / "b.png"))
    assert world.store.check(reembed=3).ok
    report = world.store.sync([world.pictures])
    assert (report.removed, report.failed) == (2, ())


def test_an_ignore_file_that_is_a_pipe_is_none(world: World) -> None:
    world.put({"a.png": 1})
    os.mkfifo(world.pictures / ".vstoreignore")
    assert world.sync().paths == 1
