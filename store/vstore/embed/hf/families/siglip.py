"""SigLIP, and SigLIP 2 at a fixed size: squashed to a square, attention pooling, no projection."""

from __future__ import annotations

import json
from typing import Any

from vstore.embed.hf.config import effective_config
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.dual import DualEncoder
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.text import pads_left_by_its_class
from vstore.embed.model_words import Words
from vstore.errors import ModelError


class Siglip(DualEncoder):
    """SigLIP, and SigLIP 2 at a fixed size."""

    name = "siglip"
    title = "SigLIP"
    model_types = frozenset({"siglip"})

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        if not getattr(
            effective_config(folder).vision_config, "vision_use_head", True
        ):  # transformers 4 has it at times
            raise ModelError(
                f"{folder.name} was saved without the pooling head of its picture tower, and with its text side: "
                "pictures have no vector among texts",
                "take the original model, or the picture tower alone (SiglipVisionModel), whose patches are averaged",
            )
        return super().describe(folder, words, digests)

    @classmethod
    def width(cls, folder: ModelFolder) -> int:
        return int(folder.config.get("vision_config", {}).get("hidden_size", 768))

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        # Trained on texts padded to the full length, without a mask: other padding gives another vector, and the
        # processor of the first SigLIP does not pad to the full length by itself (transformers#28578).
        length = folder.config.get("text_config", {}).get("max_position_embeddings", 64)
        return {
            "padding": "max_length",
            "max_length": length,
            "lowercase": cls.is_second(folder),
            "attention_mask": False,
            # The class of SigLIP 2's tokenizer, Gemma's, pads on the left unless told: convert_siglip2_to_hf.py of
            # transformers tells it, as texts were padded on the right in training.
            **({"padding_side": "right"} if pads_left_by_its_class(folder) else {}),
        }

    @classmethod
    def is_second(cls, folder: ModelFolder) -> bool:
        """Tell whether it is a SigLIP 2, trained on lower-case texts: its tokenizer, Gemma's, keeps the case."""
        path = folder.path / "tokenizer_config.json"
        name = json.loads(path.read_bytes()).get("tokenizer_class") if path.is_file() else None
        return "Gemma" in str(name) or "Siglip2" in str(name)
