"""`vstore doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vstore_cli.homes import ignored
from vstore_cli.locate import find_store, user_words
from vstore_cli.output import echo_json, json_option, say, shown, tell

if TYPE_CHECKING:
    from vstore import Finding

_MARKS = {"ok": "ok     ", "note": "note   ", "trouble": "TROUBLE"}
_INDENT = 9  # cells before what is said


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check the installation, and the model of each space, and suggest fixes. Also shows which device would be used.

    Exit code 1 means that there is trouble.

    \b
    Example:
      vstore doctor
    """
    from vstore import Finding, Store

    folder = find_store()
    found = None if as_json else _print  # some checks take seconds
    report = Store.doctor(folder, found=found, **(user_words(folder) if folder is not None else {}))
    notes = [Finding("environment", "note", note, "set it to the path of a folder, or unset it") for note in ignored()]
    report = report._replace(findings=(*report.findings, *notes))
    if as_json:
        echo_json(report)
    else:
        for note in notes:
            _print(note)
    return 0 if report.ok else 1


def _print(finding: Finding) -> None:
    tell(f"{_MARKS[finding.state]}  {shown(finding.name)}: {shown(finding.what)}", hang=_INDENT)
    if finding.fix:
        say(f"{' ' * _INDENT}{shown(finding.fix)}", hang=_INDENT)
