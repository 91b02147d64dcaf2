"""The JSON files of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vstore.embed.hf.source.again import get_again
from vstore.embed.hf.source.lfs import is_pointer, pull
from vstore.errors import ModelError


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object. Raises: ModelError."""
    if is_pointer(path):
        raise ModelError(
            f"{path} is a pointer of Git LFS, a few lines of text in place of the file",
            pull(path.parent),
        )
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as err:
        raise ModelError(f"{path} cannot be read: {err}", get_again(path.parent, [path.name])) from err
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a valid configuration", get_again(path.parent, [path.name]))
    return value
