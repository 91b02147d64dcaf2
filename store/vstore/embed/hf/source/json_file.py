"""The JSON files of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vstore.embed.hf.source.again import get_again
from vstore.embed.hf.source.lfs import is_pointer, pull
from vstore.errors import ModelError

_NOUNS = {list: "list", str: "text", int: "number", float: "number", bool: "truth value", type(None): "null"}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object. Raises: ModelError."""
    again = get_again(path.parent, [path.name])
    if is_pointer(path):
        raise ModelError(
            f"{path} is a pointer of Git LFS, a few lines of text in place of the file",
            pull(path.parent),
        )
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as err:
        raise ModelError(f"{path} cannot be read: {err}", again) from err
    except RecursionError as err:
        raise ModelError(f"{path} is not a valid configuration: it nests too deep", again) from err
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a valid configuration: it holds a {_NOUNS[type(value)]}, not an object", again)
    return value
