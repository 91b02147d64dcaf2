"""Writes a plan of the duplicates that were found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from vstore.disk import durable
from vstore.errors import ReadOnly, UsageError
from vstore.near_files import make_it_first
from vstore.plans.document import MOVE, written
from vstore.plans.make import Copies, plan_of
from vstore.plans.report import DupesPlanned
from vstore.repository.repository import Repository

# How copies are alike, in words, by the tier of the least alike.
ALIKE = {"bytes": "same bytes", "pixels": "same pixels", "near": "near"}


class FoundPicture(Protocol):
    """One of several look-alikes, as `dupes` finds them."""

    @property
    def key(self) -> bytes: ...
    @property
    def tier(self) -> str: ...
    @property
    def part(self) -> int: ...
    @property
    def paths(self) -> Sequence[bytes]: ...


class FoundBest(Protocol):
    """The best file of a part of a group, as `dupes` finds it."""

    @property
    def part(self) -> int: ...
    @property
    def path(self) -> bytes: ...
    @property
    def others(self) -> Sequence[bytes]: ...
    @property
    def why(self) -> str: ...


class FoundGroup(Protocol):
    """A group, as `dupes` finds it."""

    @property
    def key(self) -> bytes: ...
    @property
    def paths(self) -> Sequence[bytes]: ...
    @property
    def pictures(self) -> Sequence[FoundPicture]: ...
    @property
    def least(self) -> float | None: ...
    @property
    def best(self) -> Sequence[FoundBest]: ...


def look(out: Path) -> None:
    """Refuse a place that no plan can be written to. Raises: UsageError."""
    if os.path.lexists(out):
        raise UsageError(f"{out} already exists", "name another one: a plan is never replaced")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent} to write into", make_it_first(os.fsencode(out.parent)))


def write(repo: Repository, snapshot: str, groups: Sequence[FoundGroup], out: Path) -> DupesPlanned:
    """Write a plan to a new file. Raises: UsageError if it is there, or cannot be written; DiskTrouble."""
    today = repo.labels_in(repo.snapshot(snapshot)).today
    plan = plan_of(repo, snapshot, (part for group in groups for part in _copies(group, today)))
    look(out)
    try:
        if not durable.publish(out, written(plan), "plan"):
            raise UsageError(f"{out} already exists", "name another one: a plan is never replaced")
    except ReadOnly as err:
        raise UsageError(f"{out} cannot be written", "name another place") from err
    moves = [file for group in plan.groups for file in group.files if file.do == MOVE]
    return DupesPlanned(
        plan.id,
        os.fsencode(os.path.abspath(out)),
        snapshot,
        len(plan.groups),
        len(moves),
        sum(file.size for file in moves),
    )


def _copies(group: FoundGroup, today: Callable[[bytes], bytes]) -> Iterator[Copies]:
    """Yield the files of a group that are copies of one another; of a burst, those of each moment by themselves."""
    parts: dict[int, list[FoundPicture]] = {}
    for picture in group.pictures:
        parts.setdefault(picture.part, []).append(picture)
    for best in group.best:  # of the other parts there is one file at most
        part = parts.get(best.part, ())
        alike = max((picture.tier for picture in part[1:]), key=list(ALIKE).index, default="bytes")
        keys = {path: picture.key for picture in part for path in picture.paths}
        files = [(today(path), keys.get(path, group.key)) for path in (best.path, *best.others)]
        yield Copies(ALIKE[alike], group.least if alike == "near" else None, files, best.why)
