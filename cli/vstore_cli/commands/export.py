"""`vstore export`."""

from __future__ import annotations

from typing import Any

import click

from vstore import UsageError
from vstore_cli.again import typed_again
from vstore_cli.formats import FORMATS, require_name
from vstore_cli.interrupts import saying
from vstore_cli.locate import open_store
from vstore_cli.models import device_option, offline_option
from vstore_cli.options import where_option
from vstore_cli.output import count, echo_json, holdings, json_option, shown, size, tell, tell_notes
from vstore_cli.progress import progress, progress_option
from vstore_cli.query import parse


@click.command()
@click.argument("out", type=click.Path())
@click.argument("words", nargs=-1, metavar="[[+|-] [W:]OPERAND ...]")
@click.option(
    "--format",
    type=click.Choice([*FORMATS, "links"]),
    default="triple",
    show_default=True,
    help="triple: index.faiss, embeddings.npy, metadata.json, pictures.jsonl with one row per path, and vstore.json. "
    "npz, parquet, jsonl: key, paths and vector of each picture. csv: a row per path, without vectors. clip-retrieval: "
    "a folder as that tool writes it. links: links to the pictures that a search finds. csv, jsonl and parquet take a "
    "search too.",
)
@click.option("--at", metavar="SNAP", help="Write this snapshot instead of the current one.")
@click.option("-k", default=10, show_default=True, help="The number of pictures of a search.")
@click.option("--under", metavar="PATH", help="Of a search: only pictures below this folder.")
@click.option("--min-score", type=float, help="Of a search: only pictures at least this similar (-1 to 1).")
@click.option(
    "--min-p",
    type=float,
    metavar="P",
    help="Of a search: only those with a score that a share of less than P of unrelated ones reaches.",
)
@click.option("--new-since", metavar="SNAP", help="Of a search: only pictures that this snapshot lacks.")
@where_option("Only pictures of which this is true: \"rating >= 4 and camera like 'Canon%'\".")
@click.option("--collapse", is_flag=True, help="Of a search: only the best of near-duplicates.")
@click.option("--exact", is_flag=True, help="Of a search: compare all vectors; do not ask the index.")
@device_option
@offline_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def export(out: str, words: tuple[str, ...], format: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Write a snapshot to OUT in a format that other tools read, with the facts and fields of its pictures.

    With words of a search, only the pictures that it finds are written, best first, with their scores.

    If a triple is imported again together with its vstore.json, the result is the same snapshot with the same id.

    \b
    Example:
      vstore export old-way/ --at v12
      vstore export vectors.parquet --format parquet
      vstore export pictures.csv --format csv
      vstore export best.jsonl --format jsonl --where "rating >= 4"
      vstore export like-this.csv ./cat.jpg --format csv -k 50
      vstore export like-this/ ./cat.jpg --format links -k 50
    """
    from vstore import Interrupted

    if format == "links" and not words:
        raise UsageError(
            "--format links needs a search", "add what to look for: vstore export OUT ./cat.jpg --format links"
        )
    operands = [part.operand() for part in parse(words)] if words else []
    require_name(out, format)
    again = typed_again()
    with (
        saying(lambda: Interrupted("interrupted; nothing was written", f"run it again: {again}")),
        open_store() as store,
        progress(quiet) as bar,
    ):
        report = store.export(out, format=format, operands=operands, progress=bar, **options)
    tell_notes(() if as_json else report.notes)
    if as_json:
        echo_json(report)
    elif format == "links":
        gone = f"; {count(report.missing, 'picture')} no longer there" if report.missing else ""
        tell(f"Made {count(report.images, 'link')} in {shown(out)}{gone}")
    else:
        what = holdings(report.paths, report.images)
        tell(f"Wrote {what} of {report.snapshot} to {shown(out)} ({size(report.bytes)})")
