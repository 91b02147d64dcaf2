"""The weights of an OpenCLIP model under the names of transformers' CLIP and SigLIP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from vstore.embed.hf.families.open_clip_config import Towers
from vstore.errors import ModelError

if TYPE_CHECKING:
    import torch

Named = Iterator[tuple[str, "torch.Tensor"]]
Rename = Callable[[str, "torch.Tensor"], Named]

_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
    "attn.proj": "self_attn.out_proj",
}
_CLIP_VISION = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    # transformers writes it so.
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
_TRUNK = {
    "visual.trunk.patch_embed.proj.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.trunk.patch_embed.proj.bias": "vision_model.embeddings.patch_embedding.bias",
    "visual.trunk.norm.weight": "vision_model.post_layernorm.weight",
    "visual.trunk.norm.bias": "vision_model.post_layernorm.bias",
    "visual.trunk.attn_pool.latent": "vision_model.head.probe",
    **{
        f"visual.trunk.attn_pool.{theirs}.{kind}": f"vision_model.head.{ours}.{kind}"
        for theirs, ours in (
            ("proj", "attention.out_proj"),
            ("norm", "layernorm"),
            ("mlp.fc1", "mlp.fc1"),
            ("mlp.fc2", "mlp.fc2"),
        )
        for kind in ("weight", "bias")
    },
}
_TEXT = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
}
_VISION_LAYER = re.compile(r"visual\.(?:transformer\.resblocks|trunk\.blocks)\.(\d+)\.(.+)\.(weight|bias)")
_TEXT_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)\.(weight|bias)")
_IN_PROJECTION = re.compile(r"(.*)\.attn\.in_proj_(weight|bias)")


def renamed(weights: dict[str, torch.Tensor], towers: Towers) -> dict[str, torch.Tensor]:
    """Give every weight its name in transformers. Raises: ModelError for a weight that has no place there."""
    import torch

    found: dict[str, torch.Tensor] = {}
    pool: dict[str, torch.Tensor] = {}
    lost = []
    for name, value in weights.items():
        if name.startswith("visual.trunk.attn_pool.") and name.split(".")[3] in ("q", "kv"):
            pool[name.removeprefix("visual.trunk.attn_pool.")] = value
            continue
        own = dict(_renamed(name, value, towers))
        found |= own
        if not own:
            lost.append(name)
    for kind in ("weight", "bias"):
        parts = [f"{one}.{kind}" for one in ("q", "kv")]
        if pool.keys() >= set(parts):
            found[f"vision_model.head.attention.in_proj_{kind}"] = torch.cat([pool.pop(part) for part in parts])
    lost += sorted(pool)
    if lost:
        raise ModelError(
            f"its weights are not those of the model that its configuration describes: there is no place for "
            f"{len(lost)} of them ({', '.join(lost[:3])})",
            "copy or download the model again",
        )
    return {name: value.contiguous() for name, value in found.items()}


def _renamed(name: str, value: torch.Tensor, towers: Towers) -> Named:
    """Rename one weight. Returns: its names with their parts; nothing where it has no place."""
    if name in ("logit_scale", "logit_bias"):
        # The likeness of a picture and a text: no part of a vector. SigLIP's are vectors of one number there.
        yield name, value.reshape(1 if towers.model_type == "siglip" else ())
    elif name.startswith("visual."):
        yield from _vision(name, value)
    elif name.startswith(towers.text_prefix):
        yield from _text(name.removeprefix(towers.text_prefix), value, towers.model_type)


def _vision(name: str, value: torch.Tensor) -> Named:
    if name == "visual.proj":
        yield "visual_projection.weight", value.T
    elif name == "visual.trunk.pos_embed":
        yield "vision_model.embeddings.position_embedding.weight", value[0]
    elif name in _CLIP_VISION or name in _TRUNK:
        yield (_CLIP_VISION.get(name) or _TRUNK[name]), value
    else:
        yield from _layer(_VISION_LAYER, "vision_model", name, value)


def _text(name: str, value: torch.Tensor, model_type: str) -> Named:
    if name == "text_projection" and model_type == "clip":
        yield "text_projection.weight", value.T
    elif name.startswith("text_projection.") and model_type == "siglip":
        yield f"text_model.head.{name.removeprefix('text_projection.')}", value
    elif name in _TEXT:
        yield _TEXT[name], value
    else:
        yield from _layer(_TEXT_LAYER, "text_model", name, value)


def _layer(pattern: re.Pattern[str], tower: str, name: str, value: torch.Tensor) -> Named:
    """Rename a weight of a layer; query, key and value are one weight in OpenCLIP."""
    joined = _IN_PROJECTION.fullmatch(name)
    found: Any = pattern.fullmatch(f"{joined[1]}.attn.qkv.{joined[2]}" if joined else name)
    if found is None:
        return
    layer, part, kind = found.groups()
    if part == "attn.qkv":
        for ours, third in zip("qkv", value.chunk(3), strict=True):
            yield f"{tower}.encoder.layers.{layer}.self_attn.{ours}_proj.{kind}", third
    elif part in _BLOCK:
        yield f"{tower}.encoder.layers.{layer}.{_BLOCK[part]}.{kind}", value
