"""`vstore search`."""

from __future__ import annotations

import os

import click

from vstore_cli.locate import open_store
from vstore_cli.models import device_option
from vstore_cli.output import echo_json, json_option, openable, shown, table, write_raw
from vstore_cli.query import parse


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("words", nargs=-1, metavar="[+|-] [W:]OPERAND ...")
@click.option("--image", "images", multiple=True, metavar="FILE", help="A picture to look for: the same as + FILE.")
@click.option("-k", default=10, show_default=True, help="How many pictures to show.")
@click.option("--at", metavar="SNAP", help="Answer from this version: its pictures, its paths.")
@click.option("--under", metavar="PATH", help="Only pictures below this folder.")
@click.option("--min-score", type=float, help="Only pictures at least this similar (-1 to 1).")
@click.option("--new-since", metavar="SNAP", help="Only pictures that this version does not have.")
@click.option("-l", "--paths-only", is_flag=True, help="Print paths alone, one a line.")
@click.option("-0", "--null", is_flag=True, help="Print paths alone, each ended by a NUL.")
@device_option
@json_option
def search(
    words: tuple[str, ...],
    images: tuple[str, ...],
    k: int,
    at: str | None,
    under: str | None,
    min_score: float | None,
    new_since: str | None,
    paths_only: bool,
    null: bool,
    device: str,
    as_json: bool,
) -> None:
    """Find the pictures that are most like a picture or a text, or like several at once.

    An OPERAND that begins with ./ ../ / ~ or image: is a picture; anything else is text, which needs a model that
    reads text. `+` and `-` are words of their own: look for this too, stay away from that. A weight stands before its
    operand, as in 0.5:./cat.jpg.

    \b
    Example:
      vstore search ./cat.jpg -k 5
      vstore search ./cat.jpg + 0.5:./beach.jpg - ./dog.jpg
      vstore search --image cat.jpg --at v3 -l
      vstore search "a red car" - ./truck.jpg
    """
    operands = parse([*words, *(word for image in images for word in ("+", f"image:{image}"))])
    from vstore.search import Operand

    with open_store() as store:
        report = store.search(
            [Operand(part.weight, part.image, part.text) for part in operands],
            k=k,
            at=at,
            under=under,
            min_score=min_score,
            new_since=new_since,
            device=device,
        )
    if as_json:
        echo_json(report)
        return
    hits = [(hit.score, [file for file in hit.files if file is not None], hit.paths) for hit in report.hits]
    if null or paths_only:
        write_raw((openable(file) for _, files, _ in hits for file in files), b"\0" if null else b"\n")
        return
    rows = []
    for score, files, paths in hits:
        there = [file for file in files if os.path.exists(file)]
        first = shown(openable(there[0])) if there else f"{shown(paths[0])}  (not there any more)"
        more = len(paths) - 1
        rows.append([f"{score:.3f}", first + (f"  (and {more} more)" if more else "")])
    table(rows)
    if not rows:
        click.echo(f"No picture of {report.snapshot} fits.", err=True)
