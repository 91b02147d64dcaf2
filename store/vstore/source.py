"""Holds the store against the pictures themselves: their bytes, and what their model makes of them. Changes nothing."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from vstore.catalogue import Catalogue
from vstore.check import CheckReport, Problem
from vstore.embed import Embedder, Recipe
from vstore.images import PictureFailure, Preparation, prepare
from vstore.progress import Progress, Silent
from vstore.repository import Repository
from vstore.scan import FileStat
from vstore.sync.survey import FAILED, KNOWN, Surveyor
from vstore.sync.targets import OptionEdits, plan

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed import Floats

ALIKE = 0.999  # cosine of a stored vector with the one that its model gives today: rounding and batches cost less
_READ = 1 << 20
_BATCH = 16


def with_problems(report: CheckReport, problems: list[Problem], notes: list[str]) -> CheckReport:
    """A report with more in it."""
    return report._replace(
        ok=report.ok and not problems,
        problems=(*report.problems, *problems),
        notes=(*report.notes, *notes),
    )


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
        current = repo.state.snapshot(repo.state.current) if repo.state.current else None
        targets = []
        for target in plan(repo, (), None, OptionEdits()).targets:
            if os.path.isdir(target.place):
                targets.append(target)
            else:
                notes.append(f"{os.fsdecode(target.place)} is not there")
        store = os.stat(repo.layout.folder)
        tree = repo.mapped_tree(current)
        skip = (store.st_dev, store.st_ino)
        surveyor = Surveyor(catalogue, tree, repo.hash.size, skip, repo.state.absorbed, listener)
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
                            os.fsdecode(place),
                            "its bytes are not those that were indexed, though its size and times are",
                            None,
                            (path,),
                            "restore it from a backup, or, if it is right as it is: touch it, and run vstore sync",
                        )
                    )
    return problems, [*notes, f"{read} pictures read and compared"]


def _hash_of(repo: Repository, place: bytes) -> bytes:
    hasher = repo.hash.new()
    with open(place, "rb", buffering=0) as file:
        while data := file.read(_READ):
            hasher.update(data)
    digest: bytes = hasher.digest()
    return digest


def _is(seen: FileStat, found: os.stat_result) -> bool:
    """Whether a file still is what a scan saw: one that was changed meanwhile is for the next sync."""
    return (seen.size, seen.mtime_ns) == (found.st_size, found.st_mtime_ns) and seen.ctime_ns in (0, found.st_ctime_ns)


def check_vectors(
    repo: Repository,
    count: int,
    load_embedder: Callable[[Recipe], Embedder],
    progress: Progress | None = None,
) -> tuple[list[Problem], list[str]]:
    """Embed some pictures of the current snapshot anew, and compare. Which ones is left to chance.

    Returns: problems, notes. Raises: SnapshotNotFound, ModelError, Damage.
    """
    import numpy as np

    listener: Progress = progress or Silent()
    snapshot = repo.snapshot("current")
    recipe = repo.recipe(snapshot.space)
    paths: dict[bytes, bytes] = {}
    for path, key in repo.tree(snapshot):
        paths.setdefault(key, path)
    order = random.sample(sorted(paths), len(paths))
    listener.stage("embed anew", min(count, len(order)))
    embedder: Embedder | None = None
    problems: list[Problem] = []
    compared = 0
    side = recipe.get("prepare", {}).get("max_side", 512)
    pictures = ((key, picture) for key in order if (picture := _picture(repo, paths[key], key, side)) is not None)
    while batch := list(islice(pictures, min(_BATCH, count - compared))):
        embedder = embedder or load_embedder(recipe)
        rows = embedder.embed_images([picture for _, picture in batch])
        for (key, _), row in zip(batch, rows, strict=True):
            found = _stored(repo, snapshot.space, key)
            if found is None:
                continue  # a check without any option says so already
            name, at, vector = found
            cosine = float(np.dot(row, vector) / (np.linalg.norm(row) * np.linalg.norm(vector)))
            if not cosine >= ALIKE:
                problems.append(
                    Problem(
                        f"segments/{name}",
                        f"row {at} is not what the model of the space {repo.state.spaces[snapshot.space].name} gives "
                        f"for its picture (cosine {cosine:.4f})",
                        (at, at),
                        (paths[key],),
                        "see which model is installed; a space holds the vectors of one model alone",
                    )
                )
        compared += len(batch)
        listener.advance(len(batch))
    return problems, [f"{compared} pictures embedded anew and compared"]


def _picture(repo: Repository, path: bytes, key: bytes, side: int) -> Image | None:
    file = repo.file_of(path)
    if file is None:
        return None
    try:
        with open(file, "rb", buffering=0) as opened:
            data = opened.readall()
        return prepare(data, Preparation(max_side=side))[0] if repo.hash.digest(data) == key else None
    except (OSError, PictureFailure):
        return None


def _stored(repo: Repository, space: str, key: bytes) -> tuple[str, int, Floats] | None:
    """The segment, row and vector that win for a key."""
    import numpy as np

    for ref in repo.state.segments(space):
        segment = repo.segment(ref)
        listed = segment.key_list()
        if key in listed:
            row = listed.index(key)
            return ref.name, row, segment.rows()[row].astype(np.float32)
    return None
