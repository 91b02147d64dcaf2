"""Generations: the centroids of a space, trained once, by which its rows are parted into lists."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vstore.approximate.about import CENTROIDS, AboutCentroids
from vstore.disk import durable
from vstore.errors import Damage
from vstore.quick_tuple import NamedTuple
from vstore.repository.index_parts import index_parts, write_index_part
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

GROWN = 4  # times the rows of its training from which on a generation is trained again
_FEWEST_LISTS = 16
_MOST_LISTS = 1 << 16
_OFF = 0.01  # from norm 1, of a centroid


class Generation(NamedTuple):
    """The centroids of a space.

    about:     its parameters.
    centroids: float32 (lists, dim), rotated, of norm 1; mapped, and so perhaps unaligned.
    path:      the part.
    """

    about: AboutCentroids
    centroids: Floats
    path: Path


def lists_for(rows: int) -> int:
    """Choose the number of lists: about 4 times the square root of the rows, a power of two."""
    return min(_MOST_LISTS, max(_FEWEST_LISTS, 1 << round(math.log2(4 * math.sqrt(max(rows, 1))))))


def generations(repo: Repository, space: str) -> list[AboutCentroids]:
    """List the parameters of the generations of a space, those trained on most rows first. Centroids are not read."""
    found = []
    for part in index_parts(repo, space, CENTROIDS):
        with part:
            about = AboutCentroids.of(part.head.parameters)
            if about is not None and _is_whole(about, part.head.size, repo.state.spaces[space].dim):
                found.append(about)
    return sorted(found, key=lambda one: (-one.rows, one.generation))


def read_generation(repo: Repository, space: str, generation: str) -> Generation | None:
    """Read the centroids of a generation; None if they are not there, damaged, or no centroids."""
    import numpy as np

    dim = repo.state.spaces[space].dim
    for part in index_parts(repo, space, CENTROIDS):
        with part:
            about = AboutCentroids.of(part.head.parameters)
            if about is None or about.generation != generation or not _is_whole(about, part.head.size, dim):
                continue
            try:
                payload = part.proved_map()
            except (Damage, OSError):
                continue
            centroids = np.frombuffer(payload, "<f4").reshape(about.lists, dim).astype(np.float32, copy=False)
            with np.errstate(invalid="ignore", over="ignore"):
                squares = np.einsum("ij,ij->i", centroids, centroids)  # a search would wait for a copy of all of them
                norms = np.sqrt(squares)
            if (np.abs(norms - 1) <= _OFF).all():
                return Generation(about, centroids, part.path)
    return None


def write_generation(repo: Repository, space: str, centroids: Floats, rows: int) -> AboutCentroids | None:
    """Write the centroids of a new generation. The caller holds `ingest`.

    rows:    the rows of the space.
    Returns: its parameters; None if nothing could be written.
    """
    about = AboutCentroids(durable.nonce(), centroids.shape[1], len(centroids), rows)
    payload = [centroids.astype("<f4").tobytes()]
    parameters = about.to_document()
    path = write_index_part(repo, space, CENTROIDS, payload, size=about.size, covers=(), parameters=parameters)
    return None if path is None else about


def _is_whole(about: AboutCentroids, size: int, dim: int) -> bool:
    return about.dim == dim and size == about.size


def parts_of_other_generations(repo: Repository, space: str, generation: str | None) -> Iterator[Path]:
    """Yield the parts of all generations but one: centroids, lists and recall."""
    from vstore.approximate.about import LISTS, RECALL

    for kind in (RECALL, LISTS, CENTROIDS):
        for part in index_parts(repo, space, kind):
            with part:
                if part.head.parameters.get("generation") != generation:
                    yield part.path
