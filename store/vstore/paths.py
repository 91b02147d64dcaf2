"""Paths and names as callers give them: text or bytes, relative or absolute, one or several."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from vstore.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path  # the other process of a scan does without it

AnyPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

T = TypeVar("T")


def several(given: Iterable[T]) -> tuple[T, ...]:
    """List what a caller gave. A lone text or path counts as a list of one, not as its letters. Raises: UsageError."""
    if isinstance(given, (str, bytes, os.PathLike)):
        alone: tuple[Any, ...] = (given,)
        return alone
    if not isinstance(given, Iterable):
        raise UsageError(f"{given!r:.100} is neither a path or text nor a list of these", "give one, or a list of them")
    return tuple(given)


def as_text(given: object, what: str) -> str:
    """Take a text that a caller gave. what: its meaning. Raises: UsageError if it is none."""
    if not isinstance(given, str):
        raise UsageError(f"{what} is {given!r:.100}, and no text", "give a str")
    return given


def in_home(name: str) -> Path | None:
    """Find a file in the user's home.

    Returns: None without a home, or if that is no absolute path: a stranger may have filled the working folder.
    """
    from pathlib import Path

    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor an entry among the users
        return None
    return home / name if home.is_absolute() else None


def hint_for_address(path: str) -> str | None:
    """Say what to do with the address of a network share, as no path is one; None for a path."""
    if path.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        return f"name it as a path: {unquote(urlsplit(path).path)}"
    scheme, colon, _ = path.partition("://")
    if path.startswith("\\\\") or (colon and scheme.isalnum()):
        return "mount it, and name the folder where it is mounted"
    return None


def as_bytes(path: AnyPath) -> bytes:
    """Turn a path that a caller gave into bytes.

    An empty one would mean the working folder: a variable of a script that is not set must not name it.

    Raises: UsageError if it is empty, or no file can have it.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise UsageError(f"{path!r:.100} is no path", "give a str or a Path")
    name = os.fsencode(path)
    if not name:
        raise UsageError("a path is empty", "name a file or folder; the working folder is: .")
    if b"\0" in name:
        raise UsageError("a path has a NUL character, and no file has one in its name", "name another file or folder")
    return name


def as_path(path: AnyPath) -> Path:
    """Turn a path that a caller gave into a `Path`, as relative as it was. Raises: UsageError if it is empty."""
    from pathlib import Path

    return Path(os.fsdecode(as_bytes(path)))


def absolute(path: AnyPath) -> Path:
    """Turn a path that a caller gave into one that no later `chdir` changes. Links in it stay.

    Raises: UsageError if it is empty.
    """
    from pathlib import Path

    return Path(os.path.abspath(os.fsdecode(as_bytes(path))))


def lasting(path: AnyPath) -> bytes:
    """Do as `absolute`, in bytes. The address of a network share stays as it is: who refuses it says why."""
    name = as_bytes(path)
    return name if hint_for_address(os.fsdecode(name)) else os.path.abspath(name)


def optional(path: AnyPath | None) -> Path | None:
    """Turn a path that a caller may have left out into a `Path`."""
    return None if path is None else as_path(path)
