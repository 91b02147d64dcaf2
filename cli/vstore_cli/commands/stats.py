"""`vstore stats`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from vstore_cli.locate import open_store
from vstore_cli.output import count, echo_json, json_option, number, recall, say, shown, size, table, tell

if TYPE_CHECKING:
    from vstore import IndexStatus, StatsReport

_CYCLE = 30  # days within which syncs read vectors again


@click.command()
@json_option
def stats(as_json: bool) -> None:
    """Show disk usage, and what the store holds.

    \b
    Example:
      vstore stats
    """
    with open_store() as store:
        report = store.stats()
    if as_json:
        echo_json(report)
    else:
        _print(report)


def _print_index(one: IndexStatus) -> None:
    """Print the line on an approximate index, or on the lack of one, where there is anything to say."""
    if one.lists is not None:
        found = "" if one.recall_at_10 is None else f"; it finds {recall(one.recall_at_10)} of the nearest ten"
        left = one.rows - one.covered
        rest = f"; {count(left, 'vector')} in no list yet" if left else ""
        tell(f"The index of {shown(one.space_name)} takes {size(one.size)}{found}{rest}.")
    if one.advice:
        say(f"{shown(one.space_name)}: {one.advice}")


def _print(report: StatsReport) -> None:
    tell(
        f"{shown(report.store)}: {size(report.total)} (format {report.format}, hash {report.hash}, vectors "
        f"{report.dtype})"
    )
    parts = [part for part in report.parts if part.files]
    table([["", size(p.bytes), number(p.files), p.name] for p in parts], right=(1, 2))
    loose = sum(part.unlisted for part in parts)
    if loose:
        tell(f"Of these, {size(loose)} are in files that no record lists: an interrupted run left them.")
    click.echo()
    spaces = [["space", "vectors", "in snapshots", "segments", "bytes"]]
    spaces += [[s.name, number(s.rows), number(s.named), number(s.segments), size(s.bytes)] for s in report.spaces]
    table(spaces, right=(1, 2, 3, 4), drop=(3, 2), heading=True)
    for one in report.spaces:
        _print_index(one.approximate)
    if report.roots:
        click.echo()
        roots = [["folder", "place"]]
        for root in report.roots:
            about = "" if root.there else "  (not found)" if root.named else "  (not named at this machine)"
            roots.append([shown(root.label), shown(root.place) + about])
        table(roots, heading=True)
    click.echo()
    plain = f"; a separate index for each would take {size(report.copies)}" if report.snapshots > 1 else ""
    tell(f"{count(report.snapshots, 'snapshot')}, {count(report.images, 'vector')}, each stored once{plain}.")
    if report.in_turn:
        say(_last_read(report))
    if not report.newest:
        say("The upgrade to the newest format is not done; the store works without it. See: vstore migrate --dry-run")


def _last_read(report: StatsReport) -> str:
    """Say since when all vectors that syncs read again in turn have been read."""
    if report.oldest_reading is None:
        return "Vectors last read in full: not known; the next syncs read them, or: vstore check --read-data"
    days = int(max(0, time.time() - report.oldest_reading)) // 86_400
    since = f"{count(days, 'day')} ago" if days else "today"
    late = "; syncs are too short to read them within 30 days: vstore check --read-data reads all"
    return f"Vectors last read in full: {since}" + (late if days > _CYCLE else "")
