"""The size of a batch: a number of pictures, and a number of tokens where pictures have tokens. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vstore.embed.model_words import Settings

AUTO_BATCH = {"cuda": 64, "mps": 16, "cpu": 8}  # on two cores 8 is as quick as 32, and needs less memory
AUTO_TOKENS = {"cuda": 16384, "mps": 4096, "cpu": 2048}  # of a batch, padding included, where pictures have tokens


@dataclass
class Limits:
    """The limits of one batch.

    batch_size: pictures.
    tokens:     padding included; None where only pictures count.
    """

    batch_size: int
    tokens: int | None

    @classmethod
    def of(cls, settings: Settings, devices: Iterable[str]) -> Limits:
        """Take the user's size, else the one for the largest device: a smaller device takes a batch in parts."""
        if settings.batch_size is not None:
            return cls(settings.batch_size, None)  # the user's number of pictures holds alone
        kinds = [device.partition(":")[0] for device in devices]
        return cls(max(AUTO_BATCH.get(kind, 8) for kind in kinds), max(AUTO_TOKENS.get(kind, 2048) for kind in kinds))

    def fit(self, count: int, weight: int) -> bool:
        """Tell whether `count` pictures, each padded to the heaviest one, fit into a batch."""
        return count <= self.batch_size and (self.tokens is None or count * weight <= self.tokens)

    def are_reached(self, weights: list[int]) -> bool:
        """Tell whether pictures of these weights make a full batch."""
        return not self.fit(len(weights) + 1, max(weights, default=0))
