"""Canonical names of tensors: a parameter has one name, whichever class and version of transformers saved it. Pure.

The table is vstore's own: that of transformers changes with its versions, and a space's identity must not. A type that
is not in it keeps the names of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vstore.embed.hf.adapters.keys import read_keys

_ATTENTION = (
    (r"attention\.attention\.query\.", "attention.q_proj."),
    (r"attention\.attention\.key\.", "attention.k_proj."),
    (r"attention\.attention\.value\.", "attention.v_proj."),
    (r"attention\.output\.dense\.", "attention.o_proj."),
)
_DINOV2 = (
    *_ATTENTION,
    (r"mlp\.weights_out\.", "mlp.down_proj."),
)
_QWEN_2 = (
    (r"^model\.", ""),
    # Before version 4.52 the layers of the language model stood beside the vision tower.
    (r"^(embed_tokens|layers|norm)\.", r"language_model.\1."),
)
_VIT = (
    *_ATTENTION,
    (r"intermediate\.dense\.", "mlp.fc1."),
    (r"output\.dense\.", "mlp.fc2."),
    (r"^encoder\.layer\.", "layers."),
)
_TOWER = ((r"^vision_model\.", ""),)  # before version 5 the classes of towers alone had a prefix
_TOWERS = ("aimv2", "altclip", "chinese_clip", "clip", "metaclip_2", "siglip", "siglip2")
# Model type -> replacements, one after another.
_RENAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "dinov2": ((r"^dinov2\.", ""), *_DINOV2),
    "dinov2_with_registers": ((r"^dinov2_with_registers\.", ""), *_DINOV2),
    "dinov3_vit": ((r"^(dinov3_vit\.|model\.)+", ""),),
    **dict.fromkeys(("vit", "vit_mae", "vit_msn"), ((r"^vit\.", ""), *_VIT)),
    "beit": (
        (r"^beit\.", ""),
        (r"^encoder\.relative_position_bias\.", "shared_position_bias."),
        (r"attention\.attention\.relative_position_bias\.", "relative_position_bias."),
        *_VIT,
    ),
    "convnext": ((r"^convnext\.", ""),),
    "convnextv2": ((r"^convnextv2\.", ""),),
    "data2vec-vision": ((r"^data2vec_vision\.", ""),),
    "dinov3_convnext": ((r"^model\.", ""),),
    "resnet": ((r"^resnet\.", ""),),
    "swin": (
        (r"^swin\.", ""),
        (r"attention\.self\.query\.", "attention.q_proj."),
        (r"attention\.self\.key\.", "attention.k_proj."),
        (r"attention\.self\.value\.", "attention.v_proj."),
        (
            r"attention\.self\.relative_position_bias_table",
            "attention.relative_position_bias.relative_position_bias_table",
        ),
        (r"attention\.output\.dense\.", "attention.o_proj."),
        (r"intermediate\.dense\.", "mlp.fc1."),
        (r"output\.dense\.", "mlp.fc2."),
    ),
    "swinv2": ((r"^swinv2\.", ""),),
    "altclip": ((r"^text_model\.roberta\.encoder\.layer\.", "text_model.roberta.encoder.layers."),),
    **{f"{name}_vision_model": _TOWER for name in _TOWERS},
    "qwen2_vl": _QWEN_2,
    "qwen2_5_vl": _QWEN_2,
    "qwen3_vl": ((r"^model\.", ""),),
}
_HEAD = r"classifier\."
_OF_SIDES = rf"(text|vision)_model\.(roberta\.)?embeddings\.position_ids|{_HEAD}"
# Model type -> tensors without a part in a vector: heads, and numbers that a class computes by itself.
_IDLE: dict[str, str] = {
    **dict.fromkeys(_TOWERS, _OF_SIDES),
    **{f"{name}_vision_model": r"embeddings\.position_ids" for name in _TOWERS},
    **dict.fromkeys(["beit", "convnext", "convnextv2", "data2vec-vision", "resnet", "swin", "swinv2"], _HEAD),
    "dinov2": _HEAD,
    "dinov2_with_registers": _HEAD,
    "dinov3_vit": _HEAD,
    "vit": rf"{_HEAD}|pooler\.",
    "vit_mae": r"decoder\.",
    "vit_msn": _HEAD,
    "qwen2_vl": r"lm_head\.",
    "qwen2_5_vl": r"lm_head\.",
    "qwen3_vl": r"lm_head\.",
}


def canonical_names(model_type: str, names: Iterable[str]) -> Mapping[str, str]:
    """Give the tensors of a model their canonical names: name in the file -> canonical name. Idle ones are left out.

    Two names of one parameter are never made one: such a file keeps its names.
    """
    idle = re.compile(_IDLE.get(model_type, r"(?!)"))
    rules = [(re.compile(old), new) for old, new in _RENAMED.get(model_type, ())]
    found: dict[str, str] = {}
    for name in names:
        canonical = name
        for old, new in rules:
            canonical = old.sub(new, canonical)
        if not idle.match(canonical):
            found[name] = canonical
    return found if len(set(found.values())) == len(found) else {name: name for name in found}


def adapter_names(names: Iterable[str]) -> Mapping[str, str]:
    """Give the tensors of an adapter their canonical names, without wrappers and the adapter's own name.

    Returns: name in the file -> name. A file of several adapters keeps its names.
    """
    found = list(names)
    try:
        return {name: " ".join(key) for name, key in read_keys(found).items()}
    except ValueError:
        return {name: name for name in found}
