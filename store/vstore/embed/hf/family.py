"""What a kind of model is: its part of a recipe, the inputs that a picture becomes, the vectors that a model gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.folder import ModelFolder
from vstore.embed.model_words import Words
from vstore.embed.variations import Variation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded
    from vstore.format.recipes import Recipe

Prepared = dict[str, Any]  # the model's inputs for one picture, as numpy arrays


class Family(ABC):
    """One recipe of a kind of model, without the model: where that runs elsewhere, this prepares pictures for it.

    A subclass has `describe` (from the files alone, nothing is loaded), `prepare`, `forward`.
    """

    name: ClassVar[str]
    model_types: ClassVar[frozenset[str]]
    poolings: ClassVar[tuple[str, ...]]  # the first is the usual one
    takes_prompt: ClassVar[bool] = False

    def __init__(self, recipe: Recipe, folder: ModelFolder) -> None:
        self.recipe = recipe
        self.folder = folder
        self.set_up()

    def set_up(self) -> None:  # noqa: B027  # not every family needs more
        """Make what the family needs besides the model: its processor, its tokenizer."""

    @classmethod
    @abstractmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        """The family's part of the recipe: processor, text, positions, prompt, dim. Raises: ModelError."""

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        """What from_pretrained is told besides."""
        return {}

    def variations(self) -> list[Variation]:
        """What is easily done otherwise with this model, for vectors that it does not give as it is."""
        found = []
        if self.recipe["adapter"] is not None:
            found.append(Variation("no-adapter", "the adapter was not applied", {**self.recipe, "adapter": None}))
        for pooling in self.poolings:
            if pooling != self.recipe["pooling"]:
                about = f"the vectors were pooled by {pooling}"
                found.append(Variation(f"pooling-{pooling}", about, {**self.recipe, "pooling": pooling}))
        return found

    def picture_side(self, model: Any) -> Any:
        """The part of the model that pictures run through."""
        return model

    @abstractmethod
    def prepare(self, picture: Image) -> Prepared | None:
        """The model's inputs for one picture; None where the model takes no such picture. Safe in any thread."""

    def weight(self, one: Prepared | None) -> int:
        """The tokens of a prepared picture where their number differs between pictures; else 0."""
        return 0

    @abstractmethod
    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        """Vectors of prepared pictures: (n, dim) of any norm."""


class TextFamily(Family):
    """A family whose models embed texts besides."""

    @abstractmethod
    def forward_text(self, on: Loaded, text: str) -> torch.Tensor:
        """The vector of a text: (1, dim) of any norm. Asked only where the recipe has a text side."""
