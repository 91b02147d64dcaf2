"""Options of a search, as type checkers see them."""

from __future__ import annotations

from typing import TypedDict

from vstore.paths import AnyPath


class SearchWords(TypedDict, total=False):
    """Options of `Store.search`.

    k:         the number of hits.
    at:        the snapshot to search; by default the current one.
    under:     a stored path (LABEL/FOLDER), or a folder or file on disk: only pictures below it.
    min_score: only pictures at least this similar.
    min_p:     only pictures that score higher than all but this share of unrelated ones.
    new_since: only pictures missing in this snapshot.
    where:     only pictures for which this SQL expression over their facts, fields and paths is true.
    collapse:  fold near-duplicates under the best of them.
    exact:     compare all vectors, although an approximate index would answer.
    """

    k: int
    at: str | None
    under: AnyPath | None
    min_score: float | None
    new_since: str | None
    where: str | None
    min_p: float | None
    collapse: bool
    exact: bool
