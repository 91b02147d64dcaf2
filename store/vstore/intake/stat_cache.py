"""The stat cache: what the catalogue remembers of the files of each folder, a thousand files to a value.

A value is *settled* if the keys of all its files are known. A *clean* run of files is one whose names and stats are,
byte for byte, those of a settled value; nothing is unpacked for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vstore.format.relabelling import Absorbed, yesterday
from vstore.intake.survey import KNOWN, Chunk
from vstore.pictures.folder import FileStat, files_of, heads_of, subfolders_of
from vstore.pictures.remembered import HEAD, head_of
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from vstore.disk.catalogue import Catalogue
    from vstore.disk.facts import Batch


class StatCache:
    """The values of the folders that one scan meets. Without a catalogue it remembers nothing.

    absorbed: the labels that wider folders took in: their values have the old names.
    """

    def __init__(self, catalogue: Catalogue | None, absorbed: Absorbed) -> None:
        self._catalogue = catalogue
        self._absorbed = absorbed
        self._distrusted: set[bytes] = set()

    def distrust(self, label: bytes) -> None:
        """Leave out what is remembered of a folder: another one had its label."""
        self._distrusted.add(label)

    def values(self, folder: bytes, *, proven: bool) -> list[bytes | None]:
        """Return what is remembered of a folder: a value for each thousand files that it had then.

        Values beyond these are of a time when it had more files, and nobody has updated them since.
        """
        first = self._value(folder, 0, proven)
        parts = heads_of(head_of(first)) if first is not None else 1
        return [first, *(self._value(folder, index, proven) for index in range(1, parts))]

    def _value(self, folder: bytes, index: int, proven: bool) -> bytes | None:
        if self._catalogue is None or folder.partition(b"/")[0] in self._distrusted:
            return None
        value = self._catalogue.folder(folder, index)
        if value is None and self._absorbed and not proven:
            for older in yesterday(folder, self._absorbed):
                value = value or self._catalogue.folder(older, index)
        return value

    def count(self, label: str) -> int:
        """Return how many pictures a folder had after its last complete sync, or 0."""
        names = [label, *map(os.fsdecode, yesterday(os.fsencode(label), self._absorbed))]
        found = (self._catalogue.meta(_count_name(name)) for name in names) if self._catalogue is not None else ()
        known = next((count for count in found if count is not None), b"")
        return int.from_bytes(known, "little")


def put_count(batch: Batch, label: bytes, count: int) -> None:
    """Remember how many pictures a folder has."""
    batch.put_meta(_count_name(os.fsdecode(label)), count.to_bytes(8, "little"))


def _count_name(label: str) -> str:
    return f"count/{label}"


def put_stats(batch: Batch, chunks: Iterable[Chunk]) -> None:
    """Remember what is known of runs of files; those of folders that were not asked for as a whole are left out."""
    for chunk in chunks:
        if not chunk.only:
            batch.put_folder(chunk.folder, chunk.index, value_of(chunk))


def value_of(chunk: Chunk) -> bytes:
    """Pack a run of files with what is known of them."""
    keys, states = chunk.facts
    settled = not chunk.doubtful and states.count(KNOWN) == len(states)
    return HEAD.pack(settled, len(chunk.head)) + chunk.head + keys + states


def is_clean(value: bytes | None, head: bytes) -> bool:
    """Tell whether these files are those of a settled value."""
    return value is not None and head != b"" and value.startswith(HEAD.pack(1, len(head)) + head)


def is_settled(value: bytes | None) -> bool:
    return value is not None and value.startswith(b"\1")


def keys_and_states(value: bytes, key_bytes: int) -> tuple[bytes, bytes]:
    """Return the keys of all files of a value, which are `key_bytes` long, and their states."""
    rest = value[HEAD.size + len(head_of(value)) :]
    return rest[:key_bytes], rest[key_bytes:]


def facts_of(values: Iterable[bytes | None], key_size: int) -> dict[FileStat, tuple[bytes, int]]:
    """Unpack values: stat -> key and state. A value of another make gives nothing."""
    found = (fact for value in values if value is not None for fact in _facts(value, key_size))
    return {file: (key, state) for file, key, state in found}


def _facts(value: bytes, size: int) -> Iterator[tuple[FileStat, bytes, int]]:
    if len(value) < HEAD.size:
        return
    head = head_of(value)
    files = list(files_of(head))
    keys = value[HEAD.size + len(head) :]
    if len(keys) == len(files) * (size + 1):
        for i, file in enumerate(files):
            yield file, keys[i * size : (i + 1) * size], keys[len(files) * size + i]


class MetFile(NamedTuple):
    """A file as the newest sync met it: the key of its picture, its size, and when it was changed last."""

    key: bytes
    size: int
    mtime_ns: int


class MetFiles:
    """The files that the newest sync met, looked up by one path after another, most of them in the same folder."""

    def __init__(self, catalogue: Catalogue | None, absorbed: Absorbed, key_size: int) -> None:
        self._stats = StatCache(catalogue, absorbed)
        self._size = key_size
        self._folder: bytes | None = None
        self._files: dict[bytes, MetFile] = {}  # by name

    def file(self, path: bytes) -> MetFile | None:
        """Find the file at a path, in the labels of today."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._folder:
            known = facts_of(self._stats.values(folder, proven=False), self._size)
            self._folder = folder
            self._files = {file.name: MetFile(key, file.size, file.mtime_ns) for file, (key, _) in known.items()}
        return self._files.get(name)


def subfolders_in(values: Iterable[bytes | None]) -> set[bytes]:
    """Return the subfolders that settled values name."""
    return {name for value in values for name in subfolders_of(head_of(value or b""))}
