"""Whose store it is: that of another user is read, and written into only by a user who trusts it.

Who may write into the folder of a store can change it under the hands of its reader, and sees what is written there. So
its folder must belong to the user who writes. Inside it, the folders that hold the log, the data and the locks count
too: an archive that root unpacks brings the owner of each with it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk import inside
from vstore.format.layout import Layout
from vstore.paths import AnyPath, absolute, in_home
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from vstore.format.usual_words import UsualWords

ROOT = 0
MOUNTS = "/proc/self/mountinfo"
# Filesystems that keep no owners: all files belong to whoever the system was told at the mount.
_OWNERLESS = {
    "vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "hfs", "hpfs", "vboxsf", "drvfs", "prl_fs", "vmhgfs",
    "fuse.vmhgfs-fuse",
}  # fmt: skip


class User(NamedTuple):
    """The user of this process. The fields are those of `UserWords`."""

    config: Path | None = None
    cache: Path | None = None
    trust: bool = False
    sudo_uid: int | None = None
    usual: UsualWords | None = None

    @classmethod
    def of(
        cls,
        *,
        config: AnyPath | None = None,
        cache: AnyPath | None = None,
        trust: bool = False,
        sudo_uid: int | None = None,
        usual: UsualWords | None = None,
    ) -> User:
        """Take what a program says. Raises: UsageError for an empty path."""
        return cls(
            config=None if config is None else absolute(config),
            cache=None if cache is None else absolute(cache),
            trust=trust,
            sudo_uid=sudo_uid,
            usual=usual,
        )

    def config_folder(self) -> Path | None:
        """Find the folder for configurations; None for a user without a home."""
        return self.config or in_home(".config")

    def cache_folder(self) -> Path | None:
        """Find the folder for caches; None for a user without a home."""
        return self.cache or in_home(".cache")


class Foreign(NamedTuple):
    """A store of another user.

    folder:   its real folder.
    owner:    uid of its owner.
    inner:    a folder in it that belongs to somebody else again, or None.
    whose:    uid of who holds it: `owner`, or the owner of `inner`.
    writable: the system would let this user write into the folder.
    """

    folder: Path
    owner: int
    inner: str | None
    whose: int
    writable: bool


def foreign(layout: Layout, user: User) -> Foreign | None:
    """Find out whether a store belongs to another user, whom this one does not trust.

    Returns: None if it may be written into. Raises: OSError if there is no such folder; Damage.
    """
    if user.trust or not hasattr(os, "geteuid"):
        return None
    found = inside.look_at_any(layout.folder)
    owner = found.st_uid
    me = os.geteuid()
    held = _held(layout, owner, {me})
    if held is not None and me == ROOT:
        held = _held(layout, owner, {me, *_served(layout.folder, user)})
    if held is None or not _keeps_owners(found.st_dev):
        return None
    from vstore.disk.trusted import Trusted, is_trusted  # few stores are another user's

    real = Path(os.path.realpath(layout.folder))
    if is_trusted(user.config_folder(), Trusted(real, owner)):
        return None
    inner, whose = held
    return Foreign(real, owner, inner=inner, whose=whose, writable=os.access(real, os.W_OK))


def name_of(uid: int) -> str:
    """Name a user for people."""
    import pwd  # no other command needs it

    try:
        return f"{pwd.getpwuid(uid).pw_name} (user {uid})"
    except (KeyError, OSError):
        return f"user {uid}"


def _served(folder: Path, user: User) -> set[int]:
    """List the users in whose stores root may write: it works for them in their folders, or by sudo."""
    above = inside.look_at_any(Path(os.path.realpath(folder)).parent).st_uid
    return {above} if user.sudo_uid is None else {above, user.sudo_uid}


def _held(layout: Layout, owner: int, mine: set[int]) -> tuple[str | None, int] | None:
    """Find out what in a store belongs to somebody else.

    owner: uid of its owner.
    mine:  users whose stores are this one's own.
    Returns: the name of a folder in it, or None for the store itself; and whose it is. None if nothing does.
    """
    if owner not in mine:
        return None, owner
    for folder in (layout.refs, layout.segments, layout.packs, layout.journal, layout.locks):
        with contextlib.suppress(FileNotFoundError):  # copies leave out what was empty
            found = inside.look_at_any(folder).st_uid
            if found not in mine and found not in (owner, ROOT):
                return folder.name, found
    return None


def _keeps_owners(device: int) -> bool:
    """Tell whether the filesystem of a device keeps the owners of files; if the system does not say, it does."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as mounts:
            kinds = {line.partition(" - ")[2].split(" ")[0] for line in mounts if line.split(" ")[2:3] == [number]}
    except OSError:
        return True
    return not kinds & _OWNERLESS
