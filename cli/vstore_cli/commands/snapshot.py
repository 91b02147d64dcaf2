"""`vstore snapshot list|show|diff|tag|untag|export`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from vstore_cli.locate import open_store, open_to_change
from vstore_cli.output import count, echo_json, json_option, local, number, shown, size, table


class InOrder(click.Group):
    """Lists its commands in the order in which they were written."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder)
def snapshot() -> None:
    """List, compare, tag and export versions.

    A snapshot is named by its number (v12), the first digits of its id (4 or more), a tag, `current`, `latest`, its
    distance from another (v12~2 is two parents up), or where `current` was before (@{1}).

    \b
    Example:
      vstore snapshot list
      vstore snapshot diff v1 current
    """


@snapshot.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the versions, newest first.

    \b
    Example:
      vstore snapshot list --json
    """
    with open_store() as store:
        rows = store.snapshot_list()
    if as_json:
        echo_json(rows)
        return
    if not rows:
        click.echo("No snapshot yet. Make one with: vstore sync FOLDER", err=True)
        return
    lines = [["", "snapshot", "id", "time", "paths", "pictures", "space", ""]]
    for row in rows:
        marks = [*(f"[{tag}]" for tag in row.tags), *(["(partial)"] if row.partial else []), shown(row.message)]
        lines.append(
            [
                "*" if row.current else "",
                row.snapshot,
                row.id[:8],
                local(row.time),
                number(row.paths),
                number(row.images),
                row.space_name,
                " ".join(mark for mark in marks if mark),
            ]
        )
    table(lines, right=(4, 5))


@snapshot.command()
@click.argument("snap", default="current")
@json_option
def show(snap: str, as_json: bool) -> None:
    """Show one version.

    \b
    Example:
      vstore snapshot show v2
    """
    with open_store() as store:
        detail = store.snapshot_show(snap)
    if as_json:
        echo_json(detail)
        return
    row = detail.row
    lines = [
        ["snapshot", row.snapshot + (" (current)" if row.current else "") + (" (partial)" if row.partial else "")],
        ["id", row.id],
        ["time", local(row.time)],
        ["parent", row.parent or "none"],
        ["space", f"{row.space_name} ({row.space[:12]})"],
        ["paths", number(row.paths)],
        ["pictures", number(row.images)],
    ]
    if row.message:
        lines.append(["message", shown(row.message)])
    if row.tags:
        lines.append(["tags", ", ".join(row.tags)])
    lines += [[f"in {shown(label)}", count(paths, "path")] for label, paths in detail.roots.items()]
    table(lines)


@snapshot.command(short_help="Compare two versions.")
@click.argument("a")
@click.argument("b", default="current")
@json_option
def diff(a: str, b: str, as_json: bool) -> None:
    """Say how version B (the current one by default) differs from version A.

    \b
    Example:
      vstore snapshot diff v1 v2
    """
    with open_store() as store:
        report = store.snapshot_diff(a, b)
    if as_json:
        echo_json(report)
        return
    if not report.same_space:
        click.echo(f"{report.before} and {report.after} are of different embedding spaces.", err=True)
    for sign, paths in (("+", report.added), ("-", report.removed), ("M", report.changed), ("C", report.copied)):
        _lines(sign, [shown(path) for path in paths])
    _lines("R", [f"{shown(old)} -> {shown(new)}" for old, new in report.renamed])
    kinds = ("added", "removed", "changed", "copied", "renamed")
    found = [f"{number(len(getattr(report, kind)))} {kind}" for kind in kinds if getattr(report, kind)]
    click.echo(f"{report.before} -> {report.after}: " + (", ".join(found) or "the same pictures under the same paths"))


def _lines(sign: str, texts: Sequence[str]) -> None:
    for text in texts:
        click.echo(f"{sign} {text}")


@snapshot.command(short_help="Give a version a name of its own.")
@click.argument("snap")
@click.argument("name")
@json_option
def tag(snap: str, name: str, as_json: bool) -> None:
    """Give version SNAP a name of its own. A tagged version is never forgotten.

    \b
    Example:
      vstore snapshot tag v3 before-cleanup
    """
    with open_to_change() as store:
        report = store.snapshot_tag(snap, name)
    if as_json:
        echo_json(report)
    else:
        click.echo(f"{report.snapshot} is tagged {report.tag}")


@snapshot.command()
@click.argument("name")
@json_option
def untag(name: str, as_json: bool) -> None:
    """Take a tag away. The version stays.

    \b
    Example:
      vstore snapshot untag before-cleanup
    """
    with open_to_change() as store:
        report = store.snapshot_untag(name)
    if as_json:
        echo_json(report)
    else:
        click.echo(f"The tag {report.tag} is gone")


@snapshot.command(short_help="Write a version's pictures and vectors to a file.")
@click.argument("snap")
@click.argument("out", type=click.Path())
@click.option(
    "--format",
    type=click.Choice(["jsonl", "npz"]),
    default="jsonl",
    show_default=True,
    help="jsonl: one {key, paths, vector} a line; npz: keys, vectors, paths for numpy.",
)
@json_option
def export(snap: str, out: str, format: str, as_json: bool) -> None:
    """Write the pictures and vectors of version SNAP to the file OUT, for other tools.

    \b
    Example:
      vstore snapshot export current vectors.npz --format npz
    """
    with open_store() as store:
        report = store.snapshot_export(snap, out, format=format)
    if as_json:
        echo_json(report)
    else:
        click.echo(
            f"Wrote {count(report.images, 'picture')} of {report.snapshot} to {shown(out)} ({size(report.bytes)})"
        )
