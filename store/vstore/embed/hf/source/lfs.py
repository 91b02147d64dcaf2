"""Pointers of Git LFS: a clone without its large files holds a few lines of text in the place of each."""

from __future__ import annotations

from pathlib import Path

from vstore.quoting import quoted

_POINTER = b"version https://git-lfs.github.com/spec/"
_SIZE = 1024  # bytes; a pointer has about 130


def is_pointer(path: Path) -> bool:
    """Tell whether a file is a pointer of Git LFS: a few lines of text in place of the file."""
    try:
        if path.stat().st_size > _SIZE:
            return False
        with open(path, "rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def pull(folder: Path) -> str:
    """Write the next step for a folder with pointers."""
    return f"fetch the files: cd {quoted(str(folder))} && git lfs install && git lfs pull"
