"""`vstore facts`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from vstore_cli.again import going_on, typed_again
from vstore_cli.interrupts import stopping
from vstore_cli.locate import open_store, open_to_change
from vstore_cli.options import max_pixels_option, wait_option
from vstore_cli.output import count, duration, echo_json, json_option, number, placed, say, shown, tell, tell_path
from vstore_cli.progress import progress, progress_option
from vstore_cli.reports.sync_report import print_truncated

if TYPE_CHECKING:
    from vstore import FactsReport

FAILURES = 20  # pictures that the terminal names


@click.command()
@click.option("--fill", is_flag=True, help="Read the headers of pictures whose facts are missing, and fill these in.")
@click.option(
    "--pixels", is_flag=True, help="With --fill: decode pictures, and fill in the digests of their pixels, too."
)
@max_pixels_option
@click.option("--isolate-decoding", is_flag=True, help="For pictures of strangers: decode in processes with limits.")
@wait_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress, and no report unless something is wrong.")
@json_option
def facts(
    fill: bool,
    pixels: bool,
    max_pixels: int | None,
    isolate_decoding: bool,
    wait: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Show of how many pictures facts are missing, and fill them in; and which pictures are cut.

    Facts are what the header of a picture says: its size, when, where and with which camera it was taken, its rating.
    "vstore show" and "vstore ls -l" show them. A sync reads them of every picture that it embeds. Pictures of an
    index that another tool made, or embedded by an earlier version, have none: --fill reads their headers, and decodes
    nothing.

    The digest of a picture's prepared pixels tells that an edit of its metadata changed nothing that a model sees: the
    picture keeps its vector, and nothing is embedded. A sync notes it, too. Of pictures without it --fill --pixels
    decodes the pixels, and loads no model.

    Press Ctrl-C to stop; what is finished is kept, and the next run goes on from there. Exit code 3 means done, but
    some pictures could not be decoded.

    \b
    Example:
      vstore facts
      vstore facts --fill
    """
    from vstore import Stop

    ctx = click.get_current_context()
    words = {"max_pixels": max_pixels, "isolate_decoding": isolate_decoding, "wait": wait}
    for name in words if not fill else ["max_pixels", "isolate_decoding"] if not pixels else []:
        if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            words[name] = None  # a configuration says it for the runs that have a use for it
    stop = Stop()
    with contextlib.ExitStack() as stack:
        if fill:
            stack.enter_context(going_on("interrupted; finished work is saved"))
        store = stack.enter_context(open_to_change() if fill else open_store())
        bar = stack.enter_context(progress(quiet))
        stack.enter_context(stopping(stop))
        report = store.facts(
            fill=fill,
            pixels=pixels,
            progress=bar,
            stop=stop,
            **{name: value for name, value in words.items() if value is not None},  # type: ignore[arg-type]
        )
    return _show(report, fill=fill, quiet=quiet, as_json=as_json)


def _show(report: FactsReport, *, fill: bool, quiet: bool, as_json: bool) -> int:
    if as_json:
        echo_json(report)
    else:
        if not quiet:
            _print(report, fill=fill)
        for one in report.failed[:FAILURES]:
            tell_path(placed(one.path, report.where), f": {shown(one.reason)}", err=True)
        if len(report.failed) > FAILURES:
            tell(f"  and {number(len(report.failed) - FAILURES)} more; --json lists all", err=True)
    if report.interrupted:
        tell(f"Interrupted: finished work is saved; continue with: {typed_again()}", err=True)
        return 130
    return 3 if report.failed else 0


def _print(report: FactsReport, *, fill: bool) -> None:
    if report.snapshot is None:
        say("There is no snapshot yet; make the first one with: vstore sync PATH")
        return
    if report.filled:
        tell(f"Filled in {count(report.filled, 'pixel digest')} in {duration(report.seconds)}.")
    if report.read:
        tell(f"Read the facts of {count(report.read, 'picture')} in {duration(report.seconds)}.")
    if report.unread:
        tell(f"Passed over {count(report.unread, 'picture')}: their files are missing, or have changed.")
    print_truncated(report.truncated, f"{report.snapshot} holds", report.where)
    where = f"{report.snapshot} in the space {shown(report.space_name or '')}"
    if report.prepare is not None:
        where += f" (preparation {report.prepare})"
    if report.without_facts:
        said = f"Of {count(report.without_facts, 'picture')} of {number(report.images)} no facts were read yet."
        tell(said + ("" if fill else " Fill them in with: vstore facts --fill"))
    else:
        tell(f"The facts of all {count(report.images, 'picture')} of {report.snapshot} were read.")
    if not report.without_pixels:
        tell(f"All {count(report.images, 'picture')} of {where} have a pixel digest.")
        return
    have = "has" if report.without_pixels == 1 else "have"
    say(
        f"{count(report.without_pixels, 'picture')} of {number(report.images)} of {where} {have} no pixel digest: an "
        "edit will cost an embedding." + ("" if fill else " Fill them in with: vstore facts --fill --pixels")
    )
