"""Chooses the segments and packs to read next."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vstore.errors import UsageError
from vstore.format.entries import FileRef


def longest_unread(refs: Iterable[FileRef], times: dict[str, int]) -> list[FileRef]:
    """Sort files by when they were last read, never first."""
    return sorted(refs, key=lambda ref: (times.get(ref.name, 0), ref.name))


def part_of(refs: list[FileRef], subset: str) -> list[FileRef]:
    """Choose the part for a user's words: `1/7` or `10%`. refs: the longest unread first. Raises: UsageError."""
    parts = re.fullmatch(r"(\d{1,9})/(\d{1,9})", subset)
    if parts and 1 <= int(parts[1]) <= int(parts[2]):
        # Names are random, so their first digits part the files evenly, and always in the same way.
        return [ref for ref in refs if int(ref.name[:8], 16) % int(parts[2]) == int(parts[1]) - 1]
    share = re.fullmatch(r"(\d{1,9}(?:\.\d{1,15})?)%", subset)
    if not share or not 0 < float(share[1]) <= 100:
        raise UsageError(f"{subset!r} is not a valid part", "write 10%, or 1/7 for the first of seven parts")
    left = sum(ref.size for ref in refs) * float(share[1]) / 100
    found = []
    for ref in refs:
        if left <= 0:
            break
        found.append(ref)
        left -= ref.size
    return found
