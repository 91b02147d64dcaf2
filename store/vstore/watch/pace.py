"""The pace of a watch: the moment of the next sync. Pure: the caller has the clock."""

from __future__ import annotations

FIRST_PAUSE = 5.0  # seconds after a failure; they double with each further one
LONGEST_PAUSE = 600.0  # seconds between two tries while nothing changes
CHANGED_PAUSE = 30.0  # the most seconds that a change waits for a try after a failure
REST = 5.0  # times as long as a walk over all folders took, nothing is done after it: huge ones take no whole core


class Pace:
    """The changes that wait for a sync, and the failures in a row. Times are seconds of a clock that never goes back.

    settle, at_most, rescan: as in `WatchWords`.
    """

    def __init__(self, settle: float, at_most: float, rescan: float) -> None:
        self._settle = settle
        self._at_most = at_most
        self._rescan = rescan
        self._first: float | None = None  # change since the last sync began
        self._last = 0.0
        self._failures = 0
        self._ended = float("-inf")
        self._rest = 0.0
        self._is_asked = True  # at the start everything is synced

    @property
    def is_pending(self) -> bool:
        """True if a change waits for its sync."""
        return self._first is not None

    @property
    def is_failing(self) -> bool:
        """True if the last sync failed."""
        return self._failures > 0

    def change(self, now: float) -> None:
        """Note a change."""
        self._first = now if self._first is None else self._first
        self._last = now

    def ask(self) -> None:
        """Ask for a sync at once, whatever failed: something else than pictures changed."""
        self._is_asked = True

    def begin(self) -> None:
        """Note that a sync begins: later changes wait for the next one."""
        self._first, self._is_asked = None, False

    def end(self, now: float, *, failed: bool, walk: float = 0.0) -> None:
        """Note that a sync ended. walk: seconds that the walk before it took."""
        self._rest = min(REST * walk, self._at_most)
        self._failures = self._failures + 1 if failed else 0
        self._ended = now

    def due(self) -> float:
        """Tell when the next sync is to begin."""
        if self._is_asked:
            return float("-inf")
        again = self._ended + (self._pause() if self._failures else self._rescan)
        if self._first is None:
            return again
        settled = max(min(self._last + self._settle, self._first + self._at_most), self._ended + self._rest)
        if self._failures:
            settled = max(settled, self._ended + min(self._pause(), CHANGED_PAUSE))
        return min(settled, again)

    def _pause(self) -> float:
        return min(FIRST_PAUSE * 2.0 ** min(self._failures - 1, 30), LONGEST_PAUSE)
