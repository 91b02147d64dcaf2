"""Tiny models with Python code of their own: of the style of transformers 4, of 5, and without a pooled output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from support.tiny import save_tokenizer, seeded

CODE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling


class OwnConfig(PretrainedConfig):
    model_type = "own"


class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.patches = torch.nn.Conv2d(3, 12, 8, 8)
        self.words = torch.nn.Embedding(300, 12)
        self.projection = torch.nn.Linear(12, 8)
        self.post_init()

    def states(self, pixel_values):
        return torch.tanh(self.patches(pixel_values).flatten(2).transpose(1, 2))
"""
FEATURES = """
    def get_image_features(self, pixel_values):
        found = self.projection(self.states(pixel_values).mean(1))
        return {given}

    def get_text_features(self, input_ids, attention_mask):
        weights = attention_mask[..., None].to(self.dtype)
        found = self.projection((self.words(input_ids) * weights).sum(1) / weights.sum(1))
        return {given}
"""
STATES = """
    def forward(self, pixel_values):
        return BaseModelOutput(last_hidden_state=self.states(pixel_values))
"""
STYLES = {
    "tensors": FEATURES.replace("{given}", "found"),  # as code for transformers 4
    "objects": FEATURES.replace("{given}", "BaseModelOutputWithPooling(pooler_output=found)"),
    "states": STATES,
    "matrices": FEATURES.replace("{given}", "found[:, None]"),
}


def save_remote(folder: Path, processor: Path, style: str, seed: int = 0) -> Path:
    """style: one of STYLES. processor: a folder whose preprocessor_config.json is taken."""
    folder.mkdir(parents=True)
    (folder / "own.py").write_text(CODE + STYLES[style])
    auto = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    config = {"model_type": "own", "hidden_size": 12, "auto_map": auto}
    if style != "states":
        specials = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
        save_tokenizer(folder, specials)
        config |= {"projection_dim": 8, "text_config": {"max_position_embeddings": 32}}
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(processor / "preprocessor_config.json", folder)
    with seeded(seed):
        shapes = {"patches.weight": (12, 3, 8, 8), "patches.bias": (12,), "words.weight": (300, 12)}
        weights = {name: 0.3 * torch.randn(shape) for name, shape in shapes.items()}
        weights |= {"projection.weight": torch.randn(8, 12), "projection.bias": torch.randn(8)}
    save_file(weights, folder / "model.safetensors")
    return folder
