"""`vstore check`."""

from __future__ import annotations

import click

from vstore_cli.locate import open_store
from vstore_cli.output import count, echo_json, json_option, shown, size


@click.command()
@click.option("--read-data", is_flag=True, help="Read everything and verify every checksum.")
@json_option
def check(read_data: bool, as_json: bool) -> int:
    """Prove the store whole: every record, page, manifest and segment, and that each picture has its vector.

    Exit code 4 means damage; each finding says what to do next.

    \b
    Example:
      vstore check --read-data
    """
    with open_store() as store:
        report = store.check(read_data=read_data)
    if as_json:
        echo_json(report)
        return 0 if report.ok else 4
    for note in report.notes:
        click.echo(f"note: {shown(note)}")
    for problem in report.problems:
        click.echo(f"DAMAGE {shown(problem.file)}: {shown(problem.what)}", err=True)
        for path in problem.paths:
            click.echo(f"    touches {shown(path)}", err=True)
        click.echo(f"    {problem.next}", err=True)
    looked = (
        f"{count(report.records, 'record')}, {count(report.snapshots, 'snapshot')}, {count(report.segments, 'segment')}"
    )
    if report.ok:
        click.echo(f"No problem found: {looked}, {count(report.packs, 'pack')}; {size(report.bytes_read)} read")
        return 0
    click.echo(f"{count(len(report.problems), 'problem')} found in {looked}", err=True)
    return 4
