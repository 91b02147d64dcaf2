"""`vstore check`."""

from __future__ import annotations

from typing import Any

import click

from vstore_cli.bar import Bar
from vstore_cli.commands.sync import Duration
from vstore_cli.locate import open_store
from vstore_cli.output import count, echo_json, json_option, shown, size


@click.command()
@click.option("--read-data", is_flag=True, help="Read everything and verify every checksum.")
@click.option(
    "--read-data-subset",
    metavar="PART",
    help="Read a part: 1/7, the first of seven parts, or 10% of the bytes, those not read for longest.",
)
@click.option(
    "--max-duration", type=Duration(), metavar="TIME", help="Read for so long (10m), the longest unread first."
)
@click.option("--source", is_flag=True, help="Read the pictures too: find bytes that changed behind size and times.")
@click.option("--reembed", type=click.IntRange(1), metavar="N", help="Embed N pictures anew, and compare.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@json_option
def check(quiet: bool, as_json: bool, **what: Any) -> int:
    """Prove the store whole: every record, page, manifest and segment, and that each picture has its vector.

    Exit code 4 means damage; each finding says what to do next.

    \b
    Example:
      vstore check --read-data
      vstore check --max-duration 10m --source
    """
    bar = None if quiet or as_json else Bar()
    try:
        with open_store(damaged=True) as store:
            report = store.check(progress=bar, **what)
    finally:
        if bar is not None:
            bar.close()
    if as_json:
        echo_json(report)
        return 0 if report.ok else 4
    for note in report.notes:
        click.echo(f"note: {shown(note)}")
    for problem in report.problems:
        rows = f" (rows {problem.rows[0]} to {problem.rows[1]})" if problem.rows and "row" not in problem.what else ""
        click.echo(f"DAMAGE {shown(problem.file)}: {shown(problem.what)}{rows}", err=True)
        for path in problem.paths:
            click.echo(f"    touches {shown(path)}", err=True)
        click.echo(f"    {problem.next}", err=True)
    looked = (
        f"{count(report.records, 'record')}, {count(report.snapshots, 'snapshot')}, {count(report.segments, 'segment')}"
    )
    if report.ok:
        click.echo(
            f"No problem found: {looked}, {count(report.packs, 'pack')}; {size(report.bytes_read)} read"
            + (f", {report.verified} of {report.files} files whole" if 0 < report.verified < report.files else "")
        )
        return 0
    click.echo(f"{count(len(report.problems), 'problem')} found in {looked}", err=True)
    return 4
