"""Edges: the pairs of pictures of a space whose score reaches a least one, kept, and extended by what is new."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from vstore.errors import UsageError
from vstore.format.key_places import places_of
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.search import comparison
from vstore.search.compared import Compared, none_compared
from vstore.search.comparison import Comparison
from vstore.search.edge_proofs import are_true
from vstore.search.kept_edges import KeptEdges, forget_edges, keep_edges, read_edges
from vstore.search.nodes import FOLDED
from vstore.search.pair_scores import Scoring, TurnedScoring
from vstore.search.space_rows import SpaceRows
from vstore.search.turned import has_turns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]


def scoring_of(repo: Repository, space: str, rows: SpaceRows) -> Scoring:
    """Choose how pairs of rows of a space are scored: where turned pictures can be told, the best turn counts."""
    return _scoring(rows, _is_turned(repo, space))


def compare(
    repo: Repository, space: str, keys: Collection[bytes], least: int, stages: Stages
) -> tuple[SpaceRows, Compared]:
    """Compare pictures with one another, as far as the store does not keep what came of it.

    least:   the score that pairs reach, in millionths.
    Returns: the rows of the pictures in the order of their keys, and the pairs that reach it, or less.
    Raises:  Damage, FileNotFoundError; UsageError if too many pairs reach the score.
    """
    import numpy as np

    rows, in_turns = SpaceRows(repo, space, keys), _is_turned(repo, space)
    kept = read_edges(repo, space, rows.column, min(least, FOLDED), in_turns=in_turns)
    if kept is not None:
        at = places_of(kept.keys, rows.column, repo.hash.size)
        at[at >= 0] = np.where(kept.sums[at] == rows.sums(), at, -1)[at >= 0]
        known = np.flatnonzero(at >= 0)
        found = _part_of(kept.compared, at[known])
        if not are_true(found, _scoring(rows.ordered(known), in_turns)):
            forget_edges(repo, kept)
            kept = None
        elif len(known) == len(rows):
            return rows, found
    asked = min(least, FOLDED)
    if kept is None or kept.least == asked:
        return rows, _go_on(repo, space, rows, kept, asked, stages, in_turns=in_turns)
    try:
        return rows, _go_on(repo, space, rows, kept, kept.least, stages, in_turns=in_turns)
    except UsageError:  # too many pairs reach the lower score, which nobody asks for now
        kept = kept._replace(least=asked, compared=kept.compared.reaching(asked), path=None)
        return rows, _go_on(repo, space, rows, kept, asked, stages, in_turns=in_turns)


def _go_on(
    repo: Repository, space: str, rows: SpaceRows, kept: KeptEdges | None, least: int, stages: Stages, *, in_turns: bool
) -> Compared:
    """Compare the pictures that were not, and keep the pairs. Raises: Damage; UsageError if there are too many."""
    import numpy as np

    if kept is None:
        before = none_compared()
        old, new = rows.ordered(np.empty(0, np.int64)), rows.ordered(rows.as_stored())
    else:
        old, new, before = _parted(kept, rows, repo.hash.size)
    every = old.joined(new)
    under_way = Comparison(before, Scoring(every), _scoring(every, in_turns), least)
    try:
        _go_through(under_way, len(every), stages)
    except KeyboardInterrupt:  # the next one goes on from there
        _keep(repo, space, under_way, every, least, kept, in_turns=in_turns)
        raise
    _keep(repo, space, under_way, every, least, kept, in_turns=in_turns)
    return _part_of(under_way.compared(), places_of(every.column, rows.column, repo.hash.size))


def _parted(kept: KeptEdges, rows: SpaceRows, key_size: int) -> tuple[SpaceRows, SpaceRows, Compared]:
    """Give the rows of all kept pictures that did not change, those of new ones, and the pairs of the former."""
    import numpy as np

    every, at = rows, places_of(rows.column, kept.keys, key_size)
    if (at < 0).any():
        more = [kept.keys[place * key_size : (place + 1) * key_size] for place in np.flatnonzero(at < 0).tolist()]
        others = rows.of(more)
        others.sums()  # those of the others are known
        every = rows.joined(others)
        at = places_of(every.column, kept.keys, key_size)
    stay = at >= 0
    stay[stay] = every.sums()[at[stay]] == kept.sums[stay]
    is_new = np.arange(len(every)) < len(rows)
    is_new[at[stay]] = False
    return every.ordered(at[stay]), every.ordered(np.flatnonzero(is_new)), kept.compared.only(stay)


def _go_through(under_way: Comparison, count: int, stages: Stages) -> None:
    """Compare all rows that are left. count: of all."""
    begun = under_way.count
    work = [row * (row + 1) // 2 for row in (begun, count)]
    stages.begin("comparing", count - begun, work=work[1] - work[0], unit="pictures")
    while (begin := under_way.count) < count:
        end = min(begin + comparison.BLOCK, count)
        under_way.take(end)
        stages.advance(end - begin, work=end * (end + 1) // 2 - begin * (begin + 1) // 2)


def _keep(
    repo: Repository,
    space: str,
    under_way: Comparison,
    every: SpaceRows,
    least: int,
    before: KeptEdges | None,
    *,
    in_turns: bool,
) -> None:
    """Keep what was compared so far, if anything was. before: what it went on from."""
    import numpy as np

    if under_way.begun < under_way.count:
        done = every.ordered(np.arange(under_way.count))
        found = KeptEdges(least, in_turns, done.column, done.sums(), under_way.compared())
        keep_edges(repo, space, found, before and before.path)


def _part_of(compared: Compared, at: Ints) -> Compared:
    """Give some rows in another order. at: int64 (m,), their numbers, none twice."""
    import numpy as np

    stay = np.zeros(len(compared), bool)
    stay[at] = True
    return compared.only(stay).ordered((np.cumsum(stay) - 1)[at])


def _scoring(rows: SpaceRows, in_turns: bool) -> Scoring:
    return TurnedScoring(rows) if in_turns else Scoring(rows)


def _is_turned(repo: Repository, space: str) -> bool:
    return bool(repo.state.spaces[space].recipe) and has_turns(repo.recipe(space))
