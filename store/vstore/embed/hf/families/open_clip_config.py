"""The configuration of an OpenCLIP model, in the words of transformers' CLIP and SigLIP. Pure.

The plain architectures of OpenCLIP are those of transformers under other names. A word that says otherwise is refused
by its name: passed over, it would make another model. Such a model is open_clip's own to compute.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple, NoReturn


class NotPlain(Exception):
    """An architecture that is neither CLIP's nor SigLIP's, by the word that says so."""


_TOP = {"embed_dim", "quick_gelu", "custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale"}
# Words of training, of tokenizers, and of parts that are not there: they may say anything.
_IDLE = {"patch_dropout", "attn_pooler_queries", "attn_pooler_heads", "pad_id", "eos_id"}
_IDLE_TIMM = {"timm_model_pretrained", "timm_drop", "timm_drop_path", "timm_proj_bias"}
_TOKENIZER = {"hf_tokenizer_name", "tokenizer_kwargs", "tokenizer_mode"}
_TOWER = {"width", "layers", "mlp_ratio", "norm_kwargs"}
_TEXT = _TOWER | {"context_length", "vocab_size", "heads"} | _TOKENIZER | _IDLE
# Words that must have these values where they are said.
_PLAIN_BLOCK = {
    "ls_init_value": (None,),
    "block_type": (None, "default"),
    "qk_norm": (False,),
    "scaled_cosine_attn": (False,),
    "scale_heads": (False,),
    "scale_attn_inner": (False,),
    "scale_attn": (False,),
    "scale_fc": (False,),
    "output_tokens": (False,),
    "final_ln_after_pool": (False,),
}
_PLAIN_VISION: dict[str, tuple[Any, ...]] = {
    **_PLAIN_BLOCK,
    "act_kwargs": (None, {}),
    "timm_model_name": (None,),
    "attentional_pool": (False,),
    "no_ln_pre": (False,),
    "pos_embed_type": ("learnable",),
    "pool_type": ("tok",),
}
_PLAIN_TEXT: dict[str, tuple[Any, ...]] = {
    **_PLAIN_BLOCK,
    "hf_model_name": (None,),
    "embed_cls": (False,),
    "proj_type": ("linear",),
}

# timm's picture towers of SigLIP: width, layers, heads, width of the MLP.
_SIGLIP = re.compile(r"vit_([a-z0-9]+)_patch(\d+)_siglip_\d+")
SIGLIP_SIZES = {
    "base": (768, 12, 12, 3072),
    "large": (1024, 24, 16, 4096),
    "so400m": (1152, 27, 16, 4304),
    "giantopt": (1536, 40, 16, 6144),
}
# Those with the approximate GELU; the others have the exact one.
_TANH = re.compile(r"vit_(giantopt_.*|so400m_patch16_.*|large_patch16_siglip_512|base_patch32_siglip_256)")
_GELU = {None: "gelu", "none": "gelu", "tanh": "gelu_pytorch_tanh"}


class Towers(NamedTuple):
    """A model of transformers.

    model_type:  `clip` or `siglip`.
    config:      arguments of its configuration class.
    text_prefix: of the text tower's weights in the file: `text.`, or none.
    """

    model_type: str
    config: dict[str, Any]
    text_prefix: str


def towers(model_cfg: dict[str, Any]) -> Towers:
    """Translate the `model_cfg` of OpenCLIP. Raises: NotPlain."""
    vision, text = model_cfg["vision_cfg"], model_cfg["text_cfg"]
    _require(model_cfg, {*_TOP, "vision_cfg", "text_cfg"}, {})
    prefix = "text." if model_cfg.get("custom_text") else ""
    if _SIGLIP.fullmatch(str(vision.get("timm_model_name"))):
        return Towers("siglip", _siglip(model_cfg, vision, text), prefix)
    return Towers("clip", _clip(model_cfg, vision, text), prefix)


def is_plain(config: dict[str, Any]) -> bool:
    """Tell whether the towers of a configuration are CLIP's or SigLIP's; one that lacks its parts counts as plain."""
    try:
        towers(config["model_cfg"])
    except NotPlain:
        return False
    except (AttributeError, KeyError, TypeError, ValueError):
        return True
    return True


def _clip(model_cfg: dict[str, Any], vision: dict[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    free = _TOWER | {"head_width", "patch_size", "image_size", "timm_pool", "timm_proj"} | _IDLE | _IDLE_TIMM
    _require(vision, free, _PLAIN_VISION)
    plain = {"no_causal_mask": (False,), "pool_type": ("argmax",), "proj_bias": (False,), "act_kwargs": (None, {})}
    _require(text, _TEXT, _PLAIN_TEXT | plain)
    if isinstance(vision.get("layers", 12), list):
        _refuse("layers", f"{vision['layers']} (a ResNet)")
    act = "quick_gelu" if model_cfg.get("quick_gelu") else "gelu"
    width = int(vision.get("width", 768))
    return {
        "projection_dim": int(model_cfg["embed_dim"]),
        "vision_config": {
            "hidden_size": width,
            "num_hidden_layers": vision.get("layers", 12),
            "num_attention_heads": width // vision.get("head_width", 64),
            "intermediate_size": int(width * vision.get("mlp_ratio", 4.0)),
            "patch_size": vision.get("patch_size", 16),
            "image_size": square_side(vision),
            "layer_norm_eps": _eps(vision),
            "hidden_act": act,
        },
        # OpenCLIP takes the highest token of a text, and transformers does so for this value alone.
        "text_config": {**_text_config(text), "hidden_act": act, "eos_token_id": 2},
    }


def _siglip(model_cfg: dict[str, Any], vision: dict[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    name = vision["timm_model_name"]
    found = _SIGLIP.fullmatch(name)
    if found is None or found[1] not in SIGLIP_SIZES:
        _refuse("timm_model_name", name)
    needed: dict[str, tuple[Any, ...]] = {"timm_pool": ("map",), "timm_proj": ("none",)}
    _require(vision, {"timm_model_name", "image_size"} | _IDLE_TIMM, needed, always=needed)
    needed = {"no_causal_mask": (True,), "pool_type": ("last",), "proj_bias": (True,)}
    _require(text, _TEXT | {"act_kwargs"}, _PLAIN_TEXT | needed, always=needed)
    width, layers, heads, inner = SIGLIP_SIZES[found[1]]
    if model_cfg["embed_dim"] != width:
        _refuse("embed_dim", model_cfg["embed_dim"])
    act = text.get("act_kwargs") or {}
    _require(act, (), {"approximate": tuple(_GELU)})
    return {
        "vision_config": {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": inner,
            "patch_size": int(found[2]),
            "image_size": square_side(vision),
            "layer_norm_eps": 1e-6,
            "hidden_act": "gelu_pytorch_tanh" if _TANH.fullmatch(name) else "gelu",
        },
        "text_config": {
            **_text_config(text),
            "projection_size": width,
            "hidden_act": _GELU[act.get("approximate")],
        },
    }


def _text_config(text: dict[str, Any]) -> dict[str, Any]:
    """Translate what both text towers have. The values of words that are not said are those of OpenCLIP."""
    width = int(text.get("width", 512))
    return {
        "hidden_size": width,
        "num_hidden_layers": text.get("layers", 12),
        "num_attention_heads": text.get("heads", 8),
        "intermediate_size": int(width * text.get("mlp_ratio", 4.0)),
        "vocab_size": text.get("vocab_size", 49408),
        "max_position_embeddings": text.get("context_length", 77),
        "layer_norm_eps": _eps(text),
    }


def _require(
    found: dict[str, Any],
    free: Collection[str],
    plain: dict[str, tuple[Any, ...]],
    always: Collection[str] = (),
) -> None:
    """Refuse a word that is neither free nor plain.

    free:   words of any value.
    plain:  words with their allowed values.
    always: words that must be said.
    """
    for word in always:
        if word not in found:
            _refuse(word, "nothing")
    for word, value in found.items():
        if word not in free and value not in plain.get(word, ()):
            _refuse(word, value)


def _eps(tower: dict[str, Any]) -> float:
    kwargs = tower.get("norm_kwargs") or {}
    _require(kwargs, {"eps"}, {})
    return float(kwargs.get("eps", 1e-5))


def square_side(vision: dict[str, Any]) -> int:
    """Find the side of a square picture, in pixels. Raises: NotPlain for another shape."""
    size = vision.get("image_size", 224)
    sides = size if isinstance(size, list) else [size, size]
    if len(set(sides)) != 1:
        _refuse("image_size", size)
    return int(sides[0])


def _refuse(word: str, value: Any) -> NoReturn:
    raise NotPlain(f"{word}: {value}")
