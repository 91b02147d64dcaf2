"""`vstore decide` and `vstore decisions`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vstore_cli.locate import open_store, open_to_change
from vstore_cli.options import dry_run_option
from vstore_cli.output import (
    are_for_people,
    count,
    echo_json,
    json_option,
    local,
    number,
    placed,
    say,
    table,
    tell,
)
from vstore_cli.pager import paged

if TYPE_CHECKING:
    from vstore import DecidedPicture, DecisionRow, Files

_SHOWN = 3  # pictures of a decision that are named


@click.command()
@click.argument(
    "verb", required=False, metavar="[different|same|keep]", type=click.Choice(["different", "same", "keep"])
)
@click.argument("pictures", nargs=-1, metavar="[PICTURE...]")
@click.option("--over", multiple=True, metavar="PICTURE", help="With keep: a picture that is not to stay. Repeatable.")
@click.option(
    "--from", "rows", metavar="FILE", help="Make the decisions of this file, a line of JSON each; - is stdin."
)
@dry_run_option("Show what would be decided, and change nothing.")
@json_option
def decide(
    verb: str | None, pictures: tuple[str, ...], over: tuple[str, ...], rows: str | None, dry_run: bool, as_json: bool
) -> None:
    """Decide about pictures, once and for all: that they are different, or the same, or that they are to stay.

    different: no two of them are copies of one another, however alike they look.
    same: they are copies, as you have seen.
    keep: these pictures are to stay, all of them; with --over, they are the better ones.

    A decision is about pictures, not files: it holds when they are renamed or moved, with every model, and travels with
    copies of the store. The newest one about two pictures holds. vstore undo takes it back; vstore decisions lists
    them, and no picture is ever touched.

    PICTURE is a file, a stored path (LABEL/FOLDER/NAME), or a key, or its first 6 digits or more.

    A line of FILE is such as {"verb": "keep", "pictures": ["a.jpg"], "over": ["b.jpg"]}. What vstore decisions --json
    prints is taken, too.

    \b
    Example:
      vstore decide different pictures/a.jpg pictures/b.jpg
      vstore decide keep pictures/a.jpg --over pictures/a-small.jpg
      vstore decide --from decisions.jsonl --dry-run
    """
    with open_to_change() as store:
        file = sys.stdin.buffer if rows == "-" else rows
        report = store.decide(verb, pictures, over=over, rows=file, dry_run=dry_run)
        current = store.names(None).current
    if as_json:
        echo_json(report)
        return
    if not report.made:
        already = "that is decided already" if report.known == 1 else "all of that is decided already"
        tell(f"Nothing changed: {already if report.known else 'no decision is given'}.")
        return
    made = f"{count(report.made, 'decision')} about {count(report.pictures, 'picture')}"
    known = (
        f"; {number(report.known)} more {'is' if report.known == 1 else 'are'} in force already" if report.known else ""
    )
    if dry_run:
        tell(f"Would make {made}{known}.")
    else:
        say(f"Made {made}{known}. Take back with: vstore undo")
    if report.absent:
        are = "is" if report.absent == 1 else "are"
        place = f"in {current}" if current else "in a snapshot"
        tell(f"Note: {number(report.absent)} of these pictures {are} not {place}", err=True)


@click.command()
@click.argument("pictures", nargs=-1, metavar="[PICTURE...]")
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="Show only the newest N.")
@json_option
def decisions(pictures: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """List the decisions in force, newest first; with PICTURE, those about all that are named.

    \b
    Example:
      vstore decisions pictures/a.jpg
    """
    with open_store() as store:
        report = store.decisions(pictures, limit=limit)
    if as_json:
        echo_json(report)
        return
    named = "this picture" if len(pictures) == 1 else "all of these pictures"
    none = f"No decision is about {named}." if pictures else "No decision has been made."
    if not are_for_people(report.decisions, as_json=False, none=none):
        return
    lines = [["time", "decision", "pictures"]]
    lines += [[local(row.time), row.verb, _pictures(row, report.where)] for row in report.decisions]
    with paged():
        table(lines, drop=(0,), whole=(0, 1), heading=True)


def _pictures(row: DecisionRow, where: Files) -> str:
    over = f" over {_some(row.over, where)}" if row.over else ""
    return _some(row.pictures, where) + over


def _some(pictures: Sequence[DecidedPicture], where: Files) -> str:
    names = (one.key.hex()[:12] if one.path is None else placed(one.path, where) for one in pictures[:_SHOWN])
    more = f" and {number(len(pictures) - _SHOWN)} more" if len(pictures) > _SHOWN else ""
    return ", ".join(names) + more
