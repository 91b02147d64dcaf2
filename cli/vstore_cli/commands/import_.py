"""`vstore import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vstore import Interrupted
from vstore_cli.bar import progress
from vstore_cli.interrupts import stopping
from vstore_cli.locate import find_store, new_folder
from vstore_cli.models import model_options
from vstore_cli.output import count, duration, echo_json, json_option, number, shown
from vstore_cli.units import Size

if TYPE_CHECKING:
    from vstore import ImportReport

NAMED = 10  # rows of each kind that the terminal names
LONGEST = 200  # characters of a path that it shows


@click.command("import")
@click.option(
    "--faiss", type=click.Path(), metavar="FILE", help="A FAISS index: flat, scalar-quantised, IVF-flat, IDMap."
)
@click.option("--embeddings", type=click.Path(), metavar="FILE", help="The vectors as .npy.")
@click.option(
    "--metadata", type=click.Path(), metavar="FILE", help="The list of pictures: JSON, JSON lines, CSV, Parquet, text."
)
@click.option("--clip-retrieval", type=click.Path(), metavar="DIR", help="The folder that clip-retrieval wrote.")
@click.option("--rclip", type=click.Path(), metavar="FILE", help="rclip's db.sqlite3.")
@click.option("--root", type=click.Path(), metavar="DIR", help="The folder that holds the pictures.")
@model_options
@click.option("--as", "as_label", metavar="LABEL", help="The name under which the store keeps this folder's paths.")
@click.option("--as-space", metavar="NAME", help="What to call the embedding space.")
@click.option("--path-field", metavar="FIELD", help="The field or column of the list that holds the paths.")
@click.option("--rows-by", metavar="FIELD", help="The field that numbers the rows, or `order`: as they stand.")
@click.option("--trust-edited", is_flag=True, help="Believe that pictures newer than the index were not edited.")
@click.option("--force", is_flag=True, help="Go on where the files contradict one another.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Keep the fate of every row, as JSON.")
@click.option("--resume", metavar="ID", help="Look anew for the pictures of the rows that import ID left over.")
@click.option("-m", "--message", default="", help="A note that is kept with the snapshot.")
@click.option("--wait", is_flag=True, help="Wait for another sync to end instead of giving up.")
@click.option("--max-file-size", type=Size(), default="256M", show_default=True, help="Leave larger files unread.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@json_option
def import_(as_json: bool, quiet: bool, **options: Any) -> None:
    """Take in an index that another tool made, and embed nothing.

    Each path of its list is looked for where it says, then under --root by the end of its path, then by its name; the
    bytes of the file give the key. What fits several files, or none, or one newer than the index, is not guessed: it is
    listed, and kept aside with its vector for --resume. The new embedding space is called *claimed* until
    `vstore check --reembed 32` has proved it. Where there is no store, one is made in .vstore here.

    \b
    Example:
      vstore import --faiss v11.faiss --metadata v11.json --root pictures/ -n
      vstore import --embeddings v11.npy --metadata v11.csv --root pictures/
      vstore import --resume i2
    """
    root = options["root"]
    folder = find_store([root] if root else []) or new_folder()
    report = _run(folder, options, quiet=quiet or as_json)
    if as_json:
        echo_json(report)
    elif not quiet:
        _print(report, folder)


def _run(folder: Path, options: dict[str, Any], *, quiet: bool) -> ImportReport:
    from vstore import Store

    with stopping() as stop, progress(quiet) as bar:
        try:
            if not Store.exists(folder):
                return Store.import_new(folder, progress=bar, stop=stop, **options)
            with Store(folder) as store:
                return store.import_index(progress=bar, stop=stop, **options)
        except KeyboardInterrupt as err:
            raise Interrupted("stopped; the store is unchanged", "run the command again") from err


_WORDS = (
    ("matched", "matched"),
    ("duplicated", "of a picture that an earlier row has"),
    ("possibly_edited", "possibly edited"),
    ("ambiguous", "ambiguous"),
    ("missing", "missing"),
    ("unfit", "unfit: NaN, infinity or zeros"),
)


def _print(report: ImportReport, folder: Path) -> None:
    counts = report.counts()
    width = max(len(number(amount)) for amount in counts.values())
    click.echo(f"{count(report.rows, 'row')} of {report.dim} numbers from {shown(report.vectors_from)}")
    for state, words in _WORDS:
        if counts[state]:
            click.echo(f"  {number(counts[state]).rjust(width)}  {words}")
    for note in report.notes:
        click.echo(f"note: {shown(note)}")
    for state, words in _WORDS[1:]:
        rows = report.of(state)
        if rows:
            click.echo(f"{words}:")
        for row in rows[:NAMED]:
            files = f": {', '.join(map(_short, row.files[:3]))}" if len(row.files) > 1 else ""
            click.echo(f"  row {row.row} {_short(row.path)}: {shown(row.reason)}{files}")
        if len(rows) > NAMED:
            click.echo(f"  and {number(len(rows) - NAMED)} more; --report FILE keeps all")
    how = f"{number(report.kept_bits)} as they were, {number(report.normalised)} normalised"
    added = f"{count(report.added, 'vector')} ({how})"
    if report.dry_run:
        click.echo(f"An import would add {added} to the space {shown(report.space_name)}.")
        return
    if report.created_store:
        click.echo(f"Made the store {shown(str(folder))}")
    if report.snapshot is not None:
        click.echo(f"Wrote snapshot {report.snapshot}, which is current")
    click.echo(
        f"Added {added} to the space {shown(report.space_name)} ({report.status}) in {duration(report.seconds)}."
    )
    if report.import_id is not None:
        click.echo(
            f"{count(report.left, 'row')} without a picture kept aside; once it is there: "
            f"vstore import --resume {report.import_id}"
        )


def _short(path: bytes) -> str:
    text = shown(path)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"
