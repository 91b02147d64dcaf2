"""`moves.jsonl`: what was moved to the trash folder of a plan. Pure.

A line is written and flushed before each move, and may be about one that never happened: the disk tells. Lines
that cannot be read were cut off by a kill, before their move.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable
from typing import NamedTuple

from vstore.format.canonical import Json, named, refuse_large

NAME = b"moves.jsonl"
FORMAT = 1
LONGEST = 1 << 30  # bytes
_LONGEST_LINE = 1 << 16


class Head(NamedTuple):
    """The first line. Restoring does not need it.

    plan:  id of the plan.
    store: id of the store.
    label: of the folder, in this store.
    hash:  by which files get their keys.
    time:  when the plan was first carried out.
    """

    plan: str
    store: str
    label: str
    hash: str
    time: str

    def to_line(self) -> bytes:
        return _line(
            {
                "vstore_moves": FORMAT,
                "plan": self.plan,
                "store": self.store,
                **named("label", self.label),
                "hash": self.hash,
                "time": self.time,
            }
        )


class Move(NamedTuple):
    """A move of a file. Paths are relative to the folder that holds the trash.

    old:   its path.
    new:   its path in the trash.
    key:   the hash of its bytes.
    size:  in bytes.
    mtime: in ns since 1970.
    inode: of the file that a hard link is made to in its place; None for none.
    """

    old: bytes
    new: bytes
    key: bytes
    size: int
    mtime: int
    inode: int | None = None

    def to_line(self) -> bytes:
        value = {**named("from", self.old), **named("to", self.new)}
        value |= {"key": self.key.hex(), "size": self.size, "mtime": self.mtime}
        return _line(value if self.inode is None else {**value, "inode": self.inode})


class Record(NamedTuple):
    """The content of a file `moves.jsonl`.

    has_head: its first line was read.
    is_cut:   its last line has no end.
    moves:    the moves, each once, in the order in which they were first written.
    """

    has_head: bool
    is_cut: bool
    moves: tuple[Move, ...]


def parsed(data: bytes) -> Record:
    """Read the bytes of a file. Lines that are no moves are passed over. Raises: ValueError if it is too large."""
    refuse_large(data, LONGEST)
    lines = data.split(b"\n")
    moves: dict[tuple[bytes, bytes], Move] = {}
    has_head = False
    for line in lines:
        value = _value(line)
        if value is None:
            continue
        if value.get("vstore_moves") == FORMAT:
            has_head = True
        move = _move(value)
        if move is not None:
            moves[move.old, move.new] = move  # the newest tells of the file, the first keeps its place
    return Record(has_head, lines[-1] != b"", tuple(moves.values()))


def _value(line: bytes) -> dict[str, Json] | None:
    if not line or len(line) > _LONGEST_LINE:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _move(value: dict[str, Json]) -> Move | None:
    try:
        key = bytes.fromhex(value["key"])
        size, mtime, inode = value["size"], value["mtime"], value.get("inode")
        if type(size) is not int or type(mtime) is not int or type(inode) not in (int, type(None)):
            return None
        return Move(path_of(value, "from"), path_of(value, "to"), key, size, mtime, inode)
    except (KeyError, TypeError, ValueError):
        return None


def path_of(value: dict[str, Json], field: str) -> bytes:
    """Read a path that `named` wrote. Raises: KeyError, TypeError, ValueError."""
    encoded = value.get(f"{field}_b64")
    if encoded is not None:
        return binascii.a2b_base64(encoded)
    text: str = value[field]
    return text.encode("utf-8")


def _line(value: dict[str, Json]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def unnamed(moves: Iterable[Move], files: Iterable[bytes]) -> list[bytes]:
    """Find the files of a trash folder that are in no move. files: relative to the folder that holds the trash."""
    named_ones = {move.new for move in moves}
    return sorted(file for file in files if file not in named_ones)
