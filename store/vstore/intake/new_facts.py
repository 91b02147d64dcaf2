"""The facts that a run learns of pictures while it has their bytes, until a record lists them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING

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
        self._read: dict[bytes, Mapping[Column, Value]] = {}

    def read(self, data: bytes) -> Mapping[Column, Value] | None:
        """Read what the header of a picture says, in any thread; None where the store keeps no facts."""
        if not self.are_kept:
            return None
        from vstore.pictures.metadata.reading import metadata_of  # a run without news reads none

        return metadata_of(data)

    def learn(self, key: bytes, values: Mapping[Column, Value]) -> None:
        """Take note of what the header of a picture says."""
        self._read[key] = values

    def unlisted(self, having: Container[bytes]) -> list[Fact]:
        """Make the facts that no record lists yet. having: the keys of pictures with a vector."""
        seen = {fact.key: fact for fact in self._pixels.unlisted(having)}
        if not self._read:
            return list(seen.values())
        from vstore.format.facts import NEWEST_READER, Fact

        for key, values in self._read.items():
            if key in having:
                more = seen[key].values if key in seen else {}
                seen[key] = Fact(key, NEWEST_READER, {**values, **more})
        return list(seen.values())

    def listed(self, facts: Iterable[Fact]) -> None:
        """Take note that a record lists facts."""
        facts = list(facts)
        self._pixels.listed(facts)
        for fact in facts:
            self._read.pop(fact.key, None)
