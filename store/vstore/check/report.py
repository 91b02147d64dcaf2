"""The report of a check: problems, notes, and how much was read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from vstore.brief import briefly
from vstore.check.findings import Problem
from vstore.format.canonical import Json
from vstore.repository.files import Files

if TYPE_CHECKING:
    from vstore.check.reembed import ReembedReport


@briefly
class CheckReport(NamedTuple):
    """The result of a check.

    ok:         no problem was found.
    snapshots:  snapshots checked.
    segments:   segments checked.
    packs:      packs checked.
    records:    records of the log checked.
    bytes_read: bytes read.
    problems:   damaged or missing parts.
    notes:      remarks; none of them is damage.
    verified:   segments and packs whose every byte was read.
    files:      all segments and packs.
    reembed:    the result of re-embedding a sample, or None.
    where:      finds the files of the stored paths.
    """

    ok: bool
    snapshots: int
    segments: int
    packs: int
    records: int
    bytes_read: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    verified: int = 0
    files: int = 0
    reembed: ReembedReport | None = None
    where: Files = Files()

    def extended(self, problems: Iterable[Problem], notes: Iterable[str] = ()) -> CheckReport:
        """Add the problems and notes of a further check."""
        found = (*self.problems, *problems)
        return self._replace(ok=not found, problems=found, notes=(*self.notes, *notes))

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        del value["where"]
        value["problems"] = [problem.to_json(self.where) for problem in self.problems]
        value["notes"] = list(self.notes)
        value["reembed"] = self.reembed.to_json(self.where) if self.reembed is not None else None
        return value
