"""Compares the store with the pictures themselves. Changes nothing."""

from __future__ import annotations

import os

from vstore.check.findings import Problem
from vstore.disk.catalogue import Catalogue
from vstore.disk.file_hash import hash_file
from vstore.intake.surveyor import Surveyor
from vstore.intake.targets import plan
from vstore.pictures.folder import FileStat
from vstore.pictures.scan_options import OptionEdits
from vstore.progress import Progress, Silent
from vstore.repository.repository import Repository


def check_source(repo: Repository, progress: Progress | None = None) -> tuple[list[Problem], list[str]]:
    """Find pictures whose bytes changed although their size and times did not: a sync takes them for unchanged.

    Every picture that the catalogue knows is read.

    Returns: problems, notes.
    """
    listener: Progress = progress or Silent()
    if not repo.state.roots:
        return [], ["no folder of pictures is known"]
    catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=False)
    if catalogue is None:
        return [], ["there is no catalogue, so no picture is known to be unchanged: the next sync reads them all"]
    problems: list[Problem] = []
    notes: list[str] = []
    read = 0
    with catalogue:
        current = repo.state.current_snapshot
        targets = []
        for target in plan(repo, (), None, OptionEdits()).targets:
            if os.path.isdir(target.place):
                targets.append(target)
            else:
                notes.append(f"{os.fsdecode(target.place)} does not exist")
        surveyor = Surveyor(repo, catalogue, repo.mapped_tree(current), progress=listener)
        survey = surveyor.survey(targets, frozenset())
        listener.stage("read pictures", sum(survey.found.values()))
        for chunk in survey.chunks:
            for number, path, file in chunk.files():
                listener.advance()
                key = chunk.key(number)
                if key is None:
                    continue
                place = os.path.join(chunk.place, file.name)
                try:
                    same = _hash_of(repo, place) == key
                    still = same or _is(file, os.stat(place))
                except OSError as err:
                    notes.append(f"{os.fsdecode(place)} cannot be read: {err.strerror}")
                    continue
                read += 1
                if not same and still:
                    problems.append(
                        Problem(
                            file=os.fsdecode(place),
                            what="its bytes changed, although its size and times did not",
                            rows=None,
                            paths=(path,),
                            next="restore it from a backup; or, if it is right as it is, touch it and run vstore sync",
                        )
                    )
    return problems, [*notes, f"{read} pictures read and compared"]


def _hash_of(repo: Repository, place: bytes) -> bytes:
    digest: bytes = hash_file(place, repo.hash.new()).digest()
    return digest


def _is(seen: FileStat, found: os.stat_result) -> bool:
    """Tell whether a file is still as a scan saw it: a file that was changed meanwhile is for the next sync."""
    return (seen.size, seen.mtime_ns) == (found.st_size, found.st_mtime_ns) and seen.ctime_ns in (0, found.st_ctime_ns)
