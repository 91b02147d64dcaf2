"""`vstore gc`."""

from __future__ import annotations

import click

from vstore_cli.again import going_on
from vstore_cli.locate import open_to_change
from vstore_cli.options import dry_run_option, wait_option
from vstore_cli.output import count, echo_json, json_option, size, tell
from vstore_cli.progress import progress, progress_option

_STOPPED = "interrupted; everything that is in use is there"


@click.command()
@dry_run_option("Show what would be deleted, and delete nothing.")
@click.option("--drop-unnamed", is_flag=True, help="Delete unused vectors even if they are younger than 14 days.")
@wait_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def gc(dry_run: bool, drop_unnamed: bool, wait: bool, quiet: bool, as_json: bool) -> None:
    """Delete data that no snapshot uses.

    This means unused vectors, forgotten snapshots and old records. Earlier operations can no longer be undone. In a
    store of format 2, `vstore log` still lists them. Running searches are not disturbed. On a full disk, gc makes its
    own room.

    \b
    Example:
      vstore gc --dry-run
    """
    with going_on(_STOPPED), open_to_change() as store, progress(quiet) as bar:
        report = store.gc(dry_run=dry_run, drop_unnamed=drop_unnamed, wait=wait, progress=bar)
    if as_json:
        echo_json(report)
        return
    tell(
        f"{'Would free' if dry_run else 'Freed'} {size(report.bytes)}: {count(report.vectors, 'vector')}, "
        f"{count(report.snapshots, 'forgotten snapshot')}, {count(report.records, 'record')}, "
        f"{count(report.unlisted, 'file')} that no record lists"
    )
    if report.rewritten:
        tell(
            f"{'Would rewrite' if dry_run else 'Rewrote'} {count(report.segments + report.packs, 'file')} as "
            f"{report.rewritten}, without unused data"
        )
    if report.unnamed:
        tell(
            f"{'Would keep' if dry_run else 'Kept'} {count(report.unnamed, 'unused vector')} "
            "(younger than 14 days, or in a file that is still in use)"
        )
