"""`vstore export`."""

from __future__ import annotations

import click

from vstore import UsageError
from vstore_cli.locate import open_store
from vstore_cli.output import count, echo_json, json_option, shown, size
from vstore_cli.query import parse

FORMATS = ["triple", "npz", "parquet", "jsonl", "clip-retrieval"]


@click.command()
@click.argument("out", type=click.Path())
@click.argument("words", nargs=-1, metavar="[[+|-] [W:]OPERAND ...]")
@click.option(
    "--format",
    type=click.Choice([*FORMATS, "links"]),
    default="triple",
    show_default=True,
    help="triple: index.faiss, embeddings.npy, metadata.json, one row a path, with vstore.json. npz, parquet, jsonl: "
    "key, paths and vector of each picture. clip-retrieval: its folder. links: links to the pictures of a search.",
)
@click.option("--at", metavar="SNAP", help="Write this version instead of the current one.")
@click.option("-k", default=10, show_default=True, help="How many links.")
@click.option("--under", metavar="PATH", help="Only links to pictures below this folder.")
@click.option("--min-score", type=float, help="Only links to pictures at least this similar (-1 to 1).")
@click.option("--new-since", metavar="SNAP", help="Only links to pictures that this version does not have.")
@json_option
def export(
    out: str,
    words: tuple[str, ...],
    format: str,
    at: str | None,
    k: int,
    under: str | None,
    min_score: float | None,
    new_since: str | None,
    as_json: bool,
) -> None:
    """Write a version to OUT in a form that other tools read.

    An import of a triple that lies beside its vstore.json gives the same version again, with the same id.

    \b
    Example:
      vstore export old-way/ --at v12
      vstore export vectors.parquet --format parquet
      vstore export like-this/ ./cat.jpg --format links -k 50
    """
    from vstore import Operand

    if format == "links" and not words:
        raise UsageError(
            "links are those of a search", "say what to look for: vstore export OUT ./cat.jpg --format links"
        )
    operands = [Operand(part.weight, part.image, part.text) for part in parse(words)] if words else []
    with open_store() as store:
        report = store.export(
            out,
            format=format,
            at=at,
            operands=operands,
            k=k,
            under=under,
            min_score=min_score,
            new_since=new_since,
        )
    if as_json:
        echo_json(report)
    elif format == "links":
        gone = f"; {count(report.missing, 'picture')} not there any more" if report.missing else ""
        click.echo(f"Made {count(report.images, 'link')} in {shown(out)}{gone}")
    else:
        what = f"{count(report.images, 'picture')} under {count(report.paths, 'path')}"
        click.echo(f"Wrote {what} of {report.snapshot} to {shown(out)} ({size(report.bytes)})")
