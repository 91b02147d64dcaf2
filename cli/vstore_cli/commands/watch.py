"""`vstore watch`."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import click

from vstore_cli.interrupts import ending
from vstore_cli.locate import open_to_change
from vstore_cli.models import batch_option, devices_option, offline_option
from vstore_cli.options import duration_option, messages_option, reading_options
from vstore_cli.output import echo_json, json_option, local, say, shown
from vstore_cli.progress import progress, progress_option
from vstore_cli.reports.watch_lines import lines_of
from vstore_cli.terminal.outlets import outlets

if TYPE_CHECKING:
    from vstore import Watched


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@duration_option("--settle", "2s", "Sync after this much quiet since a change.")
@duration_option("--settle-at-most", "5m", "Sync after this much time even if changes go on, as in a long copy.")
@click.option("--poll", is_flag=True, help="Look at the folders again and again, instead of waiting for events.")
@duration_option("--every", "30s", "Time between two looks at what is polled.")
@duration_option("--rescan", "1h", "Sync after this much time whatever was seen.")
@duration_option(
    "--unload-after", "30m", "Give the memory of the model back after this much time without new pictures."
)
@messages_option
@reading_options("watch")
@batch_option
@devices_option
@offline_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but what is wrong.")
@json_option
def watch(paths: tuple[str, ...], as_json: bool, quiet: bool, **options: Any) -> None:
    """Sync now, and again a moment after pictures change, until Ctrl-C.

    Each sync that changes something writes a snapshot, and one line is printed: what changed, and what could not be
    read. No PATH means all folders that the store knows, those of later syncs included; a PATH is as in `vstore sync`.
    The store must be there: vstore sync FOLDER makes one.

    Every guard of a sync holds: if a disk is missing, or many pictures are gone, that folder stays as it is in the
    index, a line says so once, and the others go on. So do held syncs (vstore rollback --hold) and a model that cannot
    be loaded. It is tried again when something changes, and now and then.

    Network disks and FUSE do not tell of what others change: they are looked at every 30 seconds.

    Other commands may be used meanwhile: it waits for a sync, and a sync for it. A second watch of the store is
    refused. Ctrl-C, SIGTERM and SIGHUP end it after the current batch, with exit code 0.

    --json prints one document a line for each sync, refusal and note.

    \b
    Example:
      vstore watch
      vstore watch pictures/camera --settle 10s
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in `sync`
    stop = threading.Event()
    with open_to_change(paths) as store, outlets(), ending(stop), progress(quiet) as bar:
        said = _Said()
        for step in store.watch(paths, progress=bar, stop=stop, **options):
            bar.close()
            if as_json:
                echo_json(step)
            else:
                said.say(step, quiet=quiet)


class _Said:
    """The lines that a watch has printed: a note of a sync that stays true is printed once."""

    def __init__(self) -> None:
        self._notes: frozenset[str] = frozenset()
        self._is_failing = False

    def say(self, step: Watched, *, quiet: bool) -> None:
        """Print the lines of one step."""
        time = local(step.time)
        for line, is_wrong in lines_of(step, is_again=self._is_failing):
            if is_wrong or not quiet:
                say(f"{time}  {shown(local(line))}", err=is_wrong)
        if step.report is not None:
            for note in step.report.notes:
                if note not in self._notes:
                    say(f"{time}  Note: {shown(note)}", err=True)
            self._notes = frozenset(step.report.notes)
        self._is_failing = step.error is not None or (self._is_failing and step.report is None)
