"""`vstore dupes`."""

from __future__ import annotations

import click

from vstore_cli.locate import open_store
from vstore_cli.output import count, echo_json, json_option, shown, size


@click.command()
@click.option("--at", metavar="SNAP", help="Look in this version; the current one by default.")
@click.option("--under", metavar="PATH", help="Only pictures below this folder.")
@click.option("--verify", is_flag=True, help="Compare the files byte for byte.")
@json_option
def dupes(at: str | None, under: str | None, verify: bool, as_json: bool) -> None:
    """List groups of identical pictures. Nothing is ever deleted.

    \b
    Example:
      vstore dupes --verify
    """
    with open_store([under] if under is not None else []) as store:
        report = store.dupes(at=at, under=under, verify=verify)
    if as_json:
        echo_json(report)
        return
    for group in report.groups:
        click.echo(f"{len(group.paths)} × {size(group.size) if group.size is not None else 'unknown size'}")
        for path in group.paths:
            click.echo(f"  {shown(path)}" + (f"  ({group.troubles[path]})" if path in group.troubles else ""))
    if report.groups:
        extra = count(sum(len(group.paths) - 1 for group in report.groups), "copy", "copies")
        click.echo(f"{count(len(report.groups), 'group')}, {extra}, {size(report.wasted)} more than needed")
    else:
        click.echo(f"No two paths of {report.snapshot} hold the same picture.")
