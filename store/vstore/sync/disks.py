"""The folders of a root that may be disks of their own: where each lies, compared with an earlier look.

Folders at most two levels below the root are remembered, and every mount point that the system lists: an unmounted
disk leaves an empty folder of another inode number, or none.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from vstore.quick_tuple import NamedTuple
from vstore.repository.places import is_below

MOUNTS = "/proc/self/mountinfo"
MOST = 1000  # folders remembered of a root
_SPOT = struct.Struct("<QBI")  # inode, whether mounted, bytes of the path


class Spot(NamedTuple):
    """The place of a folder. Numbers of disks change when they are mounted again, so none is kept.

    inode:   its number on its disk; 0 where the disk makes them up.
    mounted: it is a mount point, or was one when it had pictures.
    """

    inode: int
    mounted: bool


Spots = Mapping[bytes, Spot]  # by stored path


def spots_of(label: bytes, place: bytes, listed: Iterable[bytes], *, inodes: bool = True) -> dict[bytes, Spot]:
    """Look at the mount points in a root, and at some of its folders.

    place:  its real path.
    listed: stored paths of the folders.
    inodes: the inode numbers of its disk can be trusted.
    """
    mounts = {label + b"/" + path for path in _mounts_below(place)}
    found = {}
    for path in islice(dict.fromkeys([*sorted(mounts), *listed]), MOST):
        at = os.path.join(place, path[len(label) + 1 :])
        try:
            there, above = os.stat(at), os.stat(os.path.dirname(at))
        except OSError:
            continue
        found[path] = Spot(there.st_ino if inodes else 0, path in mounts or there.st_dev != above.st_dev)
    return found


def remembered(now: Spots, earlier: Spots, filled: Iterable[bytes]) -> dict[bytes, Spot]:
    """Join two looks. filled: the earlier mount points with pictures now.

    That a folder was a mount point is forgotten once it has pictures without being one. One that is not there is
    remembered if it was a mount point.
    """
    full = frozenset(filled)
    kept = {path: spot for path, spot in earlier.items() if spot.mounted and (path not in now or path not in full)}
    joined = {path: spot._replace(mounted=spot.mounted or path in kept) for path, spot in now.items()}
    return {**{path: spot for path, spot in kept.items() if path not in joined}, **joined}


def changed_disk(earlier: Spot | None, now: Spot | None, *, is_empty: bool) -> str | None:
    """Say why a folder that lost all pictures may lack its disk; None if it may not.

    earlier:  when it had them, or None if nobody looked.
    now:      None if it is gone.
    is_empty: it holds no other pictures.
    """
    if now is not None and now.mounted:
        return "is on a disk of its own, which holds none of the pictures that it had"
    if earlier is not None and earlier.mounted:
        return "was on a disk of its own, which is not mounted"
    if earlier is None or now is None or not is_empty or 0 in (earlier.inode, now.inode) or earlier.inode == now.inode:
        return None
    return "is not the folder that it was: it is empty, as the place of a disk that is not mounted"


def packed(spots: Spots) -> bytes:
    """Pack a look for the catalogue."""
    return b"".join(_SPOT.pack(*spot, len(path)) + path for path, spot in sorted(spots.items()))


def unpacked(value: bytes | None) -> dict[bytes, Spot]:
    """Unpack a look; of other bytes nothing."""
    spots, at = {}, 0
    while value is not None and at + _SPOT.size <= len(value):
        inode, mounted, size = _SPOT.unpack_from(value, at)
        at += _SPOT.size
        spots[value[at : at + size]] = Spot(inode, bool(mounted))
        at += size
    return spots


def _mounts_below(place: bytes) -> Iterator[bytes]:
    """Yield the mount points below a folder, relative to it; none where the system does not list them."""
    try:
        with open(MOUNTS, "rb") as lines:
            fields = [line.split(b" ", 5) for line in lines]
    except OSError:
        return
    for field in fields:
        at = re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), field[4]) if len(field) > 4 else b""
        if at != place and is_below(at, place):
            yield at[len(place.rstrip(b"/")) + 1 :]
