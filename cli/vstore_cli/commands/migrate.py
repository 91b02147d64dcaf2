"""`vstore migrate`."""

from __future__ import annotations

import click

from vstore_cli.again import going_on
from vstore_cli.locate import open_to_change
from vstore_cli.options import dry_run_option, wait_option
from vstore_cli.output import echo_json, json_option, tell
from vstore_cli.progress import progress, progress_option


@click.command()
@dry_run_option("Show what would be written, and write nothing.")
@wait_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def migrate(dry_run: bool, wait: bool, quiet: bool, as_json: bool) -> None:
    """Upgrade a store of an older format.

    Snapshots, ids, tags and vectors stay as they are, and no picture is read. Older versions of vstore cannot open the
    store afterwards, and earlier operations can no longer be undone. There is no way back but a copy of the store that
    was made before. A store that is not upgraded works as it is; only new kinds of data need the newest format. If the
    upgrade is interrupted, nothing is lost: run it again.

    \b
    Example:
      vstore migrate --dry-run
    """
    with going_on("interrupted; nothing is lost"), open_to_change() as store, progress(quiet) as bar:
        report = store.migrate(dry_run=dry_run, wait=wait, progress=bar)
    if as_json:
        echo_json(report)
        return
    if not report.steps:
        tell(f"Nothing to do: the store has format {report.format}, the newest.")
        return
    tell(
        f"Would upgrade the store to format {report.newest}, and write:"
        if dry_run
        else f"The store now has format {report.format}. Written:"
    )
    for step in report.steps:
        tell(f"  {step}")
    begun = report.format == report.newest  # FORMAT is written: by this run, or by one that was interrupted
    tell(
        f"Older versions of vstore {'now' if begun else 'would then'} refuse the store, and earlier operations "
        f"{'could' if dry_run else 'can'} no longer be undone."
    )
