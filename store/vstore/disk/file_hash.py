"""The hash of a file, of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def hash_file(path: Path | bytes | str | int, hasher: Any) -> Any:
    """Feed a file to a hasher, a block at a time.

    path:    or a descriptor, which is closed.
    Returns: the hasher. Raises: OSError.
    """
    block = memoryview(bytearray(_BLOCK))
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(block):
            hasher.update(block[:size])
    return hasher
