"""Paths as callers give them: text or bytes, relative or absolute."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

AnyPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"


def as_path(path: AnyPath) -> Path:
    """Turn a path that a caller gave into a `Path`, as relative as it was."""
    return Path(os.fsdecode(path))


def absolute(path: AnyPath) -> Path:
    """Turn a path that a caller gave into one that no later `chdir` changes. Links in it stay."""
    return Path(os.path.abspath(os.fsdecode(path)))


def optional(path: AnyPath | None) -> Path | None:
    """Turn a path that a caller may have left out into a `Path`."""
    return None if path is None else as_path(path)
