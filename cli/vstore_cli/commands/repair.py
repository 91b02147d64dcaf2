"""`vstore repair`."""

from __future__ import annotations

from typing import Any

import click

from vstore_cli.again import going_on
from vstore_cli.locate import find_store, no_store, refuse_network, say_store, user_words
from vstore_cli.models import device_option, offline_option
from vstore_cli.options import dry_run_option, wait_option
from vstore_cli.output import count, echo_json, json_option, placed, say, shown, tell, tell_path
from vstore_cli.progress import progress, progress_option


@click.command()
@dry_run_option("Show what would be repaired and lost, and change nothing.")
@click.option(
    "--no-embed",
    is_flag=True,
    help="Do not embed pictures again whose vectors are lost: remove them from the snapshots.",
)
@wait_option
@device_option
@offline_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def repair(dry_run: bool, quiet: bool, as_json: bool, **options: Any) -> int:
    """Repair a damaged store from its other files, and from the pictures that are still there.

    Mount the disks with the pictures first. If the folder is mounted but the picture is no longer in it, repair removes
    the picture from every snapshot that listed it, and marks the snapshot as degraded. Damaged files are moved to
    quarantine/ in the store. Exit code 4 means that something is lost for good.

    \b
    Example:
      vstore repair --dry-run
    """
    from vstore import Store

    folder = find_store()
    if folder is None:
        raise no_store()
    if not dry_run:
        refuse_network(folder)
    say_store(folder)
    with going_on("interrupted; nothing that could be saved is lost"), progress(quiet) as bar:
        report = Store.repair(folder, dry_run=dry_run, **user_words(folder), progress=bar, **options)
    code = 4 if report.left or report.degraded else 0
    if as_json:
        echo_json(report)
        return code
    if dry_run and report.done:
        tell("A repair would report:")
    for line in report.done:
        say(("  " if dry_run else "") + shown(line))
    for loss in report.degraded:
        tell(f"{'WOULD LOSE' if dry_run else 'LOST'} {count(loss.lost, 'path')} of {loss.snapshot}", err=True)
        for path in loss.paths:
            tell_path(placed(path, report.where), before="    ", err=True)
    for line in report.left:
        say(f"NOT REPAIRED {shown(line)}", err=True)
    if report.quarantined:
        tell(f"{count(len(report.quarantined), 'damaged file')} in quarantine/: {', '.join(report.quarantined)}")
    if not report.done:
        tell("Nothing to repair. Nothing was changed.")
    elif not dry_run:
        say(f"Re-embedded {count(report.embedded, 'picture')}. Verify the store with: vstore check --read-data")
    return code
