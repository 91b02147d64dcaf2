"""The paths of a snapshot that an expression chooses: each is judged by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vstore.format.entries import Snapshot
from vstore.format.pages import Alias
from vstore.repository.repository import Repository
from vstore.where.columns import names_paths
from vstore.where.expression import read_expression
from vstore.where.table import Pictures, load

Fits = Callable[[Alias], bool]


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
    marks = load(repo, snapshot, pictures, expression).fitting(expression).tolist()
    if names_paths(expression):
        paths = {path for (path, _), fits in zip(listed, marks, strict=True) if fits}
        return lambda alias: alias[0] in paths
    chosen = {key for key, fits in zip(keys, marks, strict=True) if fits}
    return lambda alias: alias[1] in chosen
