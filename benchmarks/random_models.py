"""Random models of published shapes, saved as a hub folder is. How fast a model is does not depend on its weights.

They are never built: their parameters are listed on torch's meta device, and made and written one shard at a time, so
that a model of 7 billion takes no more memory than a shard.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

SHARD = 2 << 30  # bytes of a weight file, and of memory on the device that makes them
SIDE = 224  # pixels of a CLIP's picture, each way
PIXELS = 512 * 512  # at most, of a Qwen2-VL's picture


class Vit(NamedTuple):
    """The picture side of a CLIP. dim: numbers of a vector."""

    hidden: int
    layers: int
    heads: int
    patch: int
    mlp: int
    dim: int = 512

    def operations(self) -> int:
        """Of one picture: two for each multiplication in a product of matrices."""
        patches = (SIDE // self.patch) ** 2
        embedding = patches * 3 * self.patch**2 * self.hidden
        layers = self.layers * _block(patches + 1, self.hidden, 4 * self.hidden**2 + 2 * self.hidden * self.mlp)
        return 2 * (embedding + layers + self.hidden * self.dim)


class QwenVL(NamedTuple):
    """A Qwen2-VL. vision_*: of the side that looks at the picture; the rest: of the language model."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int
    vocabulary: int
    vision_hidden: int
    vision_layers: int
    vision_heads: int

    def operations(self, patches: int, tokens: int) -> int:
        """Of one picture: two for each multiplication in a product of matrices; attention as if no token were masked.

        patches: of 14 × 14 pixels; tokens: of the prompt with the picture in it, where four patches are one.
        """
        wide, tall = self.vision_hidden, self.hidden
        vision = patches * 3 * 2 * 14**2 * wide + self.vision_layers * _block(patches, wide, 12 * wide**2)
        merger = patches // 4 * (16 * wide**2 + 4 * wide * tall)
        keys = tall * self.kv_heads // self.heads
        weights = 2 * tall**2 + 2 * tall * keys + 3 * tall * self.mlp
        return 2 * (vision + merger + self.layers * _block(tokens, tall, weights))


def _block(tokens: int, hidden: int, weights: int) -> int:
    """Multiplications of one layer: by its weights, and of tokens with one another, twice."""
    return tokens * weights + 2 * tokens**2 * hidden


TINY = Vit(hidden=32, layers=2, heads=4, patch=32, mlp=64)
B32 = Vit(hidden=768, layers=12, heads=12, patch=32, mlp=3072)
L14 = Vit(hidden=1024, layers=24, heads=16, patch=14, mlp=4096, dim=768)
QWEN_TINY = QwenVL(64, 2, 4, 2, 128, 300, vision_hidden=64, vision_layers=2, vision_heads=4)
QWEN_7B = QwenVL(3584, 28, 28, 4, 18944, 152064, vision_hidden=1280, vision_layers=32, vision_heads=16)

_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_SPECIALS += ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
# The words of vstore's prompt: each is one token, as in the published tokenizer.
_WORDS = ["system", "user", "assistant", " assistant", "You", " are", " a", " helpful"]


def clip_on_meta(shape: Vit) -> Any:
    """A CLIP that has shapes and no weights. Its text side is small."""
    import torch
    import transformers

    config = transformers.CLIPConfig(
        text_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4},
        vision_config={
            "hidden_size": shape.hidden,
            "intermediate_size": shape.mlp,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "patch_size": shape.patch,
            "image_size": SIDE,
        },
        projection_dim=shape.dim,
    )
    with torch.device("meta"):
        return transformers.CLIPModel(config)


def qwen_on_meta(shape: QwenVL) -> Any:
    """A Qwen2-VL that has shapes and no weights."""
    import torch
    import transformers

    half = shape.hidden // shape.heads // 2
    # transformers 5 keeps sizes that stand beside text_config and vision_config, and passes them over: each in its own.
    config = transformers.Qwen2VLConfig(
        text_config={
            "hidden_size": shape.hidden,
            "intermediate_size": shape.mlp,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "vocab_size": shape.vocabulary,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [half // 4, half * 3 // 8, half * 3 // 8],
            },
        },
        vision_config={
            "embed_dim": shape.vision_hidden,
            "hidden_size": shape.hidden,
            "depth": shape.vision_layers,
            "num_heads": shape.vision_heads,
        },
        **{
            f"{name}_token_id": _SPECIALS.index(f"<|{token}|>")
            for name, token in (
                ("vision_start", "vision_start"),
                ("vision_end", "vision_end"),
                ("image", "image_pad"),
                ("video", "video_pad"),
            )
        },
    )
    with torch.device("meta"):
        return transformers.Qwen2VLForConditionalGeneration(config)


def save_clip(folder: Path, shape: Vit, device: str) -> None:
    """In fp32, as they are published."""
    import torch
    import transformers

    model = clip_on_meta(shape)
    model.config.save_pretrained(folder)
    _write(folder, _shapes(model), torch.float32, device)
    transformers.CLIPImageProcessorPil().save_pretrained(folder)


def save_qwen(folder: Path, shape: QwenVL, device: str) -> Path:
    """In bf16, as they are published. Returns: the folder of a LoRA adapter for it."""
    import peft
    import torch
    import transformers

    model = qwen_on_meta(shape)
    model.config.save_pretrained(folder)
    published = [
        (name.removeprefix("model.").replace("language_model.", "model."), value) for name, value in _shapes(model)
    ]
    _write(folder, published, torch.bfloat16, device)
    transformers.Qwen2VLImageProcessorPil(
        patch_size=14, size={"shortest_edge": 56 * 56, "longest_edge": PIXELS}
    ).save_pretrained(folder)
    _save_tokenizer(folder)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    lora = peft.LoraConfig(r=16, lora_alpha=32, target_modules=targets)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft finds deprecated in transformers
        adapted = peft.get_peft_model(model, lora)
    adapter = folder.with_name(f"{folder.name}-lora")
    made = [(name, value.shape) for name, value in peft.get_peft_model_state_dict(adapted).items()]
    _write(adapter, made, torch.float32, device, "adapter_model")
    lora.base_model_name_or_path = str(folder)
    lora.save_pretrained(adapter)
    return adapter


def _shapes(model: Any) -> list[tuple[str, torch.Size]]:
    return [(name, value.shape) for name, value in model.state_dict().items()]


def _write(
    folder: Path, shapes: Iterable[tuple[str, torch.Size]], dtype: torch.dtype, device: str, stem: str = "model"
) -> None:
    """Make weights on a device, and write them as they are made."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    files: list[dict[str, torch.Size]] = [{}]
    room = SHARD
    for name, shape in shapes:
        room -= shape.numel() * dtype.itemsize
        if room < 0 and files[-1]:
            files.append({})
            room = SHARD - shape.numel() * dtype.itemsize
        files[-1][name] = shape
    chance = torch.Generator(device).manual_seed(0)
    places = {}
    for number, some in enumerate(files, 1):
        file = f"{stem}.safetensors" if len(files) == 1 else f"{stem}-{number:05d}-of-{len(files):05d}.safetensors"
        weights = {}
        for name, shape in some.items():
            if len(shape) == 1 and "embedding" not in name:
                # Norms and biases as before training: noise here would drown what the pictures say.
                weights[name] = torch.full(shape, float(name.endswith("weight")), dtype=dtype)
            else:
                made = torch.empty(shape, dtype=dtype, device=device).normal_(0, 0.02, generator=chance)
                weights[name] = made.cpu()
        save_file(weights, folder / file, {"format": "pt"})
        places.update(dict.fromkeys(some, file))
    if len(files) > 1:
        (folder / f"{stem}.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def _save_tokenizer(folder: Path) -> None:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = [*_SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_tokens(_WORDS)
    end = _SPECIALS[0]
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, pad_token=end)
    fast.add_special_tokens({"additional_special_tokens": _SPECIALS[1:]})
    fast.save_pretrained(folder)
