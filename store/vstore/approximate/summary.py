"""The state of the approximate index of a space, by the heads of its parts: faiss is not asked."""

from __future__ import annotations

from typing import NamedTuple

from vstore.approximate.about import LISTS, RECALL, AboutLists, AboutRecall
from vstore.approximate.generation import GROWN, generations
from vstore.approximate.opened import EXACT, recall_of, serving
from vstore.disk.index_parts import IndexPart, part_files, part_folders
from vstore.errors import Damage
from vstore.format.canonical import Json
from vstore.format.layout import DTYPES
from vstore.repository.index_parts import has_indexes, index_parts
from vstore.repository.repository import Repository

_ONE = 1_000_000
KINDS = ("centroids", LISTS, RECALL)


class IndexStatus(NamedTuple):
    """The approximate index of a model space.

    space:        the id of the space.
    space_name:   its name.
    rows:         stored vectors.
    bytes:        bytes of these.
    exact_below:  bytes of the vectors of a snapshot up to which all are compared.
    lists:        lists of the index; None if there is none.
    covered:      vectors that have a place in a list; the others are compared one by one.
    parts:        files with lists.
    size:         bytes of all its files.
    recall_at_10: share of the ten nearest pictures that it finds, as measured; None if it was not.
    wanted:       the share that was asked for.
    probes:       lists that a query looks into.
    grown:        the space has four times the vectors by which the lists were made, or more.
    """

    space: str
    space_name: str
    rows: int
    bytes: int
    exact_below: int
    lists: int | None = None
    covered: int = 0
    parts: int = 0
    size: int = 0
    recall_at_10: float | None = None
    wanted: float | None = None
    probes: int | None = None
    grown: bool = False

    @property
    def is_needed(self) -> bool:
        """True if there are so many vectors that an index makes searches faster."""
        return self.bytes > self.exact_below

    @property
    def advice(self) -> str:
        """Say what is to be done; empty if nothing is."""
        if not self.is_needed:
            return ""
        if self.lists is None:
            return "each search compares all vectors; make searches faster with: vstore index build"
        if self.grown:
            return "the index was made for far fewer vectors; make it again with: vstore index build"
        return ""

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def index_status(repo: Repository, space: str) -> IndexStatus:
    """Tell what there is of an index of a space. Raises: nothing for damaged parts: they are as good as missing."""
    refs = repo.state.segments(space)
    known = repo.state.spaces[space]
    rows = sum(ref.rows for ref in refs)
    status = IndexStatus(space, known.name, rows, rows * known.dim * DTYPES[repo.dtype], EXACT)
    if not has_indexes(repo, space):
        return status
    size = _size(repo, space)
    any_recall = _any_recall(repo, space)
    if any_recall is not None:
        status = status._replace(exact_below=any_recall.exact, wanted=any_recall.wanted / _ONE)
    generation = serving(repo, space, refs)
    trained = next((one for one in generations(repo, space) if one.generation == generation), None)
    if generation is None or trained is None:  # none answers, or a build has just replaced it
        return status._replace(size=size)
    seen: set[str] = set()
    covered = parts = 0
    heads = []
    for part in index_parts(repo, space, LISTS):
        with part:
            about = AboutLists.of(part.head.parameters)
            if about is not None and about.generation == generation:
                heads.append((about.rows, {one.name for one in part.head.covers}))
    for count, names in sorted(heads, key=lambda one: -one[0]):
        if not names & seen:
            seen |= names
            covered, parts = covered + count, parts + 1
    recall = recall_of(repo, space, generation)
    return status._replace(
        lists=trained.lists,
        covered=covered,
        parts=parts,
        size=size,
        recall_at_10=None if recall is None else recall.reached / _ONE,
        probes=None if recall is None else recall.probes,
        grown=rows >= trained.rows * GROWN,
    )


def index_files(repo: Repository, space: str) -> list[tuple[IndexPart, int]]:
    """List the parts of a space's approximate index, of all generations, with their bytes; each is closed."""
    folder = repo.layout.indexes / space
    found = []
    for path in part_files(folder) if folder in part_folders(repo.layout) else ():
        try:
            with IndexPart(path) as part:
                if part.head.kind in KINDS:
                    found.append((part, part.head.size))
        except (Damage, OSError):
            continue
    return found


def has_useless_lists(repo: Repository, space: str, size: int) -> bool:
    """Tell whether a space that has no index that can be used has files of one, and vectors enough to miss it.

    size: bytes of the vectors that are searched.
    """
    recall = _any_recall(repo, space)
    if size <= (EXACT if recall is None else recall.exact):
        return False
    return any(part.head.kind == LISTS for part, _ in index_files(repo, space))


def _size(repo: Repository, space: str) -> int:
    return sum(size for _, size in index_files(repo, space))


def _any_recall(repo: Repository, space: str) -> AboutRecall | None:
    for part in index_parts(repo, space, RECALL):
        with part:
            about = AboutRecall.of(part.head.parameters)
            if about is not None:
                return about
    return None
