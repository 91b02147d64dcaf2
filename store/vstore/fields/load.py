"""Reads fields from a file: each row names a picture, each other column is a field."""

from __future__ import annotations

import operator
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain, groupby, islice
from pathlib import Path

from vstore.errors import Interrupted, UsageError
from vstore.fields.change import Change, begin, changed, committed
from vstore.fields.columns import field_of
from vstore.fields.report import FieldsImported, UnknownRow
from vstore.fields.rows import FileRow, Rows
from vstore.fields.spool import Spool
from vstore.format.entries import Snapshot
from vstore.format.field_text import plain_text
from vstore.format.field_values import Unfit, field_value
from vstore.format.fields import decode_field, field_key
from vstore.format.list_columns import KeptField, LeftColumn
from vstore.format.table import Table
from vstore.format.tree import Tree
from vstore.progress import Progress, Stages
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.fields import fields_below
from vstore.repository.repository import Repository

EXAMPLES = 20  # rows without a picture that are named
DIFFERENT = "other values than those of an earlier row of the same picture"
SAME_FIELD = "another value than that of an earlier column of the same field"
NO_NAME = "a column whose name no field can have (1 to 200 bytes, no control characters)"
_FEW = 1_000  # paths that are looked up one by one
_BLOCK = 10_000


def fields_import(
    repo: Repository,
    file: Path,
    *,
    format: str | None,
    by: str | None,
    message: str,
    dry_run: bool,
    progress: Progress | None,
    stop: threading.Event | None,
) -> FieldsImported:
    """Give pictures the fields that the rows of a file say. A field that a row says nothing of stays.

    Raises: UsageError, naming the place of a fault; Interrupted; MissingPackage; and the errors of `committed`.
    """
    begin(repo, dry_run=dry_run)
    rows = Rows(file, format, by)
    stages = Stages(progress)
    with Spool() as spool:
        taken = _Taken(spool)
        stages.begin("reading", None, unit="rows")
        for row in rows:
            taken.take(row)
            stages.advance(1)
            if stop is not None and stop.is_set():
                raise Interrupted("stopped; nothing was changed", "run the command again")
        spool.finish()
        sorted_cells = _Sorted(spool)

        def decide(current: Snapshot, table: Table) -> tuple[Change, None]:
            stages.begin("finding pictures", None)
            _find(repo, current, table, spool)
            stages.begin("sorting", None)
            is_same = operator.eq if rows.has_types else _reads_so
            return changed(table, sorted_cells.entries(), repo.hash.size, is_same=is_same), None

        report, _ = committed(repo, decide, message=message, dry_run=dry_run)
        return FieldsImported(
            **report._asdict(),
            rows=taken.rows,
            by=tuple(rows.by),
            unknown=spool.open_rows(),
            examples=tuple(UnknownRow(number, _shown(word)) for number, word in spool.unknown(EXAMPLES)),
            fields=tuple(KeptField(name, count) for name, count in sorted(sorted_cells.pictures.items())),
            left=tuple(sorted([*rows.left, *taken.left(), *sorted_cells.left()])),
        )


def _reads_so(before: bytes, new: bytes) -> bool:
    """Tell whether a new text is what a CSV has for a value of another type: it says no types."""
    value, text = decode_field(before), decode_field(new)
    return isinstance(text, str) and not isinstance(value, str) and plain_text(value) == text


class _Taken:
    """The rows that were read, as the spool has them. rows: their number."""

    def __init__(self, spool: Spool) -> None:
        self.rows = 0
        self._spool = spool
        self._names: dict[str, bytes | None] = {}
        self._unfit: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], int] = {}

    def take(self, row: FileRow) -> None:
        """Set a row aside, with those of its values that can be fields."""
        self.rows += 1
        values: dict[bytes, bytes] = {}
        for column, value in row.values.items():
            if value is None:
                continue
            name = self._name(column)
            if name is None:
                self._leave(column, NO_NAME, row.number)
                continue
            try:
                encoded = field_value(value)
            except Unfit as err:
                self._leave(column, str(err), row.number)
                continue
            if encoded is not None and values.setdefault(name, encoded) != encoded:
                self._leave(column, SAME_FIELD, row.number)
        self._spool.add(row.number, _word(row.word), values.items())

    def left(self) -> Iterator[LeftColumn]:
        """Yield what does not become a field."""
        return (LeftColumn(*at, count, self._first[at]) for at, count in self._unfit.items())

    def _name(self, column: str) -> bytes | None:
        if column not in self._names:
            try:
                self._names[column] = field_key(b"", field_of(column))
            except UsageError:
                self._names[column] = None
        return self._names[column]

    def _leave(self, column: str, why: str, row: int) -> None:
        self._unfit[column, why] += 1
        self._first.setdefault((column, why), row)


class _Sorted:
    """The values of the spool as entries of a table. pictures: how many have a value, by name."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.pictures: Counter[str] = Counter()
        self._different: Counter[str] = Counter()
        self._first: dict[str, int] = {}

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield them sorted; of several values of a field the one of the first row."""
        self.pictures.clear()
        self._different.clear()
        self._first.clear()
        for (key, name), cells in groupby(self._spool.cells(), lambda cell: (cell.key, cell.name)):
            first, *others = cells
            text = name.decode()
            self.pictures[text] += 1
            for other in others:
                if other.value != first.value:
                    self._different[text] += 1
                    self._first[text] = min(other.row, self._first.get(text, other.row))
            yield key + name, first.value

    def left(self) -> Iterator[LeftColumn]:
        """Yield what was said otherwise in a later row."""
        return (LeftColumn(name, DIFFERENT, count, self._first[name]) for name, count in self._different.items())


def _find(repo: Repository, current: Snapshot, table: Table, spool: Spool) -> None:
    """Find the keys of the rows: by stored path, by file, and by key."""
    spool.forget()
    tree = repo.mapped_tree(current)
    _match(spool, tree, spool.words())
    if spool.open_rows():
        stored = _stored_path(repo)
        places = ((stored(word), row) for word, row in spool.words())
        _match(spool, tree, spool.sorted((path, row) for path, row in places if path is not None))
    _match_keys(spool, tree, table, repo.hash.size)


def _match(spool: Spool, tree: Tree, words: Iterator[tuple[bytes, int]]) -> None:
    """Find the keys of rows whose words are paths of a tree. words: sorted, with the numbers of the rows."""
    first = list(islice(words, _FEW))
    if len(first) < _FEW:
        found = ((tree.get(path), row) for path, row in first)
        spool.know([(key, row) for key, row in found if key is not None])
    else:
        _know(spool, _joined(chain(first, words), tree))


def _joined(words: Iterable[tuple[bytes, int]], tree: Tree) -> Iterator[tuple[bytes, int]]:
    """Walk sorted words and a tree together. Yields: the key and the row of each word that is a path."""
    aliases = iter(tree)
    at = next(aliases, None)
    for word, row in words:
        while at is not None and at[0] < word:
            at = next(aliases, None)
        if at is None:
            return
        if at[0] == word:
            yield at[1], row


def _know(spool: Spool, found: Iterable[tuple[bytes, int]]) -> None:
    block = []
    for one in found:
        block.append(one)
        if len(block) >= _BLOCK:
            spool.know(block)
            block = []
    spool.know(block)


def _stored_path(repo: Repository) -> Callable[[bytes], bytes | None]:
    """Make the function that gives the stored path of a file on disk."""
    folders = KnownFolders(repo)
    roots = [(os.fsencode(root.label), root) for root in repo.state.roots.values()]

    @lru_cache(1024)
    def of_folder(folder: bytes) -> bytes | None:
        for path in dict.fromkeys((folder, os.path.realpath(folder))):
            for label, root in roots:
                rest = folders.within(root, path)
                if rest is not None:
                    return label + b"/" + rest if rest else label
                if folders.is_same(root, path):
                    return label
        return None

    def stored(word: bytes) -> bytes | None:
        if b"\0" in word:
            return None
        folder, name = os.path.split(os.path.abspath(word))
        above = of_folder(folder)
        return None if above is None or not name else above + b"/" + name

    return stored


def _match_keys(spool: Spool, tree: Tree, table: Table, key_size: int) -> None:
    """Find the rows whose words are keys: of the snapshot, or of pictures that have fields already."""
    digits = re.compile(b"[0-9a-fA-F]{%d}" % (2 * key_size))
    asked = ((bytes.fromhex(word.decode()), row) for word, row in spool.words() if digits.fullmatch(word))
    first = next(asked, None)
    if first is None:
        return
    known = set(tree.every_key())
    every = chain([first], asked)
    _know(spool, ((key, row) for key, row in every if key in known or next(fields_below(table, key), None) is not None))


def _word(word: str | bytes | None) -> bytes | None:
    """Give what a row says of its picture as a path is written; None for what is no text."""
    if not isinstance(word, str):
        return word
    try:
        return os.fsencode(word)
    except UnicodeEncodeError:
        return None


def _shown(word: bytes | None) -> str:
    return "" if word is None else word.decode("utf-8", "backslashreplace")[:200]
