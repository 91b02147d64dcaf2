"""`vstore sync` and `vstore status`."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vstore.errors import Interrupted, ModelError, NoStore, UsageError
from vstore_cli.locate import find_store, is_store, new_folder, open_store, refuse_network
from vstore_cli.models import MODEL_WORDS, batch_option, devices_option, model_options
from vstore_cli.output import count, duration, echo_json, json_option, number, shown

if TYPE_CHECKING:
    from vstore.sync.report import Failure, SyncReport

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
@click.option(
    "--isolate-decoding",
    is_flag=True,
    help="For pictures of strangers: one that crashes or hangs its decoder costs that picture.",
)
@batch_option
@click.option("--compile", is_flag=True, help="Let torch compile the model first: worth it for many pictures.")
@devices_option
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

    Ctrl-C once: what is finished is kept, and a partial snapshot written. Twice: at once. The next sync goes on.

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
    created = False
    words = {name: options.pop(name) for name in MODEL_WORDS}
    named = [f"--{name.replace('_', '-')}" for name, value in words.items() if value is not None]
    if folder is None or not is_store(folder):
        where = "here, nor in any folder above" if folder is None else f"at {folder}"
        folder = _make_store(where, paths, dry_run, options, words)
        created = True
        if not as_json and not quiet:
            click.echo(f"Made the store {shown(str(folder))}")
    elif named:
        raise ModelError(
            f"the store {shown(str(folder))} is there already, and {', '.join(named)} belongs to its making",
            "a new model is a new space: vstore model add NAME --model M [--adapter A], then vstore sync --space NAME",
        )
    report = _run(folder, paths, quiet, dry_run=dry_run, **options)
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

    bar = None if quiet else Bar()
    with open_store(paths) as store:
        try:
            report = store.status(paths, progress=bar)
        finally:
            if bar is not None:
                bar.close()
    return _show(report, as_json, False, False)


def _make_store(
    where: str, paths: tuple[str, ...], dry_run: bool, options: dict[str, Any], words: dict[str, Any]
) -> Path:
    """Make a store with the defaults for these folders, unless the sync could not go well: a slip of the finger must
    not leave one behind. where: where there is none; words: of its model."""
    if not paths and not options["files_from"]:
        raise NoStore(f"there is no store {where}", "make one by naming a folder: vstore sync FOLDER")
    if dry_run:
        raise NoStore(f"there is no store {where}", "make one with: vstore init, or sync without -n")
    for path in paths:
        if not os.path.isdir(path):
            what = "is not a folder" if os.path.lexists(path) else "is not there"
            raise UsageError(f"{path} {what}", "name a folder of pictures")
        if not _holds_picture(path, options):
            raise UsageError(
                f"{path} holds no picture",
                "name a folder of pictures; --include GLOB adds names that vstore does not know",
            )
    from vstore.disk.segments import faiss_module
    from vstore.store import Store

    faiss_module()
    folder = new_folder()
    Store.init(folder, device=options["device"], note=_note, **words)
    return folder


def _holds_picture(path: str, options: dict[str, Any]) -> bool:
    """Whether a sync of this folder would find a candidate, or a folder that it cannot list. Stops at the first."""
    from vstore.pictures.formats import EXTENSIONS
    from vstore.pictures.scan import Scan
    from vstore.pictures.scan_options import ScanOptions

    kept = {name: options[name] for name in ("include", "exclude", "follow_symlinks", "one_file_system")}
    wanted = ScanOptions()._replace(**{name: value for name, value in kept.items() if value is not None})
    scan = Scan(os.fsencode(path), wanted, EXTENSIONS)
    return any(folder.count or folder.troubles for folder in scan) or bool(scan.troubles)


def _run(folder: Path, paths: tuple[str, ...], quiet: bool, **options: Any) -> SyncReport:
    from vstore.store import Store
    from vstore_cli.bar import Bar

    if not options["dry_run"]:
        refuse_network(folder)
    bar = None if quiet else Bar()
    with stopping() as stop, Store(folder) as store:
        try:
            return store.sync(paths, progress=bar, stop=stop, **options)
        except KeyboardInterrupt as err:
            raise Interrupted("stopped at once; every finished batch is kept", "go on with: vstore sync") from err
        finally:
            if bar is not None:
                bar.close()


@contextlib.contextmanager
def stopping() -> Iterator[threading.Event]:
    """The first Ctrl-C asks the run to finish its batch and commit; the second one ends it at once."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # Not through sys.stderr: the handler may have come in the middle of a write there.
        with contextlib.suppress(OSError):
            os.write(2, b"\nStopping after this batch; what is finished is kept. Once more to stop at once.\n")

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
    fresh = [failure for failure in report.failed if not failure.known]
    if as_json:
        echo_json(report._replace(created_store=created))
    else:
        if not quiet:
            _print(report)
        _print_failures(fresh)
    if report.interrupted:
        kept = f"{report.snapshot} holds what is finished" if report.snapshot else "what is finished is kept"
        click.echo(f"Interrupted: {kept}; the next sync goes on from there.", err=True)
        return 130
    return 3 if fresh else 0


_WORDS = (
    ("new", "new"),
    ("changed", "changed"),
    ("renamed", "renamed"),
    ("copied", "copied"),
    ("known", "known (their vectors were stored)"),
    ("removed", "removed"),
    ("unchanged", "unchanged"),
    ("carried", "carried over (could not be read)"),
)


def _print(report: SyncReport) -> None:
    for label, place in report.moved.items():
        click.echo(f"{shown(label)} is at {shown(place)} now.")
    for label, prefix in report.absorbed.items():
        click.echo(f"{shown(label)} is a part of another folder now: {shown(prefix)}")
    _print_classes(report)
    if report.held is not None:
        click.echo(f"Syncing is held at {report.held} until: vstore rollback --release")


def _print_classes(report: SyncReport) -> None:
    known = sum(failure.known for failure in report.failed)
    moved = sum(getattr(report, name) for name in ("new", "changed", "renamed", "copied", "known", "removed"))
    if not moved and report.snapshot is None:
        if not report.interrupted:
            where = f"{report.current}: " if report.current else ""
            click.echo(f"Nothing changed. {where}{_paths(report)}, checked in {duration(report.seconds)}")
        if known:
            click.echo(f"{count(known, 'picture')} could not be read, as before; --json names them.")
        return
    rows = [(getattr(report, name), words + _example(report, name)) for name, words in _WORDS]
    rows.append((len(report.failed) - known, "failed: see below"))
    rows.append((known, "failed before, and did not change; --json names them"))
    rows.append((report.ignored, "other file, not opened" if report.ignored == 1 else "other files, not opened"))
    width = max(len(number(amount)) for amount, _ in rows)
    for amount, words in rows:
        if amount:
            click.echo(f"  {number(amount).rjust(width)}  {words}")
    if report.recovered:
        click.echo(f"Saved {count(report.recovered, 'vector')} of an interrupted run.")
    _print_candidates(report)
    if report.dry_run:
        click.echo(_forecast(report))
        return
    kind = "partial snapshot" if report.partial else "snapshot"
    wrote = (
        f"Wrote {kind} {report.snapshot}" if report.snapshot else f"No snapshot written; {report.current} is current"
    )
    click.echo(f"{wrote}: {_paths(report)}")
    click.echo(f"Embedded {count(report.embedded, 'picture')} in {duration(report.seconds)}" + _saving(report))


def _print_candidates(report: SyncReport) -> None:
    """Say which of the new pictures may be those of rows that an import left over."""
    for import_id, by in dict.fromkeys((candidate.id, candidate.by) for candidate in report.candidates):
        some = [candidate for candidate in report.candidates if (candidate.id, candidate.by) == (import_id, by)]
        click.echo(
            f"{count(len(some), 'new picture')} with the {by} of a row that an import left over, as "
            f"{shown(some[0].path)} of {shown(some[0].old)}: vstore import --resume {import_id}"
        )


def _forecast(report: SyncReport) -> str:
    if not report.to_embed:
        return "A sync would embed nothing."
    cost = f", about {duration(report.embed_seconds)}" if report.embed_seconds is not None else ""
    return f"A sync would embed {count(report.to_embed, 'picture')}{cost}."


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


def _print_failures(failures: list[Failure]) -> None:
    if failures:
        click.echo(f"{count(len(failures), 'path')} could not be read:", err=True)
    for failure in failures[:FAILURES]:
        click.echo(f"  {shown(failure.path)}: {shown(failure.reason)}", err=True)
    if len(failures) > FAILURES:
        click.echo(f"  and {number(len(failures) - FAILURES)} more; --json lists all", err=True)
