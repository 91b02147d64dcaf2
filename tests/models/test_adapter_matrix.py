"""Adapters as trainers write them: each vector is that of transformers and peft on the full class that was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import transformers
from support.adapters import rewrite, save_adapter
from support.embedders import embedder, probes
from support.reference import Reference
from support.zoo import Zoo

QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
DUAL = ("clip", "siglip")
FULL: dict[str, Any] = {
    "clip": transformers.CLIPModel,
    "siglip": transformers.SiglipModel,
    "dinov2": transformers.Dinov2Model,
    "vit": transformers.ViTModel,
    "qwen2_vl": transformers.Qwen2VLForConditionalGeneration,
    "qwen2_5_vl": transformers.Qwen2_5_VLForConditionalGeneration,
    "qwen3_vl": transformers.Qwen3VLForConditionalGeneration,
}


class Case(NamedTuple):
    """One adapter.

    base:    model of the zoo.
    parts:   language, vision, both, merger, or saved modules beside a list.
    targets: as its trainer writes them.
    saved:   modules trained whole.
    """

    base: str
    parts: str
    targets: list[str] | str
    saved: tuple[str, ...] = ()


def _qwen(base: str) -> list[Case]:
    language, full = ["q_proj", "k_proj", "v_proj", "o_proj"], "model.language_model.layers"
    merger = {"qwen3_vl": ["merger.linear_fc1", "merger.linear_fc2"]}.get(base, ["merger.mlp.0", "merger.mlp.2"])
    names = [f"{full}.{n}.self_attn.{one}" for n in (0, 1) for one in language]
    vision = [f"model.visual.blocks.{n}.attn.qkv" for n in (0, 1)]
    return [
        Case(base, "language", language),
        Case(base, "list of seven", [*language, "gate_proj", "up_proj", "down_proj"]),
        Case(base, "language", r"^(model\.language_model(?=\.).*\.(q_proj|k_proj|v_proj|o_proj|gate_proj))$"),
        Case(base, "language", names),
        Case(base, "vision", ["qkv"]),
        Case(base, "vision", r".*visual.*(qkv|attn\.proj)"),
        Case(base, "vision", vision),
        Case(base, "both", ["q_proj", "qkv"]),
        Case(base, "both", r"^(model\.visual(?=\.).*\.(qkv|proj)|model\.language_model(?=\.).*\.(q_proj|up_proj))$"),
        Case(base, "both", [*names, *vision]),
        Case(base, "both", "all-linear"),
        Case(base, "merger", merger),
        Case(base, "merger", r"^model\.visual\.merger(?=\.).*(mlp\.[02]|linear_fc[12])$"),
        Case(base, "saved", ["q_proj"], ("merger",)),
        Case(base, "saved", ["q_proj"], ("embed_tokens",)),
        Case(base, "saved", names, ("lm_head",)),
    ]


def _dual(base: str) -> list[Case]:
    tower = "vision_model.encoder.layers"
    return [
        Case(base, "both", ["q_proj", "v_proj"]),
        Case(base, "vision", r"vision_model\..*\.(q_proj|k_proj|fc1)"),
        Case(base, "vision", [f"{tower}.{n}.mlp.fc2" for n in (0, 1)]),
        Case(base, "language", r".*text_model.*(q_proj|v_proj)"),
        Case(base, "both", "all-linear"),
        Case(base, "saved", ["q_proj"], ("post_layernorm", "vision_model.encoder.layers.1.mlp.fc1")),
    ]


def _backbone(base: str) -> list[Case]:
    layers = "layers" if base == "vit" else "encoder.layer"
    return [
        Case(base, "vision", ["q_proj", "v_proj"]),
        Case(base, "vision", rf"{layers}\.\d\.(attention\.o_proj|mlp\.fc1)"),
        Case(base, "vision", [f"{layers}.{n}.mlp.fc2" for n in (0, 1)]),
        Case(base, "both", "all-linear"),
        Case(base, "saved", ["q_proj"], ("layernorm", "patch_embeddings")),
    ]


CASES = [
    *(case for base in DUAL for case in _dual(base)),
    *(case for base in ("dinov2", "vit") for case in _backbone(base)),
    *(case for base in QWEN for case in _qwen(base)),
]


def as_checkpoint(adapter: Path, to: Path) -> Path:
    """The adapter in the folder that a trainer leaves: with its own state, and keys that bear the adapter's name."""

    def named(key: str) -> str:
        return key.replace(".lora_A.weight", ".lora_A.default.weight").replace(
            ".lora_B.weight", ".lora_B.default.weight"
        )

    rewrite(adapter, to, rename=named, base_model_name_or_path="/workspace/models/base", revision=None)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        (to / name).write_bytes(b"not read by anyone")
    (to / "trainer_state.json").write_text(json.dumps({"global_step": 1095}))
    return to


def label(case: Any) -> str:
    kind = "list" if isinstance(case.targets, list) else "regex"
    if case.targets == "all-linear":
        kind = "all-linear"
    elif isinstance(case.targets, list) and "." in case.targets[0]:
        kind = "names"
    return "-".join([case.base, case.parts, kind, *(("saved", *case.saved) if case.saved else ())])


@pytest.mark.parametrize("case", CASES, ids=label)
def test_vectors_are_those_of_the_full_class(zoo: Zoo, tmp_path: Path, case: Case) -> None:
    options: dict[str, Any] = {"modules_to_save": list(case.saved)} if case.saved else {}
    own = save_adapter(tmp_path / "own", zoo[case.base], case.targets, cls=FULL[case.base], **options)
    reference = Reference(zoo[case.base], own)
    wanted = np.stack([reference.picture(picture) for picture in probes().values()])
    plain = embedder(zoo[case.base]).embed_images(list(probes().values()))
    for folder in (own, as_checkpoint(own, tmp_path / "checkpoint-1095")):
        said: list[str] = []
        made = embedder(zoo[case.base], folder, note=said.append)
        assert not [line for line in said if line.startswith("warning")], said
        found = made.embed_images(list(probes().values()))
        # Merged weights round otherwise; the random SigLIP magnifies that. Merged by peft they are the same again.
        assert np.abs(found - wanted).max() < (1e-4 if case.base == "siglip" else 1e-5)
    # Merging reaches a projection that torch's own attention reads past the adapter: in training it had no part.
    if case.base == "siglip" and case.targets != "all-linear":
        merged = Reference(zoo[case.base], own, merged=True)
        same = np.stack([merged.picture(picture) for picture in probes().values()])
        assert np.abs(found - same).max() < 1e-5
    if case.parts != "language" or case.base in QWEN:
        assert np.abs(plain - wanted).max() > 1e-3, "an adapter without an effect proves nothing"
    if case.base in DUAL:
        text = made.embed_texts(["a red car"])[0]
        assert np.abs(text - reference.text("a red car")).max() < 1e-5
        if case.parts in ("language", "both"):
            assert np.abs(text - embedder(zoo[case.base]).embed_texts(["a red car"])[0]).max() > 1e-3
    shutil.rmtree(tmp_path)
