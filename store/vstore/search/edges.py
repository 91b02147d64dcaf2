"""Edges: the pairs of pictures of a space whose score reaches a least one, kept, and extended by what is new."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from vstore.errors import UsageError
from vstore.format.key_places import places_of
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.search import comparison
from vstore.search.compared import Compared, none_compared
from vstore.search.comparison import Comparison
from vstore.search.edge_proofs import are_true
from vstore.search.kept_edges import APPROXIMATE, KIND, KeptEdges, forget_edges, keep_edges, read_edges
from vstore.search.nodes import FOLDED
from vstore.search.pair_scores import WHOLE, Scoring, TurnedScoring
from vstore.search.space_rows import SpaceRows
from vstore.search.turned import has_turns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.approximate.opened import Approximate

    Ints = npt.NDArray[np.int64]


def scoring_of(repo: Repository, space: str, rows: SpaceRows) -> Scoring:
    """Choose how pairs of rows of a space are scored: where turned pictures can be told, the best turn counts."""
    return _scoring(rows, _is_turned(repo, space))


class Found(NamedTuple):
    """Pictures that were compared.

    rows:     theirs, in the order of their keys.
    compared: the pairs that reach a score, or less.
    recall:   of the index that chose the pairs that were scored, at 10; None if it is not known.
    is_exact: every pair was scored: no index chose them.
    """

    rows: SpaceRows
    compared: Compared
    recall: float | None = None
    is_exact: bool = True


def compare(
    repo: Repository, space: str, keys: Collection[bytes], least: int, stages: Stages, *, exact: bool = False
) -> Found:
    """Compare pictures with one another, as far as the store does not keep what came of it.

    least:  the score that pairs reach, in millionths.
    exact:  score every pair, although an approximate index could choose some.
    Raises: Damage, FileNotFoundError; UsageError if too many pairs reach the score.
    """
    rows, in_turns = SpaceRows(repo, space, keys), _is_turned(repo, space)
    kept, found = _known(repo, space, rows, least, in_turns=in_turns, kind=KIND)
    if found is not None:
        return Found(rows, found)
    index = None
    if not exact and not in_turns:
        from vstore.search.indexed_comparison import index_for  # most spaces have none

        index = index_for(repo, space, rows)
    if index is None:
        return Found(rows, _go_on_as_asked(repo, space, rows, kept, least, stages, in_turns, None))
    likely, found = _known(repo, space, rows, least, in_turns=in_turns, kind=APPROXIMATE)
    if found is None:
        found = _go_on_as_asked(repo, space, rows, kept if likely is None else likely, least, stages, in_turns, index)
    return Found(rows, found, None if index.recall is None else index.recall.reached / WHOLE, is_exact=False)


def _known(
    repo: Repository, space: str, rows: SpaceRows, least: int, *, in_turns: bool, kind: str
) -> tuple[KeptEdges | None, Compared | None]:
    """Read what is kept of some pictures. Returns: the part, and their pairs if it has all of them."""
    import numpy as np

    kept = read_edges(repo, space, rows.column, min(least, FOLDED), in_turns=in_turns, kind=kind)
    if kept is None:
        return None, None
    at = places_of(kept.keys, rows.column, repo.hash.size)
    at[at >= 0] = np.where(kept.sums[at] == rows.sums(), at, -1)[at >= 0]
    known = np.flatnonzero(at >= 0)
    found = _part_of(kept.compared, at[known])
    if not are_true(found, _scoring(rows.ordered(known), in_turns)):
        forget_edges(repo, kept)
        return None, None
    return kept, found if len(known) == len(rows) else None


def _go_on_as_asked(
    repo: Repository,
    space: str,
    rows: SpaceRows,
    kept: KeptEdges | None,
    least: int,
    stages: Stages,
    in_turns: bool,
    index: Approximate | None,
) -> Compared:
    """Go on from a part by its own score, or by the one that is asked for. Raises: as `_go_on`."""
    asked = min(least, FOLDED)
    if kept is None or kept.least == asked:
        return _go_on(repo, space, rows, kept, asked, stages, index, in_turns=in_turns)
    try:
        return _go_on(repo, space, rows, kept, kept.least, stages, index, in_turns=in_turns)
    except UsageError:  # too many pairs reach the lower score, which nobody asks for now
        kept = kept._replace(least=asked, compared=kept.compared.reaching(asked), path=None)
        return _go_on(repo, space, rows, kept, asked, stages, index, in_turns=in_turns)


def _go_on(
    repo: Repository,
    space: str,
    rows: SpaceRows,
    kept: KeptEdges | None,
    least: int,
    stages: Stages,
    index: Approximate | None,
    *,
    in_turns: bool,
) -> Compared:
    """Compare the pictures that were not, and keep the pairs. Raises: Damage; UsageError if there are too many."""
    import numpy as np

    if kept is None:
        before = none_compared()
        old, new = rows.ordered(np.empty(0, np.int64)), rows.ordered(rows.as_stored())
    else:
        old, new, before = _parted(kept, rows, repo.hash.size)
    every = old.joined(new)
    under_way = _comparison(before, every, least, index, in_turns=in_turns)
    kind = KIND if index is None else APPROXIMATE
    try:
        _go_through(under_way, len(every), stages)
    except KeyboardInterrupt:  # the next one goes on from there
        _keep(repo, space, under_way, every, least, kept, in_turns=in_turns, kind=kind)
        raise
    _keep(repo, space, under_way, every, least, kept, in_turns=in_turns, kind=kind)
    return _part_of(under_way.compared(), places_of(every.column, rows.column, repo.hash.size))


def _comparison(
    before: Compared, every: SpaceRows, least: int, index: Approximate | None, *, in_turns: bool
) -> Comparison:
    if index is None:
        return Comparison(before, Scoring(every), _scoring(every, in_turns), least)
    from vstore.search.indexed_comparison import IndexedComparison

    return IndexedComparison(before, Scoring(every), Scoring(every), least, index)


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
    kind: str,
) -> None:
    """Keep what was compared so far, if anything was. before: what it went on from."""
    import numpy as np

    if under_way.begun < under_way.count:
        done = every.ordered(np.arange(under_way.count))
        found = KeptEdges(least, in_turns, done.column, done.sums(), under_way.compared())
        keep_edges(repo, space, found, before and before.path, kind)


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
