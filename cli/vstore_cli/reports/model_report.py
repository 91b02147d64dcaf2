"""The reports of `vstore model list`, `show`, `recommend` and `diff`, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from vstore_cli.output import count, number, placed, say, shown, size, table, tell, tell_path, width_of
from vstore_cli.terminal.fitting import columns
from vstore_cli.terminal.styles import styled

if TYPE_CHECKING:
    from vstore import ComparedSpace, Files, ModelDetail, ModelDiffReport, ModelRow, NearPicture, RecommendedModel

_LINE = 80  # letters of a list that is one line
_FEW = 3  # neighbours of a picture that are printed


def print_spaces(rows: Sequence[ModelRow]) -> None:
    """Print a table of spaces; * marks the current one."""
    lines = [["", "space", "dim", "vectors", "snapshots", "family", "model"]]
    for row in rows:
        where = " + ".join(shown(part) for part in (row.model, row.adapter) if part)
        claimed = "" if row.status == "verified" else f" ({row.status})"
        lines.append(
            [
                "*" if row.current else "",
                row.space_name + claimed,
                number(row.dim),
                number(row.rows),
                ", ".join(row.snapshots[:3]) + (", …" if len(row.snapshots) > 3 else ""),
                row.family,
                where,
            ]
        )
    table(lines, right=(2, 3), drop=(5, 2, 4, 6), heading=True, colours={0: "current"})


def print_space(detail: ModelDetail) -> None:
    """Print all that decides the vectors of a space."""
    row = detail.row
    tell(f"{row.space_name}  {row.space}")
    tell(f"  {row.status}, {count(row.rows, 'vector')} of {number(row.dim)} numbers")
    if detail.short_side is not None:
        tell(f"  pictures are shrunk to {number(detail.short_side)} pixels on the shorter side")
    elif detail.max_side is not None and detail.model_side is not None:
        tell(
            f"  pictures are shrunk to {number(detail.max_side)} pixels on the longer side; the model sees up to "
            f"{number(detail.model_side)} x {number(detail.model_side)}"
        )
    if detail.newer is not None:
        say(
            f"  pictures are prepared by preparation {detail.prepare}; a newer one regards colour profiles, and what "
            f"transparent and animated pictures show. For a space of it: {detail.newer}"
        )
    for heading, values in (("where", detail.place), ("made with", detail.made_with), ("recipe", detail.recipe)):
        if values:
            for line in _outline(heading, values):
                tell(f"  {line}")


def _outline(name: str, value: Any) -> Iterator[str]:
    """Format a value in lines; what is in a mapping stands below its name, further in."""
    if isinstance(value, dict) and value:
        yield f"{shown(name)}:"
        for inner, one in value.items():
            yield from (f"  {line}" for line in _outline(inner, one))
    elif isinstance(value, list) and value and all(isinstance(one, str) for one in value) and len(str(value)) < _LINE:
        yield f"{shown(name)}: {shown(', '.join(value))}"
    elif isinstance(value, list) and len(value) > 1 and all(isinstance(one, (str, dict, list)) for one in value):
        for number, one in enumerate(value):
            yield from _outline(f"{name}[{number}]", one)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        yield f"{shown(name)}: {shown(text)}"


def print_recommended(rows: Sequence[RecommendedModel]) -> None:
    """Print a table of recommended models, each with the commit that its short name stands for."""
    heading = ["model", "for", "download", "dim", "licence"]
    lines = [
        [row.name, row.purpose, size(row.bytes) if row.bytes else "none", number(row.dim), row.licence] for row in rows
    ]
    fitting = columns([heading, *lines], right=(2, 3), width=width_of(err=False), drop=(4, 3, 2), whole=(0, 1))
    for row, line in zip((None, *rows), fitting, strict=True):
        click.echo(line if row is not None else styled(line, "heading"))
        if row is not None and row.revision is not None:
            click.echo(f"  {row.model}@{row.revision}")


def print_difference(report: ModelDiffReport) -> None:
    """Print how far two spaces agree, and the pictures whose neighbours changed most."""
    tell(f"{_side(report.a)} and {_side(report.b)}: {count(report.pictures, 'picture')} in both")
    if report.sample < report.pictures:
        about = (
            f"{_percent(report.low)} to {_percent(report.high)} of all; a sample of {number(report.sample)} pictures"
        )
    else:
        about = f"of all {number(report.sample)} pictures"
    tell(f"overlap@{report.k}: {_percent(report.overlap)} ({about})")
    tell(f"by chance:  {_percent(report.chance)}")
    if report.changed:
        tell("The neighbours of these changed most:")
    for one in report.changed:
        same = round(one.overlap * report.k)
        tell_path(placed(one.path, report.where), f": {same} of {report.k} are the same")
        for sign, colour, near in (("-", "removed", one.a), ("+", "added", one.b)):
            _print_few(sign, colour, [other for other in near if _is_far(other, report.k)], report.where)


def _print_few(sign: str, colour: str, near: Sequence[NearPicture], where: Files) -> None:
    """Print the first few pictures that are near in one space alone."""
    if near:
        names = [placed(one.path, where) for one in near[:_FEW]]
        more = f" and {number(len(near) - _FEW)} more" if len(near) > _FEW else ""
        click.echo(styled(f"    {sign} {', '.join(names)}{more}", colour))


def _is_far(picture: NearPicture, k: int) -> bool:
    return picture.place is None or picture.place > k


def _side(side: ComparedSpace) -> str:
    return f"{shown(side.space_name)} ({side.snapshot or 'no snapshot yet'})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
