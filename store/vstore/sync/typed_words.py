"""Options of a sync, as type checkers see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from vstore.embed.typed_words import ModelWords
from vstore.paths import AnyPath


class SyncWords(TypedDict, total=False):
    """Options of `Store.sync`. Sizes are in bytes, times in seconds.

    message:           a note for the snapshot.
    exclude:           globs (gitignore syntax) of files to skip from now on.
    no_exclude:        globs to skip no longer.
    include:           globs of files to take despite their extension.
    exclude_from:      a file of globs to skip, one a line.
    files_from:        a file of further paths, one a line or each ended by NUL.
    follow_symlinks:   enter symlinked folders.
    one_file_system:   stay on the folder's disk.
    ignore_inode:      for filesystems that invent inode numbers.
    ignore_ctime:      for filesystems that invent change times.
    accept_truncated:  take pictures whose file is cut, from this percent of their lines on; 0 takes none.
    as_label:          the name under which the store keeps the folder's paths.
    space:             the embedding space to fill; by default that of the current snapshot.
    retry_failed:      try all pictures again that an earlier run remembers as failed.
    wait:              wait for another process that is changing the store.
    allow_mass_delete: accept that many pictures have disappeared.
    max_file_size:     larger files are listed, unread.
    max_pixels:        larger pictures are not decoded; None means 179 million.
    commit_every:      time of embedding between partial snapshots.
    batch_size:        pictures in one batch; None finds a good number.
    compile:           let torch compile the model first: slower to start, faster for many pictures.
    device:            auto, cpu, cuda, cuda:1, mps, or several (`cuda:0,cuda:1`), each with a worker process. auto and
                       cuda take every CUDA GPU.
    offline:           download no model.
    isolate_decoding:  decode in worker processes with limits of time and memory: for pictures of strangers.
    """

    message: str
    exclude: Sequence[str]
    no_exclude: Sequence[str]
    include: Sequence[str]
    exclude_from: AnyPath | None
    files_from: AnyPath | None
    follow_symlinks: bool | None
    one_file_system: bool | None
    ignore_inode: bool | None
    ignore_ctime: bool | None
    accept_truncated: int | None
    as_label: str | None
    space: str | None
    retry_failed: bool
    wait: bool
    allow_mass_delete: bool
    max_file_size: int
    max_pixels: int | None
    commit_every: float
    batch_size: int | None
    compile: bool
    device: str
    offline: bool
    isolate_decoding: bool


class FirstSyncWords(SyncWords, ModelWords, total=False):
    """Options of `Store.sync_new`: those of a sync, and the model of the new store."""
