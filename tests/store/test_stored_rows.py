"""The stored vectors of pictures: the first row of a key, read against its checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.builder import Builder, key, unit_vectors

from vstore.errors import Damage
from vstore.repository.stored_rows import stored_rows


def flip(path: Path, at: int) -> None:
    """Flip a bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_first_row_of_a_key_wins(tmp_path: Path) -> None:
    made = Builder(tmp_path / ".vstore")
    vectors = unit_vectors(6)
    made.add_segment([key(0), key(1), key(2)], vectors[:3])
    made.add_segment([key(2), key(1), key(3)], vectors[3:])
    found = stored_rows(made.repo, made.space, {key(1), key(3), key(7)})
    assert list(found) == [key(1), key(3)]
    np.testing.assert_array_equal(found[key(1)], vectors[1].astype(np.float16))
    np.testing.assert_array_equal(found[key(3)], vectors[5].astype(np.float16))


def test_a_segment_is_read_against_its_checksums_if_a_vector_of_it_is_used(tmp_path: Path) -> None:
    made = Builder(tmp_path / ".vstore")
    vectors = unit_vectors(4)
    made.add_segment([key(0), key(1)], vectors[:2])
    damaged = made.add_segment([key(1), key(2)], vectors[2:])
    flip(made.repo.layout.segments / damaged.name, 60)
    assert list(stored_rows(made.repo, made.space, {key(1)})) == [key(1)]  # its row in the other segment is unused
    with pytest.raises(Damage, match=damaged.name):
        stored_rows(made.repo, made.space, {key(2)})
