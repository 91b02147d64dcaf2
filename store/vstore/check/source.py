"""Compares the store with the pictures themselves. Changes nothing."""

from __future__ import annotations

import os

from vstore.check.report import Problem
from vstore.disk.catalogue import Catalogue
from vstore.disk.file_hash import hash_file
from vstore.intake.survey import FAILED, KNOWN, Surveyor
from vstore.intake.targets import plan
from vstore.pictures.folder import FileStat
from vstore.pictures.scan_options import OptionEdits
from vstore.progress import Progress, Silent
from vstore.repository.repository import Repository


def check_source(repo: Repository, progress: Progress | None = None) -> tuple[list[Problem], list[str]]:
    """Find the pictures whose size and times are those that were indexed, and whose bytes are not: a sync passes them
    by. Reads every picture that the catalogue knows.

    Returns: problems, notes.
    """
    listener: Progress = progress or Silent()
    if not repo.state.roots:
        return [], ["no folder of pictures is known"]
    catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=False)
    if catalogue is None:
        return [], ["there is no catalogue, so that no picture is known to be unchanged: vstore sync reads them all"]
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
                notes.append(f"{os.fsdecode(target.place)} is not there")
        store = os.stat(repo.layout.folder)
        tree = repo.mapped_tree(current)
        skip = (store.st_dev, store.st_ino)
        surveyor = Surveyor(
            catalogue=catalogue,
            tree=tree,
            key_size=repo.hash.size,
            store=skip,
            absorbed=repo.state.absorbed,
            progress=listener,
        )
        survey = surveyor.survey(targets, frozenset())
        listener.stage("read pictures", sum(survey.found.values()))
        for chunk in survey.chunks:
            for number, path, file in chunk.files():
                listener.advance()
                if chunk.states[number] not in (KNOWN, FAILED):
                    continue
                place = os.path.join(chunk.place, file.name)
                try:
                    same = _hash_of(repo, place) == chunk.key(number)
                    still = same or _is(file, os.stat(place))
                except OSError as err:
                    notes.append(f"{os.fsdecode(place)} cannot be read: {err.strerror}")
                    continue
                read += 1
                if not same and still:
                    problems.append(
                        Problem(
                            file=os.fsdecode(place),
                            what="its bytes are not those that were indexed, though its size and times are",
                            rows=None,
                            paths=(path,),
                            next="restore it from a backup, or, if it is right as it is: touch it, and run vstore sync",
                        )
                    )
    return problems, [*notes, f"{read} pictures read and compared"]


def _hash_of(repo: Repository, place: bytes) -> bytes:
    digest: bytes = hash_file(place, repo.hash.new()).digest()
    return digest


def _is(seen: FileStat, found: os.stat_result) -> bool:
    """Whether a file still is what a scan saw: one that was changed meanwhile is for the next sync."""
    return (seen.size, seen.mtime_ns) == (found.st_size, found.st_mtime_ns) and seen.ctime_ns in (0, found.st_ctime_ns)
