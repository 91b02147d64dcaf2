"""Problems and notes, collected while a check goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vstore.brief import briefly
from vstore.errors import SystemLimit, VstoreError
from vstore.format.canonical import Json, named_files, named_path
from vstore.limits import refuse_limit
from vstore.repository.files import UNKNOWN, Files

_REPAIR = "run: vstore repair"


@briefly
class Problem(NamedTuple):
    """A damaged or missing part of the store.

    file:  the damaged file, snapshot, space or import.
    what:  the problem.
    rows:  the first and last damaged row of a segment, or None.
    paths: some affected pictures of the current snapshot.
    next:  the next step.
    """

    file: str
    what: str
    rows: tuple[int, int] | None
    paths: tuple[bytes, ...]
    next: str

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        """Make the JSON form. where: finds the files of the pictures."""
        return {
            "file": self.file,
            "what": self.what,
            "rows": None if self.rows is None else list(self.rows),
            "paths": [named_path(path) for path in self.paths],
            **named_files([where.file_of(path) for path in self.paths]),
            "next": self.next,
        }


class Findings:
    """A collection of problems and notes; one problem never hides the next."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.bytes_read = 0

    def wrong(
        self, file: str, what: str, *, rows: tuple[int, int] | None = None, paths: tuple[bytes, ...] = ()
    ) -> None:
        """Add a problem that repair may fix."""
        self.problems.append(Problem(file=file, what=what, rows=rows, paths=paths, next=_REPAIR))

    def attempt(self, file: str, work: Callable[[], None], rows: tuple[int, int] | None = None) -> bool:
        """Do one piece of the check. Any error, on any garbage, becomes a problem of this file alone.

        Raises: SystemLimit, which tells nothing of a file.
        """
        try:
            work()
        except SystemLimit:
            raise
        except VstoreError as err:
            self.wrong(file, err.message, rows=rows)
        except FileNotFoundError:
            self.wrong(file, "it is missing", rows=rows)
        except Exception as err:
            if isinstance(err, OSError):
                refuse_limit(err, f"check {file}")
            self.wrong(file, f"it cannot be read: {type(err).__name__}: {err}", rows=rows)
        else:
            return True
        return False
