"""`vstore snapshot list|show|diff|tag|untag|forget|export`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vstore_cli.again import typed_again
from vstore_cli.formats import FORMATS, require_name
from vstore_cli.groups import InOrder
from vstore_cli.locate import open_store, open_to_change
from vstore_cli.options import dry_run_option
from vstore_cli.output import (
    are_for_people,
    count,
    echo_json,
    json_option,
    local,
    number,
    say,
    shown,
    size,
    table,
    tell,
)
from vstore_cli.pager import paged
from vstore_cli.progress import progress, progress_option
from vstore_cli.reports.page import refuse_page, write_page

if TYPE_CHECKING:
    from vstore import SnapshotRow


@click.group(cls=InOrder)
def snapshot() -> None:
    """List, compare, tag, forget and export snapshots.

    A snapshot is named by its number (v12), the first digits of its id (4 or more), a tag, `current`, `latest`, its
    distance from another (v12~2 is two parents up), or an earlier value of `current` (@{1}).

    A date means the newest snapshot made by then: 2026-11-20, "2026-11-20 14:30" or 2026-11-20T14:30:00Z. In braces it
    means the snapshot that was current then: @{2026-11-20}, @{yesterday}, "@{3 hours ago}", "@{last week}". A date
    without a zone is local, and a day means its end. Where a clock was wrong, times count, not numbers.

    \b
    Example:
      vstore snapshot list
      vstore snapshot diff v1 current
      vstore snapshot show 2026-11-20
    """


@snapshot.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the snapshots, newest first.

    \b
    Example:
      vstore snapshot list --json
    """
    with open_store() as store:
        rows = store.snapshot_list()
    if not are_for_people(rows, as_json=as_json, none="No snapshot yet. Make one with: vstore sync FOLDER"):
        return
    lines = [["", "snapshot", "id", "time", "paths", "pictures", "space", ""]]
    for row in rows:
        marks = [*(f"[{tag}]" for tag in row.tags), *_flags(row), shown(row.message)]
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
    with paged():
        colours = {0: "current", 1: "snapshot"}
        table(lines, right=(4, 5), drop=(2, 5, 6, 4, 3), whole=(1, 2, 3), heading=True, colours=colours)


def _flags(row: SnapshotRow) -> list[str]:
    return [f"({flag})" for flag in ("partial", "degraded") if getattr(row, flag)]


@snapshot.command()
@click.argument("snap", default="current")
@json_option
def show(snap: str, as_json: bool) -> None:
    """Show one snapshot.

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
        ["snapshot", " ".join([row.snapshot, *(["(current)"] if row.current else []), *_flags(row)])],
        ["id", row.id],
        ["time", local(row.time)],
        ["parent", row.parent or "none"],
        ["space", f"{row.space_name} ({row.space[:12]})"],
        ["paths", number(row.paths)],
        ["pictures", number(row.images)],
    ]
    if detail.fields:
        lines.append(["fields", number(detail.fields)])
    if row.message:
        lines.append(["message", shown(row.message)])
    if row.tags:
        lines.append(["tags", ", ".join(row.tags)])
    lines += [[f"in {shown(label)}", count(paths, "path")] for label, paths in detail.roots.items()]
    table(lines)


@snapshot.command(short_help="Compare two snapshots.")
@click.argument("a")
@click.argument("b", default="current")
@click.option("--stat", is_flag=True, help="Count by folder; a new folder, or one that is gone, is one line.")
@click.option(
    "--only", metavar="KIND[,KIND]", multiple=True, help="Only these: added, removed, changed, renamed, copied."
)
@click.option("--under", metavar="PATH", help="Only below this path: a stored one, or a folder or file on disk.")
@click.option("--html", metavar="FILE", help="Write the pictures that differ to a new file, for a browser.")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def diff(
    a: str,
    b: str,
    stat: bool,
    only: tuple[str, ...],
    under: str | None,
    html: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Compare snapshot B (by default the current one) with snapshot A.

    In the output + is a new picture, - a path that is gone, M a path with another picture, C a copy of a picture, and R
    a new name or place.

    --html makes one file with the pictures in it, small: those that changed stand there as they were and as they are,
    where both can still be read.

    \b
    Example:
      vstore snapshot diff v1 v2 --stat
      vstore snapshot diff v1 --only added,removed --under pictures/2024
      vstore snapshot diff v1 --html since-v1.html
    """
    if html is not None:
        source = click.get_current_context().get_parameter_source("stat")
        stat = stat and source is ParameterSource.COMMANDLINE  # a configuration says it for what is printed
        refuse_page(html, {"--stat": stat})
    kinds = [kind.strip() for words in only for kind in words.split(",")]
    with open_store() as store:
        report = store.snapshot_diff(a, b, under=under, only=kinds, stat=stat)
        if html is not None:
            of, again = f"{report.before} -> {report.after}", typed_again()
            write_page(partial(report.to_html, html), quiet=quiet, as_json=as_json, again=again, of=of)
            return
    if as_json:
        echo_json(report)
        return
    if not report.same_space:
        tell(f"{report.before} and {report.after} are in different embedding spaces.", err=True)
    from vstore_cli.reports.diff_report import show_diff  # the other commands compare nothing

    with paged():
        show_diff(report, is_part=bool(kinds) or under is not None)


@snapshot.command(short_help="Give a snapshot a name of its own.")
@click.argument("snap")
@click.argument("name")
@json_option
def tag(snap: str, name: str, as_json: bool) -> None:
    """Give snapshot SNAP a name of its own. A tagged snapshot is never forgotten.

    \b
    Example:
      vstore snapshot tag v3 before-cleanup
    """
    with open_to_change() as store:
        report = store.snapshot_tag(snap, name)
    if as_json:
        echo_json(report)
    else:
        tell(f"{report.snapshot} is tagged {report.tag}")


@snapshot.command()
@click.argument("name")
@json_option
def untag(name: str, as_json: bool) -> None:
    """Remove a tag. The snapshot stays.

    \b
    Example:
      vstore snapshot untag before-cleanup
    """
    with open_to_change() as store:
        report = store.snapshot_untag(name)
    if as_json:
        echo_json(report)
    else:
        tell(f"Removed the tag {report.tag}")


COUNT = click.IntRange(1)


@snapshot.command(short_help="Forget snapshots, by name or by rules.")
@click.argument("snaps", metavar="[SNAP]...", nargs=-1)
@click.option("--keep-last", type=COUNT, metavar="N", help="Keep the newest N.")
@click.option(
    "--keep-hourly", type=COUNT, metavar="N", help="Keep the last snapshot of each of the newest N hours that have one."
)
@click.option("--keep-daily", type=COUNT, metavar="N", help="The same for days.")
@click.option("--keep-weekly", type=COUNT, metavar="N", help="The same for weeks.")
@click.option("--keep-monthly", type=COUNT, metavar="N", help="The same for months.")
@click.option("--keep-yearly", type=COUNT, metavar="N", help="The same for years.")
@click.option(
    "--keep-within",
    metavar="SPAN",
    help="Keep all that are at most this much older than the newest, such as 1y6m14d12h.",
)
@click.option("--keep-tag", multiple=True, metavar="TAG", help="Keep those with this tag; * means any.")
@dry_run_option("Show what would be forgotten, and forget nothing.")
@json_option
def forget(snaps: tuple[str, ...], dry_run: bool, as_json: bool, **policy: Any) -> None:
    """Forget the snapshots SNAP, or all that the rules do not keep. `vstore undo` brings them back, until `vstore gc`
    deletes their data.

    The current snapshot and tagged snapshots are never forgotten. All times are UTC. --keep-last goes by number, the
    other rules go by time. Because a clock may have been wrong, they sort the snapshots both by number and by time, and
    keep what either order keeps. A snapshot from the future is kept as well, and takes no other's place.

    \b
    Example:
      vstore snapshot forget --keep-last 5 --keep-daily 7 --dry-run
    """
    with open_to_change() as store:
        report = store.snapshot_forget(snaps, dry_run=dry_run, **policy)
    if as_json:
        echo_json(report)
        return
    table(
        [
            ["keep", kept.snapshot, kept.time.replace("T", " ").rstrip("Z"), ", ".join(kept.reasons)]
            for kept in report.kept
        ],
        drop=(2,),
        whole=(1, 2),
        colours={1: "snapshot"},
    )
    would = "Would forget" if dry_run else "Forgot"
    if not report.forgotten:
        tell("Nothing to forget.")
        return
    tell(f"{would} {count(len(report.forgotten), 'snapshot')}: {', '.join(report.forgotten)}")
    say(f"vstore gc would free {size(report.gc_frees)}" + ("" if dry_run else "; vstore undo brings them back"))


@snapshot.command(short_help="Write a snapshot's pictures and vectors to a file.")
@click.argument("snap")
@click.argument("out", type=click.Path())
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default="jsonl",
    show_default=True,
    help="The same as for vstore export.",
)
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def export(snap: str, out: str, format: str, quiet: bool, as_json: bool) -> None:
    """Write the pictures and vectors of snapshot SNAP to OUT, for other tools. Same as vstore export --at SNAP.

    \b
    Example:
      vstore snapshot export current vectors.npz --format npz
    """
    require_name(out, format)
    with open_store() as store, progress(quiet) as bar:
        report = store.snapshot_export(snap, out, format=format, progress=bar)
    if as_json:
        echo_json(report)
    else:
        tell(f"Wrote {count(report.images, 'picture')} of {report.snapshot} to {shown(out)} ({size(report.bytes)})")
