"""Reads vectors again in turn, so that rot is found in rows that no search gives out.

Only rows of believed segments: others are read whole by each search. Headers, keys and checksums are checked whenever a
segment is opened.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from vstore import clock
from vstore.disk.believed import disbelieve
from vstore.disk.file import File
from vstore.disk.footer import FOOTER_SIZE, Footer
from vstore.disk.row_sums import RowSums, open_row_sums, remove_row_sums, row_sums
from vstore.disk.segments import Segment
from vstore.disk.turn import DAY, Stretch, keep_stretches, stretches
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.repository.repository import Repository

CYCLE = 30 * DAY  # seconds within which each byte is read again
SHARE = 0.05  # of the time of a sync, at most
_PIECE = 256 << 10  # bytes between two looks at the clock
_ROUNDING = 1e-6  # of a row


def read_again(repo: Repository, *, took: float, is_stopped: Callable[[], bool]) -> None:
    """Read the vectors whose turn it is. The caller holds `ingest`, and has committed its own work.

    took:       seconds of the sync so far: the reading takes `SHARE` of them at most.
    is_stopped: tells whether the user wants the run to end.
    Raises:     Damage, once everything is read whose turn it is.
    """
    cache, now = repo.layout.cache, clock.seconds()
    before = stretches(cache, repo.state.all_segments(), now)
    if not before:
        return
    reading = _Reading(repo.layout.segments, cache, now, until=time.perf_counter() + took * SHARE, stop=is_stopped)
    left = due(before, now)
    after: dict[Stretch, list[Stretch]] = {}
    for stretch in sorted(before, key=lambda one: one.at):
        if left * stretch.ref.rows <= _ROUNDING * stretch.ref.size or reading.is_over():
            break
        after[stretch] = reading.read(stretch, left)
        left -= sum(one.bytes for one in after[stretch] if one.at != stretch.at)
    if after:
        keep_stretches(cache, (part for stretch in before for part in after.get(stretch, [stretch])))
    if reading.damage:
        for name in reading.damage:
            disbelieve(cache, name)
        raise _found(list(reading.damage.values()))


def _found(damage: Sequence[Damage]) -> Damage:
    more = f", and so {'is 1 more' if len(damage) == 2 else f'are {len(damage) - 1} more'}" if damage[1:] else ""
    return Damage(
        f"{damage[0].message}{more}; found by reading stored vectors again after the sync, whose work is kept",
        "run: vstore repair",
    )


def due(found: Sequence[Stretch], now: int) -> float:
    """Compute the bytes to be read now, so that all are read within `CYCLE` at an even rate from then on."""
    rate = sum(one.bytes for one in found) / CYCLE
    wanted = before = 0.0
    for one in sorted(found, key=lambda one: one.at):
        before += one.bytes
        wanted = max(wanted, before - rate * max(0, one.at + CYCLE - now))
    return wanted


class _Reading:
    """One turn.

    damage: of segments, by their names.
    """

    def __init__(self, segments: Path, cache: Path, now: int, *, until: float, stop: Callable[[], bool]) -> None:
        self.damage: dict[str, Damage] = {}
        self._segments = segments
        self._cache = cache
        self._now = now
        self._until = until
        self._stop = stop

    def is_over(self) -> bool:
        return self._stop() or time.perf_counter() >= self._until

    def read(self, stretch: Stretch, most: float) -> list[Stretch]:
        """Read rows from the first one on, as far as bytes and time reach. Returns: the stretch, in parts.

        Without row sums nothing is read: the next search reads the segment whole.
        """
        ref = stretch.ref
        with open_row_sums(self._cache, ref) as sums:
            if sums is None:
                return [stretch]
            try:
                with File(self._segments / ref.name) as file:
                    return self._read(stretch, most, file, sums)
            except FileNotFoundError:
                self.damage[ref.name] = Damage(f"segments/{ref.name} is missing", "run: vstore repair")
            except Damage as err:
                self.damage[ref.name] = err
            return [stretch._replace(at=0)]

    def _read(self, stretch: Stretch, most: float, file: File, sums: RowSums) -> list[Stretch]:
        ref, first = stretch.ref, stretch.first
        footer = self._footer(file, ref)
        end = min(stretch.end, first + math.ceil(most * ref.rows / ref.size - _ROUNDING))
        step = max(1, _PIECE // footer.width)
        parts: list[Stretch] = []
        while first < end and not self.is_over():
            upto = min(end, first + step)
            data = file.pread((upto - first) * footer.width, footer.header + first * footer.width)
            fits = row_sums(memoryview(data), footer.width) == sums.of(first, upto)
            parts.append(Stretch(ref, first, upto, self._now if fits or self._blocks_fit(ref, first, upto) else 0))
            first = upto
        return [*parts, Stretch(ref, first, stretch.end, stretch.at)] if first < stretch.end else parts

    def _blocks_fit(self, ref: FileRef, first: int, end: int) -> bool:
        """Tell whether the row sums are false, and not the rows: the checksums of whole blocks decide."""
        segment = Segment(self._segments, ref)
        try:
            segment.verify_rows(range(first, end))
        except Damage as err:
            self.damage.setdefault(ref.name, err)
            return False
        remove_row_sums(self._cache, ref)
        return True

    def _footer(self, file: File, ref: FileRef) -> Footer:
        """Read a footer without the keys, which take as long as a turn. Raises: Damage.

        One of another segment fits no row sums.
        """
        try:
            return Footer.from_bytes(file.pread(FOOTER_SIZE, max(0, ref.size - FOOTER_SIZE)))
        except ValueError:
            return Segment(self._segments, ref).footer  # it says what is damaged
