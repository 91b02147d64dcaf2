"""`vstore find`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vstore import UsageError
from vstore_cli.listing import Form, echo_list, listing_options
from vstore_cli.locate import open_store
from vstore_cli.options import where_option
from vstore_cli.output import json_option, placed, shown, tell, tell_notes
from vstore_cli.suggestions import typed

if TYPE_CHECKING:
    from vstore import FindReport


@click.command(short_help="Find pictures by their names.")
@click.argument("glob", nargs=-1, required=True, metavar="GLOB")
@click.option("--at", metavar="SNAP", help="Look in this snapshot; by default the current one.")
@click.option("--all", is_flag=True, help="Look in all snapshots, and say which hold each picture.")
@click.option("-i", "--ignore-case", is_flag=True, help="Match in any letter case.")
@where_option("Only pictures of which this is true: \"taken < '2020' and width > 4000\".")
@listing_options
@json_option
def find(
    glob: tuple[str, ...],
    at: str | None,
    all: bool,
    ignore_case: bool,
    where: str | None,
    long: bool,
    null: bool,
    as_json: bool,
) -> None:
    """Find the pictures of a snapshot whose names match the shell pattern GLOB. Quote it, or the shell expands it.

    A GLOB without a slash is matched against names: cat*.jpg. One with a slash is matched against the end of stored
    paths, from any folder on: 2024/**/cat*. One that begins with a slash is matched against whole stored paths:
    /pictures/*.jpg. * and ? match no slash, ** any folders, [a-z] one character; a \\ makes the next one plain.

    Nothing found is no error: the exit code is 0, and stderr names what may have been meant.

    \b
    Example:
      vstore find '*.png'
      vstore find -i 'img_12*' --all
      vstore find '2024/**/cat*' --long
      vstore find '*' --where "camera like 'Canon%' and width > height"
    """
    form = Form(long, null, as_json)
    form.require()
    if len(glob) > 1:
        raise UsageError("find takes one pattern, and the shell may have expanded it", "quote it: vstore find '*.jpg'")
    with open_store() as store:
        report = store.find_pictures(glob[0], at=at, all=all, ignore_case=ignore_case, long=long, where=where)
        if not echo_list(report, form):
            _say_none(report, glob[0], all=all, ignore_case=ignore_case, where=where)
        tell_notes(() if as_json else report.notes)


def _say_none(report: FindReport, glob: str, *, all: bool, ignore_case: bool, where: str | None) -> None:
    import shlex  # most patterns match

    held = "in any snapshot" if all else f"in {report.snapshot}"
    meant = ""
    if report.near:
        near = ", ".join(shlex.quote(placed(path, report.where)) for path in report.near)
        meant = f" Did you mean {near}?"
    elif not all and where is None:
        words = ["--all", *(["-i"] if ignore_case else []), *(["--"] if glob.startswith("-") else []), shown(glob)]
        meant = f" To look in all snapshots: vstore find {shlex.join(words)}"
    fits = "" if where is None else f", where {shown(where)}"
    tell(f"No picture {held} has a name that matches {shown(glob)}{fits}.{typed(meant)}", err=True)
