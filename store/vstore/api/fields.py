"""The methods of a store about what its user says of pictures: fields and decisions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vstore.api.opened import Opened
from vstore.paths import as_path

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any, BinaryIO

    from vstore.decide.report import Decided, DecisionsReport
    from vstore.fields.report import FieldRow, FieldsCarried, FieldsChanged, FieldsExported, FieldsImported
    from vstore.format.entries import Snapshot
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.repository.repository import Repository


class Fields(Opened):
    """A store with the fields of its pictures, and the decisions about them."""

    def fields_list(self, at: str = "current") -> list[FieldRow]:
        """List the fields of a snapshot, by name, with their types. Raises: SnapshotNotFound, AmbiguousSnapshot."""
        from vstore.fields.named import fields_list

        return self._read(lambda repo: fields_list(repo, at))

    def fields_set(
        self,
        values: Mapping[str, str | int | float | bool | datetime | Sequence[str]],
        pictures: Sequence[AnyPath],
        *,
        type: str | None = None,
        message: str = "",
        dry_run: bool = False,
    ) -> FieldsChanged:
        """Give some pictures fields: write a snapshot of the same pictures with these. `undo` takes it back.

        values:   value by name. A time without a zone is UTC.
        pictures: files, stored paths, keys or their first 6 digits or more, as `show` takes them; or one alone.
        type:     reads the values, which are texts then, as: text, int, float, bool, date, list.
        message:  a note for the snapshot.
        Raises:   UsageError, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
        """
        from vstore.fields.edits import fields_set

        return self._use(
            lambda repo: fields_set(repo, values, pictures, _key_of, type=type, message=message, dry_run=dry_run)
        )

    def fields_unset(
        self,
        names: Sequence[str],
        pictures: Sequence[AnyPath] = (),
        *,
        all_pictures: bool = False,
        message: str = "",
        dry_run: bool = False,
    ) -> FieldsChanged:
        """Take fields away from some pictures, or from all.

        names:        of the fields, or one alone. Without `pictures` and `all_pictures`, they end before the first
                      that no picture has: what follows are pictures.
        pictures:     as in `fields_set`.
        all_pictures: from all that have them.
        message:      a note for the snapshot.
        Raises:       UsageError, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
        """
        from vstore.fields.edits import fields_unset

        return self._use(
            lambda repo: fields_unset(
                repo, names, pictures, _key_of, all_pictures=all_pictures, message=message, dry_run=dry_run
            )
        )

    def fields_import(
        self,
        file: AnyPath,
        *,
        format: str | None = None,
        by: str | None = None,
        message: str = "",
        dry_run: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> FieldsImported:
        """Give pictures the fields that the rows of a file say. A field that a row says nothing of stays.

        file:    CSV, JSON lines or Parquet; each row names a picture, each other column is a field.
        format:  csv, jsonl or parquet; by default what the name of the file says.
        by:      the column with the pictures: stored paths, files or whole keys.
        message: a note for the snapshot.
        stop:    if it is set while rows are read, nothing is changed.
        Raises:  UsageError, naming the place of a fault; Interrupted, MissingPackage, MigrationNeeded; Refused while
                 syncing is held; Locked, Damage, DiskTrouble.
        """
        from vstore.fields.load import fields_import

        return self._use(
            lambda repo: fields_import(
                repo,
                as_path(file),
                format=format,
                by=by,
                message=message,
                dry_run=dry_run,
                progress=progress,
                stop=stop,
            )
        )

    def fields_export(
        self,
        out: AnyPath | BinaryIO,
        *,
        format: str | None = None,
        at: str = "current",
        progress: Progress | None = None,
    ) -> FieldsExported:
        """Write the fields of a snapshot, a row for each picture that has any: its key, its paths, its fields.

        out:    a file to make, or one that is open for bytes.
        format: csv, jsonl or parquet; by default what the name of the file says, and jsonl for an open one.
        Raises: UsageError; SnapshotNotFound, AmbiguousSnapshot; MissingPackage, Damage, DiskTrouble.
        """
        from vstore.disk.target import make
        from vstore.fields.save import fields_export

        file = as_path(out) if isinstance(out, (str, bytes, os.PathLike)) else out
        return self._read(lambda repo: fields_export(repo, file, make, format=format, at=at, progress=progress))

    def fields_prune(self, *, message: str = "", dry_run: bool = False) -> FieldsChanged:
        """Take away the fields of the pictures that the current snapshot does not have.

        message: a note for the snapshot.
        Raises:  UsageError, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
        """
        from vstore.fields.prune import fields_prune

        return self._use(lambda repo: fields_prune(repo, message=message, dry_run=dry_run))

    def fields_carry(
        self, snap: str, *, replace: bool = False, message: str = "", dry_run: bool = False
    ) -> FieldsCarried:
        """Hand fields on: each path whose picture is another than in a snapshot gets the fields that it had there.

        replace: the values of fields that the picture of today has, too; else these stay.
        message: a note for the snapshot.
        Raises:  SnapshotNotFound, AmbiguousSnapshot; UsageError, MigrationNeeded; Refused while syncing is held;
                 Locked, Damage, DiskTrouble.
        """
        from vstore.fields.carry import fields_carry

        return self._use(lambda repo: fields_carry(repo, snap, replace=replace, message=message, dry_run=dry_run))

    def decide(
        self,
        verb: str | None = None,
        pictures: Sequence[AnyPath] = (),
        *,
        over: Sequence[AnyPath] = (),
        rows: AnyPath | BinaryIO | Iterable[Mapping[str, Any]] | None = None,
        dry_run: bool = False,
    ) -> Decided:
        """Decide about pictures, once and for all: the newest decision about two of them holds. `undo` takes it back.

        verb:     `different`: no two of them are copies of one another; `same`: they are; `keep`: they are to stay.
        pictures: files, stored paths, keys or their first 6 digits or more, as `show` takes them. A whole key need not
                  be of a picture of the store.
        over:     with `keep`, pictures that are not to stay.
        rows:     many decisions at once, in one record, instead of these: mappings with `verb`, `pictures` and `over`,
                  or a file of JSON lines that are such; or one that is open for bytes. A later one is the newer.
        Raises:   UsageError, naming the place of a fault in `rows`; MigrationNeeded; ForeignStore, Locked, Damage,
                  DiskTrouble.
        """
        from vstore.decide.decide import decide

        return self._use(lambda repo: decide(repo, verb, pictures, _key_of, over=over, rows=rows, dry_run=dry_run))

    def decisions(self, pictures: Sequence[AnyPath] = (), *, limit: int | None = None) -> DecisionsReport:
        """List the decisions in force, newest first.

        pictures: only those about all of these, which are named as in `decide`.
        limit:    of the newest alone.
        Raises:   UsageError, Damage.
        """
        from vstore.decide.listed import decisions

        return self._read(lambda repo: decisions(repo, pictures, _key_of, limit=limit))


def _key_of(repo: Repository, snapshot: Snapshot, picture: AnyPath) -> bytes:
    """Find the key of the picture that a word means. Raises: UsageError if it means none that the store knows."""
    from vstore.browse.picture import known_key

    return known_key(repo, snapshot, picture)
