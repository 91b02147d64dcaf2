"""The filesystems that do not tell of every change: those are looked at again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from vstore.watch import filesystems
from vstore.watch.filesystems import Mount, mounts, silent_kind

LOCAL = [Mount(b"/", b"ext4"), Mount(b"/mnt/usb", b"vfat"), Mount(b"/mnt/ntfs", b"fuseblk")]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.rclone", "virtiofs", "ceph"])
def test_a_folder_on_a_network_disk_is_silent(kind: str) -> None:
    listed = [*LOCAL, Mount(b"/mnt/net", kind.encode())]
    assert silent_kind(b"/mnt/net", listed) == kind
    assert silent_kind(b"/mnt/net/pictures", listed) == kind
    assert silent_kind(b"/mnt", listed) == kind  # it lies in this one
    assert silent_kind(b"/mnt/nets", listed) is None
    assert silent_kind(b"/home/pictures", listed) is None


@pytest.mark.parametrize("place", [b"/home", b"/mnt/usb/a", b"/mnt/ntfs"])
def test_a_folder_on_a_local_disk_is_not(place: bytes) -> None:
    assert silent_kind(place, LOCAL) is None


def test_a_local_disk_inside_a_network_disk_is_not_silent() -> None:
    listed = [Mount(b"/", b"nfs"), Mount(b"/home", b"ext4")]
    assert silent_kind(b"/home/a", listed) is None
    assert silent_kind(b"/a", listed) == "nfs"


def test_what_is_mounted_later_over_a_place_counts() -> None:
    assert silent_kind(b"/mnt", [Mount(b"/mnt", b"ext4"), Mount(b"/mnt", b"nfs")]) == "nfs"


def test_mounts_are_read_as_the_system_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(
        b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        b"40 22 0:35 / /mnt/a\\040b rw master:3 - fuse.sshfs host:/ rw\n"
        b"broken line\n"
    )
    monkeypatch.setattr(filesystems, "MOUNTS", str(table))
    assert mounts() == [Mount(b"/", b"ext4"), Mount(b"/mnt/a b", b"fuse.sshfs")]
    monkeypatch.setattr(filesystems, "MOUNTS", str(tmp_path / "none"))
    assert mounts() == []
