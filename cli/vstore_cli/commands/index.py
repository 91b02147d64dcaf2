"""`vstore index`: build, describe and delete the approximate index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vstore_cli.again import going_on
from vstore_cli.groups import Commands
from vstore_cli.interrupts import stopping
from vstore_cli.locate import open_store, open_to_change
from vstore_cli.models import index_device_option
from vstore_cli.options import wait_option
from vstore_cli.output import count, duration, echo_json, json_option, number, say, shown, size, table, tell, tell_notes
from vstore_cli.output import recall as share
from vstore_cli.progress import progress, progress_option
from vstore_cli.units import Size

if TYPE_CHECKING:
    from vstore import IndexBuilt, IndexStatus

_STOPPED = "interrupted; what was built so far is kept"


@click.group(cls=Commands)
def index() -> None:
    """Build, describe and delete the index that makes searches of millions of pictures fast.

    A search compares the query with all pictures of a snapshot if their vectors have up to 400 MB. In a larger
    snapshot, old or new, it compares those that the index chooses, and may miss some. How many is measured, and said
    with each answer; vstore search --exact compares all. Once it is built, syncs keep it up to date. It may be deleted
    at any time.

    \b
    Example:
      vstore index build
      vstore index status
    """


@index.command("build")
@click.option(
    "--recall",
    type=float,
    metavar="SHARE",
    help="Of the ten nearest pictures, the share to find: 0.97 by default, or what was asked before.",
)
@click.option(
    "--exact-below",
    type=Size(),
    metavar="SIZE",
    help="Compare all pictures of snapshots up to this size of vectors: 400 MB by default, or what was asked before.",
)
@click.option("--retrain", is_flag=True, help="Make the lists new, although they fit.")
@click.option("--space", metavar="SPACE", help="The model space; by default that of the current snapshot.")
@index_device_option
@wait_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress, and no report.")
@json_option
def index_build(
    recall: float | None,
    exact_below: int | None,
    retrain: bool,
    space: str | None,
    device: str,
    wait: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Build the index of a model space, or bring it up to date.

    The first build trains lists and sorts all vectors into them; the next one adds what is new. Lists are made new once
    there are four times the vectors; the old ones answer meanwhile. Press Ctrl-C to stop; the next run goes on from
    there. A sync meanwhile ends with a message, or waits with --wait. Searches go on.

    \b
    Example:
      vstore index build
      vstore index build --recall 0.99
    """
    from vstore import Stop

    stop = Stop()
    with going_on(_STOPPED), open_to_change() as store, progress(quiet) as bar, stopping(stop):
        built = store.index_build(
            space=space,
            recall=recall,
            exact_below=exact_below,
            retrain=retrain,
            device=device,
            wait=wait,
            progress=bar,
            stop=stop,
        )
    tell_notes(built.notes)
    if as_json:
        echo_json(built)
    elif not quiet:
        _print_built(built)


@index.command("status")
@json_option
def index_status(as_json: bool) -> None:
    """Show the index of each model space.

    Recall at 10 is the share of the ten nearest pictures that it finds, as measured.

    \b
    Example:
      vstore index status
    """
    with open_store() as store:
        rows = store.index_status()
    if as_json:
        echo_json(rows)
        return
    if not rows:
        say("There are no vectors yet; make the first ones with: vstore sync PATH")
        return
    lines = [["space", "vectors", "bytes", "in lists", "lists", "files", "index", "recall at 10"]]
    lines += [_line(one) for one in rows]
    table(lines, right=(1, 2, 3, 4, 5, 6, 7), drop=(5, 4), heading=True)
    for one in rows:
        for text in _remarks(one):
            say(text)


@index.command("drop")
@click.option("--space", metavar="SPACE", help="Of this model space alone.")
@wait_option
@json_option
def index_drop(space: str | None, wait: bool, as_json: bool) -> None:
    """Delete the index of all model spaces, or of one. Searches compare all pictures again.

    \b
    Example:
      vstore index drop
    """
    with open_to_change() as store:
        report = store.index_drop(space=space, wait=wait)
    if as_json:
        echo_json(report)
    elif not report.files:
        say("There is no index.")
    else:
        spaces = ", ".join(shown(name) for name in report.spaces)
        tell(f"Deleted the index of {spaces}: {count(report.files, 'file')}, {size(report.bytes)}.")


def _line(one: IndexStatus) -> list[str]:
    found = "" if one.recall_at_10 is None else share(one.recall_at_10)
    has = one.lists is not None
    numbers = [number(one.covered), number(one.lists or 0), number(one.parts), size(one.size)] if has else [""] * 4
    return [shown(one.space_name), number(one.rows), size(one.bytes), *numbers, found]


def _remarks(one: IndexStatus) -> list[str]:
    name = shown(one.space_name)
    if not one.is_needed:
        used = "its index is not asked" if one.lists is not None else "it needs no index"
        return [f"{name}: up to {size(one.exact_below)} of vectors all pictures are compared; {used}."]
    if one.advice:
        return [f"{name}: {one.advice}"]
    left = one.rows - one.covered
    said = [] if not left else [f"{name}: {count(left, 'vector')} in no list: they are compared one by one."]
    if one.recall_at_10 is not None and one.wanted is not None and one.recall_at_10 < one.wanted:
        said.append(_short(one, one.recall_at_10))
    return said


def _short(one: IndexStatus, reached: float) -> str:
    return (
        f"{shown(one.space_name)}: the index finds {share(reached)} of the ten nearest pictures, and "
        f"{one.wanted:g} was asked for. Make it again with: vstore index build --retrain; or search with --exact"
    )


def _print_built(built: IndexBuilt) -> None:
    one = built.now
    name, took = shown(one.space_name), duration(built.seconds)
    if not one.is_needed or one.lists is None:
        tell(
            f"{name} has {count(one.rows, 'vector')} ({size(one.bytes)}): up to {size(one.exact_below)} all pictures "
            "are compared. No index was built."
        )
        return
    if built.encoded or built.trained or built.merged:
        done = [f"{count(built.encoded, 'vector')} put into {number(one.lists)} lists"]
        done += ["the lists are new"] * built.trained + [f"{count(built.merged, 'file')} merged"] * bool(built.merged)
        tell(f"Built the index of {name} in {took}: {', '.join(done)}.")
    else:
        tell(f"The index of {name} is up to date: {count(one.covered, 'vector')} in {number(one.lists)} lists.")
    if one.recall_at_10 is not None:
        tell(
            f"It finds {share(one.recall_at_10)} of the ten nearest pictures, as measured, and takes {size(one.size)}."
        )
        if one.wanted is not None and one.recall_at_10 < one.wanted:
            say(_short(one, one.recall_at_10))
