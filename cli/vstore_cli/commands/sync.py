"""`vstore sync` and `vstore status`."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from vstore.errors import ModelError, UsageError
from vstore_cli.locate import find_store, new_folder, open_store
from vstore_cli.models import MODEL_WORDS, batch_option, device_option, model_options
from vstore_cli.output import count, duration, echo_json, json_option, number, shown

if TYPE_CHECKING:
    from vstore.sync.report import SyncReport

FAILURES = 20  # failed pictures that the terminal names


class Size(click.ParamType[int]):
    """A number of bytes, with K, M or G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+)\s*([KMG]?)(i?B)?", value, re.IGNORECASE)
        if not found:
            self.fail(f"{value!r} is no size; write 256M or 2G", param, ctx)
        return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m or h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", value)
        if not found:
            self.fail(f"{value!r} is no duration; write 90s, 30m or 2h", param, ctx)
        return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("-m", "--message", default="", help="A note that is kept with the snapshot.")
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Skip these files (gitignore syntax); kept with the root."
)
@click.option("--no-exclude", multiple=True, metavar="GLOB", help="Drop an exclude that is kept with the root.")
@click.option("--include", multiple=True, metavar="GLOB", help="Take these files too, whatever they are called.")
@click.option("--exclude-from", type=click.Path(), metavar="FILE", help="Read excludes from a file, one a line.")
@click.option(
    "--files-from", type=click.Path(), metavar="FILE", help="Read PATHs from a file, one a line or NUL-ended."
)
@click.option(
    "--one-file-system/--cross-file-systems", default=None, help="Stay on the root's disk; kept with the root."
)
@click.option(
    "--follow-symlinks/--no-follow-symlinks", default=None, help="Enter symlinked folders; kept with the root."
)
@click.option("--ignore-inode/--no-ignore-inode", default=None, help="For filesystems that make inodes up; kept.")
@click.option("--ignore-ctime/--no-ignore-ctime", default=None, help="For filesystems that make ctimes up; kept.")
@click.option("--as", "as_label", metavar="LABEL", help="The name under which the store keeps this folder's paths.")
@click.option("--space", metavar="SPACE", help="The embedding space to sync; the current snapshot's by default.")
@click.option("--wait", is_flag=True, help="Wait for another sync to end instead of giving up.")
@click.option("--allow-mass-delete", is_flag=True, help="Believe it that many pictures are gone.")
@click.option("--max-file-size", type=Size(), default="256M", show_default=True, help="List larger files, unread.")
@click.option(
    "--max-pixels", type=int, metavar="N", help="Decode pictures up to this many pixels (default 179 million)."
)
@click.option(
    "--commit-every",
    type=Duration(),
    default="30m",
    show_default=True,
    help="Write a partial snapshot after so much embedding.",
)
@batch_option
@device_option
@model_options
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no report unless something is wrong.")
@json_option
def sync(paths: tuple[str, ...], as_json: bool, quiet: bool, dry_run: bool, **options: Any) -> int:
    """Embed what is new in folders, and write a snapshot if anything changed.

    A picture is known by the hash of its bytes: one that was renamed, moved or copied costs nothing. No PATH means
    all folders that the store knows; a PATH inside a known folder means that part of it. Where there is no store, one
    is made in .vstore here.

    --model and what goes with it count only where the store is made; in one that is there, `vstore model add` adds
    a model.

    Exit code 3 means done, but some pictures could not be read.

    \b
    Example:
      vstore sync pictures/ -m "holiday"
      vstore sync
    """
    folder = find_store(paths)
    created = False
    words = {name: options.pop(name) for name in MODEL_WORDS}
    named = [f"--{name.replace('_', '-')}" for name, value in words.items() if value is not None]
    if folder is None or (not (folder / "FORMAT").exists() and not folder.exists()):
        if not paths and not options["files_from"]:
            raise UsageError("there is no store here yet, and no folder was named", "name one: vstore sync FOLDER")
        if dry_run:
            raise UsageError("there is no store here yet", "make one with: vstore init, or sync without -n")
        _check_paths(paths)
        from vstore.store import Store

        folder = new_folder()
        Store.init(folder, device=options["device"], note=_note, **words)
        created = True
        if not as_json and not quiet:
            click.echo(f"Made the store {shown(str(folder))}")
    elif named:
        raise ModelError(
            f"the store {shown(str(folder))} is there already, and {', '.join(named)} belongs to its making",
            "a new model is a new space: vstore model add NAME --model M [--adapter A], then vstore sync --space NAME",
        )
    report = _run(folder, paths, quiet or as_json, dry_run=dry_run, **options)
    return _show(report, as_json, quiet, created)


def _note(text: str) -> None:
    click.echo(shown(text), err=True)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@json_option
def status(paths: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Say what a sync would do, and how long it would take. Writes nothing.

    \b
    Example:
      vstore status pictures/
    """
    from vstore_cli.bar import Bar

    bar = None if quiet or as_json else Bar()
    with open_store(paths) as store:
        try:
            report = store.status(paths, progress=bar)
        finally:
            if bar is not None:
                bar.close()
    return _show(report, as_json, False, False)


def _check_paths(paths: tuple[str, ...]) -> None:
    """Do not leave a new store behind a slip of the finger."""
    import os

    for path in paths:
        if not os.path.isdir(path):
            what = "is not a folder" if os.path.lexists(path) else "is not there"
            raise UsageError(f"{shown(path)} {what}", "name a folder of pictures")


def _run(folder: Any, paths: tuple[str, ...], quiet: bool, **options: Any) -> SyncReport:
    from vstore.store import Store
    from vstore_cli.bar import Bar

    bar = None if quiet else Bar()
    with _stopping() as stop, Store(folder) as store:
        try:
            return store.sync(paths, progress=bar, stop=stop, **options)
        finally:
            if bar is not None:
                bar.close()


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """The first Ctrl-C asks the run to finish its batch and commit; the second one ends it at once."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        click.echo("\nStopping after this batch; what is finished is kept. Once more to stop at once.", err=True)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(report: SyncReport, as_json: bool, quiet: bool, created: bool) -> int:
    if as_json:
        echo_json(report._replace(created_store=created))
    elif not quiet:
        _print(report)
    if not as_json:
        _print_failures(report)
    if report.interrupted:
        kept = f"{report.snapshot} holds what is finished" if report.snapshot else "what is finished is kept"
        click.echo(f"Interrupted: {kept}; the next sync goes on from there.", err=True)
        return 130
    return 3 if any(not failure.known for failure in report.failed) else 0


_WORDS = (
    ("new", "new"),
    ("changed", "changed"),
    ("renamed", "renamed"),
    ("copied", "copies"),
    ("known", "known (their vectors were stored)"),
    ("removed", "removed"),
    ("unchanged", "unchanged"),
    ("carried", "carried over (could not be read)"),
)


def _print(report: SyncReport) -> None:
    moved = sum(getattr(report, name) for name in ("new", "changed", "renamed", "copied", "known", "removed"))
    if not moved and report.snapshot is None:
        where = f"{report.current}: " if report.current else ""
        click.echo(f"Nothing changed. {where}{_paths(report)}, checked in {duration(report.seconds)}")
        return
    width = max(len(number(getattr(report, name))) for name, _ in _WORDS)
    for name, words in _WORDS:
        amount = getattr(report, name)
        if amount:
            click.echo(f"  {number(amount).rjust(width)}  {words}" + _example(report, name))
    if report.ignored:
        click.echo(f"  {number(report.ignored).rjust(width)}  other files, not opened")
    if report.recovered:
        click.echo(f"  {count(report.recovered, 'vector')} of an interrupted run were saved")
    if report.dry_run:
        cost = f", about {duration(report.embed_seconds)}" if report.embed_seconds is not None else ""
        click.echo(f"A sync would embed {count(report.to_embed, 'picture')}{cost}.")
        return
    kind = "partial snapshot" if report.partial else "snapshot"
    wrote = (
        f"Wrote {kind} {report.snapshot}" if report.snapshot else f"No snapshot written; {report.current} is current"
    )
    click.echo(f"{wrote}: {_paths(report)}")
    click.echo(f"Embedded {count(report.embedded, 'picture')} in {duration(report.seconds)}" + _saving(report))


def _paths(report: SyncReport) -> str:
    if report.paths == report.images:
        return count(report.paths, "picture")
    return f"{count(report.paths, 'path')}, {count(report.images, 'picture')}"


def _saving(report: SyncReport) -> str:
    if report.full_seconds is None or report.embedded >= report.images:
        return "."
    return f"; embedding all {number(report.images)} would take about {duration(report.full_seconds)}."


def _example(report: SyncReport, name: str) -> str:
    some = report.examples.get(name, ())
    if name == "unchanged" or not some:
        return ""
    first = " -> ".join(shown(path) for path in some[0])
    return f": {first}" + (", …" if getattr(report, name) > 1 else "")


def _print_failures(report: SyncReport) -> None:
    new = [failure for failure in report.failed if not failure.known]
    known = len(report.failed) - len(new)
    if new:
        click.echo(f"{count(len(new), 'picture')} could not be read:", err=True)
    for failure in new[:FAILURES]:
        click.echo(f"  {shown(failure.path)}: {failure.reason}", err=True)
    if len(new) > FAILURES:
        click.echo(f"  and {number(len(new) - FAILURES)} more; --json lists all", err=True)
    if known:
        click.echo(f"{count(known, 'picture')} that could not be read before, and did not change.", err=True)
