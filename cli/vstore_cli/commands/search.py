"""`vstore search`."""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from vstore_cli.locate import open_store
from vstore_cli.models import device_option, offline_option
from vstore_cli.output import echo_json, json_option, openable, shown, table, write_raw
from vstore_cli.progress import progress, progress_option
from vstore_cli.query import Part, parse

if TYPE_CHECKING:
    from vstore import SearchReport

_FLAT = (
    "Warning: the query picture is one colour: what is found is like it in colour alone, and pictures of one colour "
    "come first; search with another picture"
)
# A file that is not there: its name was mistyped, or it is in another folder.
_PICTURE = re.compile(r"\S+\.(jpe?g|png|webp|gif|tiff?|bmp|hei[cf]|avif)", re.IGNORECASE)


@click.command()
@click.argument("words", nargs=-1, metavar="[+|-] [W:]OPERAND ...")
@click.option("--image", "images", multiple=True, metavar="FILE", help="A picture to look for: the same as + FILE.")
@click.option("-k", default=10, show_default=True, help="The number of pictures to show.")
@click.option("--at", metavar="SNAP", help="Search this snapshot, with its pictures and paths.")
@click.option("--under", metavar="PATH", help="Only pictures below this folder.")
@click.option("--min-score", type=float, help="Only pictures at least this similar (-1 to 1).")
@click.option("--new-since", metavar="SNAP", help="Only pictures that this snapshot lacks.")
@click.option("-l", "--paths-only", is_flag=True, help="Print only paths, one per line.")
@click.option("-0", "--null", is_flag=True, help="Print only paths, each ended by NUL.")
@device_option
@offline_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def search(
    words: tuple[str, ...],
    images: tuple[str, ...],
    paths_only: bool,
    null: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the pictures that are most similar to a picture or a text, or to several at once.

    An OPERAND that begins with ./ ../ / ~ or image: is a picture. Anything else is text, which needs a model that
    reads text. `+` and `-` are separate words: look for this too, stay away from that. A weight stands before its
    operand, as in 0.5:./cat.jpg.

    The scores are cosines: 1 means the same picture, 0 means nothing in common.

    \b
    Example:
      vstore search ./cat.jpg -k 5
      vstore search ./cat.jpg + 0.5:./beach.jpg - ./dog.jpg
      vstore search --image cat.jpg --at v3 -l
      vstore search "a red car" - ./truck.jpg
    """
    parts = parse([*words, *(word for image in images for word in ("+", f"image:{image}"))])
    _warn_of_names(parts)
    # Both by bench_search.py. No search for pictures gives BLAS anything to do, and its threads take two cores 40 ms to
    # start. And the threads that read segments would wait 5 ms for their turn, again and again, while faiss is loaded.
    if all(part.image is not None for part in parts):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    else:
        # Threads of torch that spin between two products take a fourteenth of the CPU time of a cold search.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.setswitchinterval(0.0002)
    # By bench_cold_search.py: torch and transformers make 600,000 objects that stay. Looking for garbage in them is a
    # tenth of a cold search.
    gc.set_threshold(1_000_000)
    from vstore import Operand

    near = [] if options["under"] is None else [options["under"]]
    near += [os.fsdecode(part.image) for part in parts if part.image is not None]
    operands = [Operand(part.weight, part.image, part.text) for part in parts]
    with open_store(near) as store, progress(quiet) as bar:
        report = store.search(operands, progress=bar, **options)
    if as_json:
        echo_json(report)
    elif null or paths_only:
        _print_paths(report, null)
    else:
        _print(report)
    if report.flat_query:
        click.echo(_FLAT, err=True)


def _warn_of_names(parts: list[Part]) -> None:
    for part in parts:
        if part.text is not None and (os.path.isfile(part.text) or _PICTURE.fullmatch(part.text)):
            name = shown(part.text)
            click.echo(f"Note: {name} is read as text; for the picture, write ./{name}", err=True)


def _print_paths(report: SearchReport, null: bool) -> None:
    paths = (openable(file) for hit in report.hits for file in hit.files if file is not None)
    if null or not sys.stdout.isatty():
        write_raw(paths, b"\0" if null else b"\n")
    else:
        for path in paths:
            click.echo(shown(path))


def _print(report: SearchReport) -> None:
    rows = []
    for hit in report.hits:
        # Nobody looks into folders that a stranger's store may have chosen: their files are believed to be there.
        there = [f for f in hit.files if f is not None and (f in hit.unnamed or os.path.exists(f))]
        first = shown(openable(there[0])) if there else f"{shown(hit.paths[0])}  (no longer there)"
        more = len(hit.paths) - 1
        words = [f"and {more} more"] * (more > 0) + ["one colour"] * hit.flat
        rows.append([f"{hit.score:.3f}", first + (f"  ({', '.join(words)})" if words else "")])
    table(rows, right=(0,))
    if not rows:
        click.echo(f"No picture of {report.snapshot} matches.", err=True)
