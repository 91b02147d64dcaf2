"""`vstore status`."""

from __future__ import annotations

import click

from vstore_cli.locate import find_store, new_folder, no_store, open_store, user_words
from vstore_cli.output import json_option
from vstore_cli.progress import progress, progress_option
from vstore_cli.reports.sync_report import RETRY, show


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def status(paths: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Show what a sync would do, and how long it would take. Writes nothing.

    No PATH means all folders that the store knows. If there is no store, what a first sync of PATH would do is shown.

    \b
    Example:
      vstore status pictures/
    """
    from vstore import Store

    folder = find_store(paths)
    if folder is None and not paths:
        raise no_store()
    if paths and (folder is None or not Store.exists(folder)):
        folder = folder or new_folder()
        with progress(quiet) as bar:
            report = Store.sync_new(folder, paths, dry_run=True, **user_words(folder), progress=bar)
        import shlex  # no other status suggests a command

        first = " ".join(map(shlex.quote, ["vstore", "sync", *paths]))
        return show(report, folder, as_json=as_json, first=f"Make it with: {first}")
    with open_store(paths) as store, progress(quiet) as bar:
        report = store.status(paths, progress=bar)
    return show(report, store.folder, as_json=as_json, retry=f"vstore sync {RETRY}")
