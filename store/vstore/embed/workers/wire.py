"""Messages between two processes: a pickle, with its arrays beside it in their raw bytes.

Compared with reading 512 px JPEGs in one thread this costs an eighth (CLIP) to a third (Qwen2-VL), most of it in the
worker (benchmarks/bench_workers.py). Shared memory would cost less, but could be left behind after a crash.
"""

from __future__ import annotations

import contextlib
import pickle
import struct
from typing import IO, Any

_LENGTH = struct.Struct("<Q")


def send(file: IO[bytes], message: Any) -> None:
    """Write a message. Raises: OSError if the reader has gone."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, 5, buffer_callback=buffers.append)
    parts: list[bytes | memoryview] = [body, *(buffer.raw() for buffer in buffers)]
    file.write(b"".join(_LENGTH.pack(number) for number in (len(parts), *map(len, parts))))
    for part in parts:
        file.write(part)
    file.flush()


def receive(file: IO[bytes]) -> Any:
    """Read the next message; its arrays are writable. Raises: EOFError."""
    (count,) = _LENGTH.unpack(_exactly(file, _LENGTH.size))
    lengths = [_LENGTH.unpack(_exactly(file, _LENGTH.size))[0] for _ in range(count)]
    body, *buffers = [_exactly(file, length) for length in lengths]
    return pickle.loads(body, buffers=buffers)


def _exactly(file: IO[bytes], size: int) -> Any:
    import numpy as np

    found = np.empty(size, np.uint8)  # a bytearray would be filled with zeros first, which costs as much as the rest
    at = found.data
    while at:
        read = file.readinto(at)  # type: ignore[attr-defined]  # both ends are buffered readers
        if not read:
            raise EOFError
        at = at[read:]
    return found


def widen_pipe(file: IO[bytes] | None) -> None:
    """Let a pipe hold 1 MiB, where the system supports and allows that."""
    import fcntl

    assert file is not None
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
