"""The record of a picture by its key: facts, fields, vectors, and why it has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vstore.browse.spans import is_in
from vstore.format.entries import Snapshot, Space
from vstore.format.facts import (
    BYTES,
    CUT_HEIGHT,
    CUT_LINES,
    FLAT,
    FORMAT,
    HEIGHT,
    KNOWN,
    TAKEN,
    WIDTH,
    Column,
    Value,
    shown_size,
)
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.format.fields import FieldValue

Fact = str | int | float | bool
_NOT_PLAIN = (TAKEN, CUT_LINES, CUT_HEIGHT)


def facts_known(repo: Repository, key: bytes, *, noted: bool) -> tuple[dict[str, Fact], tuple[int, int] | None]:
    """Collect the facts of a picture by name, and the lines of a cut one: those that are there, and all. Its width and
    height are those that are shown, after it is turned.

    noted:  look in the catalogue for those that the facts of the store lack. That reads its whole file.
    Raises: Damage, FileNotFoundError.
    """
    values: Mapping[Column, Value] = {}
    if repo.state.facts:
        from vstore.repository.facts import facts_of

        fact = facts_of(repo, [key]).get(key)
        values = {**fact.values, **shown_size(fact.values)} if fact is not None else {}
    lines, height = values.get(CUT_LINES), values.get(CUT_HEIGHT)
    plain = {one.name: values[one] for one in KNOWN if one in values and one not in _NOT_PLAIN}
    facts: dict[str, Fact] = {name: value for name, value in plain.items() if not isinstance(value, bytes)}
    if TAKEN in values:
        from vstore.browse.times import taken_at

        taken = taken_at(values[TAKEN])
        if taken is not None:
            facts[TAKEN.name] = taken
    if any(column.name.startswith(FLAT) and value == 1 for column, value in values.items()):
        facts["flat"] = True
    wanted = (BYTES, FORMAT, WIDTH, HEIGHT)
    if noted and any(one.name not in facts for one in wanted):
        facts = {**_noted(repo, key), **facts}
    return facts, (lines, height) if isinstance(lines, int) and isinstance(height, int) else None


def _noted(repo: Repository, key: bytes) -> dict[str, Fact]:
    """Look up what syncs noted of a picture; nothing without a catalogue."""
    catalogue = repo.catalogue(write=False)
    if catalogue is None:
        return {}
    with catalogue:
        found = catalogue.facts(key)
    return {} if found is None else dict(zip(("bytes", "format", "width", "height"), found, strict=True))


def fields_known(repo: Repository, snapshot: Snapshot, key: bytes) -> dict[str, FieldValue]:
    """Read the fields of a picture in a snapshot, by name. Raises: Damage, FileNotFoundError."""
    if not snapshot.fields:
        return {}
    from vstore.repository.fields import fields_of, picture_fields

    return picture_fields(repo, fields_of(repo, snapshot), key)


def spaces_with(repo: Repository, key: bytes) -> list[Space]:
    """Find the spaces that hold a vector of a picture, sorted by name. Raises: Damage, FileNotFoundError."""
    state = repo.state
    spaces = sorted(state.spaces.values(), key=lambda space: space.name)
    return [space for space in spaces if any(is_in(repo.segment(ref).keys, key) for ref in state.segments(space.id))]


def why_failed(repo: Repository, space: str, key: bytes) -> tuple[str, str] | None:
    """Look up why a picture gave no vector. Returns: kind and reason; None if that is not known."""
    from vstore.browse.failure import failure_of

    catalogue = repo.catalogue(write=False)
    if catalogue is None:
        return None
    with catalogue:
        return failure_of(catalogue, space, key)
