"""The results of looking at fields and changing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named
from vstore.format.list_columns import KeptField, LeftColumn
from vstore.repository.files import Files


@briefly
class FieldRow(NamedTuple):
    """A field of a snapshot.

    name:     of the field.
    pictures: how many have it.
    types:    type -> how many have a value of it: text, int, float, bool, date, list.
    """

    name: str
    pictures: int
    types: Mapping[str, int]

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "types": dict(self.types)}


@briefly
class FieldsChanged(NamedTuple):
    """The result of changing fields.

    snapshot: name of the snapshot that was made; None if nothing changed, or in a dry run.
    current:  name of the current snapshot.
    added:    fields that pictures did not have.
    replaced: fields that had another value.
    removed:  fields that went.
    kept:     fields that stay, as they had this value, or as nobody asked to replace theirs.
    pictures: pictures with other fields than before.
    dry_run:  nothing was written; the counts are those of the change to come.
    """

    snapshot: str | None
    current: str | None
    added: int
    replaced: int
    removed: int
    kept: int
    pictures: int
    dry_run: bool = False

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class UnknownRow(NamedTuple):
    """A row of a file whose picture is not known.

    row:  its number: of its line, or in a Parquet file of its row.
    word: what it says of its picture.
    """

    row: int
    word: str

    def to_json(self) -> dict[str, Json]:
        return {"row": self.row, **named("word", self.word)}


@briefly
class FieldsImported(NamedTuple):
    """The result of reading fields from a file.

    snapshot, current, added, replaced, removed, kept, pictures, dry_run: as in `FieldsChanged`.
    rows:     rows of the file.
    by:       the columns that said which picture a row is of.
    unknown:  rows whose picture is not known.
    examples: the first of these.
    fields:   the columns that became fields.
    left:     the values that did not.
    """

    snapshot: str | None
    current: str | None
    added: int
    replaced: int
    removed: int
    kept: int
    pictures: int
    dry_run: bool
    rows: int
    by: tuple[str, ...]
    unknown: int
    examples: tuple[UnknownRow, ...]
    fields: tuple[KeptField, ...]
    left: tuple[LeftColumn, ...]

    def to_json(self) -> dict[str, Json]:
        return {
            **self._asdict(),
            "by": list(self.by),
            "examples": [one.to_json() for one in self.examples],
            "fields": [{"name": one.name, "pictures": one.pictures} for one in self.fields],
            "left": [one.to_json() for one in self.left],
        }


@briefly
class FieldsCarried(NamedTuple):
    """The result of handing fields on.

    snapshot, current, added, replaced, removed, kept, pictures, dry_run: as in `FieldsChanged`.
    before:   the snapshot whose pictures had the fields.
    paths:    paths whose picture gets some.
    examples: the first of these.
    where:    finds their files.
    """

    snapshot: str | None
    current: str | None
    added: int
    replaced: int
    removed: int
    kept: int
    pictures: int
    dry_run: bool
    before: str
    paths: int
    examples: tuple[bytes, ...]
    where: Files = Files()

    def to_json(self) -> dict[str, Json]:
        value = {name: one for name, one in self._asdict().items() if name != "where"}
        return {**value, "examples": [self.where.named(path) for path in self.examples]}


class FieldsExported(NamedTuple):
    """The result of writing fields to a file.

    snapshot: the snapshot whose fields these are.
    format:   csv, jsonl or parquet.
    out:      the file; None for an open one.
    pictures: pictures with fields.
    fields:   their fields.
    """

    snapshot: str
    format: str
    out: str | None
    pictures: int
    fields: int

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), **({} if self.out is None else named("out", self.out))}
