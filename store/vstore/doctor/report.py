"""The report of `doctor`."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json

OK, NOTE, TROUBLE = "ok", "note", "trouble"


class Finding(NamedTuple):
    """The result of one check.

    name:  the thing checked.
    state: ok, note or trouble.
    what:  the result, for people.
    fix:   a command to fix the trouble, or empty.
    """

    name: str
    state: str
    what: str
    fix: str = ""

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


@briefly
class DoctorReport(NamedTuple):
    """The results of all checks.

    ok:       nothing is in trouble.
    findings: one for each check.
    """

    ok: bool
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Json]:
        return {"ok": self.ok, "findings": [finding.to_json() for finding in self.findings]}
