"""Remembers when each segment and pack was last read whole against its checksums."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from vstore import clock
from vstore.disk.cache import read_cache_object, write_cache
from vstore.format.canonical import canonical
from vstore.format.names import is_number

_NAME = "verified"


def read_times(cache: Path) -> dict[str, int]:
    """Say when the files of a store were last read whole, as far as that is remembered: seconds by name."""
    return {name: at for name, at in read_cache_object(cache, _NAME).items() if is_number(at)}


def note_read(cache: Path, names: Iterable[str], listed: Collection[str] | None = None) -> None:
    """Note the files just read whole. Nothing is remembered in a read-only store.

    listed: all others are forgotten.
    """
    names = sorted(names)
    if names:
        times = {name: at for name, at in read_times(cache).items() if listed is None or name in listed}
        times |= dict.fromkeys(names, clock.seconds())
        write_cache(cache, _NAME, canonical(times))


def forget_read(cache: Path, name: str) -> None:
    """Forget when a damaged file was read."""
    times = read_times(cache)
    if times.pop(name, None) is not None:
        write_cache(cache, _NAME, canonical(times))
