"""A snapshot that was opened for searches: its rows, and the paths of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from vstore.disk.segments import Segment
from vstore.errors import Damage, ModelError
from vstore.format.entries import Snapshot
from vstore.format.recipes import Recipe
from vstore.format.tree import Tree
from vstore.packages import faiss_module
from vstore.quick_tuple import NamedTuple
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.index_parts import has_indexes
from vstore.repository.repository import Repository
from vstore.repository.stored_paths import below, prefixes_of
from vstore.search.bitmaps import Older, cached_bitmaps, rows_name
from vstore.search.index import Index
from vstore.search.key_paths import KeyPaths, key_paths, older_ones, tree_of
from vstore.search.numbers import kept_row, kept_rows_by_number, numbers_of
from vstore.turns import Turn

if TYPE_CHECKING:
    from vstore.approximate.opened import Approximate
    from vstore.embed.embedder import Floats
    from vstore.pictures.isolation import IsolatedDecoder
    from vstore.search.background import Background
    from vstore.search.chosen import Chosen, Tables
    from vstore.search.nearest import Nearest
    from vstore.search.numbers import Ints
    from vstore.where.expression import Expression

T = TypeVar("T")

_PARTS = 8  # of a snapshot that are remembered: each is a bit a row
_USELESS = (
    "the index of this space cannot be used: it is damaged, or another version of faiss made it. All pictures are "
    "compared; make it again with: vstore index build"
)
_DAMAGED = (
    "a part of the index is damaged, or another version of faiss made it: its pictures are compared one by one. Make "
    "it again with: vstore index build"
)
_EMBEDDED = 32  # vectors of pictures that the snapshot does not have


class Condition(NamedTuple):
    """A condition that pictures of a snapshot meet.

    name:    what tells it from others; the same one gives the same pictures in one opened snapshot.
    numbers: finds the numbers of the pictures that meet it, int64 (m,), rising.
    """

    name: tuple[str | bytes, ...]
    numbers: Callable[[], Ints]


class Embedded:
    """The vectors of the last pictures that were looked for and that no segment has. Safe in several threads."""

    def __init__(self) -> None:
        self._turn = Turn()
        self._rows: dict[bytes, Floats] = {}

    def get(self, key: bytes | None) -> Floats | None:
        """Give the vector of a picture, if it is remembered."""
        with self._turn:
            return None if key is None else self._rows.get(key)

    def keep(self, rows: Mapping[bytes | None, Floats]) -> None:
        """Remember vectors, by the keys of their pictures. The one kept last stands last."""
        with self._turn:
            for key, row in rows.items():
                if key is not None:
                    self._rows.pop(key, None)
                    self._rows[key] = row
            while len(self._rows) > _EMBEDDED:
                del self._rows[next(iter(self._rows))]


class OpenSnapshot:
    """A snapshot that was opened for searches. Its pictures are numbered in the order of their keys.

    Rows and keys stay, whatever gc removes. After `hold` all of it does, and it is safe in several threads.

    snapshot: the snapshot.
    space:    its space.
    highest:  the number of the newest record when it was opened.
    is_held:  it was told to hold what queries need.
    decoder:  decodes the pictures of queries in other processes; None where this one does.
    embedded: the vectors of pictures that it does not have.
    paths:    the paths of its pictures, by key.
    rows:     the index of all its pictures.
    file_of:  finds the file of a stored path today; None if its folder is not known.
    is_known: tells whether the folder of a stored path may be looked at.
    source:   the way to its pictures, to show them.
    """

    def __init__(self, repo: Repository, at: str) -> None:
        """Raises: SnapshotNotFound, AmbiguousSnapshot, Damage, FileNotFoundError."""
        self.snapshot = repo.snapshot(at)
        self.space = repo.state.spaces[self.snapshot.space]
        self.highest = repo.tip.highest
        self._tree = repo.tree(self.snapshot)
        self._key_size = repo.hash.size
        self._row_of: Ints | None = None
        self.is_held = False
        self.decoder: IsolatedDecoder | None = None
        self.embedded = Embedded()
        self._recipe: Recipe | None = None
        self._flats: set[bytes] | None = None
        self._own_tree: Tree | None = None
        self._tables: Tables | None = None
        self._background: Background | None = None
        self._turn = Turn()  # of making tables, the background, and the approximate index
        self._has_indexes = has_indexes(repo, self.space.id)
        self._approximate: Approximate | None = None
        self._nearest: Nearest | None = None  # of all its rows
        self._has_useless_lists = False
        self._said: set[str] = set()
        self._parts: dict[tuple[tuple[str | bytes, ...], ...], Index] = {}
        paths: list[KeyPaths] = []  # read when the first one asks

        def named() -> KeyPaths:
            if not paths:
                paths.append(key_paths(repo, self.snapshot, self._tree))
            return paths[0]

        self._refs = repo.state.segments(self.snapshot.space)
        segments = [repo.segment_with_late_keys(ref) for ref in self._refs]
        bitmaps = snapshot_bitmaps(repo, self.snapshot, self._tree, segments, named)
        # Threads read the segments from here on, unless an index may choose the rows that are read.
        self.rows = Index(segments, bitmaps, repo.layout.cache, ahead=not self._has_indexes)
        self._cache = repo.layout.cache
        self._rows_name = rows_name(repo.hash, self.snapshot.id, segments)
        self.paths = named()
        self.file_of = repo.file_finder(self.snapshot)
        folders = KnownFolders(repo)
        self.is_known = folders.knower(self.snapshot)
        self.source = folders.source(self.snapshot)

    def wait(self) -> None:
        """Wait until every segment was read against its checksums, where all are. Raises: Damage, FileNotFoundError."""
        if self.rows.count and not self._has_indexes:
            faiss_module()  # importing it goes on while threads read
            self.rows.wait()

    def nearest(self, repo: Repository, index: Index, *, exact: bool = False) -> Index | Nearest:
        """Choose how the nearest rows are found: all are compared, or an index chooses some.

        Few are compared, and those that a device has.
        index: rows of this snapshot.
        exact: compare all, however many.
        """
        if exact or not self._has_indexes or (index.device is not None and index.device.is_ready):
            return index
        from vstore.search.nearest import Nearest, exact_up_to  # most snapshots have none

        with self._turn:
            if self._approximate is None:
                from vstore.approximate.opened import open_approximate

                self._approximate = open_approximate(repo, self.space.id, self._refs)
                self._has_indexes = self._approximate is not None
                if self._approximate is None:
                    from vstore.approximate.summary import has_useless_lists

                    self._has_useless_lists = has_useless_lists(repo, self.space.id, index.size)
            if self._approximate is None or index.size <= exact_up_to(self._approximate):
                return index
            if index is not self.rows:
                return Nearest(index, self._approximate)
            if self._nearest is None:
                self._nearest = Nearest(index, self._approximate)
            return self._nearest

    def notes(self, near: Index | Nearest) -> tuple[str, ...]:
        """Give the remarks on its approximate index that were not yet given. near: that was searched."""
        found = {_USELESS: self._has_useless_lists, _DAMAGED: near.is_damaged}
        new = tuple(text for text, holds in found.items() if holds and text not in self._said)
        self._said.update(new)
        return new

    def hold(self, repo: Repository) -> None:
        """Wait, and read what queries need later, so that gc can remove nothing of it. Raises: as `wait`."""
        if self.nearest(repo, self.rows) is self.rows and self.rows.count:
            self.rows.wait()
        self.rows.hold()
        self.paths.hold()
        _ = self.row_of
        self._flats = self._read_flats(repo, None)
        with suppress(Damage, ModelError):  # stored vectors need none
            self.recipe(repo)
        self.is_held = True

    def part(self, conditions: Sequence[Condition]) -> Index:
        """Give the index of the pictures that meet all conditions. The last few are remembered. Raises: Damage."""
        if not conditions:
            return self.rows
        name = tuple(one.name for one in conditions)
        found = self._parts.pop(name, None)
        if found is None:
            found = self.narrowed(_meeting(conditions))
        self._parts[name] = found  # the one used last stands last
        while len(self._parts) > _PARTS:
            with suppress(KeyError, RuntimeError, StopIteration):  # other threads do the same
                del self._parts[next(iter(self._parts))]
        return found

    def meeting(self, conditions: Sequence[Condition]) -> list[int]:
        """List the numbers of the pictures that meet all conditions, rising. Raises: Damage."""
        return _meeting(conditions).tolist() if conditions else list(range(len(self.paths)))

    def narrowed(self, numbers: Ints) -> Index:
        """Give the index of some pictures. numbers: int64 (m,), of the pictures."""
        return self.rows.narrowed(self.rows.bitmaps_of(self.row_of[numbers]))

    def row(self, key: bytes) -> int | None:
        """Find the row of a picture, of another snapshot too; None if the space has none of it."""
        if self._row_of is None:
            found = kept_row(self._cache, self._rows_name, self.rows, self.paths, key)
            return self.rows.find(key) if found is None else found
        number = self.paths.find(key)
        return self.rows.find(key) if number is None else int(self._row_of[number])

    @property
    def row_of(self) -> Ints:
        """The row of each picture: int64 (n,). Raises: Damage."""
        if self._row_of is None:
            self._row_of = kept_rows_by_number(self._cache, self._rows_name, self.rows, self.paths, self._key_size)
        return self._row_of

    def find(self, repo: Repository, path: bytes) -> bytes | None:
        """Find the key of a stored path, or of a path on disk; None if the snapshot has none there.

        Raises: UsageError if no synced folder holds it; Damage.
        """

        def look(tree: Tree) -> bytes | None:
            keys = (tree.get(one) for one in prefixes_of(repo, self.snapshot, tree, path))
            return next((key for key in keys if key is not None), None)

        return self.by_tree(repo, look)

    def prefixes(self, repo: Repository, under: bytes) -> tuple[bytes, ...]:
        """Find the stored paths of a word of the user. Raises: UsageError, Damage."""
        return self.by_tree(repo, lambda tree: prefixes_of(repo, self.snapshot, tree, under))

    def numbers_below(self, repo: Repository, prefixes: Sequence[bytes]) -> Ints:
        """Find the pictures below stored paths. Returns: int64 (m,), their numbers, rising. Raises: Damage."""
        keys = self.by_tree(repo, lambda tree: {key for _, key in below(tree, prefixes)})
        return numbers_of(self.paths, keys)

    def numbers_missing_in(self, repo: Repository, snapshot: Snapshot) -> Ints:
        """Find the pictures that another snapshot lacks. Returns: int64 (m,), their numbers, rising. Raises: Damage."""

        from vstore.format.differences import differences

        def lacking(tree: Tree) -> set[bytes]:
            other = repo.tree(snapshot)
            come = {new for _, _, new in differences(other, tree) if new is not None}
            return come.difference(other.every_key()) if come else come

        return numbers_of(self.paths, self.by_tree(repo, lacking))

    def chosen(self, repo: Repository, expression: Expression) -> Chosen:
        """Find the pictures for which an expression is true. Raises: UsageError, Damage, FileNotFoundError."""
        from vstore.search.chosen import Tables  # most searches have none
        from vstore.where.columns import MODIFIED, names

        if not self.is_held and names(expression, MODIFIED):  # a sync without news notes other times
            return Tables(self.snapshot, self.paths).chosen(repo, expression)
        with self._turn:
            tables = self._every_table(repo)
        return tables.chosen(repo, expression)

    def counts(self, repo: Repository, column: str) -> dict[int | float | str | bytes, int]:
        """Count the pictures by their values of a fact or a field. Raises: UsageError, Damage, FileNotFoundError."""
        with self._turn:
            tables = self._every_table(repo)
        return tables.counts(repo, column)

    def _every_table(self, repo: Repository) -> Tables:
        from vstore.search.chosen import tables_of

        if self._tables is None:
            self._tables = tables_of(repo, self.snapshot, self.paths)
        return self._tables

    def background(self, repo: Repository) -> Background:
        """Find how unrelated pictures of it score, once. Raises: Damage, FileNotFoundError."""
        with self._turn:
            if self._background is None:
                self._background = self._read_background(repo)
        return self._background

    def _read_background(self, repo: Repository) -> Background:
        import numpy as np

        from vstore.search.background import SAMPLE, Background, sampled  # most searches do without
        from vstore.search.space_rows import require_norm_1
        from vstore.search.turned import has_turns

        keys = list(islice(self.paths, 2 * SAMPLE))
        numbers = sampled(keys, self.flats(repo, keys))
        rows = np.empty((len(numbers), self.space.dim), np.float32)
        for at, row in enumerate(self.row_of[numbers].tolist() if numbers else ()):
            rows[at] = self.rows.vector(row)
        require_norm_1(np.linalg.norm(rows, axis=1))
        turns = bool(self.space.recipe) and has_turns(self.recipe(repo))
        return Background(rows, len(self.paths), turns=turns)

    def by_tree(self, repo: Repository, look: Callable[[Tree], T]) -> T:
        """Look something up in the alias tree; once it was collected, in one that is made from the paths.

        repo:   of the query: no other thread reads pages by it meanwhile.
        Raises: Damage.
        """
        if not self.is_held:
            return look(self._tree)
        if self._own_tree is None:
            try:
                return repo.reading(lambda: look(Tree(repo.hash, repo.packs.get, self._tree.root)))
            except Damage:
                self._own_tree = tree_of(self.paths, repo.hash)
        return look(self._own_tree)

    def recipe(self, repo: Repository) -> Recipe:
        """Read the recipe of the space, once. Raises: Damage, FileNotFoundError; ModelError if it is lost."""
        if self._recipe is None:
            self._recipe = repo.recipe(self.space.id)
        return self._recipe

    def flats(self, repo: Repository, keys: Collection[bytes]) -> set[bytes]:
        """Find the pictures of one colour among some. Damaged facts say of none that it is: `check` reports them."""
        return self._read_flats(repo, keys) if self._flats is None else self._flats.intersection(keys)

    def _read_flats(self, repo: Repository, keys: Collection[bytes] | None) -> set[bytes]:
        """Find the pictures of one colour among some; None means all of the store."""
        if not repo.state.facts or not self.space.recipe:
            return set()
        from vstore.repository.pixel_facts import every_flat, flat_among

        try:
            recipe = self.recipe(repo)
            return every_flat(repo, recipe) if keys is None else flat_among(repo, recipe, keys)
        except Damage:
            return set()  # no score depends on it


def _meeting(conditions: Sequence[Condition]) -> Ints:
    """Find the pictures that meet all of some conditions. Returns: int64 (m,), their numbers, rising."""
    import numpy as np

    numbers = conditions[0].numbers()
    for one in conditions[1:]:
        numbers = np.intersect1d(numbers, one.numbers(), assume_unique=True)
    return numbers


def snapshot_bitmaps(
    repo: Repository, snapshot: Snapshot, tree: Tree, segments: Sequence[Segment], keys: Callable[[], KeyPaths]
) -> list[bytes]:
    """Mark the rows of a snapshot.

    tree:     its aliases, as they are stored.
    segments: all of its space, in their order.
    keys:     finds its pictures; called only if `cache/` does not have the bitmaps.
    """
    return cached_bitmaps(
        repo.layout.cache,
        repo.hash,
        snapshot.id,
        segments,
        keys=keys,
        count=snapshot.images,
        older=_older(repo, snapshot, tree),
    )


def _older(repo: Repository, snapshot: Snapshot, tree: Tree) -> Iterator[Older]:
    """Yield the older snapshots of the space."""
    for other in older_ones(repo, snapshot):
        if other.space == snapshot.space:
            yield Older(other.id, partial(_changed, repo, other, tree))


def _changed(repo: Repository, older: Snapshot, tree: Tree) -> set[bytes]:
    """Find the keys of the paths that differ between an older snapshot and a tree."""
    from vstore.format.differences import differences  # once for each snapshot

    return {key for _, *pair in differences(repo.tree(older), tree) for key in pair if key is not None}
