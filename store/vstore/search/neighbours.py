"""The pictures of a snapshot that are most like one whose vector is stored."""

from __future__ import annotations

from vstore.repository.repository import Repository
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.query import weighted_sum

NEIGHBOURS = 5


def neighbours(
    repo: Repository, snapshot: str, key: bytes, count: int = NEIGHBOURS
) -> list[tuple[bytes, float, bytes]]:
    """Find the pictures of a snapshot most like one, best first: key, cosine, first stored path. No model is loaded.

    key:    of the picture; none is found if the space of the snapshot has no vector of it.
    Raises: SnapshotNotFound, Damage, FileNotFoundError.
    """
    opened = OpenSnapshot(repo, snapshot)
    row = opened.row(key)
    if row is None or not opened.rows.count:
        return []
    opened.wait()
    rows = opened.rows
    near = opened.nearest(repo, rows)
    found = near.top_k(weighted_sum([1.0], [rows.vector(row)]), min(count + 1, rows.count))
    scored = [(rows.key(int(row)), float(score)) for score, row in zip(found.scores[0], found.rows[0], strict=True)]
    others = [(other, score) for other, score in scored if other != key][:count]
    paths = {other: opened.paths.paths_of(other) for other, _ in others}
    return [(other, score, paths[other][0]) for other, score in others if paths[other]]
