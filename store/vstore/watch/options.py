"""The options of one watch."""

from __future__ import annotations

from typing import Any, NamedTuple

from vstore.errors import UsageError

_TIMES = ("settle", "settle_at_most", "every", "rescan", "unload_after")


class WatchOptions(NamedTuple):
    """The words of `WatchWords`, with their defaults. mypy compares the two as a caller's words become a record."""

    settle: float = 2.0
    settle_at_most: float = 300.0
    poll: bool = False
    every: float = 30.0
    rescan: float = 3600.0
    unload_after: float = 1800.0
    message: str = ""
    max_file_size: int = 256 << 20
    max_pixels: int | None = None
    commit_every: float = 1800.0
    batch_size: int | None = None
    device: str = "auto"
    offline: bool = False
    isolate_decoding: bool = False

    def refuse_wrong(self) -> None:
        """Raises: UsageError for a time that is none."""
        for name in _TIMES:
            seconds = getattr(self, name)
            if not 0 < seconds < float("inf"):
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{seconds:g} seconds is no time for {option}", "give more than 0, such as 2s or 5m")

    def of_sync(self) -> dict[str, Any]:
        """Give the words of each sync: it waits for other commands, and lets no guard go."""
        own = {*_TIMES, "poll"}
        return {**{name: value for name, value in self._asdict().items() if name not in own}, "wait": True}
