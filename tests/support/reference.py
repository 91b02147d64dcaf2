"""The same vectors another way: transformers and peft called directly, one picture at a time, without vstore."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers
from PIL.Image import Image
from support import reference_towers

CLASSES: dict[str, Any] = {
    "clip": transformers.CLIPModel,
    "metaclip_2": transformers.MetaClip2Model,
    "chinese_clip": transformers.ChineseCLIPModel,
    "altclip": transformers.AltCLIPModel,
    "aimv2": transformers.Aimv2Model,
    "siglip": transformers.SiglipModel,
    "siglip2": transformers.Siglip2Model,
    "dinov2": transformers.Dinov2Model,
    "dinov2_with_registers": transformers.Dinov2WithRegistersModel,
    "dinov3_vit": transformers.DINOv3ViTModel,
    "vit": transformers.ViTModel,
    "vit_mae": transformers.ViTModel,  # the same layers; its own class hides patches at random
    "vit_msn": transformers.ViTMSNModel,
    "qwen2_vl": transformers.Qwen2VLForConditionalGeneration,
    "qwen2_5_vl": transformers.Qwen2_5_VLForConditionalGeneration,
    "qwen3_vl": transformers.Qwen3VLForConditionalGeneration,
}
_PADDED = {"chinese_clip": 52, "altclip": 77}
# The system turn that the chat template of each type puts in by itself.
SYSTEMS = {
    "qwen2_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
    "qwen2_5_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
    "qwen3_vl": "",
}


class Reference:
    def __init__(self, folder: Path, adapter: Path | None = None, *, merged: bool = False) -> None:
        self.folder = folder
        self.kind = json.loads((folder / "config.json").read_text())["model_type"]
        options: dict[str, Any] = {"add_pooling_layer": False} if self.kind == "vit" else {}
        if self.kind == "aimv2":
            # By SDPA the text side is causal, as it was trained, only where a text is padded.
            options = {"attn_implementation": "eager"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if reference_towers.is_tower(folder) or reference_towers.pools(folder):
                self.model = reference_towers.load(folder)
            else:
                self.model = CLASSES[self.kind].from_pretrained(folder, dtype=torch.float32, **options)
            if self.kind == "vit_mae":
                self.model = _unmasked(folder)
            if adapter is not None:
                self.model = peft.PeftModel.from_pretrained(self.model, adapter)
                self.model = self.model.merge_and_unload() if merged else self.model
            self.model.eval()
            if (folder / "tokenizer.json").exists() or (folder / "vocab.txt").exists():
                self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def processed(self, picture: Image) -> Any:
        name = json.loads((self.folder / "preprocessor_config.json").read_text())["image_processor_type"]
        cls = getattr(transformers, name + "Pil")
        return cls.from_pretrained(self.folder)(images=picture, return_tensors="pt")

    @torch.inference_mode()
    def picture(self, picture: Image, prompt: str = "", pooling: str = "", system: str | None = None) -> np.ndarray:
        if self.kind.startswith("qwen"):
            return self._qwen(picture, prompt, pooling, SYSTEMS[self.kind] if system is None else system)
        if self.kind.startswith("dinov3"):
            inputs = {"pixel_values": dinov3_pixels(picture, self.folder)}
        else:
            inputs = dict(self.processed(picture))
        if reference_towers.pools(self.folder):
            return unit(reference_towers.pooled_vector(self.model, inputs))
        if reference_towers.is_tower(self.folder):
            return unit(reference_towers.vector(self.model, inputs, pooling))
        if hasattr(CLASSES[self.kind], "get_image_features"):
            return unit(self.model.get_image_features(**inputs).pooler_output[0])
        state = self.model(**inputs).last_hidden_state[0]
        skip = 1 + (4 if self.kind in ("dinov3_vit", "dinov2_with_registers") else 0)
        return unit(state[skip:].mean(0) if pooling == "mean" else state[0])

    @torch.inference_mode()
    def text(self, text: str, prompt: str = "") -> np.ndarray:
        if self.kind.startswith("qwen"):
            words = f"{SYSTEMS[self.kind]}<|im_start|>user\n{text}{prompt}<|im_end|>\n<|im_start|>assistant\n"
            return unit(self._hidden(**self.tokenizer(words, return_tensors="pt"))[0, -1])
        if self.kind in _PADDED:
            # As in training: padded to the full length, which the mask hides.
            lowered = text.lower() if self.kind == "chinese_clip" else text
            inputs = self.tokenizer(
                lowered, padding="max_length", max_length=_PADDED[self.kind], truncation=True, return_tensors="pt"
            )
        elif self.kind in ("clip", "metaclip_2", "aimv2"):
            inputs = self.tokenizer(text, truncation=True, max_length=77, return_tensors="pt")
        else:
            lowered = text.lower() if self.kind == "siglip2" else text
            # SigLIP 2 was trained like that, too; the class of its tokenizer pads on the left unless told.
            found = self.tokenizer(
                lowered,
                padding="max_length",
                max_length=64,
                truncation=True,
                padding_side="right",
                return_tensors="pt",
            )
            inputs = {"input_ids": found["input_ids"]}
        return unit(self.model.get_text_features(**inputs).pooler_output[0])

    def _qwen(self, picture: Image, prompt: str, pooling: str, system: str) -> np.ndarray:
        cls = transformers.Qwen2VLImageProcessorPil
        inputs = cls.from_pretrained(self.folder)(images=picture, return_tensors="pt")
        merge = 2
        count = int(inputs["image_grid_thw"].prod()) // merge**2
        pads = "<|image_pad|>" * count
        content = f"<|vision_start|>{pads}<|vision_end|>{prompt}"
        words = f"{system}<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"
        ids = self.tokenizer(words, return_tensors="pt")["input_ids"]
        types = (ids == self.tokenizer.convert_tokens_to_ids("<|image_pad|>")).int()
        if pooling.startswith("last-column"):
            return unit(self._last_column(ids, types, later=pooling.endswith("v4"), **inputs))
        state = self._hidden(input_ids=ids, mm_token_type_ids=types, **inputs)[0]
        return unit(state.mean(0) if pooling == "mean" else state[-1])

    def _last_column(self, ids: torch.Tensor, types: torch.Tensor, later: bool, **inputs: Any) -> torch.Tensor:
        """As a script that pads every picture to one length takes it. later: where transformers 4 puts padding."""
        pads = torch.full((1, 200 - ids.shape[1]), self.tokenizer.pad_token_id)
        mask = torch.cat([torch.ones_like(ids), torch.zeros_like(pads)], 1)
        types = torch.cat([types, torch.zeros_like(pads).int()], 1)
        ids = torch.cat([ids, pads], 1)
        if later:
            grid = inputs["image_grid_thw"]
            base = self.model.get_base_model() if isinstance(self.model, peft.PeftModel) else self.model
            positions, _ = base.model.get_rope_index(ids, types, image_grid_thw=grid, attention_mask=mask)
            inputs["position_ids"] = positions.masked_fill(mask == 0, 1)
        found: torch.Tensor = self._hidden(input_ids=ids, attention_mask=mask, mm_token_type_ids=types, **inputs)[0, -1]
        return found

    def _hidden(self, **inputs: Any) -> torch.Tensor:
        inputs.pop("token_type_ids", None)
        hidden: torch.Tensor = self.model(**inputs, output_hidden_states=True).hidden_states[-1]
        return hidden


def _unmasked(folder: Path) -> Any:
    """The encoder of MAE as a ViT, which sees all of a picture."""
    mae = transformers.ViTMAEModel.from_pretrained(folder, dtype=torch.float32)
    same = {name: getattr(mae.config, name) for name in transformers.ViTConfig().to_dict() if hasattr(mae.config, name)}
    vit = transformers.ViTModel(transformers.ViTConfig(**{**same, "model_type": "vit"}), add_pooling_layer=False)
    vit.load_state_dict(mae.state_dict(), strict=True)
    return vit


def dinov3_pixels(picture: Image, folder: Path) -> torch.Tensor:
    """Rescale, resize with antialiasing, normalise: by torch, as torchvision does."""
    config = json.loads((folder / "preprocessor_config.json").read_text())
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() * config["rescale_factor"]
    size = (config["size"]["height"], config["size"]["width"])
    pixels = torch.nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False)
    mean, std = (torch.tensor(config[name])[None, :, None, None] for name in ("image_mean", "image_std"))
    return (pixels - mean) / std


def unit(vector: torch.Tensor) -> np.ndarray:
    found = vector.double().numpy()
    return found / np.linalg.norm(found)
