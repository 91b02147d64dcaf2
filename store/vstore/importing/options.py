"""The options of an import, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vstore.format.recipes import Recipe
from vstore.importing.old import Named


class ImportOptions(NamedTuple):
    """The options of one import.

    named:         the files of the old index.
    root:          the folder that holds the pictures.
    recipe:        the recipe of the model that made the vectors, if it was declared.
    place:         the words by which that model is found again.
    as_label:      the label of the root.
    as_space:      the name of the space.
    path_field:    the field of the list that holds the paths.
    rows_by:       the field of the list that numbers the rows, or "order".
    trust_edited:  take pictures that are newer than the index.
    force:         go on where the index contradicts itself.
    dry_run:       report, and write nothing.
    report:        a file for the whole report.
    resume:        the id of an earlier import whose leftovers are to be joined.
    message:       the message of the snapshot.
    wait:          wait for another writer instead of failing.
    max_file_size: larger pictures are not read, in bytes.
    """

    named: Named = Named()
    root: bytes | None = None
    recipe: Recipe | None = None
    place: Mapping[str, Any] = {}  # never changed
    as_label: str | None = None
    as_space: str | None = None
    path_field: str | None = None
    rows_by: str | None = None
    trust_edited: bool = False
    force: bool = False
    dry_run: bool = False
    report: Path | None = None
    resume: str | None = None
    message: str = ""
    wait: bool = False
    max_file_size: int = 256 << 20
