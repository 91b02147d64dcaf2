"""Paths that no library for models opens: those that are not UTF-8, as old archives and disks leave them."""

from __future__ import annotations

import os
import unicodedata

from vstore.errors import ModelError
from vstore.quoting import quoted


def refuse_path(path: str) -> None:
    """Raises: ModelError for a real path that is not UTF-8: safetensors reads nothing there."""
    folder = odd_folder(path)
    if folder is not None:
        raise ModelError(
            f"{path} cannot be read by the library for weights: the name of {folder} is not valid UTF-8",
            f"rename it, and name it by that: mv {quoted(folder)} {quoted(_readable(folder))}",
        )


def odd_folder(path: str) -> str | None:
    """Find the first folder in a path whose name is not UTF-8; None if all are."""
    parts = path.split("/")
    odd = (end for end, part in enumerate(parts, 1) if not _is_utf_8(part))
    return next(("/".join(parts[:end]) for end in odd), None)


def _is_utf_8(part: str) -> bool:
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(path: str) -> str:
    """Write a name in UTF-8: by the usual old encoding, else without its odd bytes; never one that is there."""
    folder, name = os.path.split(path)
    found = os.fsencode(name).decode("cp1252", "replace")
    plain = "".join(c if c.isprintable() and c != "\ufffd" else "_" for c in unicodedata.normalize("NFC", found))
    while os.path.lexists(os.path.join(folder, plain)):
        plain += "_"
    return os.path.join(folder, plain)
