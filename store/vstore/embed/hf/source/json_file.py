"""The JSON files of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vstore.errors import ModelError


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object. Raises: ModelError."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as err:
        raise ModelError(f"{path} cannot be read: {err}", "copy or download the model again") from err
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a valid configuration", "copy or download the model again")
    return value
