"""Messages between a served model and its callers: a JSON object, and raw bytes beside it.

No pickle: what a socket gives must not be able to run anything.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_HEAD = struct.Struct("<4sII")  # magic, bytes of the JSON object, raw bytes
_MAGIC = b"vsm1"
_MOST_JSON = 1 << 20
_MOST_RAW = 1 << 28  # a prepared picture of 8,192 x 8,192 pixels has 201 million bytes


def send(to: socket.socket, fields: dict[str, Any], raw: bytes = b"") -> None:
    """Write a message; a value that JSON does not have is written as its text. Raises: OSError."""
    body = json.dumps(fields, default=str).encode()
    to.sendall(_HEAD.pack(_MAGIC, len(body), len(raw)) + body)
    to.sendall(raw)


def receive(source: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Read the next message.

    Raises: EOFError at the end; ValueError if it is no such message; OSError.
    """
    magic, of_json, of_raw = _HEAD.unpack(_exactly(source, _HEAD.size))
    if magic != _MAGIC or of_json > _MOST_JSON or of_raw > _MOST_RAW:
        raise ValueError("not a message of a served model")
    fields = json.loads(_exactly(source, of_json))
    if not isinstance(fields, dict):
        raise ValueError("not a message of a served model")
    return fields, bytes(_exactly(source, of_raw))


def _exactly(source: socket.socket, size: int) -> bytearray:
    found = bytearray(size)
    at = memoryview(found)
    while at:
        read = source.recv_into(at)
        if not read:
            raise EOFError
        at = at[read:]
    return found
