"""CLIP and models built like it: two towers and a projection; shortest edge, centre crop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.families.dual import DualEncoder
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.loaded import Loaded

# Types whose text side is pooled at the token that their configuration calls the end.
_POOLED_AT_THE_END = frozenset({"clip", "metaclip_2", "aimv2"})
_OLD_END = 2


class Clip(DualEncoder):
    """CLIP and MetaCLIP 2."""

    name = "clip"
    title = "CLIP"
    model_types = frozenset({"clip", "metaclip_2"})

    @classmethod
    def width(cls, folder: ModelFolder) -> int:
        return int(folder.config.get("projection_dim", 512))

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        length = folder.config.get("text_config", {}).get("max_position_embeddings", 77)
        return {"padding": True, "max_length": length, "lowercase": False, "attention_mask": True}

    def text_inputs(self, on: Loaded, text: str) -> dict[str, Any]:
        inputs = super().text_inputs(on, text)
        if self.recipe["model_type"] in _POOLED_AT_THE_END:
            self._require_end(on.model, inputs["input_ids"][0].tolist())
        return inputs

    def _require_end(self, model: Any, ids: list[int]) -> None:
        """Prove that tokenizer and model have one end of a text: with two, the model pools another token.

        A tokenizer that knows the end and puts none behind a text is taken: transformers gives the same vector, and
        the model may be there for its pictures.
        Raises: ModelError.
        """
        config = getattr(model.config, "text_config", model.config)
        end = config.eos_token_id
        if end == _OLD_END and self.recipe["model_type"] == "clip":
            end = max(ids)  # the largest number is pooled: configurations of before transformers 4.31 say 2
        own = self._tokenizer.eos_token_id
        if own != end and (own is not None or end not in ids):
            raise ModelError(
                f"the tokenizer of {self.folder.name} and its config.json disagree about the end of a text ({own} and "
                f"{config.eos_token_id}): the text side would take its vector from another place",
                "copy the model again: its files belong to different models",
            )
