"""Remarks on how the pictures of a list were found. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vstore.counts import counted
from vstore.importing.verdict import Verdict
from vstore.importing.ways import Names, Way


def remarks(ways: Sequence[Way], verdict: Verdict, *, resumed: bool) -> list[str]:
    """Say how pictures were found that are not where the list says, and how those may be that were not found."""
    notes = []
    if verdict.moved and not resumed:
        how = "; ".join(f"{_folder(way.old)} became {_folder(way.new)}" for way in ways)
        notes.append(f"the list moved as a whole ({how}): {counted(verdict.moved, 'row')} matched so")
    if verdict.by_name:
        notes.append(
            f"{counted(len(verdict.by_name), 'row')} matched by name alone: where the file is another picture of that "
            "name, its vector is wrong; these are looked at first by: vstore check --reembed 32"
        )
    if verdict.near:
        notes.append(
            f"of {counted(verdict.near, 'row')} without a picture a file elsewhere has the name, and may be another "
            "picture (camera names repeat): look at them, and take them with --by-name"
        )
    return notes


def _folder(names: Names) -> str:
    return os.fsdecode(b"/".join(names)) + "/" if names else "the top"
