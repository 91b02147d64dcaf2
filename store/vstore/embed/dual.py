"""Dual encoders: one vector for a picture, one for a text, in one space."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vstore.embed.digests import Digests
from vstore.embed.folder import ModelFolder
from vstore.embed.place import Words
from vstore.embed.processor import describe_processor, load_processor
from vstore.embed.text import load_tokenizer, token_ids, tokenizer_digests
from vstore.embed.transformer import Prepared, TransformerEmbedder

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed import Floats


class DualEncoder(TransformerEmbedder):
    """Models with get_image_features and get_text_features. Since transformers 5 both return an object whose
    pooler_output is the vector, projected where the family projects; it is not normalised."""

    poolings = ("features",)

    def set_up(self) -> None:
        self._processor = load_processor(self.recipe["processor"])
        self._tokenizer: Any = None

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        files = tokenizer_digests(folder, digests)
        return {
            "processor": describe_processor(folder),
            "positions": "learned",
            "text": {"tokenizer": files, **cls.text_recipe(folder)} if files else None,
            "dim": cls.width(folder),
        }

    @classmethod
    @abstractmethod
    def width(cls, folder: ModelFolder) -> int:
        """Numbers of a vector."""

    @classmethod
    @abstractmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        """padding, max_length, lowercase, attention_mask: as the family was trained."""

    def picture_side(self) -> Any:
        return getattr(self.model, "vision_model", self.model)

    def prepare(self, picture: Image) -> Prepared | None:
        prepared = self._processor(images=picture, return_tensors="np")
        return {name: prepared[name][0] for name in self._processor.model_input_names}

    def forward(self, batch: list[Prepared]) -> torch.Tensor:
        inputs = {name: self.tensor([one[name] for one in batch]) for name in batch[0]}
        return features(self.model.get_image_features(**inputs), len(batch))

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Embed texts, through the adapter where it touches the text tower. Returns: float32 (n, dim), norm 1."""
        import torch

        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self.folder)
        rows = []
        with torch.inference_mode():
            for text in texts:
                ids = token_ids(self._tokenizer, [text], self.recipe["text"])
                inputs = {name: torch.from_numpy(value).to(self.device) for name, value in ids.items()}
                rows.append(features(self.model.get_text_features(**inputs), 1))
            return self._unit(torch.cat(rows)) if rows else self.embed_prepared([])


def features(output: Any, count: int) -> torch.Tensor:
    """The vectors in what get_…_features returned. Raises: ModelError if there are none of the right shape."""
    from vstore.errors import ModelError

    found = getattr(output, "pooler_output", None)
    if found is None or found.ndim != 2 or found.shape[0] != count:
        raise ModelError(
            f"the model gave {type(output).__name__} instead of {count} vectors",
            "this version of transformers is not one that vstore knows: see vstore doctor",
        )
    vectors: torch.Tensor = found
    return vectors
