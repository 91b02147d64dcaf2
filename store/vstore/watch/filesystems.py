"""The filesystems that do not tell of every change: those of networks and of programs, where others write too."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from vstore.repository.places import is_below

MOUNTS = "/proc/self/mountinfo"
_SILENT = (
    b"nfs", b"cifs", b"smb", b"9p", b"afs", b"ceph", b"glusterfs", b"lustre", b"beegfs", b"gpfs", b"davfs", b"ncpfs",
    b"fuse.", b"virtiofs", b"vboxsf", b"prl_fs", b"vmhgfs", b"drvfs", b"orangefs", b"ocfs2", b"gfs2", b"coda",
)  # fmt: skip


class Mount(NamedTuple):
    """A mounted disk. place: its mount point. kind: the type of its filesystem."""

    place: bytes
    kind: bytes


def mounts() -> list[Mount]:
    """List what is mounted; nothing where the system does not list it."""
    try:
        with open(MOUNTS, "rb") as lines:
            halves = [line.split(b" - ", 1) for line in lines]
    except OSError:
        return []
    found = []
    for half in halves:
        fields = half[0].split(b" ")
        if len(half) == 2 and len(fields) > 4:
            found.append(
                Mount(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), fields[4]), half[1].split()[0])
            )
    return found


def silent_kind(place: bytes, listed: list[Mount]) -> str | None:
    """Find a filesystem, at a folder or below it, that does not tell of every change.

    place:  its real path.
    listed: what is mounted.
    Returns: the type, or None.
    """
    around = [mount for mount in listed if is_below(place, mount.place)]
    own = max(reversed(around), key=lambda mount: len(mount.place), default=None)  # the last one covers the others
    below = [mount for mount in listed if mount.place != place and is_below(mount.place, place)]
    for mount in [*([own] if own is not None else []), *below]:
        if mount.kind.startswith(_SILENT):
            return os.fsdecode(mount.kind)
    return None
