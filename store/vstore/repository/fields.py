"""The fields of a snapshot: read, and set by making another snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from vstore.errors import UsageError
from vstore.format.entries import Snapshot
from vstore.format.fields import FieldValue, decode_field, encode_field, field_key, split_field_key
from vstore.format.table import Table
from vstore.repository.repository import Repository
from vstore.repository.small_packs import merge_small_packs
from vstore.repository.snapshots import new_snapshot

WHAT = "fields of pictures"
_AFTER_NAMES = b"\xff"  # no UTF-8 begins with it


class Field(NamedTuple):
    """A user's words about a picture.

    key:   of the picture.
    name:  of the field.
    value: text, a number, true or false, a time in UTC, or a list of texts.
    """

    key: bytes
    name: str
    value: FieldValue


def fields_of(repo: Repository, snapshot: Snapshot | None) -> Table:
    """Open the fields of a snapshot; of None, and of one without any, an empty table."""
    return Table(repo.hash, repo.packs.get, (snapshot.fields if snapshot else b"") or None)


def every_field(repo: Repository, snapshot: Snapshot | None) -> Iterator[Field]:
    """Yield all fields of a snapshot, sorted by key and name. Raises: Damage."""
    for entry_key, value in fields_of(repo, snapshot).items():
        yield Field(*split_field_key(entry_key, repo.hash.size), decode_field(value))


def fields_below(table: Table, key: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the fields of one picture as they are written: name in UTF-8, value. Raises: Damage."""
    return ((entry_key[len(key) :], value) for entry_key, value in table.range(key, key + _AFTER_NAMES))


def picture_fields(repo: Repository, table: Table, key: bytes) -> dict[str, FieldValue]:
    """Read the fields of one picture, by name. Raises: Damage."""
    entries = table.range(key, key + _AFTER_NAMES)
    return {split_field_key(entry_key, repo.hash.size)[1]: decode_field(value) for entry_key, value in entries}


def set_fields(
    repo: Repository, edits: Mapping[tuple[bytes, str], FieldValue | None], message: str = ""
) -> Snapshot | None:
    """Make a snapshot of the current one's pictures with other fields. Nothing is embedded or loaded.

    edits:   value by picture and name; None removes the field.
    Returns: the snapshot; None if the fields are those of the current one.
    Raises: UsageError for what is no field; MigrationNeeded; Refused while syncing is held; Locked, Damage,
            DiskTrouble.
    """
    entries: dict[bytes, bytes | None] = {}
    for (key, name), value in edits.items():
        if len(key) != repo.hash.size:
            raise UsageError(f"{key.hex()} is no key of a picture", f"a key has {repo.hash.size} bytes here")
        entries[field_key(key, name)] = None if value is None else encode_field(value)
    return publish_fields(
        repo,
        lambda current, table: (table.edited(entries), f"{len(entries)} field{'s' * (len(entries) != 1)}"),
        message,
    )


def publish_fields(
    repo: Repository, edit: Callable[[Snapshot, Table], tuple[Table, str]], message: str
) -> Snapshot | None:
    """Make a snapshot of the current one's pictures with the fields that `edit` makes of its own.

    edit:    is given the current snapshot and its fields. Returns: the fields to be, and a few words on the change.
    Returns: the snapshot; None if the fields are those of the current one.
    Raises:  UsageError without a snapshot; MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
    """
    with repo.committing("fields"):
        repo.require_format_2(WHAT)
        current = repo.state.current_snapshot
        repo.refuse_held()
        if current is None:
            raise UsageError("there is no snapshot yet", "make the first one with: vstore sync PATH")
        before = fields_of(repo, current)
        after, about = edit(current, before)
        if after.root == before.root:
            return None
        snapshot, changes, blobs = new_snapshot(
            repo,
            current.space,
            repo.mapped_tree(current),
            images=current.images,
            parent=current,
            message=message,
            partial=current.partial,
            fields=after,
        )
        repo.publish("fields", changes, blobs=blobs, about=f"{snapshot.name}: {about}")
        merge_small_packs(repo)
        return snapshot
