"""The names of the fields of a snapshot, with their types."""

from __future__ import annotations

from collections import Counter

from vstore.closeness import instead
from vstore.counts import some
from vstore.errors import Damage, UsageError
from vstore.fields.report import FieldRow
from vstore.format.field_text import TYPES
from vstore.format.fields import split_field_key
from vstore.format.table import Table
from vstore.repository.fields import fields_of
from vstore.repository.repository import Repository


def fields_list(repo: Repository, at: str = "current") -> list[FieldRow]:
    """List the fields of a snapshot, by name. Raises: SnapshotNotFound, AmbiguousSnapshot, Damage."""
    if at == "current" and repo.state.current is None:
        return []
    return rows_of(fields_of(repo, repo.snapshot(at)), repo.hash.size)


def rows_of(table: Table, key_size: int) -> list[FieldRow]:
    """Count the fields of a table by name and type. Raises: Damage."""
    counts: Counter[tuple[bytes, bytes]] = Counter()
    for at, value in table.items():
        counts[at[key_size:], value[:1]] += 1
    found: dict[str, dict[str, int]] = {}
    for (name, kind), count in sorted(counts.items()):
        letter = kind.decode("ascii", "replace")
        if letter not in TYPES:
            raise Damage(f"the value of a field has the type {letter!r}", "run: vstore check")
        found.setdefault(split_field_key(name, 0)[1], {})[TYPES[letter]] = count
    return [FieldRow(name, sum(types.values()), types) for name, types in found.items()]


def no_field(name: str, names: list[str]) -> UsageError:
    """Make the error about a field that no picture has."""
    if not isinstance(name, str):
        return UsageError(f"{name!r:.100} is no name of a field", "give a text")
    has = f"it has: {some(names, 20)}" if names else "it has none; set one with: vstore fields set FIELD=VALUE PICTURE"
    return UsageError(f"no picture of the snapshot has a field {name!r}", has, instead=instead(name, names))
