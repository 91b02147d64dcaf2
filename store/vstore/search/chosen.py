"""The pictures of an opened snapshot that an expression chooses: found before the nearest ones are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from vstore.errors import Damage, UsageError
from vstore.format.entries import Snapshot
from vstore.repository.repository import Repository
from vstore.search.key_paths import KeyPaths
from vstore.turns import Turn
from vstore.where.columns import names_paths
from vstore.where.expression import Expression, Name
from vstore.where.table import Pictures, Table, load

if TYPE_CHECKING:
    from vstore.search.numbers import Ints
    from vstore.where.table import Marks

_CHOICES = 8  # of one snapshot
_KEPT = 4  # tables of one snapshot: one of a million pictures has 10 MB, or 100 where nearly all differ


class Chosen(NamedTuple):
    """The pictures that an expression chooses.

    name:    of the choice: one with this name is the same.
    numbers: int64 (m,), theirs, rising.
    marks:   of all paths in the order of the pictures: it is true for this one; None if it names nothing of paths.
    firsts:  of each picture, the place of its first path among them.
    lacking: pictures of which no facts were read, where the expression names facts.
    """

    name: str
    numbers: Ints
    marks: Marks | None = None
    firsts: Ints | None = None
    lacking: int = 0

    def paths(self, number: int, paths: Sequence[bytes]) -> list[bytes]:
        """Choose among the paths of a picture."""
        if self.marks is None or self.firsts is None:
            return list(paths)
        first = int(self.firsts[number])
        return [path for path, fits in zip(paths, self.marks[first : first + len(paths)].tolist(), strict=True) if fits]


_last: WeakKeyDictionary[Repository, tuple[tuple[str, str, int], Tables]] = WeakKeyDictionary()
_turn = Turn()


def tables_of(repo: Repository, snapshot: Snapshot, paths: KeyPaths) -> Tables:
    """Give the tables of a snapshot: those of the last search by this repository, if nothing was published since."""
    now = (snapshot.name, snapshot.id, repo.tip.highest)
    with _turn:
        known = _last.get(repo)
        if known is None or known[0] != now:
            known = _last[repo] = now, Tables(snapshot, paths)
        return known[1]


class Tables:
    """The tables of an opened snapshot, by the columns that they have. Safe in several threads."""

    def __init__(self, snapshot: Snapshot, paths: KeyPaths) -> None:
        self._snapshot = snapshot
        self._paths = paths
        self._turn = Turn()
        self._tables: dict[frozenset[Name], tuple[Table, int]] = {}  # and the number of the newest record then
        self._choices: dict[str, tuple[Chosen, int]] = {}  # the same
        self._owners: Ints | None = None  # of each path its picture
        self._firsts: Ints | None = None
        self._number = count()

    def chosen(self, repo: Repository, expression: Expression) -> Chosen:
        """Find the pictures for which an expression is true. The last few choices are remembered.

        The first expression with its columns loads them; where facts were lacking, so does one after a newer record.
        Raises: UsageError, Damage, FileNotFoundError.
        """
        newest = repo.tip.highest
        with self._turn:
            known = self._choices.get(expression.text)
            if known is not None and (not known[0].lacking or known[1] == newest):
                return known[0]
            table = self._table(repo, expression)
        found = self._choice(expression, table.fitting(expression))._replace(lacking=table.lacking)
        if expression.depends_on_time or found.lacking:  # another time it may be another choice
            found = found._replace(name=f"{next(self._number)} {expression.text}")
        if expression.depends_on_time:
            return found
        with self._turn:
            self._choices[expression.text] = found, newest
            if len(self._choices) > _CHOICES:
                del self._choices[next(iter(self._choices))]
        return found

    def counts(self, repo: Repository, column: str) -> dict[int | float | str | bytes, int]:
        """Count the pictures by their values of a fact or a field; those without one are left out.

        Raises: UsageError if there is no such column, or it belongs to paths; Damage, FileNotFoundError.
        """
        from vstore.where.expression import read_expression

        expression = read_expression(f"{column} is not null")
        if len(expression.names) != 1 or names_paths(expression):
            raise UsageError(f"{column!r:.100} is no fact and no field", "name one, such as camera or field.stars")
        with self._turn:
            table = self._table(repo, expression)
        return table.counts()

    def _choice(self, expression: Expression, marks: Marks) -> Chosen:
        import numpy as np

        if self._owners is None or not names_paths(expression):
            return Chosen(expression.text, np.flatnonzero(marks))
        is_chosen = np.zeros(len(self._paths), bool)
        is_chosen[self._owners[marks]] = True
        return Chosen(expression.text, np.flatnonzero(is_chosen), marks, self._firsts)

    def _table(self, repo: Repository, expression: Expression) -> Table:
        names, newest = frozenset(expression.names), repo.tip.highest
        known = self._tables.get(names)
        if known is None or (known[0].lacking and known[1] != newest):
            pictures = Pictures(self._paths.keys, self._every_path)
            try:
                known = load(repo, self._snapshot, pictures, expression), newest
            except Damage as err:
                if known is None:
                    self._refuse_forgotten(repo, err)
                    raise
        self._tables.pop(names, None)
        self._tables[names] = known  # the last one used stands last
        if len(self._tables) > _KEPT:
            del self._tables[next(iter(self._tables))]
        return known[0]

    def _refuse_forgotten(self, repo: Repository, err: Damage) -> None:
        """Say so where fields are missing because a view is older than gc. Raises: UsageError."""
        now = repo.listing.find(self._snapshot.name)
        if self._snapshot.fields and (now is None or not now.kept):
            raise UsageError(
                f"the fields of {self._snapshot.name} are gone: it was forgotten since the view was opened",
                "open another one: store.view(); a view keeps the columns that its searches have named",
            ) from err

    def _every_path(self) -> tuple[list[bytes], list[bytes]]:
        import numpy as np

        paths: list[bytes] = []
        keys: list[bytes] = []
        counts = []
        for number, key in enumerate(self._paths):
            some = self._paths.paths_at(number)
            paths += some
            keys += [key] * len(some)
            counts.append(len(some))
        self._owners = np.repeat(np.arange(len(counts)), counts)
        self._firsts = np.cumsum(counts, dtype=np.int64) - np.array(counts, np.int64)
        return paths, keys
