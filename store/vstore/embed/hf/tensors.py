"""The tensors of a safetensors file, each with a digest: read a block at a time, however large the file is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

_BLOCK = 1 << 20
_HEADER = 100_000_000  # bytes of a header at most, as in safetensors itself


class FileDigests(NamedTuple):
    """The digests of a weight file.

    sha256:  of the whole file, in hex.
    tensors: name -> dtype, shape and sha256 of its bytes; None if it is no valid safetensors file.
    """

    sha256: str
    tensors: dict[str, list[object]] | None


class _Place(NamedTuple):
    """The place of a tensor in its file: bytes from `begin` to `end`."""

    begin: int
    end: int
    name: str
    dtype: str
    shape: list[int]


def file_digests(path: Path | str) -> FileDigests:
    """Compute the digests of a weight file and of its tensors, in one reading. Raises: OSError."""
    whole = hashlib.sha256()
    tensors: dict[str, list[object]] = {}
    with open(path, "rb", buffering=0) as file:
        head = _read(file, 8)
        whole.update(head)
        size = int.from_bytes(head, "little")
        header = _read(file, size) if size <= _HEADER else b""
        whole.update(header)
        places = _places(header, os.fstat(file.fileno()).st_size - 8 - size)
        for place in places or ():
            own = hashlib.sha256()
            for block in _blocks(file, place.end - place.begin):
                whole.update(block)
                own.update(block)
            tensors[place.name] = [place.dtype, place.shape, own.hexdigest()]
        for block in _blocks(file, None):
            whole.update(block)
    return FileDigests(whole.hexdigest(), None if places is None else tensors)


def _places(header: bytes, length: int) -> list[_Place] | None:
    """Read the header of a file: its tensors one after another, without a gap; None if it says anything else.

    length: bytes after the header.
    """
    try:
        value = json.loads(header)
        value.pop("__metadata__", None)
        places = sorted(_place(name, one) for name, one in value.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    at = 0
    for place in places:
        if place.begin != at or place.end < at:
            return None
        at = place.end
    return places if at == length else None


def _place(name: str, one: dict[str, Any]) -> _Place:
    begin, end = one["data_offsets"]
    return _Place(int(begin), int(end), name, str(one["dtype"]), [int(side) for side in one["shape"]])


def _read(file: BinaryIO, size: int) -> bytes:
    return b"".join(bytes(block) for block in _blocks(file, size))


def _blocks(file: BinaryIO, size: int | None) -> Iterator[memoryview]:
    """Read so many bytes, or all that are left, in blocks that are valid until the next one."""
    block = memoryview(bytearray(_BLOCK))
    while size is None or size > 0:
        count = file.readinto(block[: _BLOCK if size is None else min(_BLOCK, size)])  # type: ignore[attr-defined]
        if not count:
            return
        yield block[:count]
        size = None if size is None else size - count
