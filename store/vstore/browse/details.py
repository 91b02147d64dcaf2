"""The facts of pictures for a long listing: from the facts of the store, and from what the newest sync met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vstore.browse.entries import Details, PathEntry
from vstore.browse.times import modified_at, taken_at
from vstore.format.facts import BYTES, FORMAT, HEIGHT, ORIENTATION, TAKEN, WIDTH, Fact, shown_size
from vstore.format.tree import Tree
from vstore.repository.facts import facts_of
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.catalogue import Catalogue

_NOTED = (BYTES, FORMAT, WIDTH, HEIGHT)  # the catalogue has them too, in this order
_SHOWN = {*_NOTED, ORIENTATION, TAKEN}


def detailed(repo: Repository, tree: Tree, runs: Iterator[Sequence[PathEntry]]) -> Iterator[list[PathEntry]]:
    """Add to runs of lines what is known of their pictures, and to folders how many pictures they hold.

    Raises: Damage, FileNotFoundError.
    """
    catalogue = repo.catalogue(write=False)
    try:
        look = _Look(repo, catalogue)
        for run in runs:
            facts = facts_of(repo, (one.key for one in run if one.key is not None), _SHOWN)
            yield [
                one._replace(paths=tree.count_under(one.path))
                if one.is_folder
                else one._replace(details=look.details(one.path, one.key, facts.get(one.key or b"")))
                for one in run
            ]
    finally:
        if catalogue is not None:
            catalogue.close()


class _Look:
    """Look-ups for one path of a listing after another."""

    def __init__(self, repo: Repository, catalogue: Catalogue | None) -> None:
        from vstore.intake.stat_cache import MetFiles

        self._repo = repo
        self._catalogue = catalogue
        self._met = MetFiles(catalogue, repo.state.absorbed, repo.hash.size)

    def details(self, path: bytes, key: bytes | None, fact: Fact | None) -> Details:
        """Collect what is known of a picture at a path. key: None for a file that was not read."""
        values = {**fact.values, **shown_size(fact.values)} if fact is not None else {}
        noted = self._catalogue.facts(key) if self._catalogue is not None and key is not None else None
        size, kind, width, height = (
            values.get(column, other) for column, other in zip(_NOTED, noted or (None,) * 4, strict=True)
        )
        met = self._met.file(self._repo.today(path))
        is_same = met is not None and key in (None, met.key)
        if size is None and met is not None and is_same:
            size = met.size
        return Details(
            bytes=size if isinstance(size, int) else None,
            format=kind if isinstance(kind, str) else None,
            width=width if isinstance(width, int) else None,
            height=height if isinstance(height, int) else None,
            taken=taken_at(values.get(TAKEN)),
            modified=modified_at(met.mtime_ns) if met is not None and is_same else None,
        )
