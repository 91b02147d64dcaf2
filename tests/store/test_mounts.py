"""Folders on other disks, bind mounts, device numbers that change, and addresses that are no paths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.folders import FakeOs, World, classes, put
from support.guarded import mounted

from vstore.errors import UsageError
from vstore.paths import hint_for_address

Mount = Callable[[Path, Path], None]


@pytest.fixture
def bind() -> Iterator[Mount]:
    """Mount a folder at another place, until the test ends."""
    with ExitStack() as stack:
        yield lambda folder, place: stack.enter_context(mounted(place, "--bind", str(folder)))


class Stat:
    """A stat with another device number."""

    def __init__(self, found: os.stat_result, device: int) -> None:
        self._found = found
        self.st_dev = device

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)


def test_a_bind_mount_is_a_folder_of_the_same_disk(world: World, bind: Mount) -> None:
    put(world.top / "disk", {"b.png": 2})
    world.put({"a.png": 1, "mnt/.keep": b""})
    bind(world.top / "disk", world.pictures / "mnt")
    assert classes(world.sync()) == {"new": 2}
    report = world.sync(one_file_system=True)
    assert (classes(report), report.passed) == ({"unchanged": 2}, ())


def test_a_folder_bound_into_its_own_root_is_copied_or_listed_once(world: World, bind: Mount) -> None:
    world.put({"d/a.png": 1, "e/.keep": b""})
    bind(world.pictures / "d", world.pictures / "e")
    assert classes(world.sync()) == {"new": 1, "copied": 1}
    report = world.sync(follow_symlinks=True)
    assert report.paths == 1 and report.removed == 1


def test_a_root_bound_into_itself_has_an_end(world: World, bind: Mount) -> None:
    world.put({"a.png": 1, "loop/.keep": b""})
    bind(world.pictures, world.pictures / "loop")
    assert world.sync().paths == 2
    assert world.sync(follow_symlinks=True).paths == 1


def test_another_disk_with_the_same_bytes_embeds_nothing(world: World) -> None:
    """As a disk that was copied to a new one, and mounted in its place: other device, other inodes."""
    world.put({"a.png": 1, "mnt/b.png": 2})
    world.sync()
    with mounted(world.pictures / "mnt", "-t", "tmpfs", "none"):
        world.put({"mnt/b.png": 2})
        report = world.sync()
        assert (classes(report), report.embedded) == ({"unchanged": 2}, 0)
        report = world.sync(one_file_system=True)
        assert classes(report) == {"unchanged": 1, "removed": 1}
        (disk,) = report.passed
        assert (disk.kind, disk.path, disk.take_in) == ("disk", b"pictures/mnt", "--cross-file-systems")
        assert world.sync(one_file_system=False).passed == ()


def test_a_device_number_that_changes_reads_nothing_again(settled: World, faulty: FakeOs) -> None:
    """As of a USB disk, or a share, that is mounted anew."""
    opened: list[str] = []
    faulty.between = lambda: opened.append("")
    settled.put({"a.png": 1, "d/b.png": 2})
    settled.sync()
    opened.clear()
    for options in ({}, {"one_file_system": True}, {"follow_symlinks": True}):
        faulty.alter = lambda name, found: Stat(found, found.st_dev + 77)
        report = settled.sync(**options)  # type: ignore[arg-type]
        assert (classes(report), opened, report.passed) == ({"unchanged": 2}, [], ())


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("smb://nas/photos", "mount it"), ("nfs://nas/x", "mount it"), ("sftp://me@host/x", "mount it"),
        ("s3://bucket/x", "mount it"),
        (r"\\nas\photos", "mount it"), ("file:///srv/a%20b", "name it as a path: /srv/a b"),
        ("photos", None), ("/srv/photos", None), ("a:b", None), ("./x://y", None), (r"a\b", None),
    ],
)  # fmt: skip
def test_addresses_are_no_paths(path: str, hint: str | None) -> None:
    found = hint_for_address(path)
    assert found is None if hint is None else found is not None and found.startswith(hint)


def test_a_sync_of_an_address_says_what_to_do(world: World) -> None:
    with pytest.raises(UsageError, match="mount it, and name the folder where it is mounted"):
        world.store.sync(["smb://nas/photos"])
