"""The families: a module for each, and the way from a model to its family."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from vstore.embed.hf.source.own_code import untrusted
from vstore.embed.hf.source.unsupported import refuse_known
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.families.family import Family
    from vstore.embed.hf.source.model_folder import ModelFolder

FAMILIES = {
    "vision-tower": "tower:VisionTower",
    "clip": "clip:Clip",
    "chinese-clip": "chinese_clip:ChineseClip",
    "altclip": "altclip:AltClip",
    "aimv2": "aimv2:Aimv2",
    "siglip": "siglip:Siglip",
    "siglip-naflex": "naflex:Naflex",
    "backbone": "backbone:Backbone",
    "pooled": "pooled:Pooled",
    "qwen-vl": "qwen_vl:QwenVL",
    "open-clip": "open_clip:OpenClip",
    "open-clip-own": "open_clip_own:OpenClipOwn",
    "timm": "timm_model:Timm",
    "remote": "remote:Remote",
}


def family_class(family: str) -> type[Family]:
    """Import the class of a family."""
    module, _, name = FAMILIES[family].partition(":")
    found: type[Family] = getattr(importlib.import_module(f"vstore.embed.hf.families.{module}"), name)
    return found


def family_of(folder: ModelFolder, *, trust_code: bool) -> type[Family]:
    """Find the family that takes a model. A model's own code is used only where no family does.

    Raises: ModelError if no family takes it.
    """
    refuse_known(folder.name, folder.config)
    families = [family_class(family) for family in FAMILIES]
    for cls in families:
        if cls.takes(folder):
            return cls
    own = folder.config.get("auto_map") or {}
    if "AutoModel" in own:
        if trust_code:
            return family_class("remote")
        raise untrusted(folder)
    if own:
        classes = ", ".join(sorted(own.keys() - {"AutoConfig"})) or "a configuration alone"
        raise ModelError(
            f"{folder.name} ({folder.model_type or 'no type'}) is made by Python code of its own, which has {classes} "
            "and no AutoModel: vstore takes vectors from an AutoModel alone",
            "name a model that was trained for retrieval, such as google/siglip2-base-patch16-224, or write a plug-in "
            "(examples/plugin in the sources)",
        )
    families.sort(key=lambda cls: cls.title.casefold())
    known = "; ".join(f"{cls.title} ({', '.join(sorted(cls.model_types))})" for cls in families if cls.model_types)
    raise ModelError(
        f"{folder.name} is a model of the type {folder.model_type!r}, which vstore does not support",
        f"supported types: {known}; another embedder can be added as a plug-in (examples/plugin in the sources)",
    )
