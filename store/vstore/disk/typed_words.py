"""The words of a program about its user, for type checkers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from vstore.paths import AnyPath


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


class UserWords(TypedDict, total=False):
    """The words of a program about the user for whom it opens a store.

    config:   the user's folder for configurations; None is ~/.config.
    cache:    the user's folder for caches; None is ~/.cache.
    trust:    the store may be written into, whoever owns it.
    sudo_uid: the id of the user who became root by sudo: stores of both are their own.
    usual:    options of folders that keep none of their own.
    """

    config: AnyPath | None
    cache: AnyPath | None
    trust: bool
    sudo_uid: int | None
    usual: UsualWords | None
