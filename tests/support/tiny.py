"""Tiny random models of the real classes, saved as a hub folder is: they prove code paths, not accuracy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

WORDS = ["a", "red", "car", "blue", "cat", "photo", "of", "the", "dog", "sky", "describe", "image", "user", "system"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    yield
    torch.set_rng_state(state)


def widen(model: torch.nn.Module, scale: float = 8.0) -> None:
    """Make random weights matter: at the default scale of 0.02 every picture has nearly the same vector."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1 and "embed" not in name.rsplit(".", 2)[-2]:
                value.mul_(scale)


def save_tokenizer(folder: Path, specials: dict[str, str], extra: tuple[str, ...] = (), lower: bool = True) -> None:
    """A byte-level tokenizer of a few words, with the special tokens of a family."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = list(dict.fromkeys([*specials.values(), *extra]))
    vocabulary = {token: number for number, token in enumerate([*names, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if "bos_token" in specials and "eos_token" in specials:
        bos, eos = specials["bos_token"], specials["eos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A {eos}",
            special_tokens=[(bos, vocabulary[bos]), (eos, vocabulary[eos])],
        )
    elif "eos_token" in specials and "image" not in "".join(extra):
        eos = specials["eos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {eos}", special_tokens=[(eos, vocabulary[eos])]
        )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials)
    fast.add_special_tokens({"additional_special_tokens": list(extra)}) if extra else None
    fast.save_pretrained(folder)


def _write(folder: Path, name: str, value: Any) -> None:
    (folder / name).write_text(json.dumps(value))


def save_clip(folder: Path, seed: int = 0, kind: str = "CLIP", text_layers: int = 2) -> Path:
    """kind: CLIP or MetaClip2, whose classes are called alike."""
    folder.mkdir(parents=True, exist_ok=True)
    specials = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    save_tokenizer(folder, specials)
    with seeded(seed):
        config = getattr(transformers, f"{kind}Config")(
            text_config={
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": text_layers,
                "num_attention_heads": 4,
                "vocab_size": 300,
                "max_position_embeddings": 77,
                "bos_token_id": 0,
                "eos_token_id": 1,
                "pad_token_id": 1,
            },
            vision_config={
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "image_size": 32,
                "patch_size": 8,
            },
            projection_dim=24,
        )
        model = getattr(transformers, f"{kind}Model")(config)
        widen(model)
        model.save_pretrained(folder)
    transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    return folder


def save_siglip(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder, {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"})
    with seeded(seed):
        config = transformers.SiglipConfig(
            text_config={
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "vocab_size": 300,
                "max_position_embeddings": 64,
                "projection_size": 32,
            },
            vision_config={
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "image_size": 32,
                "patch_size": 8,
            },
        )
        model = transformers.SiglipModel(config)
        widen(model)
        model.save_pretrained(folder)
    transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_naflex(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder, {"eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"})
    with seeded(seed):
        config = transformers.Siglip2Config(
            text_config={
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "vocab_size": 300,
                "max_position_embeddings": 64,
                "projection_size": 32,
            },
            vision_config={
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "patch_size": 8,
                "num_patches": 16,
            },
        )
        model = transformers.Siglip2Model(config)
        widen(model)
        model.save_pretrained(folder)
    transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=24).save_pretrained(folder)
    return folder


def save_dinov2(folder: Path, seed: int = 0, kind: str = "Dinov2") -> Path:
    """kind: Dinov2, or Dinov2WithRegisters, which has four."""
    folder.mkdir(parents=True, exist_ok=True)
    with seeded(seed):
        config = getattr(transformers, f"{kind}Config")(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8, mlp_ratio=2
        )
        model = getattr(transformers, f"{kind}Model")(config)
        widen(model)
        model.save_pretrained(folder)
    transformers.BitImageProcessorPil(
        size={"shortest_edge": 40},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)
    return folder


DINOV3_PROCESSOR = {
    "image_processor_type": "DINOv3ViTImageProcessorFast",
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "rescale_factor": 0.00392156862745098,
    "resample": 2,
    "size": {"height": 32, "width": 32},
}


def save_dinov3(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with seeded(seed):
        config = transformers.DINOv3ViTConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=32,
            patch_size=8,
            num_register_tokens=4,
        )
        model = transformers.DINOv3ViTModel(config)
        widen(model)
        model.save_pretrained(folder)
    _write(folder, "preprocessor_config.json", DINOV3_PROCESSOR)
    return folder


def save_vit(folder: Path, seed: int = 0, classifier: bool = True) -> Path:
    """As most ViT checkpoints are: with a classifier, and without a pooler."""
    folder.mkdir(parents=True, exist_ok=True)
    with seeded(seed):
        config = transformers.ViTConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=32,
            patch_size=8,
        )
        model: Any = transformers.ViTForImageClassification(config) if classifier else transformers.ViTModel(config)
        widen(model)
        model.save_pretrained(folder)
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_masked(folder: Path, kind: str, seed: int = 0) -> Path:
    """kind: ViTMAE, as published under its decoder, or ViTMSN."""
    folder.mkdir(parents=True, exist_ok=True)
    with seeded(seed):
        config = getattr(transformers, f"{kind}Config")(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=32,
            patch_size=8,
            **({"decoder_hidden_size": 16, "decoder_num_attention_heads": 2} if kind == "ViTMAE" else {}),
        )
        model = getattr(transformers, "ViTMAEForPreTraining" if kind == "ViTMAE" else "ViTMSNModel")(config)
        widen(model)
        model.save_pretrained(folder)
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


QWEN_TOKENS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def save_qwen(folder: Path, kind: str = "qwen2_vl", seed: int = 0, head: bool = True) -> Path:
    """kind: qwen2_vl, qwen2_5_vl or qwen3_vl. head: as published, with the language model's head."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder, {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}, QWEN_TOKENS, lower=False)
    ids = {f"{name}_token_id": 1 + QWEN_TOKENS.index(token) for name, token in (
        ("vision_start", "<|vision_start|>"), ("vision_end", "<|vision_end|>"),
        ("image", "<|image_pad|>"), ("video", "<|video_pad|>"),
    )}  # fmt: skip
    text: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 300,
        "max_position_embeddings": 4096,
        "head_dim": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]},
        "eos_token_id": 0,
        "bos_token_id": 0,
        "pad_token_id": 0,
    }
    patch = 14
    with seeded(seed):
        if kind == "qwen2_vl":
            vision: dict[str, Any] = {
                "embed_dim": 32, "hidden_size": 32, "depth": 2, "num_heads": 4, "mlp_ratio": 2, "patch_size": patch,
            }  # fmt: skip
            config: Any = transformers.Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
            full, bare = transformers.Qwen2VLForConditionalGeneration, transformers.Qwen2VLModel
        elif kind == "qwen2_5_vl":
            vision = {
                "hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64, "depth": 2, "num_heads": 4,
                "patch_size": patch, "window_size": 56, "fullatt_block_indexes": [1],
            }  # fmt: skip
            config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
            full, bare = transformers.Qwen2_5_VLForConditionalGeneration, transformers.Qwen2_5_VLModel
        else:
            patch = 16
            vision = {
                "hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64, "depth": 3, "num_heads": 4,
                "patch_size": patch, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64,
            }  # fmt: skip
            config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
            full, bare = transformers.Qwen3VLForConditionalGeneration, transformers.Qwen3VLModel
        model = (full if head else bare)(config)
        widen(model)
        model.save_pretrained(folder)
    transformers.Qwen2VLImageProcessorPil(
        patch_size=patch, size={"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 16 * (2 * patch) ** 2}
    ).save_pretrained(folder)
    return folder
