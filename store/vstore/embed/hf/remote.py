"""Models with Python code of their own: run only on the user's word; the code's digests are part of the space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.dual import DualEncoder
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.model_words import Words
from vstore.errors import ModelError

if TYPE_CHECKING:
    import torch

    from vstore.embed.hf.family import Prepared
    from vstore.embed.hf.loaded import Loaded
    from vstore.format.recipes import Recipe


class Remote(DualEncoder):
    """A model that AutoModel makes with the folder's code; its vectors are get_image_features, else its pooled output.

    Pictures are prepared by one of transformers' own processors; a model with a processor of its own needs a plug-in.
    """

    name = "remote"
    title = "models with code of their own"
    model_types = frozenset()
    poolings = ("features",)

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        found = {**super().describe(folder, words, digests), "code": code_digests(folder, digests)}
        if "text_config" not in folder.config:
            found["text"] = None
        return found

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        return {"trust_remote_code": True}

    @classmethod
    def width(cls, folder: ModelFolder) -> int:
        for name in ("projection_dim", "embed_dim", "hidden_size"):
            if isinstance(folder.config.get(name), int):
                return int(folder.config[name])
        raise ModelError(
            f"{folder.name} does not say how many numbers a vector has (projection_dim, embed_dim or hidden_size)",
            "add that number to its config.json, or write a plug-in",
        )

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        length = folder.config.get("text_config", {}).get("max_position_embeddings", 77)
        return {"padding": True, "max_length": length, "lowercase": False, "attention_mask": True}

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        inputs = {name: on.tensor([one[name] for one in batch]) for name in batch[0]}
        call = getattr(on.model, "get_image_features", on.model)
        output = call(**inputs)
        found: torch.Tensor = output if hasattr(output, "ndim") else output.pooler_output
        return found


def code_digests(folder: ModelFolder, digests: Digests) -> list[str]:
    """Compute the sha256 of every Python file, sorted: code decides a vector as weights do."""
    return sorted(digests.of(path) for path in folder.path.rglob("*.py"))
