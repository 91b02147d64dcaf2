"""The fields of an import: what the list says of the pictures that were found, and of those that are waited for."""

from __future__ import annotations

import binascii
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.format.field_values import Unfit, field_value
from vstore.format.fields import field_key
from vstore.format.list_columns import Columns, KeptField, LeftColumn, summed
from vstore.format.table import Table
from vstore.importing.old_index import Old
from vstore.importing.options import ImportOptions
from vstore.importing.verdict import Verdict
from vstore.repository.fields import WHAT, fields_of
from vstore.repository.repository import Repository

MOST = 100  # columns that become fields without being named: a list of more holds vectors, number by number
WAITING_BYTES = 64 << 20  # of the values that are set aside with rows: they are one blob
DIFFERENT = "other values than those of an earlier row of the same picture"
NO_NAME = "a column whose name no field can have (1 to 200 bytes, no control characters)"


class Fields(NamedTuple):
    """The fields that an import gives.

    edits:    of the snapshot's table.
    waiting:  row -> its values by name, as `LeftRow` has them.
    kept:     the columns that become fields.
    left:     what does not become a field.
    replaced: number of fields that had another value in the store.
    notes:    remarks for the report.
    """

    edits: Mapping[bytes, bytes | None] = {}
    waiting: Mapping[int, Mapping[str, str]] = {}
    kept: tuple[KeptField, ...] = ()
    left: tuple[LeftColumn, ...] = ()
    replaced: int = 0
    notes: tuple[str, ...] = ()


def decided_fields(repo: Repository, options: ImportOptions, old: Old, verdict: Verdict, *, resumed: bool) -> Fields:
    """Decide which columns become fields, of which pictures.

    resumed: the values are older than those of the store, and replace none.
    Raises:  UsageError for a column that was asked for and is none; MigrationNeeded; Damage.
    """
    columns = old.columns
    if options.no_fields and options.fields:
        raise UsageError("--no-fields leaves out all fields, and --field asks for one", "leave one of them out")
    names = _chosen(columns, options)
    left = [one for one in columns.left if not options.fields or one.name in options.fields]
    if options.no_fields or not (names or left):
        return Fields()
    if repo.format < 2:
        if options.fields:
            repo.require_format_2(WHAT)
        return Fields(notes=(f"{_columns(len(names))} not kept: fields need format 2; run: vstore migrate",))
    if len(names) > MOST and not (options.fields or columns.own):
        return Fields(notes=(f"{_columns(len(names))} not kept, as they are very many: choose some with --field NAME",))
    found = _Found(old, verdict)
    for name in names:
        found.add(name)
    current = repo.state.current_snapshot
    return _against(fields_of(repo, current), found, resumed=resumed)._replace(left=summed([*left, *found.left]))


def _chosen(columns: Columns, options: ImportOptions) -> list[str]:
    names = columns.names
    if not options.fields:
        return names
    there = {*names, *(one.name for one in columns.left)}
    missing = [name for name in options.fields if name not in there]
    if missing:
        had = ", ".join(map(repr, sorted(there)[:20])) or "none"
        raise UsageError(f"the list has no column {missing[0]!r} that may be a field", f"it has: {had}")
    return [name for name in names if name in options.fields]


def _columns(count: int) -> str:
    return "1 column of the list is" if count == 1 else f"{count:,} columns of the list are"


class _Found:
    """The values of the columns, one column after another."""

    def __init__(self, old: Old, verdict: Verdict) -> None:
        self._said = old.columns.said
        self._rows = old.rows_of
        self._left = verdict.left
        self._keys = [bytes.fromhex(row.key) if row.key is not None else None for row in verdict.rows]
        self.edits: dict[bytes, bytes] = {}
        self.waiting: dict[int, dict[str, bytes]] = {}
        self.left: list[LeftColumn] = []
        self.kept: list[KeptField] = []

    def add(self, name: str) -> None:
        """Take the values of a column; of two of one picture the first."""
        pictures: set[bytes] = set()
        waiting = 0
        try:
            field_key(b"", name)
        except UsageError:
            has = [number for number, said in enumerate(self._said) if said.get(name) is not None]
            self.left += [LeftColumn(name, NO_NAME, len(has), has[0])] if has else []
            return
        unfit: Counter[str] = Counter()
        first: dict[str, int] = {}
        for number, said in enumerate(self._said):
            try:
                value = field_value(said.get(name))
            except Unfit as err:
                unfit[str(err)] += 1
                first.setdefault(str(err), number)
                continue
            if value is None:
                continue
            key, row = self._keys[number], self._rows[number]
            if key is not None:
                pictures.add(key)
                if self.edits.setdefault(field_key(key, name), value) != value:
                    unfit[DIFFERENT] += 1
                    first.setdefault(DIFFERENT, number)
            elif row in self._left:
                self.waiting.setdefault(row, {})[name] = value
                waiting += 1
        self.left += [LeftColumn(name, why, count, first[why]) for why, count in unfit.items()]
        if pictures or waiting:
            self.kept.append(KeptField(name, len(pictures), waiting))


def _against(table: Table, found: _Found, *, resumed: bool) -> Fields:
    """Compare the fields that were found with those of the store."""
    edits: dict[bytes, bytes | None] = {}
    kept, replaced = found.kept, 0
    for at, value in sorted(found.edits.items()):
        had = table.get(at)
        if had == value or (resumed and had is not None):
            continue
        replaced += had is not None
        edits[at] = value
    notes: tuple[str, ...] = ()
    if replaced:
        these = "its value" if replaced == 1 else "their values"
        notes = (f"{counted(replaced, 'field')} had another value in the store; vstore undo brings {these} back",)
    waiting = {
        row: {name: binascii.b2a_base64(value, newline=False).decode("ascii") for name, value in sorted(values.items())}
        for row, values in found.waiting.items()
    }
    if sum(len(name) + len(value) for values in waiting.values() for name, value in values.items()) > WAITING_BYTES:
        waiting = {}
        kept = [field._replace(waiting=0) for field in kept if field.pictures]
        notes = (*notes, "what the list says of rows without a picture is too much to be set aside: import it again")
    return Fields(edits=edits, waiting=waiting, kept=tuple(kept), replaced=replaced, notes=notes)
