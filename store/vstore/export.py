"""A snapshot's pictures and vectors in files that other tools read."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from vstore import durable
from vstore.errors import Damage, DiskTrouble, UsageError
from vstore.records import Json, Snapshot, named_path
from vstore.repository import Repository

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.segments import Rows

BLOCK = 1024  # rows in memory at once


class ExportReport(NamedTuple):
    """What was written: one entry per picture."""

    snapshot: str
    format: str
    out: str
    images: int
    paths: int
    bytes: int

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def snapshot_export(repo: Repository, snap: str, out: Path, format: str = "jsonl") -> ExportReport:
    """Write one entry per picture of a snapshot, in the order of their keys.

    jsonl: `{"key": hex, "paths": [...], "vector": [...]}` a line. npz: `keys` (hex), `vectors` (the store's dtype,
    (n, dim)), `paths` (JSON lists, as numpy has no ragged arrays).
    Raises: UsageError if `out` exists, or for another format; Damage before a byte of a damaged segment is used.
    """
    writers: dict[str, Callable[[IO[bytes], _Pictures], None]] = {"jsonl": _jsonl, "npz": _npz}
    if format not in writers:
        raise UsageError(f"unknown format {format!r}", f"choose one of: {', '.join(writers)}")
    if out.exists():
        raise UsageError(f"{out} is there already", "name another file, or remove it")
    if not out.parent.is_dir():  # told apart here from an object that is missing
        raise UsageError(f"there is no folder {out.parent} to write into", "make it first")
    snapshot = repo.snapshot(snap)
    pictures = _Pictures(repo, snapshot)
    # Beside the target and renamed at the end: whoever looks never finds half an export.
    temporary = out.with_name(f".{out.name}.{durable.nonce()[:8]}")
    try:
        with open(temporary, "xb") as file:
            writers[format](file, pictures)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, out)
    except BaseException as err:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        # An object of the store that is missing is another matter.
        if isinstance(err, OSError) and err.filename in (None, str(temporary)):
            raise DiskTrouble(
                f"cannot write {out}: {err.strerror or err}", "name a place that has room for it"
            ) from err
        raise
    paths = sum(len(found) for found in pictures.paths.values())
    return ExportReport(snapshot.name, format, str(out), len(pictures.paths), paths, out.stat().st_size)


class _Pictures:
    """The pictures of a snapshot with their paths, and where their rows lie."""

    def __init__(self, repo: Repository, snapshot: Snapshot) -> None:
        self.paths: dict[bytes, list[bytes]] = {}
        for path, key in repo.tree(snapshot):
            self.paths.setdefault(key, []).append(path)
        self._segments = [repo.segment(ref) for ref in repo.state.segments(snapshot.space)]
        places: dict[bytes, tuple[int, int]] = {}
        for number, segment in enumerate(self._segments):
            for row, key in enumerate(segment.key_list()):
                if key in self.paths:
                    places.setdefault(key, (number, row))  # the first row of a key wins
        missing = len(self.paths) - len(places)
        if missing:
            raise Damage(f"{missing} pictures of {snapshot.name} have no vector", "run: vstore check")
        for number in {number for number, _ in places.values()}:
            self._segments[number].verify()
        self.keys = sorted(self.paths)
        self._places = places

    def blocks(self) -> Iterator[tuple[list[bytes], Rows]]:
        """Keys and rows, in the order of the keys, at most 1,024 at a time."""
        import numpy as np

        rows = [segment.rows() for segment in self._segments]
        for at in range(0, len(self.keys), BLOCK):
            keys = self.keys[at : at + BLOCK]
            yield keys, np.stack([rows[self._places[key][0]][self._places[key][1]] for key in keys])


def _jsonl(file: IO[bytes], pictures: _Pictures) -> None:
    for keys, rows in pictures.blocks():
        for key, row in zip(keys, rows, strict=True):
            entry: dict[str, Json] = {
                "key": key.hex(),
                "paths": [named_path(path)["path"] for path in pictures.paths[key]],
                "vector": [float(number) for number in row],
            }
            encoded = [named_path(path).get("path_b64") for path in pictures.paths[key]]
            if any(encoded):
                entry["paths_b64"] = encoded
            file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")


def _npz(file: IO[bytes], pictures: _Pictures) -> None:
    import numpy as np

    blocks = [rows for _, rows in pictures.blocks()]
    vectors: npt.NDArray[np.generic] = np.concatenate(blocks) if blocks else np.zeros((0, 0), dtype=np.float16)
    keys = np.array([key.hex() for key in pictures.keys])
    paths = np.array([json.dumps([named_path(p)["path"] for p in pictures.paths[key]]) for key in pictures.keys])
    np.savez(file, keys=keys, vectors=vectors, paths=paths)
