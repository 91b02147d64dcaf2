"""The stored vectors of some pictures, read from the segments of a space."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vstore.repository.repository import Repository


def stored_rows(repo: Repository, space: str, keys: Collection[bytes]) -> dict[bytes, Any]:
    """Find the vectors of pictures in a space, mapped; of a key that stands twice the first row wins.

    Only segments that hold one of the vectors are read, against their checksums.
    Returns: key -> its row, (dim,) in the store's dtype, in the order of the rows; keys without a vector are left out.
    Raises:  Damage, FileNotFoundError.
    """
    import numpy as np

    found: dict[bytes, Any] = {}
    for ref in repo.state.segments(space):
        segment = repo.segment(ref)
        here = [(key, row) for row, key in enumerate(segment.key_list()) if key in keys and key not in found]
        if here:
            segment.verify()
            mapped = np.asarray(segment.rows())  # an array of its own kind would be made for each row
            found.update((key, mapped[row]) for key, row in here)
    return found
