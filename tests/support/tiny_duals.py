"""Tiny models of two sides that are built like CLIP: Chinese-CLIP, AltCLIP, AIMv2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from support.tiny import save_tokenizer, seeded, widen
from support.tiny_towers import TOWER

_TEXT: dict[str, Any] = {name: TOWER[name] for name in TOWER if name != "patch_size"}
_BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def save_chinese_clip(folder: Path, seed: int = 0) -> Path:
    """As published: its tokenizer is the file of a vocabulary alone."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz红车蓝猫天空"
    (folder / "vocab.txt").write_text("\n".join([*_BERT, *letters, *(f"##{one}" for one in letters)]))
    config = transformers.ChineseCLIPConfig(
        text_config={**_TEXT, "vocab_size": 100, "max_position_embeddings": 128},
        vision_config={**TOWER, "image_size": 32},
        projection_dim=24,
    )
    square = {"height": 32, "width": 32}
    processor = transformers.ChineseCLIPImageProcessorPil(size=square, crop_size=square, do_center_crop=False)
    return _saved(folder, transformers.ChineseCLIPModel, config, processor, seed)


def save_altclip(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    # In the order of XLM-RoBERTa: positions are counted from the number of the padding.
    specials = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    save_tokenizer(folder, specials, lower=False)
    config = transformers.AltCLIPConfig(
        text_config={**_TEXT, "vocab_size": 300, "max_position_embeddings": 128, "project_dim": 28},
        vision_config={**TOWER, "image_size": 32},
        projection_dim=24,
    )
    return _saved(folder, transformers.AltCLIPModel, config, _cropping(), seed)


def save_aimv2(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    specials = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    save_tokenizer(folder, specials)
    config = transformers.Aimv2Config(
        text_config={**_TEXT, "vocab_size": 300, "max_position_embeddings": 77, "eos_token_id": 1},
        vision_config={**TOWER, "image_size": 32},
        projection_dim=24,
    )
    return _saved(folder, transformers.Aimv2Model, config, _cropping(), seed)


def _cropping() -> Any:
    return transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def _saved(folder: Path, cls: Any, config: Any, processor: Any, seed: int) -> Path:
    with seeded(seed):
        model = cls(config)
        widen(model)
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
