"""Counts the differences between the fields of two snapshots, by name."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from vstore.format.canonical import Json
from vstore.format.differences import differences
from vstore.format.entries import Snapshot
from vstore.format.fields import split_field_key
from vstore.repository.fields import fields_of
from vstore.repository.repository import Repository


class FieldDiff(NamedTuple):
    """The differences of one field.

    name:    of the field.
    added:   pictures that have it in the second snapshot alone.
    changed: pictures with another value.
    removed: pictures that have it in the first alone.
    """

    name: str
    added: int
    changed: int
    removed: int

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def diff_fields(repo: Repository, before: Snapshot, after: Snapshot) -> tuple[FieldDiff, ...]:
    """Compare the fields of two snapshots. Shared pages are not read. Raises: Damage."""
    if before.fields == after.fields:
        return ()
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for at, old, new in differences(fields_of(repo, before), fields_of(repo, after)):
        name = split_field_key(at, repo.hash.size)[1]
        counts[name][0 if old is None else 2 if new is None else 1] += 1
    return tuple(FieldDiff(name, *numbers) for name, numbers in sorted(counts.items()))
