"""`vstore dupes`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from vstore_cli.again import going_on, typed_again
from vstore_cli.interrupts import stopping
from vstore_cli.locate import open_store, open_to_change
from vstore_cli.options import where_option
from vstore_cli.output import (
    count,
    echo_json,
    json_option,
    number,
    placed,
    recall,
    shown,
    size,
    tell,
    tell_notes,
    tell_path,
)
from vstore_cli.progress import progress, progress_option
from vstore_cli.reports.page import refuse_page, write_page
from vstore_cli.reports.plan_report import show_applied, show_planned, show_restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vstore import DupesReport, Group, Picture


_OF_A_LIST = {"at", "under", "verify", "near", "loose", "bursts", "all", "prefer", "keep_by", "where", "exact"}
_USES = {
    "html": _OF_A_LIST,
    "plan": _OF_A_LIST - {"verify", "loose", "all", "exact"},
    "apply": {"link", "wait"},
    "restore": set(),
}
_LEFT = "interrupted; what was moved stays moved"
_RAREST = 1_000_000_000  # of so many pairs of unrelated pictures, or more


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
@click.option("--exact", is_flag=True, help="Compare all pairs; do not ask the index of vstore index build.")
@click.option("--all", is_flag=True, help="Show also the groups about which all is decided.")
@click.option(
    "--prefer", multiple=True, metavar="PATH", help="Files below this folder are better. Repeatable, in order."
)
@click.option(
    "--keep-by",
    metavar="RULES",
    help="What makes a file the best of its group, in order: by default complete,pixels,metadata,format,bytes,oldest.",
)
@where_option("Only pictures of which this is true: \"path not like '%/backup/%'\".")
@click.option("--html", metavar="FILE", help="Write the groups with their pictures to a new file, for a browser.")
@click.option("--plan", metavar="FILE", help="Write a plan to a new file: which copies would go. Nothing is moved.")
@click.option("--apply", metavar="FILE", help="Carry out a plan: move these copies to .vstore-trash in their folders.")
@click.option(
    "--link", is_flag=True, help="With --apply: put hard links in their places. Only of files of the same bytes."
)
@click.option("--restore", metavar="DIR", help="Move back what is in this folder: FOLDER/.vstore-trash/PLAN.")
@click.option("--wait", is_flag=True, help="With --apply: wait for another process that is changing the store.")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress; of --apply and --restore, only what is wrong.")
@json_option
def dupes(
    at: str | None,
    under: str | None,
    verify: bool,
    near: float | Literal["auto"] | None,
    loose: bool,
    bursts: bool,
    exact: bool,
    all: bool,
    prefer: tuple[str, ...],
    keep_by: str | None,
    where: str | None,
    html: str | None,
    plan: str | None,
    apply: str | None,
    link: bool,
    restore: str | None,
    wait: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """List identical pictures and, with --near, similar ones. Nothing is ever deleted.

    With --near, every two pictures of a group look alike, and the first is most like the others. Every two pictures
    are compared, once: what came of it is kept in the store, and new pictures alone are compared with all. In a large
    snapshot the index of vstore index build chooses the pairs, if there is one; --exact compares all. Pictures of
    one colour are left out of those that look alike, and those of a burst are no copies of one another: both are
    counted.

    Without a SCORE, --near takes one that 1 in 100,000 pairs of unrelated pictures reaches; from 1,000 pictures on, 1
    in 100 times as many as there are. It is found from the pictures of the snapshot itself, in any model space that has
    50 different ones.

    What you decided with vstore decide cuts the groups: pictures that are different share none. A group about which all
    is decided, by same or keep, is left out and counted.

    The best file of each group is marked, with what is better about it: one below a folder that you prefer, a complete
    one, one with more pixels, with more metadata, of a better format, with more bytes, the oldest one, the first by its
    path. Your decisions come first.

    --html makes one file with the groups and their pictures in it, small: it needs nothing else, and may be sent to
    others.

    --plan writes to a file which of these would go, to be read and edited; --apply moves them to .vstore-trash in
    their folder, which no sync enters; --restore moves them back. Each file is compared with its key just before it is
    moved, and moved only while one that stays for it is there. With --link a hard link to the one that stays takes its
    place: an edit of one is an edit of both. Exit code 3 means done, but some were not moved.

    \b
    Example:
      vstore dupes --verify
      vstore dupes --near 0.9 --under pictures/2024
      vstore dupes --near --html duplicates.html
      vstore dupes --plan plan.json
      vstore dupes --apply plan.json
    """
    from vstore import Stop, Store

    _refuse_mixed()
    if html is not None:
        refuse_page(html, {})
    if verify and near is not None:  # a configuration says the one for the runs without the other
        if _is_typed("near") and not _is_typed("verify"):
            verify = False
        elif _is_typed("verify") and not _is_typed("near"):
            near = None
    if near is None:
        loose, bursts = loose and _is_typed("loose"), bursts and _is_typed("bursts")
        exact = exact and _is_typed("exact")
    if plan is not None:
        with progress(quiet) as bar, open_store([under] if under is not None else []) as store:
            planned = store.dupes_plan(
                plan,
                at=at,
                under=under,
                near=near,
                bursts=bursts,
                prefer=prefer,
                keep_by=keep_by,
                where=where,
                progress=bar,
            )
        show_planned(planned, as_json=as_json)
        return 0
    if apply is not None:
        stop = Stop()
        with going_on(_LEFT), open_to_change() as store, progress(quiet) as bar, stopping(stop):
            applied = store.dupes_apply(apply, link=link, wait=wait, progress=bar, stop=stop)
        return show_applied(applied, as_json=as_json, quiet=quiet, again=typed_again())
    if restore is not None:
        stop = Stop()
        with going_on(_LEFT), progress(quiet) as bar, stopping(stop):
            restored = Store.dupes_restore(restore, progress=bar, stop=stop)
        return show_restored(restored, as_json=as_json, quiet=quiet, again=typed_again())
    with open_store([under] if under is not None else []) as store:
        with progress(quiet) as bar:
            report = store.dupes(
                at=at,
                under=under,
                verify=verify,
                near=near,
                loose=loose,
                bursts=bursts,
                all=all,
                prefer=prefer,
                keep_by=keep_by,
                where=where,
                exact=exact,
                progress=bar,
            )
        if html is not None:
            write_page(partial(report.to_html, html), quiet=quiet, as_json=as_json, again=typed_again())
            return 0
    if as_json:
        echo_json(report)
        return 0
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
    if report.approximate:
        share = "" if report.recall_at_10 is None else f", which finds {recall(report.recall_at_10)} of the nearest ten"
        tell(f"Approximate: pairs were chosen by the index{share}; --exact compares all.")
    if report.decided:
        tell(f"{count(report.decided, 'group')} left out, as all is decided about {them} (else: --all)")
    if report.near is not None and report.one_in is not None:
        few = f"{report.one_in:,} pairs of unrelated pictures"
        rare = f"fewer than 1 in {few} score" if report.one_in >= _RAREST else f"1 in {few} scores"
        tell(f"score {report.near:g} or more: {rare} this high")
    frames = sum(picture.burst for group in report.groups for picture in group.pictures)
    if frames and not bursts:
        tell(f"{count(frames, 'picture')} of bursts: those of one burst are no copies of one another (else: --bursts)")
    if report.flat:
        tell(f"{count(report.flat, 'flat picture')} (one colour) left out of pictures that look alike")
    return 0


def _refuse_mixed() -> None:
    """Refuse options that one of --plan, --apply and --restore has no use for. Raises: UsageError.

    A configuration may say them: it means the runs that have a use for them.
    """
    from vstore import UsageError

    ctx = click.get_current_context()
    typed = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    doing = next((name for name in _USES if name in typed), "")
    odd = sorted(typed - _USES.get(doing, _OF_A_LIST) - {"quiet", "as_json", "progress_as"} - {doing})
    if odd:
        with_what = f"--{doing}" if doing else "a list"
        raise UsageError(f"--{odd[0]} does not go with {with_what}", "leave one of them out")


def _is_typed(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _show(group: Group, report: DupesReport) -> None:
    tell(_heading(group, "like the first" if report.loose else "alike"))
    where = report.where
    notes = {path: f"  ({trouble})" for path, trouble in group.troubles.items()}
    notes |= {one.path: f"  (best: {one.why})" for one in group.best}
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
