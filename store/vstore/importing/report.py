"""What an import says of itself: what it took, what it did not, and why."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from vstore.errors import Refused, UsageError
from vstore.format.canonical import Json, named_path
from vstore.importing.matching import AMBIGUOUS, EDITED, MATCHED, MISSING

DUPLICATED, UNFIT = "duplicated", "unfit"
STATES = (MATCHED, AMBIGUOUS, MISSING, DUPLICATED, EDITED, UNFIT)


class Row(NamedTuple):
    """What became of one row. files: the file that it means, or those that it may mean, relative to the root."""

    row: int
    path: bytes
    state: str
    reason: str
    files: tuple[bytes, ...] = ()
    key: str | None = None

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {"row": self.row, **named_path(self.path), "state": self.state, "reason": self.reason}
        if self.files:
            value["files"] = [named_path(file)["path"] for file in self.files]
        if self.key is not None:
            value["key"] = self.key
        return value


class ImportReport(NamedTuple):
    """What an import found and did.

    import_id: names what was left over, for `--resume`; None where nothing was. left: the rows kept there.
    snapshot:  the one that was written, or None. embedded_elsewhere: rows whose picture had a vector already.
    added:     vectors that were written. kept_bits, normalised: how many of those were taken as they were.
    rows_of:   every row of the old index, with its fate.
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

    def counts(self) -> dict[str, int]:
        found = Counter(row.state for row in self.rows_of)
        return {state: found[state] for state in STATES}

    def of(self, state: str) -> list[Row]:
        return [row for row in self.rows_of if row.state == state]

    def to_json(self) -> dict[str, Json]:
        """Everything but the matched rows, of which there are many and nothing to say."""
        value = self._asdict()
        del value["rows_of"]
        value["notes"] = list(self.notes)
        value.update(self.counts())
        value["unmatched"] = [row.to_json() for row in self.rows_of if row.state != MATCHED]
        return value


class ImportRefused(Refused):
    """The old index was not believed, or none of its pictures was found; nothing was changed."""

    code = "import_refused"


def look_at_report(path: Path, inputs: Iterable[Path | None]) -> None:
    """Raises: UsageError unless a report can be written there. It never replaces what is to be imported."""
    if any(file is not None and file.exists() and path.exists() and path.samefile(file) for file in inputs):
        raise UsageError(f"{path} is a file of the old index, and no place for a report", "name another file")
    try:
        there = path.exists()
        path.open("a").close()
        if not there:
            path.unlink()
    except OSError as err:
        raise UsageError(f"the report {path} cannot be written: {err.strerror}", "name another file") from err


def write_report(path: Path, rows: Sequence[Row], about: Json) -> None:
    """Keep a report as JSON: what it is about, and all rows. Raises: UsageError if it cannot be written."""
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write('{"import": ' + json.dumps(about) + ',\n"rows": [')
            for number, row in enumerate(rows):
                file.write((",\n" if number else "\n") + json.dumps(row.to_json(), ensure_ascii=False))
            file.write("\n]}\n")
    except OSError as err:
        raise UsageError(f"the report {path} cannot be written: {err.strerror}") from err


def short(path: bytes, most: int = 160) -> str:
    """A path for a message: on one line, and not longer than one can read."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fsdecode(path))
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"
