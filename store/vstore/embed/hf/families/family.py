"""A family of models: its part of a recipe, its inputs for a picture, its way to vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.libraries import libraries
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.model_words import Words
from vstore.embed.variations import Variation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded
    from vstore.format.recipes import Recipe

Prepared = dict[str, Any]  # the model's inputs for one picture, as numpy arrays
Opened = tuple[Any, dict[str, Any]]  # a model, and a report on its weights: missing_keys, mismatched_keys


class Family(ABC):
    """A family with one recipe, without its model: the model may run in another process.

    A subclass has `describe`, `prepare` and `forward`.

    name:         of the family, in recipes.
    title:        its name for people.
    model_types:  its values of `model_type` in config.json.
    poolings:     its poolings; the first is the default.
    token_poolings: its poolings that are those of all tokens, as sentence-transformers pools them.
    takes_prompt: its models get a prompt with a picture, and with a text.
    takes_adapter: adapters of peft can be put on its models.
    libraries:    distributions beside torch and transformers that decide its vectors.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    model_types: ClassVar[frozenset[str]]
    poolings: ClassVar[tuple[str, ...]]
    token_poolings: ClassVar[frozenset[str]] = frozenset()
    takes_prompt: ClassVar[bool] = False
    takes_adapter: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(self, recipe: Recipe, folder: ModelFolder) -> None:
        self.recipe = recipe
        self.folder = folder
        self.set_up()

    def set_up(self) -> None:  # noqa: B027  # not every family needs more
        """Load the processor and the tokenizer, if the family needs them."""

    @classmethod
    def takes(cls, folder: ModelFolder) -> bool:
        """Tell whether a model is one of the family."""
        return folder.model_type in cls.model_types

    @classmethod
    def poolings_for(cls, folder: ModelFolder) -> tuple[str, ...]:
        """List the poolings of a model; the first is the default."""
        return cls.poolings

    @classmethod
    def settle(cls, folder: ModelFolder, words: Words, note: Callable[[str], None]) -> Words:
        """Fill in words that are left open and that the model's files decide.

        note:   receives a line for each thing that the user should know of.
        Raises: ModelError.
        """
        return words

    @classmethod
    @abstractmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        """Describe the family's part of a recipe from the model's files: processor, text, positions, prompt, dim.

        Raises: ModelError.
        """

    @classmethod
    def model_class(cls, recipe: Recipe) -> str:
        """Choose the class of transformers that loads the model."""
        return "AutoModel"

    @classmethod
    def before(cls, recipe: Recipe, words: Words) -> list[dict[str, Any]]:
        """List the recipes that earlier versions described for the same words and files, where they differ."""
        return []

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        """Choose further arguments of from_pretrained."""
        return {}

    @classmethod
    def open(cls, folder: ModelFolder, options: dict[str, Any], dtype: torch.dtype, model_class: str) -> Opened:
        """Make the model with the weights of its files. Raises: whatever the libraries do.

        options: of `load_options`. model_class: of `model_class`.
        """
        _, transformers = libraries()
        opened: Opened = getattr(transformers, model_class).from_pretrained(
            folder.path,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # they are refused by the report
            output_loading_info=True,
            **{"trust_remote_code": False, **options},
        )
        return opened

    def variations(self) -> list[Variation]:
        """List the usual variations of its recipe, the likeliest first."""
        found = []
        if self.recipe["adapter"] is not None:
            found.append(Variation("no-adapter", "the adapter was not applied", {**self.recipe, "adapter": None}))
        for pooling in self.poolings_for(self.folder):
            if pooling != self.recipe["pooling"]:
                about = f"the vectors were pooled by {pooling}"
                found.append(Variation(f"pooling-{pooling}", about, {**self.recipe, "pooling": pooling}))
        return found

    def picture_side(self, model: Any) -> Any:
        """Find the part of the model that pictures run through."""
        return model

    @abstractmethod
    def prepare(self, picture: Image) -> Prepared | None:
        """Compute the model's inputs for one picture; None if the model cannot take it. Safe in any thread."""

    def weight(self, one: Prepared | None) -> int:
        """Count the tokens of a prepared picture; 0 where all pictures have the same number."""
        return 0

    @abstractmethod
    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        """Compute the vectors of prepared pictures: (n, dim), of any norm."""


class TextFamily(Family):
    """A family of models for texts, too."""

    @abstractmethod
    def forward_text(self, on: Loaded, text: str) -> torch.Tensor:
        """Compute the vector of a text: (1, dim), of any norm. Called only where the recipe has a text side."""
