"""Fields that stayed with the old content of a file, as more than its metadata was edited."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.format.delta import Change
from vstore.format.entries import Snapshot
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.format.table import Table


def left_fields(
    repo: Repository, start: Snapshot | None, changes: Iterable[Change], same: Container[bytes], had: Container[bytes]
) -> int:
    """Count the paths whose new picture lacks a field that the one before has.

    start:  the current snapshot before the run.
    same:   paths of which the metadata alone was edited: their fields went on.
    had:    keys that had a path before: a file with such a picture was not edited, but replaced.
    Raises: Damage.
    """
    if start is None or not start.fields:
        return 0
    from vstore.repository.fields import fields_of  # most runs meet no fields

    before, after = fields_of(repo, start), fields_of(repo, repo.state.current_snapshot)
    edited = ((old, new) for path, old, new in changes if old and new and path not in same and new not in had)
    return sum(not _names(before, old) <= _names(after, new) for old, new in edited)


def note(count: int, start: str, *, dry_run: bool) -> str:
    """Say what stayed, and how it is handed on."""
    lack = "would lack" if dry_run else "lacks" if count == 1 else "lack"
    had = "it had: they stay" if count == 1 else "they had: those stay"
    step = f"; hand them on with: vstore fields carry {start}"
    what = f"{counted(count, 'edited picture')} {lack} fields that {had} with the old content"
    return what if dry_run else what + step


def _names(table: Table, key: bytes) -> set[bytes]:
    from vstore.repository.fields import fields_below

    return {name for name, _ in fields_below(table, key)}
