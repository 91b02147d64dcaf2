"""A comparison of rows with one another, by blocked products: each pair once, and of the old ones none again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.errors import UsageError
from vstore.search.compared import Compared
from vstore.search.nodes import FOLDED
from vstore.search.pair_scores import WHOLE, Scoring
from vstore.threads import cores, share

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

BLOCK = 2048  # rows compared with as many others at once: 6 MB at 768 numbers a row, and 16 MB of scores
AHEAD = 4  # blocks of rows that are read at once
MOST_PAIRS = 50_000_000  # that are found, of rows and then of nodes: 2 GB of memory, and no answer to look through
_FEW = 8  # rows of a clump up to which its pairs with another row are listed
_CHECKED = 64  # rows of a clump up to which a new one is compared with each, where their angles do not tell
_TRIED = 8  # clumps that a new row may join; it need not join any
_WIDEST = math.acos((FOLDED - 0.5) / WHOLE)  # angle between two rows of a clump
_SAFE = math.acos(FOLDED / WHOLE)  # up to it two rows are surely folded


class Near(NamedTuple):
    """Pairs of rows that may reach one another.

    row, other: int64 (m,), the later one, and the earlier one.
    about:      float (m,), their cosines, off by a little.
    """

    row: Ints
    other: Ints
    about: Floats

    def only(self, which: Bools | Ints) -> Near:
        """Choose some, by marks or by their places."""
        return Near(self.row[which], self.other[which], self.about[which])


class Comparison:
    """A comparison under way. After each block it is whole for the rows that came until then.

    begun: rows that were compared before.
    count: rows that are compared now.
    """

    def __init__(self, before: Compared, plain: Scoring, scoring: Scoring, least: int) -> None:
        """
        before:  the first rows, which were compared.
        plain:   scores of all rows as they are.
        scoring: the scores that count.
        least:   the score that pairs reach, FOLDED at most.
        """
        import numpy as np

        self.begun = self.count = len(before)
        self._plain, self._scoring, self._least = plain, scoring, least
        self._clump = np.arange(len(scoring.rows))
        self._clump[: self.count] = before.clump
        self._found: list[Compared] = [before]
        self._pairs = len(before.one) + len(before.crowd)
        self._members: dict[int, list[int]] = {}  # of clumps of several
        for row in np.flatnonzero(before.clump != np.arange(self.count)).tolist():
            self._join(row, int(before.clump[row]))
        self._widths: dict[int, float] = {}  # largest angle between the first row of a clump and another one
        lone = math.acos(max(-1.0, (least - 0.5) / WHOLE))
        self._lone = np.float32(math.cos(lone) - scoring.off)
        self._wide = np.float32(math.cos(min(math.pi, lone + _WIDEST)) - scoring.off)
        self._floor = np.full(len(self._clump), self._lone)
        self._floor[list(self._members)] = self._wide

    def take(self, end: int) -> None:
        """Compare the rows from `count` up to `end` with all before them, and with one another.

        Raises: Damage; UsageError if too many pairs reach the score.
        """
        import numpy as np

        begin = self.count
        block = self._scoring.ready(self._scoring.rows.unit(np.arange(begin, end)))
        sizes = np.ones(begin, np.int64)
        for first, members in self._members.items():
            sizes[first] = len(members)
        old = self._earlier(block, begin, end)
        new = self._among(block, begin)
        self._fold(Near(*joined([old, new], 3)))
        old = old.only(self._clump[old.row] != old.other)
        new = new.only(self._clump[new.row] != self._clump[new.other])
        size = sizes[old.other]
        single, many = old.only(size == 1), old.only(size > _FEW)
        few = self._each(old.only((size > 1) & (size <= _FEW)), begin)
        late, early = joined([(single.row, single.other), (new.row, new.other), few], 2)
        score = self._scoring.pairs(early, late)
        reach = score >= self._least
        self._pairs += int(reach.sum()) + len(many.row)
        if self._pairs > MOST_PAIRS:
            raise too_many(self._least)
        pairs = early[reach], late[reach], score[reach]
        self._found.append(Compared(np.arange(begin, end), *pairs, many.other, many.row))
        self.count = end

    def compared(self) -> Compared:
        """Give the pairs of the rows that were compared so far."""
        import numpy as np

        _, *columns = (np.concatenate(column) for column in zip(*self._found, strict=True))
        return Compared(self._clump[: self.count].copy(), *columns)

    def _earlier(self, block: Any, begin: int, end: int) -> Near:
        """Find the rows of a block that may reach a row of an earlier clump, by the first one of that."""
        import numpy as np

        leaders = np.flatnonzero(self._clump[:begin] == np.arange(begin))
        others = [leaders[at : at + BLOCK] for at in range(0, len(leaders), BLOCK)]
        parts = []
        for at in range(0, len(others), AHEAD):
            parts += self._with(block, others[at : at + AHEAD], begin)
        return Near(*joined(parts, 3))

    def _with(self, block: Any, others: list[Ints], begin: int) -> list[Near]:
        """Compare a block with the first rows of clumps. They are read in threads; products take all cores alone."""
        read = share(self._read, others, cores())
        return [self._reaching(block, *pair, begin) for pair in zip(others, read, strict=True)]

    def _read(self, rows: Ints) -> tuple[Any, Floats]:
        """Read some rows, ready to be multiplied, and their norms. Raises: Damage."""
        those, norms = self._scoring.rows.with_norms(rows)
        return self._scoring.ready(those), norms

    def _reaching(self, block: Any, leaders: Ints, read: tuple[Any, Floats], begin: int) -> Near:
        """Find the rows of a block that may reach a row of an earlier clump, by the first one of that."""
        import numpy as np

        those, norms = read
        scores = self._scoring.about(block, those)
        # Rows that are not divided by their norms give scores that are as many times larger.
        rows, others = np.nonzero(scores >= self._floor[leaders] * norms)
        return Near(rows + begin, leaders[others], scores[rows, others] / norms[others])

    def _among(self, block: Any, begin: int) -> Near:
        """Find the pairs of rows of a block that may reach one another, the later one first."""
        import numpy as np

        scores = self._scoring.about(block, block)
        late, early = np.nonzero(scores >= self._lone)
        once = early < late
        late, early = late[once], early[once]
        return Near(late + begin, early + begin, scores[late, early])

    def _each(self, near: Near, begin: int) -> tuple[Ints, Ints]:
        """Pair each row with all rows of the clump that it is near to, as far as they came before a block."""
        import numpy as np

        inside = [
            np.array([row for row in self._members[first] if row < begin], np.int64) for first in near.other.tolist()
        ]
        return np.repeat(near.row, list(map(len, inside))), np.concatenate([np.empty(0, np.int64), *inside])

    def _fold(self, near: Near) -> None:
        """Let new rows join clumps. near: with rows before them, which are the first ones of clumps, or new."""
        import numpy as np

        near = near.only(near.about >= FOLDED / WHOLE - self._scoring.off - 1 / WHOLE)
        near = near.only(np.lexsort((near.other, near.row)))
        begins = np.flatnonzero(np.diff(near.row, prepend=-1)).tolist()
        for begin, end in pairwise([*begins, len(near.row)]):
            row, some = int(near.row[begin]), near.other[begin:end]
            some = some[self._clump[some] == some]
            exact = self._plain.pairs(some, np.full(len(some), row)).tolist()
            best = sorted(zip(exact, some.tolist(), strict=True), reverse=True)[:_TRIED]
            for score, first in best:
                if score >= FOLDED and self._takes(first, row, score):
                    self._join(row, first)
                    self._floor[first] = self._wide
                    break

    def _join(self, row: int, first: int) -> None:
        """Let a row join a clump."""
        self._clump[row] = first
        self._members.setdefault(first, [first]).append(row)

    def _takes(self, first: int, row: int, score: int) -> bool:
        """Tell whether a row reaches all rows of a clump. One that is large and wide takes none any more."""
        import numpy as np

        members = self._members.get(first, [first])
        angle = math.acos(max(-1.0, (score - 0.5) / WHOLE))
        if first not in self._widths:
            least = self._plain.pairs(np.full(len(members), first), np.array(members)).min()
            self._widths[first] = math.acos((float(least) - 0.5) / WHOLE) if len(members) > 1 else 0.0
        if angle + self._widths[first] > _SAFE:
            if len(members) > _CHECKED:
                return False
            others = np.array(members[1:], np.int64)
            if (self._plain.pairs(np.full(len(others), row), others) < FOLDED).any():
                return False
        self._widths[first] = max(self._widths[first], angle)
        return True


def too_many(least: int) -> UsageError:
    """Make the error of more pairs than `MOST_PAIRS`."""
    return UsageError(
        f"more than {MOST_PAIRS:,} pairs of pictures have a score of {least / WHOLE:g} or more",
        "ask for a higher score",
    )


def joined(parts: Sequence[Any], columns: int) -> list[Any]:
    """Join the columns of several parts."""
    import numpy as np

    return [np.concatenate([np.empty(0, np.int64), *(part[at] for part in parts)]) for at in range(columns)]
