"""`vstore ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vstore_cli.listing import Form, echo_list, listing_options
from vstore_cli.locate import open_store
from vstore_cli.options import where_option
from vstore_cli.output import json_option, shown, tell, tell_notes

if TYPE_CHECKING:
    from vstore import LsReport


@click.command(short_help="List the folders and pictures of a snapshot.")
@click.argument("words", metavar="[SNAP] [PATH]", nargs=-1)
@click.option("--at", metavar="SNAP", help="The snapshot; by default the current one.")
@click.option("-R", "--recursive", is_flag=True, help="All pictures at any depth, instead of folders.")
@click.option("--failed", is_flag=True, help="The files that the newest sync could not read, and why.")
@click.option("--new-since", metavar="SNAP", help="Only pictures that this snapshot lacks, at any depth.")
@click.option("--space-missing", metavar="SPACE", help="Only pictures without a vector in this space, at any depth.")
@where_option("Only pictures of which this is true, at any depth: \"taken < '2020' and width > 4000\".")
@listing_options
@json_option
def ls(
    words: tuple[str, ...],
    at: str | None,
    recursive: bool,
    failed: bool,
    new_since: str | None,
    space_missing: str | None,
    where: str | None,
    long: bool,
    null: bool,
    as_json: bool,
) -> None:
    """List what a snapshot holds: the folders and pictures directly in PATH, or the synced folders.

    SNAP is a snapshot, by default the current one; PATH a path on disk or a stored path (LABEL/FOLDER). A single word
    may be either; what could be both is refused: write --at SNAP, or ./PATH. Folders end in a slash; with --long, the
    number before them is that of their pictures.

    Paths are printed as they are opened from here; files may have gone since the snapshot was made. Pictures that could
    not be read are in no snapshot: --failed lists them, by what the newest sync met. --where takes one SQL expression
    over the facts of a picture, its path and the fields of your own.

    \b
    Example:
      vstore ls
      vstore ls v3 pictures/2024 --long
      vstore ls --recursive --new-since v3
      vstore ls --where "rating >= 4 and taken like '2024-06%'"
      vstore ls --failed
    """
    form = Form(long, null, as_json)
    form.require()
    with open_store(words) as store:
        report = store.ls(
            words,
            at=at,
            recursive=recursive,
            long=long,
            failed=failed,
            new_since=new_since,
            space_missing=space_missing,
            where=where,
        )
        if not echo_list(report, form):
            tell(_none(report, new_since, space_missing, where), err=True)
        tell_notes(() if as_json else report.notes)


def _none(report: LsReport, since: str | None, space: str | None, where: str | None) -> str:
    snapshot, there = report.snapshot, " there" if report.is_part else ""
    if snapshot is None:
        return f"The newest sync read every picture that it met{there}."
    if since is None and space is None and where is None:
        return f"{snapshot} holds no pictures{there}."
    without = f" without a vector in {shown(space)}" if space is not None else ""
    lacking = f" that {shown(since)} lacks" if since is not None else ""
    fits = f" where {shown(where)}" if where is not None else ""
    return f"{snapshot} holds no picture{there}{without}{lacking}{fits}."
