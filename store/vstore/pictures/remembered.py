"""Files that the catalogue remembers, run by run: whether a run is settled, packed names and stats, keys, states."""

from __future__ import annotations

import struct

HEAD = struct.Struct("<BI")  # whether the value is settled, bytes of the head; then head, keys, states


def head_of(value: bytes) -> bytes:
    """Return the packed names and stats in a value; of another make nothing."""
    if len(value) < HEAD.size:
        return b""
    _, length = HEAD.unpack_from(value)
    return value[HEAD.size : HEAD.size + length]
