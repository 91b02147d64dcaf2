"""The numbers of the pictures of a snapshot, in the order of their keys, and their rows in its index."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk.cache import NUMBERS
from vstore.disk.mapped_cache import Rotten
from vstore.disk.written import make_room, map_written, write_mapped_here
from vstore.errors import Damage
from vstore.format.key_places import words
from vstore.search.index import Index
from vstore.search.key_paths import KeyPaths

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

_KEPT_FROM = 10_000  # pictures: of fewer, sorting their keys takes a millisecond
_FILES = 3  # that are kept
_ROW = 4  # bytes
_FEW = 64  # keys up to which looking each up is faster


def numbers_of(paths: KeyPaths, keys: Collection[bytes]) -> Ints:
    """Find the numbers of those keys that a snapshot has.

    keys:    distinct.
    Returns: int64 (m,), rising.
    """
    import numpy as np

    if len(keys) <= _FEW:
        return np.array(sorted(n for key in keys if (n := paths.find(key)) is not None), np.int64)
    given = sorted(keys)
    every, wanted = words(paths.keys, len(given[0])), words(b"".join(given), len(given[0]))
    at = np.searchsorted(every[:, 0], wanted[:, 0]).clip(max=max(0, len(every) - 1))
    is_there = (every[at] == wanted).all(axis=1) if len(every) else np.zeros(len(given), bool)
    # A key that begins as another one does may stand behind it.
    rest = [n for row in np.flatnonzero(~is_there).tolist() if (n := paths.find(given[row])) is not None]
    return np.sort(np.concatenate([at[is_there], np.array(rest, np.int64)]))


def kept_rows_by_number(cache: Path, name: str, index: Index, paths: KeyPaths, key_size: int) -> Ints:
    """Find the rows of the pictures as `rows_by_number` does: in `cache/`, where a file has them.

    name: tells the snapshot and the segments from others. Raises: Damage.
    """
    import numpy as np

    if len(paths) < _KEPT_FROM:
        return rows_by_number(index, paths, key_size)
    content = map_written(cache, NUMBERS + name, len(paths) * _ROW)
    if content is not None and len(content) == len(paths) * _ROW:
        with suppress(Rotten):
            rows: Ints = np.frombuffer(content.part(0, len(content)), "<u4").astype(np.int64)
            if index.are_marked(rows):
                return rows
    rows = rows_by_number(index, paths, key_size)
    if rows.max(initial=0) < 1 << 32 and write_mapped_here(cache, NUMBERS + name, rows.astype("<u4").tobytes()):
        make_room(cache, NUMBERS, NUMBERS + name, _FILES)
    return rows


def kept_row(cache: Path, name: str, index: Index, paths: KeyPaths, key: bytes) -> int | None:
    """Find the row of one picture where a file in `cache/` has it; None if none does. The others are not read.

    name: as in `kept_rows_by_number`. Raises: Damage, FileNotFoundError.
    """
    content = map_written(cache, NUMBERS + name, len(paths) * _ROW)
    number = None if content is None else paths.find(key)
    if content is None or number is None or len(content) != len(paths) * _ROW:
        return None
    try:
        row = int.from_bytes(content.part(number * _ROW, (number + 1) * _ROW), "little")
    except Rotten:
        return None
    return row if row < index.firsts[-1] and index.key(row) == key else None


def rows_by_number(index: Index, paths: KeyPaths, key_size: int) -> Ints:
    """Find the row of each picture of a snapshot.

    index:   marks the rows of the whole snapshot.
    Returns: int64 (n,), rows of the index.
    Raises:  Damage if the index marks other pictures.
    """
    rows = index.marked_rows()
    return rows[order_of(index.keys_of(rows), paths, key_size)]


def order_of(keys: bytes, paths: KeyPaths, key_size: int) -> Ints:
    """Find the order in which the keys of all pictures of a snapshot, one after another, rise: that of their numbers.

    Returns: int64 (n,), places in `keys`.
    Raises:  Damage if they are the keys of other pictures.
    """
    import numpy as np

    found, every = words(keys, key_size), words(paths.keys, key_size)
    order = np.argsort(found[:, 0], kind="stable")
    if len(found) == len(every) and not (found[order] == every).all():  # some keys begin alike
        order = np.lexsort(found.T[::-1])
    if len(found) != len(every) or not (found[order] == every).all():
        raise Damage("the index marks other pictures than the snapshot has", "run: vstore check")
    return order
