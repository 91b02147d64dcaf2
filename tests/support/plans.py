"""Files that plans move."""

from __future__ import annotations

import os
from pathlib import Path


def files(top: Path) -> dict[str, bytes]:
    """Read all files below a folder, but for records of moves, and links that lead nowhere."""
    found = {}
    for at, _, names in os.walk(top):
        for name in names:
            path = Path(at, name)
            if name != "moves.jsonl" and path.is_file():
                found[str(path.relative_to(top))] = path.read_bytes()
    return found
