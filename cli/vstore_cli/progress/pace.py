"""The time that is left of a stage: by its files and its bytes, and by what both have cost so far."""

from __future__ import annotations

SOON = 3.0  # seconds of work from which on the past says something of the future
SLICE = 0.5  # seconds of work that are measured together: of a single file, readers ahead blur the cost
PARTS = 100  # slices of the whole time at most: long runs need no finer ones


class Pace:
    """The cost of a file, and of a byte.

    Both are fitted to slices of the time that has passed. A slice counts more the later it was, in proportion to the
    time until then: a change of pace shows, and the more has been seen, the less a single slice changes.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._time = self._files = self._bytes = 0.0  # weighted sums
        self._ff = self._fb = self._bb = self._tf = self._tb = 0.0  # of products
        self._slice = (0.0, 0, 0)
        self._waited = 0.0  # seconds since something was finished
        self._usual = 0.0  # seconds of such a wait

    def add(self, seconds: float, files: int, size: int) -> None:
        """Note work. seconds: that it took; files, size: finished meanwhile; all may be 0."""
        self._waited += seconds
        if files or size:
            self._usual += (self._waited - self._usual) / 8
            self._waited = 0.0
        time, before, bytes_before = self._slice
        self._slice = time, files, size = time + seconds, before + files, bytes_before + size
        if time < max(SLICE, self.seconds / PARTS) or not (files or size):
            return
        self._slice = (0.0, 0, 0)
        kept = self.seconds / (self.seconds + time)
        self.seconds += time
        self._time = kept * self._time + time
        self._files = kept * self._files + files
        self._bytes = kept * self._bytes + size
        self._ff = kept * self._ff + files * files
        self._fb = kept * self._fb + files * size
        self._bb = kept * self._bb + size * size
        self._tf = kept * self._tf + time * files
        self._tb = kept * self._tb + time * size

    def left(self, files: int, size: int) -> float | None:
        """Estimate the seconds that further files take, with these bytes. Returns: None while nothing can be said."""
        if self.seconds < SOON:
            return None
        per_file, per_byte = self._costs()
        # While nothing is finished the time goes on, but not beyond a usual wait.
        return max(0.0, per_file * files + per_byte * size - min(self._waited, self._usual))

    def _costs(self) -> tuple[float, float]:
        """Fit the costs of a file and of a byte, in seconds: neither is below 0, and together they fit the past."""
        if not self._files or not self._bytes:
            return (self._time / self._files if self._files else 0.0), (
                self._time / self._bytes if self._bytes else 0.0
            )
        scale = self._bytes / self._files  # in units of the mean file, both costs have one size
        fb, bb, tb = self._fb / scale, self._bb / scale**2, self._tb / scale
        # Files of one size say nothing of which it was: then each is half of it.
        half = self._time / self._files / 2
        hold = 0.005 * self._ff
        rest_f = self._tf - half * (self._ff + fb)
        rest_b = tb - half * (fb + bb)
        det = (self._ff + hold) * (bb + hold) - fb * fb
        per_file = max(0.0, half + ((bb + hold) * rest_f - fb * rest_b) / det)
        per_mean = max(0.0, half + ((self._ff + hold) * rest_b - fb * rest_f) / det)
        told = (per_file + per_mean) * self._files
        if not told:
            return self._time / self._files, 0.0
        true = self._time / told
        return per_file * true, per_mean * true / scale
