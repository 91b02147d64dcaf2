"""LoRA adapters with random weights, made and saved by peft itself."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file
from support.tiny import seeded


def save_adapter(
    folder: Path,
    base: Path,
    targets: list[str] | str,
    *,
    cls: Any = transformers.AutoModel,
    strength: float = 0.3,
    seed: int = 1,
    **options: Any,
) -> Path:
    """An adapter for a base, as training leaves it. strength: of its changes; 0 changes nothing."""
    with warnings.catch_warnings(), seeded(seed):
        warnings.simplefilter("ignore")
        model = cls.from_pretrained(base, dtype=torch.float32)
        adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, lora_alpha=8, target_modules=targets, **options))
        with torch.no_grad():
            for name, value in adapted.named_parameters():
                if "lora_B" in name:
                    value.copy_(torch.randn(value.shape) * strength)
                if "modules_to_save" in name:
                    # Noise: a constant in front of a layer norm changes nothing.
                    value.add_(torch.randn(value.shape) * strength)
                if "lora_magnitude_vector" in name:
                    # Trained: at its first value a lost magnitude could not be told.
                    value.mul_(1 + strength * torch.rand(value.shape))
        adapted.save_pretrained(folder)
    return folder


def rewrite(folder: Path, to: Path, rename: Any = None, drop: Any = None, **config: Any) -> Path:
    """A copy of an adapter with other keys, without some, or with another configuration."""
    to.mkdir(parents=True)
    weights = load_file(folder / "adapter_model.safetensors")
    kept = {(rename(k) if rename else k): v for k, v in weights.items() if not (drop and drop(k))}
    save_file(kept, to / "adapter_model.safetensors", {"format": "pt"})
    value = {**json.loads((folder / "adapter_config.json").read_text()), **config}
    (to / "adapter_config.json").write_text(json.dumps(value))
    return to


def save_kind(folder: Path, base: Path, kind: str, *, cls: Any, seed: int = 1) -> Path:
    """An adapter of another kind than LoRA. kind: LoHa, LoKr or IA3."""
    with warnings.catch_warnings(), seeded(seed):
        warnings.simplefilter("ignore")
        model = cls.from_pretrained(base, dtype=torch.float32)
        targets = r".*\.(q_proj|v_proj|fc1)"
        if kind == "IA3":
            config: Any = peft.IA3Config(target_modules=targets, feedforward_modules=r".*\.fc1")
        else:
            config = getattr(peft, f"{kind}Config")(r=4, alpha=8, target_modules=targets, alpha_pattern={"v_proj": 3})
        adapted = peft.get_peft_model(model, config)
        with torch.no_grad():
            for name, value in adapted.named_parameters():
                if any(part in name for part in ("hada_", "lokr_")):
                    value.copy_(torch.randn(value.shape) * 0.3)
                if "ia3_l" in name:
                    value.mul_(1 + 0.3 * torch.randn(value.shape))
        adapted.save_pretrained(folder)
    return folder
