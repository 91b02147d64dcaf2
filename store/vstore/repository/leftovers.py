"""The rows set aside by imports: without a picture, with their old paths, stored in packs."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.disk.pack_writer import write_pack
from vstore.disk.packs import LARGEST_BLOB
from vstore.errors import Damage, UsageError
from vstore.format.canonical import Json, canonical, parsed, path_from_json, path_to_json, refuse_large
from vstore.format.entries import FileRef
from vstore.format.fields import FieldValue, decode_field, field_key
from vstore.format.layout import DTYPES
from vstore.format.rest_entry import Import
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows

BLOCK = 1024  # rows of a blob


class LeftRow(NamedTuple):
    """One row without a picture.

    row:    its number in the old index.
    path:   its path there.
    state:  why it waits, in one word.
    reason: why it waits, for people.
    fields: what the old list says of its picture besides: values of fields by name, in base64.
    """

    row: int
    path: bytes
    state: str
    reason: str
    fields: Mapping[str, str] = {}  # never changed


def write_leftovers(
    repo: Repository, rows: Sequence[LeftRow], blocks: Iterable[Rows]
) -> tuple[bytes, list[bytes], list[FileRef]]:
    """Write rows and their vectors to packs, unlisted as yet. The caller holds `ingest`.

    blocks:  the vectors in the store's dtype, in the order of the rows, at most 1,024 at a time.
    Returns: digest of the names, digests of the vectors, the packs.
    Raises:  UsageError if they are too many to be read again; DiskTrouble, ReadOnly.
    """
    digest = repo.hash.digest
    names = canonical([_written(left) for left in rows])
    try:
        refuse_large(names, LARGEST_BLOB)
    except ValueError as err:
        raise UsageError(
            f"{len(rows):,} rows have no picture, more than a store sets aside: of their names, {err}",
            "import the index in parts, or with its pictures in place",
        ) from err
    listed: list[bytes] = []
    refs: list[FileRef] = []
    blobs = {digest(names): names}
    for block in blocks:  # a pack is put together in memory, so that each block has one of its own
        data = block.tobytes()
        listed.append(digest(data))
        blobs[listed[-1]] = data
        refs.append(write_pack(repo.layout.packs, repo.hash, blobs, "ingest"))
        blobs = {}
    return digest(names), listed, refs


def _written(left: LeftRow) -> list[Json]:
    row = [left.row, path_to_json(left.path), left.state, left.reason]
    return [*row, dict(left.fields)] if left.fields else row


def left_rows(repo: Repository, found: Import) -> list[LeftRow]:
    """Read the rows set aside by an import. Raises: Damage."""
    try:
        return [
            LeftRow(row, path_from_json(path), state, reason, *map(dict, fields))
            for row, path, state, reason, *fields in parsed(repo.packs.get(found.names, LARGEST_BLOB), LARGEST_BLOB)
        ]
    except (ValueError, KeyError, TypeError) as err:
        raise Damage(f"the names of the import {found.id} cannot be read: {err!r}", "run: vstore check") from err


def as_of(repo: Repository, found: Import, space: str) -> Import:
    """Give the rows set aside by an import to a space with its vectors; for any other space, as it is.

    Such a space lists files that were written for the imported one, as their footers say.
    """
    listed = repo.state.segments(space) if space != found.space else []
    if any(repo.segment(ref).footer.space.hex() == found.space for ref in listed):
        return found._replace(space=space)
    return found


def left_fields(left: LeftRow) -> dict[str, FieldValue]:
    """Read the fields of a row that was set aside. Raises: Damage."""
    try:
        for name in left.fields:
            field_key(b"", name)
        return {name: decode_field(binascii.a2b_base64(value)) for name, value in left.fields.items()}
    except (ValueError, TypeError, UsageError) as err:
        raise Damage(f"the fields of row {left.row} of an import cannot be read: {err}", "run: vstore check") from err


class LeftVectors:
    """The vectors of those rows, in their order. The last blob stays in memory."""

    def __init__(self, repo: Repository, found: Import) -> None:
        self._repo = repo
        self._found = found
        self._dim = repo.state.spaces[found.space].dim
        self._open: tuple[int, Rows] | None = None

    def block(self, first: int, end: int) -> Rows:
        """Read some vectors: (end - first, dim) in the store's dtype. Raises: Damage."""
        import numpy as np

        parts: list[Any] = []
        while first < end:
            number = first // BLOCK
            upto = min(end, (number + 1) * BLOCK)
            parts.append(self._blob(number)[first - number * BLOCK : upto - number * BLOCK])
            first = upto
        rows: Rows = np.concatenate(parts)
        return rows

    def count(self) -> int:
        """Read all vectors and count them. Raises: Damage."""
        return sum(len(self._blob(number)) for number in range(len(self._found.vectors)))

    def _blob(self, number: int) -> Rows:
        import numpy as np

        if self._open is None or self._open[0] != number:
            data = self._repo.packs.get(self._found.vectors[number], LARGEST_BLOB)
            if len(data) % (self._dim * DTYPES[self._repo.dtype]):
                raise Damage(f"vectors of the import {self._found.id} have the wrong length", "run: vstore check")
            rows: Rows = np.frombuffer(data, np.dtype(self._repo.dtype).newbyteorder("<")).reshape(-1, self._dim)
            self._open = number, rows
        return self._open[1]
