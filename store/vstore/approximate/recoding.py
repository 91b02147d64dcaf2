"""Codes that are known: those of parts whose segments were merged or rewritten, found by the keys of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vstore.approximate.about import LISTS, AboutLists
from vstore.approximate.coder import Coder
from vstore.approximate.generation import generations
from vstore.approximate.lists import Lists, open_lists
from vstore.disk.index_parts import IndexPart, part_files, part_folders
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.format.key_places import words
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.uint8]


def stale_lists(repo: Repository, space: str, coder: Coder, generation: str) -> Iterator[Lists]:
    """Open the lists of a generation that cover a segment that is gone: their codes are still true."""
    folder = repo.layout.indexes / space
    listed = repo.state.segments(space)
    for path in part_files(folder) if folder in part_folders(repo.layout) else ():
        try:
            part = IndexPart(path)
        except (Damage, OSError):
            continue
        if part.head.fits(listed):
            part.close()
            continue
        found = open_lists(part, None, repo.hash.size, coder, generation)
        if found is not None:
            yield found


def coded_generation(repo: Repository, space: str) -> str | None:
    """Choose the generation that has most codes, those of stale lists too. None if there are no codes."""
    about = {one.generation: one for one in generations(repo, space)}
    rows = dict.fromkeys(about, 0)
    for path in part_files(repo.layout.indexes / space) if about else ():
        try:
            with IndexPart(path) as part:
                lists = AboutLists.of(part.head.parameters) if part.head.kind == LISTS else None
        except (Damage, OSError):
            continue
        if lists is not None and lists.generation in rows:
            rows[lists.generation] += lists.rows
    best = max(rows, key=lambda one: (rows[one], about[one].rows, one), default=None)
    return best if best is not None and rows[best] else None


class Recoder:
    """The codes of stale lists, by key.

    A row that has another vector since has a code of the old one: it may be missed, and is never scored by it.
    """

    def __init__(self, repo: Repository, space: str, coder: Coder, generation: str) -> None:
        import numpy as np

        self._code = coder.code_size
        self._key_size = repo.hash.size
        keys, self._lists, self._codes = [], [], []
        for part in stale_lists(repo, space, coder, generation):
            try:
                part.prove()
            except (Damage, OSError):
                continue
            keys.append(bytes(part.keys()))
            self._lists.append(np.repeat(np.arange(part.about.lists), part.sizes))
            self._codes.append(part)
        self._words = words(b"".join(keys), self._key_size)
        self._order = np.argsort(self._words[:, 0], kind="stable")
        self._firsts = np.cumsum([0, *(part.rows for part in self._codes)])

    def known(self, segment: Segment) -> tuple[Codes, Ints]:
        """Find the codes of a segment's rows.

        Returns: uint8 (n, code size), and int64 (n,), the list of each row; -1 where its code is not known.
        """
        import numpy as np

        codes, lists = np.zeros((segment.footer.rows, self._code), np.uint8), np.full(segment.footer.rows, -1)
        if not len(self._words):
            return codes, lists
        wanted = words(segment.keys, self._key_size)
        begins = self._words[self._order, 0]
        at = self._order[np.searchsorted(begins, wanted[:, 0]).clip(max=len(begins) - 1)]
        there = np.flatnonzero((self._words[at] == wanted).all(axis=1))
        which = np.searchsorted(self._firsts, at[there], side="right") - 1
        for number, part in enumerate(self._codes):
            here = there[which == number]
            places = at[here] - self._firsts[number]
            lists[here] = self._lists[number][places]
            codes[here] = part.codes_at(places)
        return codes, lists
