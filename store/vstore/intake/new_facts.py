"""The facts that a run learns of pictures while it has their bytes, until a record lists them."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, overload

from vstore.intake.prepared_pixels import PreparedPixels
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.format.facts import Column, Fact, Value


class NewFacts:
    """The facts of pictures that are about to get a vector: of their headers, and of their prepared pixels.

    are_kept: the store keeps facts.
    """

    def __init__(self, repo: Repository, pixels: PreparedPixels) -> None:
        self.are_kept = repo.format > 1
        self._pixels = pixels
        self._read: dict[bytes, bytes] = {}  # packed: the number of the columns, and their values
        self._columns: list[tuple[Column, ...]] = []  # that were met
        self._numbers: dict[tuple[Column, ...], int] = {}  # of these

    def read(self, data: bytes) -> Mapping[Column, Value] | None:
        """Read what the header of a picture says, in any thread; None where the store keeps no facts."""
        if not self.are_kept:
            return None
        from vstore.pictures.metadata.reading import metadata_of  # a run without news reads none

        return metadata_of(data)

    def learn(self, key: bytes, values: Mapping[Column, Value]) -> None:
        """Take note of what the header of a picture says."""
        columns = tuple(values)
        number = self._numbers.setdefault(columns, len(self._columns))
        if number == len(self._columns):
            self._columns.append(columns)
        self._read[key] = marshal.dumps((number, *values.values()))

    def unlisted(self, having: Container[bytes]) -> Sequence[Fact]:
        """List the facts that no record lists yet, by key. having: the keys of pictures with a vector."""
        keys = {key for known in (self._read, self._pixels.unlisted) for key in known if key in having}
        return _Facts(sorted(keys), self._made)

    def _made(self, key: bytes) -> Fact:
        from vstore.format.facts import NEWEST_READER, NO_READER, Fact

        prepared = self._pixels.values(key)
        if key not in self._read:
            return Fact(key, NO_READER, prepared)
        number, *values = marshal.loads(self._read[key])
        return Fact(key, NEWEST_READER, {**dict(zip(self._columns[number], values, strict=True)), **prepared})

    def listed(self, facts: Sequence[Fact]) -> None:
        """Take note that a record lists facts."""
        for key in [fact.key for fact in facts]:
            self._pixels.listed(key)
            self._read.pop(key, None)


class _Facts(Sequence["Fact"]):
    """Facts in rising order of their keys. Each is made when it is asked for: packed they are small, and many wait."""

    def __init__(self, keys: list[bytes], made: Callable[[bytes], Fact]) -> None:
        self._keys = keys
        self._made = made

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, at: int) -> Fact: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Fact]: ...

    def __getitem__(self, at: int | slice) -> Fact | Sequence[Fact]:
        return _Facts(self._keys[at], self._made) if isinstance(at, slice) else self._made(self._keys[at])
