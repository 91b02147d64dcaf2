"""`vstore import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vstore_cli.again import typed_again
from vstore_cli.interrupts import saying, stopping
from vstore_cli.locate import find_store, new_folder, say_store, user_words
from vstore_cli.models import model_options
from vstore_cli.options import dry_run_option, max_file_size_option, message_option, wait_option
from vstore_cli.output import count, duration, echo_json, json_option, number, openable, say, shown, table, tell
from vstore_cli.progress import progress, progress_option

if TYPE_CHECKING:
    from vstore import ImportReport

NAMED = 10  # rows of each kind that the terminal names
LONGEST = 200  # characters of a path that it shows


@click.command("import")
@click.option(
    "--faiss",
    type=click.Path(),
    metavar="FILE",
    help="A FAISS index: flat, scalar-quantised, IVF-flat, HNSW, refined, IDMap.",
)
@click.option(
    "--embeddings", type=click.Path(), metavar="FILE", help="The vectors as .npy, .npz, Parquet or JSON lines."
)
@click.option(
    "--metadata",
    type=click.Path(),
    metavar="FILE",
    help="The list of pictures: JSON, JSON lines, CSV, Parquet or text.",
)
@click.option("--clip-retrieval", type=click.Path(), metavar="DIR", help="The folder that clip-retrieval wrote.")
@click.option("--rclip", type=click.Path(), metavar="FILE", help="rclip's db.sqlite3.")
@click.option("--root", type=click.Path(), metavar="DIR", help="The folder that holds the pictures.")
@model_options
@click.option("--as", "as_label", metavar="LABEL", help="The name under which the store keeps this folder's paths.")
@click.option("--as-space", metavar="NAME", help="The name of the embedding space.")
@click.option("--path-field", metavar="FIELD", help="The field or column of the list that holds the paths.")
@click.option("--rows-by", metavar="FIELD", help="The field that numbers the rows, or `order` if they are in order.")
@click.option(
    "--field", "fields", multiple=True, metavar="NAME", help="Keep this column of the list as a field; by default all."
)
@click.option("--no-fields", is_flag=True, help="Keep no column of the list as a field.")
@click.option("--by-name", is_flag=True, help="Accept a file that shares only the name with a path of the list.")
@click.option("--trust-edited", is_flag=True, help="Accept that pictures newer than the index were not edited.")
@click.option("--force", is_flag=True, help="Continue although the files contradict one another.")
@dry_run_option("Only show what would be done.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Write the result for every row to a file, as JSON.")
@click.option("--resume", metavar="ID", help="Look again for the pictures of the rows that import ID set aside.")
@message_option
@wait_option
@max_file_size_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def import_(as_json: bool, quiet: bool, **options: Any) -> None:
    """Import an index that another tool made. Nothing is embedded.

    You need one source of vectors and one list of paths. Each path is looked up where it points, then under --root
    where the whole list moved; the bytes of the file give the key. A file elsewhere that shares only the name may be
    another picture: it is taken with --by-name alone. If a path fits several files, or none, or one that is newer than
    the index, vstore does not guess: the row is listed, and set aside with its vector for --resume. The new embedding
    space is called *claimed* until `vstore check --reembed 32` verifies it.

    The store is the one that --store or VSTORE_DIR names, else the nearest .vstore in this folder or a folder above,
    else the one in or above --root; if there is none, one is made in .vstore here.

    \b
    Example:
      vstore import --faiss v11.faiss --metadata v11.json --root pictures/ -n
      vstore import --embeddings v11.npy --metadata v11.csv --root pictures/
      vstore import --resume i2
    """
    root = options["root"]
    folder = find_store([root] if root else []) or new_folder()
    say_store(folder)
    report = _run(folder, options, quiet=quiet)
    if as_json:
        echo_json(report)
    elif not quiet:
        _print(report, folder)


def _run(folder: Path, options: dict[str, Any], *, quiet: bool) -> ImportReport:
    from vstore import Interrupted, Stop, Store

    stop, again = Stop(), typed_again()

    def interrupted() -> Interrupted:
        amid = "stopped amid the commit, which counts as a whole or not at all"
        return Interrupted(amid if stop.is_set() else "stopped; the store is unchanged", f"run it again: {again}")

    with saying(interrupted), stopping(stop), progress(quiet) as bar:
        if not Store.exists(folder):
            return Store.import_new(folder, **user_words(folder), progress=bar, stop=stop, **options)
        with Store(folder, **user_words(folder)) as store:
            return store.import_index(progress=bar, stop=stop, **options)


_WORDS = (
    ("matched", "matched"),
    ("duplicated", "same picture as an earlier row"),
    ("possibly_edited", "possibly edited"),
    ("ambiguous", "ambiguous"),
    ("missing", "missing"),
    ("unfit", "unusable: no vector, NaN, infinity or zeros"),
)


_MAY_BE = ("several_files", "shared_file", "name_only", "near_name")  # whose files may be the row's picture
_WHY = {
    "several_files": "several files match",
    "shared_file": "another row matches the same file",
    "name_only": "only files elsewhere have the name",
    "taken_file": "the files of the name are those of other rows",
    "near_name": "a file has nearly the name",
    "other_size": "the file has another size",
    "other_bytes": "the file is another picture than the exported one",
    "newer": "the file is newer than the index",
    "unreadable": "the file cannot be read",
    "no_file": "no file has the name",
}


def _print_waiting(report: ImportReport) -> None:
    """Show why rows wait for their pictures, as a table with the first of each reason."""
    waiting = report.waiting()
    if not waiting:
        return
    tell("waiting for their pictures:")
    rows = [["", "rows", "why", "first"]]
    for some in waiting:
        may_be = some.why in _MAY_BE  # else the file is the row's own: nothing is suggested
        names = [
            _short(row.path, 50) + (f" ({_file(report, row.files[0], 50)}?)" if row.files and may_be else "")
            for row in some.first
        ]
        more = ", …" if some.rows > len(names) else ""
        rows.append(["", number(some.rows), _WHY[some.why], ", ".join(names) + more])
    table(rows, right=(1,), heading=True)


def _print_fields(report: ImportReport) -> None:
    """Show which columns of the list became fields, and what did not."""
    names = [_short(field.name) for field in report.fields if field.pictures]
    if names:
        more = f" and {number(len(names) - NAMED)} more" if len(names) > NAMED else ""
        would = "would be kept" if report.dry_run else "kept"
        as_what = "as a field" if len(names) == 1 else "as fields"
        tell(f"{count(len(names), 'column')} {would} {as_what}: {', '.join(names[:NAMED])}{more}")
    for left in report.fields_left[:NAMED]:
        where = f"{count(left.values, 'value')}, the first of entry {left.first}"
        tell(f"not kept as a field: {_short(left.name)}, {left.why} ({where})")
    if len(report.fields_left) > NAMED:
        tell(f"and {number(len(report.fields_left) - NAMED)} more that are not kept; --json lists all")


def _print(report: ImportReport, folder: Path) -> None:
    from vstore import Store

    counts = report.counts()
    width = max(len(number(amount)) for amount in counts.values())
    tell(f"{count(report.rows, 'row')} of {report.dim} numbers from {shown(report.vectors_from)}")
    for state, words in _WORDS:
        if counts[state]:
            tell(f"  {number(counts[state]).rjust(width)}  {words}")
    _print_fields(report)
    for note in report.notes:
        say(f"note: {shown(note)}")
    for state, words in _WORDS[1:]:
        rows = report.of(state)
        if rows:
            tell(f"{words}:")
        for row in rows[:NAMED]:
            named = len(row.files) > 1 or row.why in ("name_only", "near_name")
            files = f": {', '.join(_file(report, file) for file in row.files[:3])}" if named else ""
            tell(f"  row {row.row} {_short(row.path)}: {shown(row.reason)}{files}")
        if len(rows) > NAMED:
            tell(f"  and {number(len(rows) - NAMED)} more; --report FILE lists all")
    _print_waiting(report)
    how = f"{number(report.kept_bits)} unchanged, {number(report.normalised)} normalised"
    added = f"{count(report.added, 'vector')} ({how})"
    if report.dry_run:
        first = "" if Store.exists(folder) else f"make the store {shown(str(folder))}, and "
        tell(f"An import would {first}add {added} to the space {shown(report.space_name)}.")
        return
    if report.created_store:
        tell(f"Made the store {shown(str(folder))}")
    if report.snapshot is not None:
        tell(f"Wrote snapshot {report.snapshot}; it is current.")
    tell(f"Added {added} to the space {shown(report.space_name)} ({report.status}) in {duration(report.seconds)}.")
    if report.import_id is not None:
        say(
            f"Set aside {count(report.left, 'row')} without a picture. When the pictures are there, run: "
            f"vstore import --resume {report.import_id}"
        )


def _file(report: ImportReport, file: bytes, most: int = LONGEST) -> str:
    """Show the file of a row as it is opened from here."""
    return _short(openable(report.file_of(file)), most)


def _short(path: bytes | str, most: int = LONGEST) -> str:
    text = shown(path)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"
