"""The values of columns, for many pictures at once: each different one stands once, and rows have its number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.errors import ModelError
from vstore.format.entries import Snapshot
from vstore.format.facts import TAKEN, flat, pixels
from vstore.format.facts import Column as FactColumn
from vstore.format.fields import FieldValue, decode_field, split_field_key
from vstore.repository.facts import fact_arrays
from vstore.repository.fields import fields_of
from vstore.repository.repository import Repository
from vstore.where.columns import FACTS, FLAT, FOLDER, MODIFIED, NAME, PATH
from vstore.where.expression import SEPARATOR, escaped

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

_INT64 = 1 << 63
Scalar = str | int | float | bytes | None


class Coded(NamedTuple):
    """A column.

    values: the different values, the first of which is None: nothing.
    codes:  int64 (n,), of each row the number of its value.
    """

    values: Sequence[Scalar]
    codes: Ints


def numbers_in(keys: bytes | memoryview, some: bytes | memoryview, size: int) -> Ints:
    """Find keys among others. Both stand one after another; those looked through rise.

    Returns: their numbers, -1 for one that is not there.
    """
    import numpy as np

    kind = np.dtype(f"S{size}")  # of one length: that zeros at an end are passed over changes nothing
    have, wanted = np.frombuffer(keys, kind), np.frombuffer(some, kind)
    if not len(have):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(have, wanted), len(have) - 1)
    return np.where(have[at] == wanted, at, -1)


class FactColumns(NamedTuple):
    """Facts that were read.

    columns: those that were wanted, by name.
    lacking: pictures whose headers no sync has read: of them no fact is known. 0 where none was wanted.
    """

    columns: dict[str, Coded]
    lacking: int


def facts_by_name(repo: Repository, snapshot: Snapshot, keys: bytes | memoryview, names: Iterable[str]) -> FactColumns:
    """Read facts. keys: of the rows, one after another. Raises: Damage, FileNotFoundError."""
    import numpy as np

    names = list(names)
    prepared = _prepared(repo, snapshot) if FLAT in names else ()
    wanted = [FACTS[name] for name in names if name in FACTS]
    count = len(keys) // repo.hash.size
    if not repo.state.facts or not (wanted or prepared):
        return FactColumns({name: Coded([None], np.zeros(count, np.int64)) for name in names}, count if wanted else 0)
    every = FACTS["bytes"]  # whatever a header says
    arrays = fact_arrays(repo, [*wanted, *prepared, every])
    rows = arrays.rows_of(keys)
    found = {column.name: _fact(column, *arrays.columns[column], rows) for column in wanted}
    if FLAT in names:
        codes = np.zeros(count, np.int64)
        if prepared and len(arrays.keys):
            is_flat, has_pixels = ((arrays.columns[one].there[rows]) & (rows >= 0) for one in prepared)
            codes = np.where(is_flat, 2, np.where(has_pixels, 1, 0))
        found[FLAT] = Coded([None, 0, 1], codes)
    there = arrays.columns[every].there
    read = np.count_nonzero(there[rows] & (rows >= 0)) if len(there) else 0
    return FactColumns(found, int(count - read) if wanted else 0)


def _prepared(repo: Repository, snapshot: Snapshot) -> tuple[FactColumn, ...]:
    """Name the facts that tell whether a picture is of one colour, and whether that is known."""
    try:
        preparation = repo.recipe(snapshot.space).get("prepare")
    except ModelError:  # its recipe is lost
        return ()
    return () if preparation is None else (flat(preparation), pixels(preparation))


def flat_by(repo: Repository, snapshot: Snapshot) -> str:
    """Name what `flat` depends on beside the facts."""
    return "\n".join(column.name for column in _prepared(repo, snapshot))


def _fact(column: FactColumn, there: Any, values: Any, texts: Sequence[str], rows: Ints) -> Coded:
    import numpy as np

    if not len(there):
        return Coded([None], np.zeros(len(rows), np.int64))
    has = there[rows] & (rows >= 0)
    if column.type == "t":
        return Coded([None, *texts], np.where(has, values[rows].astype(np.int64) + 1, 0))
    different, codes = np.unique(values[rows], return_inverse=True)
    listed = _taken(different) if column == TAKEN else list(map(_number, different.tolist()))
    return Coded([None, *listed], np.where(has, codes.reshape(-1) + 1, 0))


def _number(value: float) -> float:
    return value if -_INT64 <= value < _INT64 else float(value)  # SQLite has no larger whole numbers


def _taken(moments: Any) -> list[str | None]:
    """Write times as `ls` does: as the camera wrote them, to the second. moments: microseconds since 1970."""
    import numpy as np

    first, last = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")
    moments = moments.astype("datetime64[us]")
    is_written = (moments >= first) & (moments <= last)
    seconds = np.where(is_written, moments, first).astype("datetime64[s]")
    return [
        text if fits else None for text, fits in zip(seconds.astype(str).tolist(), is_written.tolist(), strict=True)
    ]


class FieldColumns(NamedTuple):
    """Fields that were read.

    names:   of all fields of the snapshot.
    columns: those that were wanted, by name.
    """

    names: frozenset[str]
    columns: dict[str, Coded]


def fields_by_name(
    repo: Repository, snapshot: Snapshot, keys: bytes | memoryview, is_wanted: Callable[[str], bool]
) -> FieldColumns:
    """Read the fields of a snapshot in one pass. keys: of the rows, one after another. Raises: Damage."""
    import numpy as np

    size = repo.hash.size
    readers: dict[bytes, _FieldReader | None] = {}
    names: set[str] = set()
    table = fields_of(repo, snapshot)
    for leaf in table.walk():
        for entry, value in table.decode(leaf):  # a million: no call more than is needed
            name = entry[size:]
            if name not in readers:
                text = split_field_key(entry, size)[1]
                names.add(text)
                readers[name] = _FieldReader(text) if is_wanted(text) else None
            reader = readers[name]
            if reader is not None:
                reader.keys.append(entry[:size])
                code = reader.known.get(value)
                reader.codes.append(reader.new(value) if code is None else code)
    columns = {}
    for reader in filter(None, readers.values()):
        rows = numbers_in(keys, b"".join(reader.keys), size)
        codes = np.zeros(len(keys) // size, np.int64)
        codes[rows[rows >= 0]] = np.array(reader.codes, np.int64)[rows >= 0]
        columns[reader.name] = Coded(reader.values, codes)
    return FieldColumns(frozenset(names), columns)


class _FieldReader:
    """The values of one field, as they are met. What many pictures have is decoded once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: list[bytes] = []
        self.codes: list[int] = []
        self.values: list[Scalar] = [None]
        self.known: dict[bytes, int] = {}

    def new(self, value: bytes) -> int:
        """Number a value that was not met before."""
        code = self.known[value] = len(self.values)
        self.values.append(written(decode_field(value)))
        return code


def written(value: FieldValue) -> Scalar:
    """Write the value of a field as expressions see it: a list as bytes, which equal no text."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return "".join([SEPARATOR, *(escaped(text) + SEPARATOR for text in value)]).encode()
    return value


def hex_keys(keys: bytes | memoryview, size: int) -> Coded:
    """Write the keys of rows in hex."""
    import numpy as np

    digits = bytes(keys).hex()
    values = [digits[at : at + 2 * size] for at in range(0, len(digits), 2 * size)]
    return Coded([None, *values], np.arange(1, len(values) + 1))


def paths_by_name(
    repo: Repository, snapshot: Snapshot, paths: Sequence[bytes], keys: Sequence[bytes], names: Iterable[str]
) -> dict[str, Coded]:
    """Tell what paths say. keys: of their pictures. Raises: Damage."""
    found = {}
    for name in names:
        if name == PATH:
            found[name] = _listed(map(_text, paths))
        elif name == NAME:
            found[name] = _listed(_text(path.rpartition(b"/")[2]) for path in paths)
        elif name == FOLDER:
            found[name] = _listed(_text(path.rpartition(b"/")[0]) for path in paths)
        elif name == MODIFIED:
            found[name] = _listed(_modified(repo, snapshot, paths, keys))
    return found


def _listed(values: Iterable[Scalar]) -> Coded:
    import numpy as np

    known: dict[Scalar, int] = {None: 0}
    codes = [known.setdefault(value, len(known)) for value in values]
    return Coded(list(known), np.array(codes, np.int64))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def _modified(repo: Repository, snapshot: Snapshot, paths: Sequence[bytes], keys: Sequence[bytes]) -> list[Scalar]:
    """Tell when files were changed last, as the newest sync met them with these pictures."""
    from vstore.intake.stat_cache import MetFiles

    catalogue, labels = repo.catalogue(write=False), repo.labels_in(snapshot)
    try:
        met = MetFiles(catalogue, repo.state.absorbed, repo.hash.size)
        found: list[Scalar] = []
        for path, key in zip(paths, keys, strict=True):
            file = met.file(labels.today(path))
            found.append(_moment(file.mtime_ns) if file is not None and file.key == key else None)
        return found
    finally:
        if catalogue is not None:
            catalogue.close()


def _moment(nanoseconds: int) -> str | None:
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return None
