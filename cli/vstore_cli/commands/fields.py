"""`vstore fields list|set|unset|import|export|carry|prune`."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from vstore import UsageError
from vstore_cli.again import typed_again
from vstore_cli.groups import InOrder
from vstore_cli.interrupts import saying, stopping
from vstore_cli.locate import open_store, open_to_change
from vstore_cli.options import dry_run_option, message_option
from vstore_cli.output import (
    are_for_people,
    count,
    echo_json,
    json_option,
    number,
    placed,
    say,
    shown,
    table,
    tell,
    tell_path,
)
from vstore_cli.pager import paged
from vstore_cli.progress import progress, progress_option

if TYPE_CHECKING:
    from vstore import FieldsCarried, FieldsChanged, FieldsImported

FORMATS = ["csv", "jsonl", "parquet"]
TYPES = ["text", "int", "float", "bool", "date", "list"]
DRY_RUN = dry_run_option("Show what would change, and change nothing.")


@click.group(cls=InOrder)
def fields() -> None:
    """Say things of pictures: labels, captions, ratings, whatever you like.

    A field is a value under a name: text, a whole number (int), a number (float), true or false (bool), a time (date),
    or a list of texts. Fields belong to a picture, whatever its paths are, and to a snapshot: each change of them makes
    a new one, vstore undo takes it back, and vstore rollback brings back those of an older one. vstore show lists
    those of a picture.

    \b
    Example:
      vstore fields set label=cat pictures/a.jpg
      vstore fields list
    """


@fields.command("list", short_help="List the fields, with their types.")
@click.argument("at", metavar="[SNAP]", default="current")
@json_option
def list_(at: str, as_json: bool) -> None:
    """List the fields of snapshot SNAP, by default of the current one: how many pictures have each, and its types.

    \b
    Example:
      vstore fields list v3
    """
    with open_store() as store:
        rows = store.fields_list(at)
    none = "No picture has a field. Set one with: vstore fields set FIELD=VALUE PICTURE"
    if not are_for_people(rows, as_json=as_json, none=none):
        return
    lines = [["field", "pictures", "type"]]
    for row in rows:
        several = len(row.types) > 1
        types = (f"{name} ({number(amount)})" if several else name for name, amount in row.types.items())
        lines.append([shown(row.name), number(row.pictures), ", ".join(types)])
    with paged():
        table(lines, right=(1,), drop=(2,), heading=True)


@fields.command("set", short_help="Give pictures fields.")
@click.argument("words", nargs=-1, required=True, metavar="FIELD=VALUE... PICTURE...")
@click.option(
    "--type",
    type=click.Choice(TYPES),
    help="The type of the values; by default they are text, numbers too. A date is ISO 8601, and UTC if it has no "
    'zone; a list is texts between commas, or in JSON: ["a", "b"].',
)
@message_option
@DRY_RUN
@json_option
def set_(words: tuple[str, ...], type: str | None, message: str, dry_run: bool, as_json: bool) -> None:
    """Give each PICTURE each FIELD, and write a snapshot with them. Other fields stay.

    PICTURE is a file, a stored path (LABEL/FOLDER/NAME), or a key, or its first 6 digits or more. The words with = that
    come first are fields; a picture with = in its name comes after another one, or is named by its key.

    \b
    Example:
      vstore fields set label=cat 'caption=A cat on a roof' pictures/a.jpg
      vstore fields set --type int stars=5 pictures/a.jpg pictures/b.jpg
    """
    first = next((at for at, word in enumerate(words) if "=" not in word), len(words))
    values: dict[str, str] = {}
    for word in words[:first]:
        name, _, value = word.partition("=")
        if name in values:
            raise UsageError(f"the field {name!r} is given twice", "leave one of them out")
        values[name] = value
    with open_to_change() as store:
        report = store.fields_set(values, words[first:], type=type, message=message, dry_run=dry_run)
    _show(report, as_json=as_json)


@fields.command(short_help="Take fields away from pictures.")
@click.argument("names", nargs=-1, required=True, metavar="FIELD... [PICTURE...]")
@click.option("--all-pictures", is_flag=True, help="Take them from all pictures.")
@message_option
@DRY_RUN
@json_option
def unset(names: tuple[str, ...], all_pictures: bool, message: str, dry_run: bool, as_json: bool) -> None:
    """Take each FIELD away from each PICTURE. The words up to the first that is no field are names.

    \b
    Example:
      vstore fields unset label caption pictures/a.jpg
      vstore fields unset draft --all-pictures --dry-run
    """
    with open_to_change() as store:
        report = store.fields_unset(names, all_pictures=all_pictures, message=message, dry_run=dry_run)
    _show(report, as_json=as_json)


@fields.command("import", short_help="Read fields from a file.")
@click.argument("file", type=click.Path())
@click.option("--format", type=click.Choice(FORMATS), help="By default what the name of the file says.")
@click.option(
    "--by",
    metavar="COLUMN",
    help="The column with the pictures: stored paths, files or whole keys. By default key, path, paths or another "
    "usual name.",
)
@message_option
@DRY_RUN
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def import_(
    file: str, format: str | None, by: str | None, message: str, dry_run: bool, quiet: bool, as_json: bool
) -> int:
    """Read fields from FILE: CSV, JSON lines or Parquet. Each row names a picture, and each other column is a field.

    A row sets what it says: an empty cell, null or NaN leaves a field as it is. Values of JSON lines and Parquet keep
    their types; a column of a CSV is of numbers if each of its cells is written as a number is printed (7, not 007), of
    true and false if it has these alone, else of text. {"$date": "2026-11-30T18:20:00Z"} is a time in JSON.

    Exit code 3 means done, but some rows or values were left out; the first are named.

    \b
    Example:
      vstore fields import labels.csv --dry-run
      vstore fields import captions.jsonl --by file -m captions
    """
    from vstore import Interrupted, Stop

    stop = Stop()
    again = typed_again()
    with contextlib.ExitStack() as stack:
        stack.enter_context(saying(lambda: Interrupted("interrupted; nothing was changed", f"run it again: {again}")))
        store = stack.enter_context(open_to_change())
        bar = stack.enter_context(progress(quiet))
        stack.enter_context(stopping(stop))
        report = store.fields_import(
            file, format=format, by=by, message=message, dry_run=dry_run, progress=bar, stop=stop
        )
    if as_json:
        echo_json(report)
    else:
        _print_imported(report)
    return 3 if report.unknown or report.left else 0


@fields.command(short_help="Write fields to a file.")
@click.argument("file", required=False, type=click.Path())
@click.option("--format", type=click.Choice(FORMATS), help="By default what the name of the file says, else jsonl.")
@click.option("--at", metavar="SNAP", default="current", help="Write those of this snapshot, not of the current one.")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def export(file: str | None, format: str | None, at: str, quiet: bool, as_json: bool) -> None:
    """Write the fields of a snapshot to FILE, by default to standard output: a row for each picture that has any, with
    its key and its stored paths. vstore fields import reads it again.

    JSON lines and Parquet keep the types. A CSV has the first path only, and says no types.

    \b
    Example:
      vstore fields export labels.parquet
      vstore fields export labels.csv --at v3
    """
    from vstore import Interrupted

    if file is None and as_json:
        raise UsageError("--json and the fields cannot both go to standard output", "name a FILE for the fields")
    again = typed_again()
    with (
        saying(lambda: Interrupted("interrupted; nothing was written", f"run it again: {again}")),
        open_store() as store,
        progress(quiet or file is None) as bar,
    ):
        report = store.fields_export(sys.stdout.buffer if file is None else file, format=format, at=at, progress=bar)
    if as_json:
        echo_json(report)
    elif file is not None:
        what = f"{count(report.fields, 'field')} of {count(report.pictures, 'picture')}"
        tell(f"Wrote {what} of {report.snapshot} to {shown(file)}")


@fields.command(short_help="Hand fields on to edited pictures.")
@click.argument("snap")
@click.option("--replace", is_flag=True, help="Replace the fields that a picture of today has, too.")
@message_option
@DRY_RUN
@json_option
def carry(snap: str, replace: bool, message: str, dry_run: bool, as_json: bool) -> None:
    """Hand fields on: each path whose picture is another one than in snapshot SNAP gets the fields that it had there.

    A sync does this by itself where the metadata of a file was edited. After other edits, such as a crop, it names this
    command: whether a new content is still what you said of the old one is yours to decide. A picture that SNAP has
    under another path gets none.

    \b
    Example:
      vstore fields carry v3 --dry-run
    """
    with open_to_change() as store:
        report = store.fields_carry(snap, replace=replace, message=message, dry_run=dry_run)
    if as_json:
        echo_json(report)
        return
    if dry_run:
        for path in report.examples:
            tell_path(placed(path, report.where))
        if report.paths > len(report.examples):
            tell(f"and {number(report.paths - len(report.examples))} more")
    _print(report)


@fields.command(short_help="Take away the fields of pictures that are gone.")
@message_option
@DRY_RUN
@json_option
def prune(message: str, dry_run: bool, as_json: bool) -> None:
    """Take away the fields of pictures that the current snapshot does not have. Until then they stay, as a picture may
    come back; older snapshots keep theirs.

    \b
    Example:
      vstore fields prune --dry-run
    """
    with open_to_change() as store:
        report = store.fields_prune(message=message, dry_run=dry_run)
    _show(report, as_json=as_json)


def _show(report: FieldsChanged, *, as_json: bool) -> None:
    if as_json:
        echo_json(report)
    else:
        _print(report)


def _print(report: FieldsChanged | FieldsImported | FieldsCarried) -> None:
    done = (
        (report.added, "Would set" if report.dry_run else "Set"),
        (report.replaced, "would replace" if report.dry_run else "replaced"),
        (report.removed, "would take away" if report.dry_run else "took away"),
    )
    parts = [f"{word} {count(amount, 'field')}" for amount, word in done if amount]
    if not parts:
        tell(f"Nothing changed: the fields are as they were. {report.current} is current.")
        return
    text = ", ".join(parts)
    tell(f"{text[0].upper()}{text[1:]} of {count(report.pictures, 'picture')}.")
    if report.snapshot is not None:
        say(f"{report.snapshot} is current. Go back with: vstore undo")


def _print_imported(report: FieldsImported) -> None:
    by = f" by {', '.join(map(shown, report.by))}" if report.by else ""
    tell(f"Read {count(report.rows, 'row')}{by}.")
    _print(report)
    for one in report.left:
        first = f", the first in row {number(one.first)}"
        tell(f"Left out of {shown(one.name)}: {count(one.values, 'value')}, {one.why}{first}", err=True)
    if report.unknown:
        example = report.examples[0]
        what = f"the first is row {number(example.row)}: {shown(example.word) or 'it names none'}"
        have = "has" if report.unknown == 1 else "have"
        say(f"{count(report.unknown, 'row')} {have} no picture of the snapshot; {what}", err=True)
