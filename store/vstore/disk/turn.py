"""The turn of vectors to be read again: when the rows of each believed segment were last read against checksums."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from vstore.disk.believed import believed
from vstore.disk.cache import TURN, read_cache_object, write_cache
from vstore.disk.read_times import read_times
from vstore.format.canonical import Json, canonical
from vstore.format.entries import FileRef
from vstore.format.names import is_number

DAY = 86_400


class Stretch(NamedTuple):
    """Neighbouring rows of a segment that were last read at about the same time.

    ref:   the segment.
    first: the first row.
    end:   the row after the last.
    at:    when they were read, in seconds since 1970; 0 if that is not known, or they did not match.
    """

    ref: FileRef
    first: int
    end: int
    at: int

    @property
    def bytes(self) -> float:
        """Bytes of the rows, with their share of all else in the file."""
        return (self.end - self.first) * self.ref.size / self.ref.rows


def stretches(cache: Path, listed: Iterable[FileRef], now: int) -> list[Stretch]:
    """List the rows of the believed segments, in their order. What is said to be read after `now` is not known."""
    noted, known = read_cache_object(cache, TURN), believed(cache)
    if not noted and not known:
        return []
    whole = read_times(cache)
    found = []
    for ref in {ref.name: ref for ref in listed}.values():
        if ref.rows and (ref.name in known or ref.name in noted):
            first = 0
            for rows, at in _runs(noted.get(ref.name), ref.rows):
                latest = max(at, whole.get(ref.name, 0))
                found.append(Stretch(ref, first, first + rows, latest if latest <= now else 0))
                first += rows
    return found


def _runs(value: Json, rows: int) -> list[tuple[int, int]]:
    """Read the runs of a segment: how many rows, and when they were read; one run of unknown time if there are none."""
    pairs = value if isinstance(value, list) else []
    runs = [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    if all(is_number(count, least=1) and is_number(at) for count, at in runs) and sum(n for n, _ in runs) == rows:
        return runs
    return [(rows, 0)]


def keep_stretches(cache: Path, found: Iterable[Stretch]) -> bool:
    """Keep when rows were read, and forget all other segments. Returns: False if nothing was written.

    found: in the order of the rows. Neighbours of one day become one, with the older time.
    """
    kept: dict[str, list[list[int]]] = {}
    for name, some in groupby(found, lambda one: one.ref.name):
        runs: list[list[int]] = []
        oldest = newest = -DAY
        for one in some:
            low, high = min(oldest, one.at), max(newest, one.at)
            if high == low or (low > 0 and high - low < DAY):
                runs[-1] = [runs[-1][0] + one.end - one.first, low]
                oldest, newest = low, high
            else:
                runs.append([one.end - one.first, one.at])
                oldest = newest = one.at
        kept[name] = runs
    return write_cache(cache, TURN, canonical(kept))
