"""The report of `vstore snapshot diff`, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vstore_cli.output import number, placed, shown, table, tell
from vstore_cli.terminal.styles import styled

if TYPE_CHECKING:
    from vstore import DiffReport, Files, FolderDiff

_SIGNS = {"added": "+", "removed": "-", "changed": "M", "copied": "C", "renamed": "R"}

_FIELDS = ("added", "changed", "removed")


def show_diff(report: DiffReport, *, is_part: bool) -> None:
    """Print what differs, a line each, or a line for each folder.

    is_part: options chose which differences count, so others may have been left out.
    """
    if report.stat is not None:
        _print_stat(report.stat, report.where)
    else:
        for kind in ("added", "removed", "changed", "copied"):
            _lines(kind, [placed(path, report.where) for path in getattr(report, kind)])
        pairs = [[placed(path, report.where) for path in pair] for pair in report.renamed]
        _lines("renamed", [" -> ".join(pair) for pair in pairs])
    found = [f"{number(len(getattr(report, kind)))} {kind}" for kind in _SIGNS if getattr(report, kind)]
    none = "no such difference" if is_part else "the same pictures under the same paths"
    tell(f"{report.before} -> {report.after}: " + (", ".join(found) or none))
    for field in report.fields:
        parts = [f"{number(getattr(field, kind))} {kind}" for kind in _FIELDS if getattr(field, kind)]
        tell(f"field {shown(field.name)}: {', '.join(parts)}")
    _explain_labels(report)


def _explain_labels(report: DiffReport) -> None:
    """Say what a label such as `paper (before v7)` means: no folder has it."""
    labels: dict[bytes, None] = {}
    for kind in _SIGNS:
        for paths in getattr(report, kind):
            for path in paths if kind == "renamed" else (paths,):
                labels[path.partition(b"/")[0]] = None
    for label in labels:
        found = re.fullmatch(rb"(.*) \(before (v\d+)\)", label)
        if found is not None and label not in report.where.places:
            name, first = shown(found[1]), shown(found[2])
            tell(
                f"Note: {shown(label)}/ is the folder that was called {name} before {first}; since then another one is"
            )


def _print_stat(folders: Sequence[FolderDiff], where: Files) -> None:
    """Print a line for each folder, with a column for each kind that there is."""
    kinds = [kind for kind in _SIGNS if any(getattr(folder, kind) for folder in folders)]
    rows = []
    for folder in folders:
        counts = [getattr(folder, kind) for kind in kinds]
        cells = [f"{_SIGNS[kind]} {number(count)}" if count else "" for kind, count in zip(kinds, counts, strict=True)]
        is_gone = folder.removed == sum(counts)
        rows.append(
            [*cells, f"{placed(folder.folder, where)}/", ("(gone)" if is_gone else "(new)") if folder.whole else ""]
        )
    table(rows, right=range(len(kinds)), drop=(len(kinds) + 1,), colours=dict(enumerate(kinds)))


def _lines(kind: str, texts: Sequence[str]) -> None:
    for text in texts:
        click.echo(styled(f"{_SIGNS[kind]} {text}", kind))
