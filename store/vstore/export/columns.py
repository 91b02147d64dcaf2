"""Facts and fields as columns of a table: a name for each, and its value for a picture. Pure.

A fact is called by its name, and so is a field; but `field.` stands before one that a fact or a column of the export
has too, and before one that begins with it. So each column has one meaning, whatever the pictures of a snapshot have.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.export.details import DetailsFile
from vstore.format.canonical import Json
from vstore.format.facts import KNOWN, READER, Column

OWN = (
    "key", "path", "path_b64", "paths", "paths_b64", "file", "file_b64", "files", "files_b64", "image_path", "vector",
    "score",
)  # fmt: skip
MOST = 1_000  # fields that become columns
FIELD = "field."


class FactColumn(NamedTuple):
    """A column of one fact.

    name: of the column.
    fact: the column of facts.
    """

    name: str
    fact: Column

    def value(self, details: Mapping[str, Json]) -> Json:
        return details["facts"].get(self.fact.name)


class FieldColumn(NamedTuple):
    """A column of one field.

    name:  of the column.
    field: name of the field.
    type:  of its values; None if pictures have values of several types.
    """

    name: str
    field: str
    type: type | None

    def value(self, details: Mapping[str, Json]) -> Json:
        return details["fields"].get(self.field)


def columns_of(details: DetailsFile) -> list[FactColumn | FieldColumn]:
    """Name the columns: facts in the order of FORMAT.md, then fields by name.

    Raises: UsageError if the fields are too many for columns.
    """
    if len(details.fields) > MOST:
        raise UsageError(
            f"the pictures have {counted(len(details.fields), 'different field')}: {MOST:,} at most become columns",
            "choose a format without columns: jsonl, npz or triple",
        )
    places = {column: number for number, column in enumerate(KNOWN)}
    facts = sorted(details.facts, key=lambda one: (places.get(one, len(places)), one.name))
    columns: list[FactColumn | FieldColumn] = [FactColumn(READER.name, READER)] if details.read else []
    columns += [FactColumn(fact.name, fact) for fact in facts]
    taken = {name.casefold() for name in (*OWN, READER.name, *(fact.name for fact in (*KNOWN, *facts)))}
    for field, types in sorted(details.fields.items()):
        name = FIELD + field if field.casefold() in taken or field.casefold().startswith(FIELD) else field
        columns.append(FieldColumn(name, field, next(iter(types)) if len(types) == 1 else None))
    return columns


def is_time(column: FactColumn | FieldColumn) -> bool:
    """Tell whether all values of a column are times of fields."""
    return isinstance(column, FieldColumn) and column.type is datetime
