"""Dual encoders: a picture tower and a text tower with vectors in one space."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from vstore.embed.hf.config import effective_config, side_of
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.family import Prepared, TextFamily
from vstore.embed.hf.pixel_values import PixelValues
from vstore.embed.hf.processor import describe_fixed_processor, load_processor
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.text import load_tokenizer, token_ids, tokenizer_digests
from vstore.embed.model_words import Words

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded


class DualEncoder(TextFamily):
    """A model with get_image_features and get_text_features.

    Since transformers 5 both return an object: its pooler_output is the vector, projected where the family projects,
    and not normalised.
    """

    poolings: ClassVar[tuple[str, ...]] = ("features",)

    def set_up(self) -> None:
        self._processor = load_processor(self.recipe["processor"])
        self._values = PixelValues(self._processor)
        self._tokenizer: Any = None

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        files = tokenizer_digests(folder, digests)
        return {
            "processor": describe_fixed_processor(folder, cls.side(folder)),
            "positions": "learned",
            "text": {"tokenizer": files, **cls.text_recipe(folder)} if files else None,
            "dim": cls.width(folder),
        }

    @classmethod
    def side(cls, folder: ModelFolder) -> int | None:
        """Find the side of the squares that the model takes, in pixels; None if it takes others, too."""
        return side_of(effective_config(folder).vision_config)

    @classmethod
    @abstractmethod
    def width(cls, folder: ModelFolder) -> int:
        """Find the numbers per vector."""

    @classmethod
    @abstractmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        """Describe the texts that the family was trained on: padding, max_length, lowercase, attention_mask."""

    def picture_side(self, model: Any) -> Any:
        return getattr(model, "vision_model", model)

    def prepare(self, picture: Image) -> Prepared | None:
        if self._values.is_quick:
            return {"pixel_values": self._values(picture)}
        prepared = self._processor(images=picture, return_tensors="np")
        return {name: prepared[name][0] for name in self._processor.model_input_names}

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        inputs = {name: on.tensor([one[name] for one in batch]) for name in batch[0]}
        return features(on.model.get_image_features(**inputs), len(batch))

    def forward_text(self, on: Loaded, text: str) -> torch.Tensor:
        return features(on.model.get_text_features(**self.text_inputs(on, text)), 1)

    def text_inputs(self, on: Loaded, text: str) -> dict[str, Any]:
        """Compute the model's inputs for a text, as tensors on its device."""
        import torch

        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self.folder)
        ids = token_ids(self._tokenizer, [text], self.recipe["text"])
        return {name: torch.from_numpy(value).to(on.device) for name, value in ids.items()}


def features(output: Any, count: int) -> torch.Tensor:
    """Take the vectors out of the result of get_…_features: (count, dim). Raises: ModelError for another shape."""
    from vstore.errors import ModelError

    found = getattr(output, "pooler_output", None)
    if found is None or found.ndim != 2 or found.shape[0] != count:
        raise ModelError(
            f"the model returned {type(output).__name__} instead of {count} vectors",
            "this version of transformers is unknown to vstore: see vstore doctor",
        )
    vectors: torch.Tensor = found
    return vectors
