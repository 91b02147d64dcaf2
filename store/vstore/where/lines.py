"""The paths of a snapshot that an expression chooses: each is judged by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from vstore.counts import counted
from vstore.format.entries import Snapshot
from vstore.format.pages import Alias
from vstore.repository.repository import Repository
from vstore.where.columns import names_paths
from vstore.where.expression import read_expression
from vstore.where.table import Pictures, load


class Fits(NamedTuple):
    """The test of paths.

    test:  tells whether an expression is true for a path and its picture.
    notes: remarks for people on what was not known.
    """

    test: Callable[[Alias], bool]
    notes: tuple[str, ...]


def fitting(repo: Repository, snapshot: Snapshot, aliases: Iterable[Alias], where: str) -> Fits:
    """Find those of some paths, with their pictures, for which an expression is true.

    aliases: paths of the snapshot.
    Returns: the test of them.
    Raises:  UsageError, Damage, FileNotFoundError.
    """
    expression = read_expression(where)
    listed = list(aliases)
    keys = sorted({key for _, key in listed})
    pictures = Pictures(b"".join(keys), lambda: ([path for path, _ in listed], [key for _, key in listed]))
    table = load(repo, snapshot, pictures, expression)
    marks, notes = table.fitting(expression).tolist(), notes_on(repo, table.lacking)
    if names_paths(expression):
        paths = {path for (path, _), fits in zip(listed, marks, strict=True) if fits}
        return Fits(lambda alias: alias[0] in paths, notes)
    chosen = {key for key, fits in zip(keys, marks, strict=True) if fits}
    return Fits(lambda alias: alias[1] in chosen, notes)


def notes_on(repo: Repository, lacking: int) -> tuple[str, ...]:
    """Say that facts are missing: what is not known fits no expression about it. lacking: pictures without any."""
    if not lacking:
        return ()
    if repo.format < 2:
        return ("facts of pictures need store format 2, and this store has format 1; run: vstore migrate",)
    what = f"of {counted(lacking, 'picture')} no facts were read yet, such as sizes and dates"
    return (f"{what}; fill them in with: vstore facts --fill",)
