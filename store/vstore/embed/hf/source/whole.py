"""Whole files: a download that was broken off, or a copy without its content, is told from a damaged model."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.embed.hf.source.again import get_again
from vstore.embed.hf.source.lfs import is_pointer, pull
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.source.model_folder import ModelFolder

_READ = (".safetensors", ".json", ".txt", ".model", ".jinja")
_UNFINISHED = (".incomplete", ".part", ".crdownload", ".aria2", ".tmp")
_LENGTH = struct.Struct("<Q")
_HEADER = 100 << 20  # bytes; the most that safetensors itself reads


def require_whole(folder: ModelFolder, weights: Iterable[Path]) -> None:
    """Check that files of a model are there with all their bytes; only heads and sizes are read.

    weights: its safetensors files.
    Raises:  ModelError, naming the files that are not whole and how to get them.
    """
    weights = list(weights)
    pointers = [path.name for path in sorted(folder.path.iterdir()) if path.suffix in _READ and is_pointer(path)]
    if pointers:
        they_are = f"{pointers[0]} is a pointer" if len(pointers) == 1 else f"{_some(pointers)} are pointers"
        raise ModelError(
            f"{folder.name} was cloned without its large files: {they_are} of Git LFS, a few lines of text",
            pull(folder.path),
        )
    missing = [path.name for path in weights if not path.is_file()]
    if missing:
        raise ModelError(
            f"{folder.name} is not complete: of {len(weights)} files listed in its index "
            f"{_are(len(missing))} missing: {_some(missing)}{_unfinished(folder.path)}",
            get_again(folder.path, missing),
        )
    for path in weights:
        why = fault_of(path)
        if why:
            raise ModelError(
                f"{folder.name} is not complete: {path.name} {why}{_unfinished(folder.path)}",
                get_again(folder.path, [path.name]),
            )


def fault_of(path: Path) -> str | None:
    """Find out why a safetensors file is not whole; None if it is."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return f"is cut short: it has {size} bytes"
        length = _LENGTH.unpack(head)[0]
        if length > _HEADER:
            return f"is not a safetensors file: it begins with {head[:8]!r}"
        if length + _LENGTH.size > size:
            return f"is cut short: it has {size} bytes, and its header alone has {length}"
        try:
            header = json.loads(file.read(length))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
            expected = _LENGTH.size + length + max(ends, default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            return "is damaged: its header cannot be read"
    if size < expected:
        return f"is cut short: it has {size} of {expected} bytes"
    return None


def _unfinished(folder: Path) -> str:
    found = [name for name in sorted(os.listdir(folder)) if name.endswith(_UNFINISHED)]
    hidden = folder / ".cache" / "huggingface" / "download"  # where `hf download --local-dir` keeps its parts
    if hidden.is_dir():
        found += [path.name for path in sorted(hidden.rglob("*.incomplete"))]
    return f"; a download is not finished: {_some(found)}" if found else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _are(count: int) -> str:
    return "1 is" if count == 1 else f"{count} are"
