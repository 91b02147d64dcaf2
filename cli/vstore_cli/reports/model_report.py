"""The reports of `vstore model list`, `show` and `recommend`, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from vstore_cli.output import count, number, say, shown, size, table, tell, width_of
from vstore_cli.terminal.fitting import columns
from vstore_cli.terminal.styles import styled

if TYPE_CHECKING:
    from vstore import ModelDetail, ModelRow, RecommendedModel

_LINE = 80  # letters of a list that is one line


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
