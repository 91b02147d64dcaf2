"""Pictures as the modules of the browser take them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

Json = Any

_PATHS = 20  # of a picture that are listed


def picture(key: bytes, paths: Sequence[bytes]) -> dict[str, Json]:
    """Describe a picture for `card.js`: its key, the name and folder of its first path, and its paths.

    paths: stored paths. More than 20 are counted alone, as `path_count`. Nobody opens a file by them.
    """
    folder, name = os.path.split(paths[0]) if paths else (b"", b"")
    return {
        "key": key.hex(),
        "name": _text(name),
        "folder": _text(folder),
        "paths": [_text(path) for path in paths[:_PATHS]],
        "path_count": len(paths),
    }


def _text(path: bytes) -> str:
    """Write a path as text. What is not UTF-8 in it cannot be shown."""
    return path.decode("utf-8", "replace")
