"""Notes on patterns that match nothing. Pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.intake.survey import Survey

if TYPE_CHECKING:
    from vstore.pictures.pattern_faults import Fault
    from vstore.pictures.pattern_watch import Unmatched

_MOST = 10  # lines of ignore files that a report names
_LONGEST = 100  # letters of one that it shows: the file may be no text


def notes(survey: Survey, *, dry_run: bool) -> tuple[str, ...]:
    """Say which new patterns match nothing, and which lines of ignore files can match nothing."""
    said = [_of_option(one, dry_run=dry_run) for one in survey.unmatched]
    faults = list(survey.faults())
    said += [_of_line(survey.file_of(path), line, fault) for path, line, fault in faults[:_MOST]]
    if len(faults) > _MOST:
        said.append(f"{counted(len(faults) - _MOST, 'more line')} of ignore files can match nothing.")
    return tuple(said)


def _of_option(one: Unmatched, *, dry_run: bool) -> str:
    import shlex  # hardly any pattern is at fault

    given = f"--{one.option} {shlex.quote(one.glob)}"
    remove = f"--no-exclude {shlex.quote(one.glob)} " if one.option == "exclude" and not dry_run else ""
    if one.near is None or one.right is None:
        more = f" It stays with the folder; to remove it: vstore sync {remove.strip()}" if remove else ""
        return f"{given} matches nothing, or nothing that is not left out already.{more}"
    right = f"vstore sync {remove}--{one.option} {shlex.quote(one.right)}"
    return f"{given} matches nothing; there is {one.near}. To match that: {right}"


def _of_line(path: bytes, line: str, fault: Fault) -> str:
    right = f" Write: {' and '.join(fault.right)}" if fault.right and len(line) <= _LONGEST else ""
    line = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    return f"{os.fsdecode(path)} has the line {line}, which can match nothing: {fault.reason}.{right}"
