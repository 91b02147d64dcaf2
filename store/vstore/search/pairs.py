"""Pairs of near-duplicates among some pictures of a space: exact, and a function of the set of pictures alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.errors import Damage
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.search.edges import compare, scoring_of
from vstore.search.node_pairs import folding, pairs_of_nodes
from vstore.search.nodes import FOLDED, Apart, fold
from vstore.search.pair_scores import Scoring, millionths
from vstore.search.space_rows import SpaceRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Scores = npt.NDArray[np.int32]


class Pairs(NamedTuple):
    """The pairs of nodes of n pictures.

    A node is made of pictures that are folded together: see `vstore.search.nodes`. The score of two nodes is the least
    one of a picture of the one and a picture of the other; none of these pairs is decided to be different.

    keys:       the pictures that have a vector in the space, rising.
    node:       int64 (n,), the first member of each picture's node.
    one, other: int64 (e,), two nodes whose score reaches the least, by their first members: one < other.
    score:      int32 (e,), millionths.
    is_exact:   every pair was scored: no approximate index chose them.
    recall:     of that index, at 10; None if it is not known.
    """

    keys: list[bytes]
    node: Ints
    one: Ints
    other: Ints
    score: Scores
    is_exact: bool = True
    recall: float | None = None


def near_pairs(
    repo: Repository,
    space: str,
    keys: Collection[bytes],
    least: float,
    *,
    apart: Callable[[bytes, bytes], bool] | None = None,
    decided: Collection[bytes] = (),
    stages: Stages,
    exact: bool = False,
) -> Pairs:
    """Find the pairs of near-duplicates among some pictures. Pairs that were compared before are not compared again.

    least:   the cosine that each pair reaches.
    apart:   tells whether two pictures are decided to be different.
    decided: all pictures that are decided to be different from any.
    exact:   score every pair, although an approximate index could choose some.
    Raises:  Damage, FileNotFoundError.
    """
    lowest = millionths(least)
    rows, compared, recall, is_exact = compare(repo, space, keys, lowest, stages, exact=exact)
    listed = rows.key_list()
    parted = _by_number(listed, apart, decided)
    # A node holds no pairs below the least score.
    node = fold(*folding(compared, Scoring(rows), max(FOLDED, lowest)), parted)
    found = pairs_of_nodes(compared, node, scoring_of(repo, space, rows), lowest, parted)
    return Pairs(listed, node, *found, is_exact, recall)


def scores_of(repo: Repository, space: str, pairs: Sequence[tuple[bytes, bytes]]) -> list[int]:
    """Score pairs of pictures of a space, in millionths, in the order of the pairs.

    Raises: Damage, also if a picture has no vector in the space; FileNotFoundError.
    """
    import numpy as np

    rows = SpaceRows(repo, space, {key for pair in pairs for key in pair})
    number = {key: at for at, key in enumerate(rows.key_list())}
    try:
        ends = np.array([(number[one], number[other]) for one, other in pairs], np.int64).reshape(-1, 2)
    except KeyError as err:
        raise Damage(f"the picture {err.args[0].hex()} has no vector in its space", "run: vstore check") from err
    scores: list[int] = scoring_of(repo, space, rows).pairs(ends[:, 0], ends[:, 1]).tolist()
    return scores


def _by_number(
    keys: Sequence[bytes], apart: Callable[[bytes, bytes], bool] | None, decided: Collection[bytes]
) -> Apart | None:
    """Make the question about decisions one of numbers of pictures."""
    if apart is None or not decided:
        return None
    given = decided if isinstance(decided, (set, frozenset, dict)) else set(decided)
    asked = {number for number, key in enumerate(keys) if key in given}
    return lambda one, other: one in asked and other in asked and apart(keys[one], keys[other])
