"""Options of a watch, as type checkers see them."""

from __future__ import annotations

from typing import TypedDict


class WatchWords(TypedDict, total=False):
    """Options of `Store.watch`. Sizes are in bytes, times in seconds.

    settle:           quiet time after a change, before a sync.
    settle_at_most:   time after which changes are synced although they go on.
    poll:             look at all folders again and again, instead of waiting for events.
    every:            time between two looks at a folder that is polled.
    rescan:           time after which everything is synced, whatever was seen.
    unload_after:     time without a sync that needs the model, after which its memory is given back.
    message:          a note for the snapshots.
    max_file_size:    larger files are listed, unread.
    max_pixels:       larger pictures are not decoded; None means 179 million.
    commit_every:     time of embedding between partial snapshots.
    batch_size:       pictures in one batch; None finds a good number.
    device:           as in `SyncWords`.
    offline:          download no model.
    isolate_decoding: decode in worker processes with limits of time and memory: for pictures of strangers.
    """

    settle: float
    settle_at_most: float
    poll: bool
    every: float
    rescan: float
    unload_after: float
    message: str
    max_file_size: int
    max_pixels: int | None
    commit_every: float
    batch_size: int | None
    device: str
    offline: bool
    isolate_decoding: bool
