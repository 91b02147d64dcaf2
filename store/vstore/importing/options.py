"""What an import was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vstore.format.recipes import Recipe
from vstore.importing.old import Named


class ImportOptions(NamedTuple):
    """The words of the command.

    root:   the folder that holds the pictures. recipe: of the model that made the vectors, if it was declared; place:
            where it lies.
    resume: the id of an import whose leftovers are to be joined.
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
