"""The options that are kept with a folder, as type checkers see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class UsualWords(TypedDict, total=False):
    """The options with which a user has folders synced that keep none of their own, as `SyncWords` describes them.

    They are not recorded: what is kept with a folder, or given to a sync, comes before them.

    exclude, include:                            globs.
    follow_symlinks, one_file_system:            the links and disks of a folder.
    ignore_inode, ignore_ctime:                  for filesystems that invent numbers.
    accept_truncated:                            a percentage; a store of format 1 takes none.
    """

    exclude: Sequence[str]
    include: Sequence[str]
    follow_symlinks: bool
    one_file_system: bool
    ignore_inode: bool
    ignore_ctime: bool
    accept_truncated: int
