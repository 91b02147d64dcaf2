"""The report of an import: the rows that it took, those that it did not, and why."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from vstore.brief import briefly
from vstore.errors import Refused, UsageError
from vstore.format.canonical import Json, named, named_path
from vstore.format.list_columns import KeptField, LeftColumn
from vstore.importing.matching import AMBIGUOUS, EDITED, MATCHED, MISSING, WAITING

DUPLICATED, UNFIT = "duplicated", "unfit"
FIRST = 3  # rows that stand for those that wait for one reason
STATES = (MATCHED, AMBIGUOUS, MISSING, DUPLICATED, EDITED, UNFIT)


@briefly
class Row(NamedTuple):
    """The fate of one row.

    row:    its number in the old index.
    path:   as the old list has it.
    state:  one of STATES.
    reason: how the picture was found, or why not.
    files:  the picture's file, or the candidates, relative to the root.
    key:    of the picture, in hex.
    why:    why it waits for its picture, one of WAITING; empty if it does not.
    """

    row: int
    path: bytes
    state: str
    reason: str
    files: tuple[bytes, ...] = ()
    key: str | None = None
    why: str = ""

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {"row": self.row, **named_path(self.path), "state": self.state, "reason": self.reason}
        if self.files:
            value["files"] = [named_path(file)["path"] for file in self.files]
        if self.key is not None:
            value["key"] = self.key
        if self.why:
            value["why"] = self.why
        return value


@briefly
class Waiting(NamedTuple):
    """The rows that wait for their pictures for one reason.

    why:   the reason, one of WAITING.
    rows:  how many they are.
    first: the first of them.
    """

    why: str
    rows: int
    first: tuple[Row, ...]

    def to_json(self) -> dict[str, Json]:
        return {"why": self.why, "rows": self.rows, "first": [row.to_json() for row in self.first]}


@briefly
class ImportReport(NamedTuple):
    """The results of an import.

    import_id:     name of the rows set aside, for `--resume`; None if there are none.
    snapshot:      the new snapshot, or None.
    current:       the current snapshot, or None.
    id:            its content id.
    space:         id of the space.
    space_name:    its name.
    status:        claimed or verified.
    root:          label of the folder of the pictures.
    vectors_from:  the source of the vectors, for people.
    dim:           numbers per vector.
    rows:          vectors in the old index.
    added:         vectors written.
    known:         rows whose picture already had a vector.
    kept_bits:     written vectors that kept their bits.
    normalised:    written vectors that were normalised.
    left:          rows that wait for their pictures.
    dry_run:       nothing was written.
    seconds:       duration.
    notes:         remarks, for people.
    rows_of:       every row of the old index, with its fate.
    created_store: the import made the store.
    moved:         matched rows whose picture lies where the whole list moved.
    by_name:       matched rows whose picture was known by its name alone.
    near:          rows without a picture, whose name a file has that is no other row's.
    fields:        columns of the list that became fields of the pictures.
    fields_left:   values of columns that did not.
    fields_replaced: fields that had another value in the store.
    root_place:    absolute path of the folder to which the files of rows are relative, or None.
    """

    import_id: str | None
    snapshot: str | None
    current: str | None
    id: str | None
    space: str
    space_name: str
    status: str
    root: str | None
    vectors_from: str
    dim: int
    rows: int
    added: int
    known: int
    kept_bits: int
    normalised: int
    left: int
    dry_run: bool
    seconds: float
    notes: tuple[str, ...]
    rows_of: tuple[Row, ...]
    created_store: bool = False
    moved: int = 0
    by_name: int = 0
    near: int = 0
    fields: tuple[KeptField, ...] = ()
    fields_left: tuple[LeftColumn, ...] = ()
    fields_replaced: int = 0
    root_place: bytes | None = None

    def counts(self) -> dict[str, int]:
        """Count the rows of each state."""
        found = Counter(row.state for row in self.rows_of)
        return {state: found[state] for state in STATES}

    def of(self, state: str) -> list[Row]:
        """List the rows of a state."""
        return [row for row in self.rows_of if row.state == state]

    def file_of(self, file: bytes) -> bytes:
        """Find the absolute path of a file of a row."""
        return file if self.root_place is None else os.path.join(self.root_place, file)

    def waiting(self) -> list[Waiting]:
        """List why rows wait for their pictures, what can be helped first, with the first rows of each reason."""
        of: dict[str, list[Row]] = {why: [] for why in WAITING}
        for row in self.rows_of:
            if row.why:
                of[row.why].append(row)
        return [Waiting(why, len(rows), tuple(rows[:FIRST])) for why, rows in of.items() if rows]

    def to_json(self) -> dict[str, Json]:
        """Make the JSON form; it leaves out the matched rows, which may be very many."""
        value = self._asdict()
        del value["rows_of"]
        value["notes"] = list(self.notes)
        value |= {**named("root", self.root), **named("root_place", self.root_place)}
        value["fields"] = [field.to_json() for field in self.fields]
        value["fields_left"] = [column.to_json() for column in self.fields_left]
        value.update(self.counts())
        value["waiting"] = [waiting.to_json() for waiting in self.waiting()]
        value["unmatched"] = [row.to_json() for row in self.rows_of if row.state != MATCHED]
        return value


class ImportRefused(Refused):
    """The old index contradicts itself, or none of its pictures was found; nothing was changed."""

    code = "import_refused"


def look_at_report(path: Path, inputs: Iterable[Path | None]) -> None:
    """Make sure that a report can be written. Raises: UsageError if it cannot, or is a file of the old index."""
    if any(file is not None and file.exists() and path.exists() and path.samefile(file) for file in inputs):
        raise UsageError(f"{path} is a file of the old index; a report would replace it", "name another file")
    try:
        there = path.exists()
        path.open("a").close()
        if not there:
            path.unlink()
    except OSError as err:
        raise UsageError(f"the report {path} cannot be written: {err.strerror}", "name another file") from err


def write_report(path: Path, rows: Sequence[Row], about: Json) -> None:
    """Write a report as JSON: the import and all rows. Raises: UsageError if it cannot be written."""
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write('{"import": ' + json.dumps(about) + ',\n"rows": [')
            for number, row in enumerate(rows):
                file.write((",\n" if number else "\n") + json.dumps(row.to_json(), ensure_ascii=False))
            file.write("\n]}\n")
    except OSError as err:
        raise UsageError(f"the report {path} cannot be written: {err.strerror}") from err


def short(path: bytes, most: int = 160) -> str:
    """Shorten a path for a message, and keep it on one line."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fsdecode(path))
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"
