"""`vstore dupes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from vstore_cli.locate import open_store
from vstore_cli.options import where_option
from vstore_cli.output import count, echo_json, json_option, number, placed, shown, size, tell, tell_notes, tell_path
from vstore_cli.progress import progress, progress_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vstore import DupesReport, Group, Picture


class Likeness(click.ParamType[float | Literal["auto"]]):
    """A cosine, or none: then the one that suits the embedding space, if it is known."""

    name = "score"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | Literal["auto"]:
        if value == "auto":
            return "auto"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is not a valid score; write 0.9", param, ctx)


@click.command()
@click.option("--at", metavar="SNAP", help="Look in this snapshot; by default the current one.")
@click.option("--under", metavar="PATH", help="Only pictures below this folder.")
@click.option("--verify", is_flag=True, help="Compare the files byte for byte.")
@click.option(
    "--near",
    type=Likeness(),
    is_flag=False,
    flag_value="auto",
    metavar="[SCORE]",
    help="Also find pictures that look alike, from this score on; by default one that unrelated ones hardly reach.",
)
@click.option("--loose", is_flag=True, help="Group what looks like one picture, though not all of it is alike.")
@click.option("--bursts", is_flag=True, help="Count pictures that were taken within seconds as copies, too.")
@click.option("--all", is_flag=True, help="Show also the groups about which all is decided.")
@where_option("Only pictures of which this is true: \"path not like '%/backup/%'\".")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def dupes(
    at: str | None,
    under: str | None,
    verify: bool,
    near: float | Literal["auto"] | None,
    loose: bool,
    bursts: bool,
    all: bool,
    where: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """List groups of identical pictures. Nothing is ever deleted.

    With --near, every two pictures of a group look alike, and the first is most like the others. Every picture is
    compared with every other: the time grows with the square of their number. Pictures of one colour are left out of
    those that look alike, and those of a burst are no copies of one another: both are counted.

    Without a SCORE, --near takes one that 1 in 100,000 pairs of unrelated pictures reaches; from 1,000 pictures on, 1
    in 100 times as many as there are. It is found from the pictures of the snapshot itself, in any model space that has
    50 different ones.

    What you decided with vstore decide cuts the groups: pictures that are different share none. A group about which all
    is decided, by same or keep, is left out and counted.

    \b
    Example:
      vstore dupes --verify
      vstore dupes --near 0.9 --under pictures/2024
    """
    if verify and near is not None:  # a configuration says the one for the runs without the other
        if _is_typed("near") and not _is_typed("verify"):
            verify = False
        elif _is_typed("verify") and not _is_typed("near"):
            near = None
    if near is None:
        loose, bursts = loose and _is_typed("loose"), bursts and _is_typed("bursts")
    with progress(quiet) as bar, open_store([under] if under is not None else []) as store:
        report = store.dupes(
            at=at, under=under, verify=verify, near=near, loose=loose, bursts=bursts, all=all, where=where, progress=bar
        )
    if as_json:
        echo_json(report)
        return
    tell_notes(report.notes)
    for group in report.groups:
        _show(group, report)
    below = f" below {shown(under)}" if under is not None else ""
    among = f"{below} where {shown(where)}" if where is not None else below
    other, them = "other " if report.decided else "", "it" if report.decided == 1 else "them"
    if report.groups:
        extra = count(sum(group.copies for group in report.groups), "copy", "copies")
        tell(f"{count(len(report.groups), 'group')}, {extra}, {size(report.wasted)} wasted")
    elif near is None:
        tell(f"{report.snapshot} holds no {other}identical pictures{among}.")
    else:
        tell(f"{report.snapshot} holds no {other}pictures that look alike (score {report.near:g} or more){among}.")
    if report.decided:
        tell(f"{count(report.decided, 'group')} left out, as all is decided about {them} (else: --all)")
    if report.near is not None and report.one_in is not None:
        tell(f"score {report.near:g} or more: 1 in {report.one_in:,} pairs of unrelated pictures scores this high")
    frames = sum(picture.burst for group in report.groups for picture in group.pictures)
    if frames and not bursts:
        tell(f"{count(frames, 'picture')} of bursts: those of one burst are no copies of one another (else: --bursts)")
    if report.flat:
        tell(f"{count(report.flat, 'flat picture')} (one colour) left out of pictures that look alike")


def _is_typed(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _show(group: Group, report: DupesReport) -> None:
    tell(_heading(group, "like the first" if report.loose else "alike"))
    where = report.where
    notes = {path: f"  ({trouble})" for path, trouble in group.troubles.items()}
    if not group.pictures:
        for path in group.paths:
            tell_path(placed(path, where), notes.get(path, ""))
        return
    lines = [(label, path) for picture in group.pictures for label, path in _labelled(picture)]
    width = max(len(label) for label, _ in lines)
    for label, path in lines:
        tell_path(placed(path, where), notes.get(path, ""), before=f"  {label:<{width}}  ")


def _heading(group: Group, alike: str) -> str:
    if not group.pictures:
        heading = f"{len(group.paths)} × {size(group.size) if group.size is not None else 'unknown size'}"
    elif group.tier != "near":
        heading = f"{count(len(group.paths), 'file')} with the same {group.tier}"
    else:
        heading = f"{count(len(group.paths), 'file')} that look {alike} (score {group.least:.3f} or more)"
    frames = sum(picture.burst for picture in group.pictures) if group.tier == "near" else 0
    return heading + (f", {frames} of a burst" if frames else "") + _decided(group)


def _decided(group: Group) -> str:
    verdict = group.verdict
    if verdict.whole:
        return ", all decided"
    some = verdict.same + verdict.keep
    return f", {number(some)} of {count(verdict.pairs, 'pair')} decided" if some else ""


def _labelled(picture: Picture) -> Iterator[tuple[str, bytes]]:
    """Yield the paths of a picture, each with its likeness to what is listed before it."""
    likeness = "same pixels" if picture.tier == "pixels" else f"{picture.score:.3f}"
    for at, path in enumerate(picture.paths):
        yield "same bytes" if at else f"{likeness} burst" if picture.burst else likeness, path
