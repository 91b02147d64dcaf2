"""The errors for an adapter that does not fit the model that it is put on."""

from __future__ import annotations

from typing import Any

from vstore.embed.hf.source.bases import place_of_base
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.source.other_words import OtherWords
from vstore.errors import ModelError


def of_an_unknown_tower(model: Any, folder: ModelFolder, towers: str) -> ModelError:
    """Make the error for an adapter of one tower that may be any of several."""
    kind = type(model).__name__.removesuffix("Model")
    written = f'"auto_mapping": {{"base_model_class": "{kind}VisionModel"}}'
    return ModelError(
        f"the weights of the adapter {folder.name} fit {towers} alike, and it does not say which one it was trained on",
        f"if that was the tower of the pictures, write {written} in its adapter_config.json; if it was that of the "
        f"texts, {kind}TextModel in the same place",
    )


def unfit(folder: ModelFolder, why: str) -> ModelError:
    """Make the error for an adapter that does not fit a model."""
    base = folder.config.get("base_model_name_or_path")
    message = f"the adapter {folder.name} does not fit the model: {why}"
    if not base:
        return OtherWords(message, "name the model it was trained on in place of BASE", model="BASE")
    there = place_of_base(str(base))
    step = "name that one" if there != "BASE" else "name that one in place of BASE"
    return OtherWords(message, f"it was trained on {base!r}: {step}", model=there)
