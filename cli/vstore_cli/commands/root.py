"""`vstore root list|remove|rename`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vstore_cli.groups import InOrder
from vstore_cli.locate import open_store, open_to_change
from vstore_cli.options import dry_run_option, message_option, wait_option
from vstore_cli.output import (
    are_for_people,
    count,
    echo_json,
    holdings,
    json_option,
    number,
    say,
    shown,
    table,
    tell,
)
from vstore_cli.pager import paged

if TYPE_CHECKING:
    from vstore import RootRow

DRY_RUN = dry_run_option("Show what would change, and change nothing.")


@click.group(cls=InOrder)
def root() -> None:
    """List the folders of the store, take one out, or give one another label.

    A folder is named by its label, or by its path on disk.

    \b
    Example:
      vstore root list
      vstore root remove old-phone
    """


@root.command("list", short_help="List the folders.")
@json_option
def list_(as_json: bool) -> None:
    """List the folders: label, place, paths in the current snapshot, and the options that their syncs keep.

    \b
    Example:
      vstore root list --json
    """
    with open_store() as store:
        rows = store.root_list()
    if not are_for_people(rows, as_json=as_json, none="This store has no folder. Add one with: vstore sync FOLDER"):
        return
    lines = [["label", "place", "paths", "pictures", ""]]
    lines += [[shown(row.label), _place(row), number(row.paths), number(row.images), _about(row)] for row in rows]
    with paged():
        table(lines, right=(2, 3), drop=(3, 2), heading=True)


def _place(row: RootRow) -> str:
    return "-" if row.place is None else shown(row.place)


def _about(row: RootRow) -> str:
    """Say what is special about a folder: its state first, then the options that it keeps."""
    marks = []
    if row.place is None:
        marks.append("(no folder has this label any more)")
    elif not row.named:
        marks.append("(not named at this machine)")
    elif not row.there:
        marks.append("(not found)")
    for name, value in row.options.items():
        option = "--" + name.replace("_", "-")
        values = value if isinstance(value, list) else [None if value is True else value]
        marks += [option if one is None else f"{option} {shown(str(one))}" for one in values]
    if row.earlier:
        marks.append(f"(earlier {', '.join(map(shown, row.earlier))})")
    return " ".join(marks)


@root.command(short_help="Take a folder out of the index.")
@click.argument("root", metavar="LABEL|PATH")
@message_option
@DRY_RUN
@wait_option
@json_option
def remove(root: str, message: str, dry_run: bool, wait: bool, as_json: bool) -> None:
    """Take a folder out of the index: write a snapshot without its pictures. Another folder may have its label then.

    No file is touched. Older snapshots keep their pictures, and vstore gc deletes no vector that one of them uses; but
    where the files are is forgotten, unless vstore undo brings the folder back, or the same folder is synced again.

    \b
    Example:
      vstore root remove old-phone --dry-run
    """
    with open_to_change() as store:
        report = store.root_remove(root, message=message, dry_run=dry_run, wait=wait)
    if as_json:
        echo_json(report)
        return
    label = shown(report.label)
    where = "" if report.place is None else f" ({shown(report.place)})"
    gone = holdings(report.paths, report.images)
    if dry_run:
        tell(f"Would take out {label}{where}: {gone}; {count(report.left, 'path')} would stay.")
        return
    tell(f"Took out {label}{where}: {gone}.")
    _say_current(report.snapshot, f", with {count(report.left, 'path')}", "No file was touched. ")


@root.command(short_help="Give a folder another label.")
@click.argument("old", metavar="LABEL|PATH")
@click.argument("new", metavar="NAME")
@message_option
@DRY_RUN
@wait_option
@json_option
def rename(old: str, new: str, message: str, dry_run: bool, wait: bool, as_json: bool) -> None:
    """Give a folder another label: the first part of its paths in the store. Nothing is read and nothing is embedded.

    The folder on disk keeps its name. In older snapshots the folder has its old label, which no other folder may have.

    \b
    Example:
      vstore root rename DCIM phone
    """
    with open_to_change() as store:
        report = store.root_rename(old, new, message=message, dry_run=dry_run, wait=wait)
    if as_json:
        echo_json(report)
        return
    names = f"{shown(report.old)} ({shown(report.place)})", shown(report.label)
    if dry_run:
        tell(f"Would call {names[0]} {names[1]}: {count(report.paths, 'path')}.")
        return
    tell(f"{names[0]} is called {names[1]} now: {count(report.paths, 'path')}.")
    _say_current(report.snapshot)


def _say_current(snapshot: str | None, after: str = "", more: str = "") -> None:
    """Say which snapshot was written, if one was, and how it is taken back."""
    now = f"{snapshot} is current{after}. " if snapshot else ""
    say(f"{now}{more}Go back with: vstore undo")
