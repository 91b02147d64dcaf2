"""How large a batch may be: so many pictures, and so many tokens where pictures have them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vstore.embed.model_words import Settings

AUTO_BATCH = {"cuda": 64, "mps": 16, "cpu": 8}  # on two cores 8 is as quick as 32, and needs less memory
AUTO_TOKENS = {"cuda": 16384, "mps": 4096, "cpu": 2048}  # of a batch, padding included, where pictures have tokens


@dataclass
class Limits:
    """Of one batch. batch_size: pictures. tokens: padding included; None where the pictures alone count."""

    batch_size: int
    tokens: int | None

    @classmethod
    def of(cls, settings: Settings, devices: Iterable[str]) -> Limits:
        """As the user said, else as the largest of these devices likes it: a smaller one takes a batch in parts."""
        if settings.batch_size is not None:
            return cls(settings.batch_size, None)  # where the user says how many pictures, so many it is
        kinds = [device.partition(":")[0] for device in devices]
        return cls(max(AUTO_BATCH.get(kind, 8) for kind in kinds), max(AUTO_TOKENS.get(kind, 2048) for kind in kinds))

    def fit(self, count: int, weight: int) -> bool:
        """Whether so many pictures, each padded to the heaviest one, are no more than a batch."""
        return count <= self.batch_size and (self.tokens is None or count * weight <= self.tokens)

    def are_reached(self, weights: list[int]) -> bool:
        """Whether pictures of these weights are a batch, and one more should wait for the next."""
        return not self.fit(len(weights) + 1, max(weights, default=0))
