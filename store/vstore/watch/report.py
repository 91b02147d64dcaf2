"""The report of one step of a watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.brief import briefly
from vstore.errors import VstoreError
from vstore.format.canonical import Json

if TYPE_CHECKING:
    from vstore.sync.report import SyncReport


@briefly
class Watched(NamedTuple):
    """One step of a watch: a sync, a sync that failed, or a note. One of the three is there.

    time:   its end, ISO 8601, UTC.
    report: of the sync, or None.
    error:  the reason why a sync failed, or None. It is told once, and the watch goes on.
    note:   what else there is to know, or "".
    """

    time: str
    report: SyncReport | None = None
    error: VstoreError | None = None
    note: str = ""

    @property
    def kind(self) -> str:
        """`sync`, `error` or `note`."""
        return "sync" if self.report is not None else "error" if self.error is not None else "note"

    def to_json(self) -> dict[str, Json]:
        error = self.error
        return {
            "kind": self.kind,
            "time": self.time,
            "report": None if self.report is None else self.report.to_json(),
            "error": None
            if error is None
            else {"code": error.code, "exit": error.exit_code, "message": error.message, "next": error.next_step},
            "note": self.note or None,
        }
