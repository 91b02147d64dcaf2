"""`vstore stats`."""

from __future__ import annotations

import click

from vstore_cli.locate import open_store
from vstore_cli.output import echo_json, json_option, number, shown, size, table


@click.command()
@json_option
def stats(as_json: bool) -> None:
    """Say where the bytes of the store are, and what it holds.

    \b
    Example:
      vstore stats
    """
    with open_store() as store:
        report = store.stats()
    if as_json:
        echo_json(report)
        return
    click.echo(f"{shown(report.store)}  ({report.hash}, {report.dtype})")
    table(
        [
            ["", *row]
            for row in [["bytes", "files", ""], *([size(p.bytes), number(p.files), p.name] for p in report.parts)]
        ],
        right=(1, 2),
    )
    lines = [["", "space", "rows", "in use", "segments"]]
    lines += [["", s.name, number(s.rows), number(s.named), number(s.segments)] for s in report.spaces]
    table(lines, right=(2, 3, 4))
    for root in report.roots:
        click.echo(f"  root {shown(root.label)}: {shown(root.place)}" + ("" if root.there else "  (not there)"))
    click.echo(
        f"  {number(report.snapshots)} snapshots, {number(report.images)} pictures stored once each, "
        f"{size(report.total)} in all"
    )
