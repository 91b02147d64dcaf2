"""Facts of made-up pictures, and a store of pages that counts what is read."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st
from support.builder import key

from vstore.format import facts
from vstore.format.facts import Column, Fact, Value

PREPARED = facts.pixels({"policy": 1})
UNKNOWN = Column("zz", "2")  # of a program to come

_INTEGERS = {
    "1": (0, 2**8 - 1),
    "2": (0, 2**16 - 1),
    "4": (0, 2**32 - 1),
    "8": (0, 2**64 - 1),
    "s": (-(2**63), 2**63 - 1),
}


def values_of(column: Column, key_size: int = 16) -> st.SearchStrategy[Value]:
    """Draw values of a column."""
    if column.type == "k":
        return st.binary(min_size=key_size, max_size=key_size)
    if column.type == "t":
        return st.text(max_size=5) | st.sampled_from(["", "é", "x" * facts.TEXT_LIMIT])
    if column.type == "d":
        low, high = facts.RANGES.get(column, (None, None))
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    return st.integers(*facts.RANGES.get(column, _INTEGERS[column.type]))


def rows(key_size: int = 16, min_size: int = 1, max_size: int = 12) -> st.SearchStrategy[list[Fact]]:
    """Draw sorted facts of distinct keys, with some of the known columns and some of a program to come."""
    columns = [*facts.KNOWN, PREPARED, facts.flat({"policy": 1}), UNKNOWN, Column("a new one", "t")]
    values = st.fixed_dictionaries({}, optional={column: values_of(column, key_size) for column in columns})
    keys = st.binary(min_size=key_size, max_size=key_size)
    one = st.builds(Fact, keys, st.integers(0, 2**16 - 1), values)
    return st.lists(one, min_size=min_size, max_size=max_size, unique_by=lambda fact: fact.key).map(
        lambda found: sorted(found, key=lambda fact: fact.key)
    )


def made(seed: int, numbers: Sequence[int], reader: int = 1) -> list[Fact]:
    """Make facts for the keys of some numbers, sorted; a fact differs with the seed."""
    chance = random.Random(seed)
    found = []
    for number in numbers:
        values: dict[Column, Value] = {facts.BYTES: chance.randrange(10**7), facts.WIDTH: 4000, facts.FORMAT: "JPEG"}
        if number % 3:
            values |= {facts.CAMERA: f"camera {number % 5}", facts.TAKEN: -number, facts.LATITUDE: number / 7 % 90}
        if number % 2:
            values[PREPARED] = chance.randbytes(16)
        found.append(Fact(key(number), reader, values))
    return sorted(found, key=lambda fact: fact.key)


class Pages:
    """A store of pages, which counts what is read."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.read: list[bytes] = []

    def fetch(self, digest: bytes) -> bytes:
        self.read.append(digest)
        return self.stored[digest]
