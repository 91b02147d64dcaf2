"""`vstore dupes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from vstore_cli.locate import open_store
from vstore_cli.options import where_option
from vstore_cli.output import count, echo_json, json_option, placed, shown, size, tell, tell_notes, tell_path
from vstore_cli.progress import progress, progress_option

if TYPE_CHECKING:
    from vstore import Files, Group


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
    help="Also find pictures that look alike, from this score on (0.85 with the built-in embedder).",
)
@where_option("Only pictures of which this is true: \"path not like '%/backup/%'\".")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def dupes(
    at: str | None,
    under: str | None,
    verify: bool,
    near: float | Literal["auto"] | None,
    where: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """List groups of identical pictures. Nothing is ever deleted.

    With --near, every picture is compared with every other: the time grows with the square of their number.
    Pictures of one colour are left out of those that look alike, and counted.

    \b
    Example:
      vstore dupes --verify
      vstore dupes --near 0.9 --under pictures/2024
    """
    with progress(quiet) as bar, open_store([under] if under is not None else []) as store:
        report = store.dupes(at=at, under=under, verify=verify, near=near, where=where, progress=bar)
    if as_json:
        echo_json(report)
        return
    tell_notes(report.notes)
    for group in report.groups:
        _show(group, report.where)
    below = f" below {shown(under)}" if under is not None else ""
    among = f"{below} where {shown(where)}" if where is not None else below
    if report.groups:
        extra = count(sum(len(group.paths) - 1 for group in report.groups), "copy", "copies")
        tell(f"{count(len(report.groups), 'group')}, {extra}, {size(report.wasted)} wasted")
    elif near is None:
        tell(f"{report.snapshot} holds no identical pictures{among}.")
    else:
        tell(f"{report.snapshot} holds no pictures that look alike (score {report.near:g} or more){among}.")
    if report.flat:
        tell(f"{count(report.flat, 'flat picture')} (one colour) left out of pictures that look alike")


def _show(group: Group, where: Files) -> None:
    if group.pictures:
        tell(f"{count(len(group.paths), 'file')} that look alike")
    else:
        tell(f"{len(group.paths)} × {size(group.size) if group.size is not None else 'unknown size'}")
    scores = {path: f"{picture.score:.3f}  " for picture in group.pictures for path in picture.paths}
    for path in group.paths:
        trouble = f"  ({group.troubles[path]})" if path in group.troubles else ""
        tell_path(placed(path, where), trouble, before=f"  {scores.get(path, '')}")
