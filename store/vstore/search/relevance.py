"""Relevance: the score from which a hit is no chance, by how unrelated pictures score."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.errors import UsageError
from vstore.repository.repository import Repository
from vstore.search.calibration import FEWEST, Calibration
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.terms import Term

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats


class Relevance(NamedTuple):
    """How relevant the hits of a query are.

    background: the scores of what is unrelated.
    least:      the score that a share of it reaches.
    """

    background: Calibration
    least: float

    @classmethod
    def of(cls, repo: Repository, opened: OpenSnapshot, terms: list[Term], query: Floats, min_p: float) -> Relevance:
        """Take the pairs of different pictures for a query of one picture, and for any other one its own scores.

        query:  float32 (1, dim), norm 1.
        min_p:  the share.
        Raises: UsageError if too few pictures are there; Damage, FileNotFoundError.
        """
        background = opened.background(repo)
        of_one_picture = len(terms) == 1 and terms[0].is_picture and terms[0].operand.weight > 0
        found = background.pairs if of_one_picture else background.of_query(query)
        if found is None:
            raise UsageError(
                f"{opened.snapshot.name} has too few different pictures to tell how unrelated ones score: "
                f"fewer than {FEWEST}",
                "leave out --min-p, or give a score: --min-score 0.5",
            )
        return cls(found, found.score(min_p))
