"""`vstore search`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vstore import UsageError, VstoreError
from vstore_cli.again import typed_again
from vstore_cli.locate import open_store
from vstore_cli.models import offline_option, rows_device_option
from vstore_cli.options import where_option
from vstore_cli.output import count, echo_json, json_option, openable, recall, shown, table, tell, tell_notes, write_raw
from vstore_cli.progress import progress, progress_option
from vstore_cli.query import Part, parse
from vstore_cli.reports.page import open_file, open_page, refuse_page, write_page

if TYPE_CHECKING:
    from vstore import SearchReport, Store

_FLAT = (
    "Warning: the query picture is one colour: what is found is like it in colour alone, and pictures of one colour "
    "come first; search with another picture"
)
_OF_A_LINE = ("k", "at", "under", "min_score", "min_p", "new_since", "where", "collapse", "exact")  # options
_HINT = (
    "Type ./picture.jpg{words}, as after vstore search;\n"
    "options hold for their line: -k 5, --at v3, --under PATH.\n"
    "Ctrl-C cancels a line; help says more; exit, or Ctrl-D, ends."
)
_HELP = """\
  ./cat.jpg                   look for what is like a picture; so with ../ ~/ and /
{words}  ./cat.jpg - ./dog.jpg       several at once: + like this too, - unlike that
  0.5:./cat.jpg               a weight
  -k 5, --at SNAP, --under PATH, --min-score 0.5, --min-p 0.001, --new-since SNAP, --where EXPR, --collapse,
  --exact, --image FILE       options of this line alone
  exit, or Ctrl-D             end; Ctrl-C cancels a line"""
_HELP_WORDS = """\
  a red car                   look for what matches a text
  "help"                      look for this word
"""


@click.command()
@click.argument("words", nargs=-1, metavar="[+|-] [W:]OPERAND ...")
@click.option("--image", "images", multiple=True, metavar="FILE", help="A picture to look for: the same as + FILE.")
@click.option("-k", default=10, show_default=True, help="The number of pictures to show.")
@click.option("--at", metavar="SNAP", help="Search this snapshot, with its pictures and paths.")
@click.option("--under", metavar="PATH", help="Only pictures below this folder.")
@click.option("--min-score", type=float, help="Only pictures at least this similar (-1 to 1).")
@click.option(
    "--min-p",
    type=float,
    metavar="P",
    help="Only pictures with a score that a share of less than P of unrelated ones reaches.",
)
@click.option("--new-since", metavar="SNAP", help="Only pictures that this snapshot lacks.")
@where_option("Only pictures of which this is true: \"rating >= 4 and camera like 'Canon%'\".")
@click.option("--collapse", is_flag=True, help="Show near-duplicates once: the best of them.")
@click.option("--exact", is_flag=True, help="Compare all vectors; do not ask the index of vstore index build.")
@click.option("-l", "--paths-only", is_flag=True, help="Print only paths, one per line.")
@click.option("-0", "--null", is_flag=True, help="Print only paths, each ended by NUL.")
@click.option("--html", metavar="FILE", help="Write the pictures that are found to a new file, for a browser.")
@click.option("--open", "opens", is_flag=True, help="Show the pictures that are found in your browser.")
@click.option(
    "--interactive",
    is_flag=True,
    help="Answer one line after the other: the store is opened once, and the model loaded once.",
)
@rows_device_option("With --interactive, a")
@offline_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def search(
    words: tuple[str, ...],
    images: tuple[str, ...],
    paths_only: bool,
    null: bool,
    html: str | None,
    opens: bool,
    interactive: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Find the pictures that are most similar to a picture or a text, or to several at once.

    An OPERAND that begins with ./ ../ / ~ file:// or image: is a picture. Any other word is one if it is the name of a
    picture file, or its path in the snapshot; where the model reads no text, the name of any file. All else is text,
    which needs a model that reads text. Nothing is downloaded: save pictures of the web first. `+` and `-` are separate
    words: look for this too, stay away from that. A weight stands before its operand, as in 0.5:./cat.jpg.

    --where takes one SQL expression over what is known of a picture: its facts (taken, camera, width, rating, ...), its
    path, and the fields of your own. Pictures of which it is not true are left out before the nearest are looked for.

    --html makes one file with the pictures in it, small: it needs nothing else, and may be sent to others. --open shows
    such a page in your browser, beside what is printed: small copies that are made of the pictures, never the files
    themselves. The page is handed over and lies nowhere; with --html, that file is shown, and a click opens a picture.

    The scores are cosines: 1 means the same picture, 0 means nothing in common. --min-p 0.001 leaves out the
    scores that 1 in 1,000 pairs of unrelated pictures of this snapshot reaches; for a text, those that 1 in 1,000
    pictures reaches that it is not about. --collapse shows near-duplicates once, by the score of vstore dupes --near.

    With --interactive, each line of the input is a search, with words in quotes as in a shell, and with -k, --image,
    --at, --under, --min-score, --min-p, --new-since, --where, --collapse and --exact for this line alone. At a
    terminal, help says what can be typed, and Ctrl-C cancels a line; exit, or Ctrl-D, ends; in quotes both are texts.
    With --json each line gets one document, an error too; with -l or -0 an empty name ends each answer.

    \b
    Example:
      vstore search ./cat.jpg -k 5
      vstore search ./cat.jpg + 0.5:./beach.jpg - ./dog.jpg
      vstore search --image cat.jpg --at v3 -l
      vstore search "a red car" - ./truck.jpg
      vstore search ./cat.jpg -k 100 --html like-the-cat.html
      vstore search ./cat.jpg --open
      vstore search ./cat.jpg --where "taken >= '2024-06' and rating > 3"
      vstore search ./cat.jpg --min-p 0.0001 --collapse
    """
    if interactive and (words or images):
        raise UsageError("--interactive reads what to look for from its input", "leave it out, or write it on a line")
    if interactive and opens:
        raise UsageError("--open does not go with --interactive", "leave one of them out")
    if html is not None:
        refuse_page(html, {"--interactive": interactive, "--paths-only": paths_only, "--null": null})
    parts = [] if interactive else _parts(words, images)
    # Both by bench_search.py. No search for pictures gives BLAS anything to do, and its threads take two cores 40 ms to
    # start. And the threads that read segments would wait 5 ms for their turn, again and again, while faiss is loaded.
    if parts and all(part.image is not None for part in parts):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    else:
        # Threads of torch that spin between two products take a fourteenth of the CPU time of a cold search.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.setswitchinterval(0.0002)
    # By bench_cold_search.py: torch and transformers make 600,000 objects that stay. Looking for garbage in them is a
    # tenth of a cold search.
    gc.set_threshold(1_000_000)

    def show(report: SearchReport) -> None:
        tell_notes(report.notes)
        if as_json:
            echo_json(report)
        elif null or paths_only:
            _print_paths(report, null)
        else:
            _print(report)
        if report.flat_query:
            tell(_FLAT, err=True)
        if report.approximate and not as_json:
            tell(_approximate(report), err=True)

    near = [] if options["under"] is None else [options["under"]]
    files = [os.fsdecode(part.image) if part.image is not None else part.text or "" for part in parts]
    with open_store([*near, *filter(os.path.exists, files)], keep_model=interactive) as store:
        if not interactive:
            report = _asking(store, parts, options, quiet=quiet)()
            title = "Search: " + (" ".join([*words, *images]) or "all pictures")
            if html is None:
                if not as_json:
                    show(report)
                if opens and report:
                    open_page(partial(report.to_html, title=title, links=False), quiet=quiet)
                if as_json:  # nothing is printed if it fails
                    show(report)
                return 0
            if report.why_empty:
                tell(report.why_empty, err=True)
            write_page(partial(report.to_html, html, title=title), quiet=quiet, as_json=as_json, again=typed_again())
            if opens and report:
                open_file(html)
            return 0
        from vstore_cli.interactive import converse

        def ready(words: list[str]) -> Callable[[], SearchReport]:
            given = _of_line(words, options)
            return _asking(store, _parts(given.pop("words"), given.pop("images")), given, quiet=quiet)

        end = b"" if as_json else b"\0" if null else b"\n" if paths_only else b""
        has_words = sys.stdin.isatty() and _reads_text(store, options["at"])
        return converse(
            ready,
            show,
            as_json=as_json,
            end=end,
            hint=_HINT.format(words=" or words" if has_words else ""),
            more=_HELP.format(words=_HELP_WORDS if has_words else ""),
        )


def _reads_text(store: Store, at: str | None) -> bool:
    """Tell whether a snapshot can be searched with words; where that is not known, a search says so."""
    try:
        return store.model_show(store.snapshot_show(at or "current").row.space_name).reads_text
    except VstoreError:
        return False


def _parts(words: Sequence[str], images: Sequence[str]) -> list[Part]:
    return parse([*words, *(word for image in images for word in ("+", f"image:{image}"))])


def _asking(
    store: Store, parts: Sequence[Part], options: Mapping[str, Any], *, quiet: bool
) -> Callable[[], SearchReport]:
    showing = progress(quiet)  # the search runs in another thread, which knows no command line

    def ask() -> SearchReport:
        with showing as bar:
            return store.search([part.operand() for part in parts], progress=bar, **options)

    return ask


def _of_line(words: list[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Read the words of a line. options: hold where it has none of its own. Raises: UsageError."""
    params = [param for param in search.params if param.name in ("words", "images", *_OF_A_LINE)]
    line = click.Command("search", params=params, add_help_option=False)
    try:
        with line.make_context("search", words) as ctx:
            typed = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
            return {**options, **{n: v for n, v in ctx.params.items() if n in typed or n in ("words", "images")}}
    except click.UsageError as err:
        raise UsageError(
            err.format_message().rstrip("."),
            "a line takes -k, --image, --at, --under, --min-score, --min-p, --new-since, --where, --collapse "
            "and --exact",
        ) from err


def _approximate(report: SearchReport) -> str:
    if report.recall_at_10 is None:
        return "Approximate: the index may have missed some. --exact compares all pictures."
    return (
        f"Approximate: the index finds {recall(report.recall_at_10)} of the nearest ten. --exact compares all pictures."
    )


def _print_paths(report: SearchReport, null: bool) -> None:
    paths = (openable(file) for hit in report.hits for file in hit.files if file is not None)
    if null or not sys.stdout.isatty():
        write_raw(paths, b"\0" if null else b"\n")
    else:
        for path in paths:
            click.echo(shown(path))


def _print(report: SearchReport) -> None:
    rows, firsts = [], []
    for hit in report.hits:
        # Nobody looks into folders that a stranger's store may have chosen: their files are believed to be there.
        there = [f for f in hit.files if f is not None and (f in hit.unnamed or os.path.exists(f))]
        first = shown(openable(there[0])) if there else f"{shown(hit.paths[0])}  (no longer there)"
        firsts.append(first)
        more = len(hit.paths) - 1
        words = [f"and {more} more"] * (more > 0) + ["one colour"] * hit.flat
        if hit.collapsed:
            words.append(count(len(hit.collapsed), "near-duplicate"))
        rows.append([f"{hit.score:.3f}", first + (f"  ({', '.join(words)})" if words else "")])
    table(rows, right=(0,), colours={0: "score"}, unbroken=firsts)
    if report.why_empty:
        tell(report.why_empty, err=True)
