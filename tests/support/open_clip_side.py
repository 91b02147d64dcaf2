"""Tiny models in OpenCLIP's layout, and their vectors by open_clip itself: `python -m support.open_clip_side FOLDER`.

A process of its own: open_clip does not work without torchvision, whose place the stub takes here.
Each model is a folder KIND, its vectors are in KIND.npz: pixels, pictures, texts.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

TEXTS = ("a red car", "a <|endoftext|> b", "A Blue Cat, of the  Sky!", "don’t &amp;amp; 20 dogs_x", "dog " * 90, "")

# Each has what another has not: non-default sizes, quick GELU, the three ways to resize.
KINDS: dict[str, dict[str, Any]] = {
    "clip": {
        "model_cfg": {
            "embed_dim": 24,
            "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8},
            "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2},
        },
        "preprocess_cfg": {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]},
    },
    "quick": {
        "model_cfg": {
            "embed_dim": 16,
            "quick_gelu": True,
            "custom_text": True,
            "vision_cfg": {
                "image_size": 48, "layers": 3, "width": 32, "head_width": 16, "patch_size": 16, "mlp_ratio": 2.5,
            },
            "text_cfg": {
                "context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1,
                "norm_kwargs": {"eps": 0.001},
            },
        },
        "preprocess_cfg": {
            "size": 48, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bilinear",
            "resize_mode": "longest", "fill_color": 7,
        },
    },
    "siglip": {
        "model_cfg": {
            "embed_dim": 32,
            "init_logit_bias": -10,
            "custom_text": True,
            "vision_cfg": {
                "image_size": 32, "timm_model_name": "vit_tiny_patch8_siglip_32", "timm_model_pretrained": False,
                "timm_pool": "map", "timm_proj": "none",
            },
            "text_cfg": {
                "context_length": 64, "vocab_size": 300, "hf_tokenizer_name": "timm/none",
                "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 32, "heads": 4, "layers": 2,
                "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
                "act_kwargs": {"approximate": "tanh"},
            },
        },
        "preprocess_cfg": {
            "size": [32, 32], "mode": "RGB", "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    },
    # Built otherwise.
    "mobile": {
        "model_cfg": {
            "embed_dim": 24,
            "custom_text": True,
            "vision_cfg": {
                "image_size": 64, "timm_model_name": "fastvit_t8", "timm_model_pretrained": False, "timm_pool": "avg",
                "timm_proj": None, "timm_drop": 0.0, "timm_drop_path": 0.0,
            },
            "text_cfg": {
                "context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1, "no_causal_mask": True,
            },
        },
        "preprocess_cfg": {
            "size": 64, "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "interpolation": "bilinear",
            "resize_mode": "shortest",
        },
    },
    "resnet": {
        "model_cfg": {
            "embed_dim": 24,
            "quick_gelu": True,
            "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8, "patch_size": None},
            "text_cfg": {
                "context_length": 16, "vocab_size": 300, "hf_tokenizer_name": "none", "width": 16, "heads": 2,
                "layers": 1, "pool_type": "eos", "eos_id": 0,
            },
        },
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
    },
}  # fmt: skip
OWN = ("mobile", "resnet")


def main(top: Path) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from support.torchvision_stub import install

    install()
    import open_clip
    import timm
    import torch

    torch.set_num_threads(1)

    @timm.models.register_model
    def vit_tiny_patch8_siglip_32(pretrained: bool, global_pool: str, num_classes: int, **_: Any) -> Any:
        sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4, "class_token": False}
        return timm.models.VisionTransformer(**sizes, global_pool=global_pool, num_classes=num_classes)

    for kind, config in KINDS.items():
        make(top / kind, config, open_clip)
    facts = {name: architecture(open_clip, name) for name in open_clip.list_models()}
    (top / "architectures.json").write_text(json.dumps(facts))


def architecture(open_clip: Any, name: str) -> dict[str, Any]:
    """Tell what one of open_clip's own configurations makes. No numbers are made: the models have up to 4 billion."""
    import torch

    cfg = open_clip.get_model_config(name)
    found: dict[str, Any] = {"cfg": cfg}
    tower = cfg["vision_cfg"].get("timm_model_name", "siglip")
    if "multimodal_cfg" in cfg or "hf_model_name" in cfg["text_cfg"] or "siglip" not in tower:
        return found
    small = {word: value for word, value in cfg.items() if word != "custom_text"}
    for part in ("vision_cfg", "text_cfg"):
        # One layer tells as much as many, where the configuration says their number.
        depth = {"layers": 1} if "layers" in cfg[part] and isinstance(cfg[part]["layers"], int) else {}
        small[part] = {**cfg[part], **depth}
    with torch.device("meta"):
        cls = open_clip.CustomTextCLIP if cfg.get("custom_text") else open_clip.CLIP
        model = cls(**small)
    text = model.text if cfg.get("custom_text") else model
    later = re.compile(r".*blocks\.[1-9]\d*\..*")
    weights = {name: value for name, value in model.state_dict().items() if not later.fullmatch(name)}
    found["shapes"] = {name: list(value.shape) for name, value in weights.items()}
    found["text_act"] = str(text.transformer.resblocks[0].mlp.gelu)
    if "timm_model_name" not in cfg["vision_cfg"] and isinstance(cfg["vision_cfg"]["layers"], int):
        block = model.visual.transformer.resblocks[0]
        found |= {"act": str(block.mlp.gelu), "heads": block.attn.num_heads, "eps": block.ln_1.eps}
        found["depth"] = cfg["vision_cfg"]["layers"]
    elif "timm_model_name" in cfg["vision_cfg"]:
        block = model.visual.trunk.blocks[0]
        found |= {"act": str(block.mlp.act), "heads": block.attn.num_heads, "eps": block.norm1.eps}
        found["depth"] = len(model.visual.trunk.blocks)
    return found


def make(folder: Path, config: dict[str, Any], open_clip: Any) -> None:
    import numpy as np
    import torch
    from safetensors.torch import save_file
    from support.embedders import probes
    from support.tiny import save_tokenizer, seeded

    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    cfg = config["model_cfg"]
    if cfg["text_cfg"].get("hf_tokenizer_name"):
        save_tokenizer(folder, {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}, lower=False)
    else:
        save_clip_tokenizer(folder, open_clip.tokenizer)
    with seeded(5):
        cls = open_clip.CustomTextCLIP if cfg.get("custom_text") else open_clip.CLIP
        plain = {name: value for name, value in cfg.items() if name != "custom_text"}
        model = cls(**plain).eval()
        with torch.no_grad():
            for name, value in model.named_buffers():
                if "running" in name:
                    value.add_(torch.rand(value.shape))
            for name, value in model.named_parameters():
                # At first biases and norms are 0 and 1, and matrices so small that all pictures look alike.
                is_matrix = value.ndim > 1 and "embed" not in name
                value.mul_(8 if value.ndim == 2 else 5) if is_matrix else value.add_(torch.randn(value.shape) * 0.2)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    prepare = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**{"size": cfg["vision_cfg"]["image_size"], **config["preprocess_cfg"]}),
        is_train=False,
    )
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.inference_mode():
        pixels = torch.stack([prepare(picture) for picture in probes().values()])
        pictures = model.encode_image(pixels, normalize=True)
        texts = torch.cat([model.encode_text(tokenizer([text]), normalize=True) for text in TEXTS])
    np.savez(folder.with_suffix(".npz"), pixels=pixels, pictures=pictures, texts=texts)


def save_clip_tokenizer(folder: Path, tokenizer: Any) -> None:
    """Save OpenCLIP's own vocabulary as its authors publish it on the hub: as transformers' tokenizer of CLIP."""
    import transformers

    own = tokenizer.SimpleTokenizer()
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(token, token): number for token, number in own.encoder.items()}
    transformers.CLIPTokenizer(vocab=vocabulary, merges=list(own.bpe_ranks)).save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
