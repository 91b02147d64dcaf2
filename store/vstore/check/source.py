"""Compares the store with the pictures themselves. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from vstore.check.findings import Problem
from vstore.counts import counted
from vstore.disk.catalogue import Catalogue
from vstore.disk.file_hash import hash_file
from vstore.intake.surveyor import Surveyor
from vstore.intake.targets import Target, scope_of
from vstore.pictures.folder import FileStat
from vstore.pictures.scan_options import OptionEdits
from vstore.progress import Stages
from vstore.repository.acquaintance import require_known
from vstore.repository.repository import Repository


class _Unchanged(NamedTuple):
    """A picture unchanged for a sync. path: stored; file: where it lies; key: of its bytes, once."""

    path: bytes
    file: bytes
    key: bytes
    seen: FileStat


def check_source(repo: Repository, stages: Stages) -> tuple[list[Problem], list[str]]:
    """Find pictures whose bytes changed although their size and times did not: a sync takes them for unchanged.

    Every picture is read of which the catalogue knows what it was; the next sync reads the others anyway.
    Returns: problems, notes. Raises: Untrusted.
    """
    if not repo.state.roots:
        return [], ["no folder of pictures is known"]
    require_known(repo)
    catalogue = repo.catalogue(write=False)
    if catalogue is None:
        return [], ["there is no catalogue, so no picture is known to be unchanged: the next sync reads them all"]
    targets = scope_of(repo, (), None, OptionEdits()).targets
    existing = [target for target in targets if os.path.isdir(target.place)]
    notes = [f"{os.fsdecode(target.place)} does not exist" for target in targets if target not in existing]
    problems: list[Problem] = []
    read = left = 0
    with catalogue:
        for picture in _unchanged(repo, catalogue, existing, stages):
            if picture is None:
                left += 1
                continue
            try:
                same = hash_file(picture.file, repo.hash.new()).digest() == picture.key
                still = same or _is(picture.seen, os.stat(picture.file))
            except OSError as err:
                notes.append(f"{os.fsdecode(picture.file)} cannot be read: {err.strerror}")
                continue
            read += 1
            if not same and still:
                problems.append(_problem(picture))
    notes.append(f"{read} pictures read and compared")
    if left:
        notes.append(f"{counted(left, 'file')} not compared, new or changed of late: the next sync reads them anyway")
    return problems, notes


def _unchanged(
    repo: Repository, catalogue: Catalogue, targets: list[Target], stages: Stages
) -> Iterator[_Unchanged | None]:
    """Yield the pictures that a sync takes for unchanged, and None for each file that it would read."""
    tree = repo.mapped_tree(repo.state.current_snapshot)
    stages.begin("listing folders")
    survey = Surveyor(repo, catalogue, tree, stages=stages).survey(targets, frozenset())
    files = [file.size for chunk in survey.chunks for _, _, file in chunk.files()] if stages.is_heard else []
    stages.begin("reading", sum(survey.found.values()), size=sum(files))
    for chunk in survey.chunks:
        for number, path, file in chunk.files():
            key = chunk.key(number)
            if key is None:
                yield None
            else:
                place = os.path.join(chunk.place, file.name)
                stages.take(place)
                yield _Unchanged(path, place, key, file)
            stages.advance(1, file.size)
    stages.put_down()


def _problem(picture: _Unchanged) -> Problem:
    return Problem(
        file=os.fsdecode(picture.file),
        what="its bytes changed, although its size and times did not",
        rows=None,
        paths=(picture.path,),
        next="restore it from a backup; or, if it is right as it is, touch it and run vstore sync",
    )


def _is(seen: FileStat, found: os.stat_result) -> bool:
    """Tell whether a file is still as a scan saw it: a file that was changed meanwhile is for the next sync."""
    return (seen.size, seen.mtime_ns) == (found.st_size, found.st_mtime_ns) and seen.ctime_ns in (0, found.st_ctime_ns)
