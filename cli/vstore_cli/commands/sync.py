"""`vstore sync`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from vstore_cli.again import typed_again
from vstore_cli.interrupts import saying, stopping
from vstore_cli.locate import (
    find_store,
    new_folder,
    no_store,
    refuse_network,
    say_store,
    saying_that_no_store_was_made,
    user_words,
)
from vstore_cli.models import MODEL_WORDS, batch_option, devices_option, model_options, note, offline_option
from vstore_cli.options import dry_run_option, message_option, reading_options, wait_option
from vstore_cli.output import json_option, kept_for_the_end, say, shown, tell
from vstore_cli.progress import progress, progress_option
from vstore_cli.reports.sync_report import show
from vstore_cli.units import Share

if TYPE_CHECKING:
    from pathlib import Path

    from vstore import SyncReport

_BUILT_IN = (
    "It uses the built-in embedder, which finds look-alikes and reads no text; for models see: vstore model recommend"
)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@dry_run_option("Only show what would be done.")
@message_option
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Skip these files (gitignore syntax); remembered with the folder."
)
@click.option("--no-exclude", multiple=True, metavar="GLOB", help="Remove an exclude that is remembered.")
@click.option("--include", multiple=True, metavar="GLOB", help="Also take these files, whatever their extension.")
@click.option("--exclude-from", type=click.Path(), metavar="FILE", help="Read excludes from a file, one a line.")
@click.option(
    "--files-from", type=click.Path(), metavar="FILE", help="Read PATHs from a file, one a line or each ended by NUL."
)
@click.option("--one-file-system/--cross-file-systems", default=None, help="Stay on the folder's disk; remembered.")
@click.option("--follow-symlinks/--no-follow-symlinks", default=None, help="Enter symlinked folders; remembered.")
@click.option(
    "--ignore-inode/--no-ignore-inode", default=None, help="For filesystems that invent inode numbers; remembered."
)
@click.option(
    "--ignore-ctime/--no-ignore-ctime", default=None, help="For filesystems that invent change times; remembered."
)
@click.option(
    "--accept-truncated",
    type=Share(),
    metavar="SHARE",
    help="Take pictures whose file is cut if this share of their lines is there, such as 90%; off: none; remembered.",
)
@click.option("--as", "as_label", metavar="LABEL", help="The name under which the store keeps this folder's paths.")
@click.option("--space", metavar="SPACE", help="The embedding space to fill; by default that of the current snapshot.")
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Try all pictures again that failed earlier: some may have failed for the machine, not for the picture.",
)
@wait_option
@click.option("--allow-mass-delete", is_flag=True, help="Accept that many pictures have disappeared.")
@reading_options("sync")
@batch_option
@click.option("--compile", is_flag=True, help="Let torch compile the model first: worth it for many pictures.")
@devices_option
@offline_option
@model_options
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress, and no report unless something is wrong.")
@json_option
def sync(paths: tuple[str, ...], as_json: bool, quiet: bool, **options: Any) -> int:
    """Embed the new pictures of folders, and write a snapshot if anything changed.

    A picture is known by the hash of its bytes: if it was renamed, moved or copied, nothing is embedded. No PATH means
    all folders that the store knows; a PATH inside a known folder means that part of it. The store is the one that
    `vstore --help` describes; if there is none, one is made in .vstore here.

    With --dry-run nothing is written, and no store is made: if there is none, what a first sync would do is shown.

    --model and the options that go with it only apply to a new store. To add a model to a store, use `vstore model
    add`.

    Press Ctrl-C once to finish the current batch and write a partial snapshot, twice to stop at once. The next sync
    continues from there.

    Exit code 3 means done, but some pictures could not be read.

    \b
    Example:
      vstore sync pictures/ -m "holiday"
      vstore sync
    """
    # Threads of torch that wait for work spin unless told otherwise before it is loaded: beside the threads that read
    # they halved the rate of a model on the CPU (benchmarks/bench_model_ingest.py). Worker processes inherit it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    folder = find_store(paths)
    if folder is None and not (paths or options["files_from"]):
        raise no_store()
    again = typed_again(MODEL_WORDS)  # those are of the store that is made
    folder = folder or new_folder()
    say_store(folder)
    report = _run(folder, paths, options, quiet=quiet, as_json=as_json, again=again)
    if report.snapshot is not None:
        again = typed_again((*MODEL_WORDS, "no_exclude"))  # it forgot the exclude already
    return show(report, folder, as_json=as_json, quiet=quiet, again=again)


def _run(
    folder: Path, paths: tuple[str, ...], options: dict[str, Any], *, quiet: bool, as_json: bool, again: str
) -> SyncReport:
    """Sync the store in a folder, or make one there. Raises: ModelError if an existing one is given a model."""
    from vstore import Interrupted, Stop, Store

    if not options["dry_run"]:
        refuse_network(folder)

    stop = Stop()
    first = typed_again()

    def interrupted() -> Interrupted:
        what = "stopped at once; every finished batch is saved" if stop.is_set() else "interrupted"
        return Interrupted(what, f"continue with: {again if Store.exists(folder) else first}")

    def made(report: object) -> None:
        if not as_json and not quiet:
            with kept_for_the_end():
                tell(f"Made the store {shown(str(folder))}")
                if is_built_in:
                    say(_BUILT_IN)

    model = {name: options.pop(name) for name in MODEL_WORDS}
    is_built_in = model["model"] is None and model["adapter"] is None
    with saying(interrupted), stopping(stop), progress(quiet) as bar:
        if not Store.exists(folder) or any(value is not None for value in model.values()):
            with saying_that_no_store_was_made(folder):
                return Store.sync_new(
                    folder,
                    paths,
                    **user_words(folder),
                    note=note,
                    made=made,
                    progress=bar,
                    stop=stop,
                    **model,
                    **options,
                )
        with Store(folder, **user_words(folder)) as store:
            return store.sync(paths, progress=bar, stop=stop, **options)
