"""Less common forms of an adapter give the vectors of transformers and peft on the full class, or a clear refusal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from support import tiny
from support.adapters import rewrite, save_adapter
from support.embedders import embedder, probes
from support.reference import Reference
from support.zoo import Zoo

from vstore.errors import ModelError

FULL: dict[str, Any] = {
    "clip": transformers.CLIPModel,
    "siglip": transformers.SiglipModel,
    "dinov2": transformers.Dinov2Model,
    "qwen2_vl": transformers.Qwen2VLForConditionalGeneration,
    "qwen2_5_vl": transformers.Qwen2_5_VLForConditionalGeneration,
    "qwen3_vl": transformers.Qwen3VLForConditionalGeneration,
}
QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


def rows(made: Any) -> np.ndarray:
    found: np.ndarray = made.embed_images(list(probes().values()))
    return found


def assert_is_peft(base: Path, adapter: Path, trained: Path | None = None, near: float = 1e-5) -> None:
    """trained: the adapter as peft reads it, if that is not the very folder."""
    reference = Reference(base, trained or adapter)
    said: list[str] = []
    made = rows(embedder(base, adapter, note=said.append))
    assert not [line for line in said if line.startswith("warning")], said
    assert np.abs(made - np.stack([reference.picture(one) for one in probes().values()])).max() < near
    assert np.abs(made - rows(embedder(base))).max() > 1e-3, "an adapter without an effect proves nothing"


def older(key: str) -> str:
    """A key as transformers before 4.52 had it, for Qwen2-VL and Qwen2.5-VL."""
    key = key.replace("model.language_model.", "model.")
    return key.replace("base_model.model.model.visual.", "base_model.model.visual.")


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl"])
@pytest.mark.parametrize("targets", [
    ["q_proj", "qkv"], r"^(model(?=\.)(?!.*visual).*\.(q_proj|up_proj)|visual\..*\.qkv)$",
], ids=str)  # fmt: skip
def test_the_layout_of_before(zoo: Zoo, tmp_path: Path, name: str, targets: Any) -> None:
    now = targets if isinstance(targets, list) else r".*(language_model.*\.(q_proj|up_proj)|visual.*\.qkv)"
    own = save_adapter(tmp_path / "own", zoo[name], now, cls=FULL[name], modules_to_save=["merger"])
    before = rewrite(own, tmp_path / "before", rename=older, target_modules=targets)
    assert any("model.model.layers." in key for key in load_file(before / "adapter_model.safetensors"))
    assert_is_peft(zoo[name], before, own)


@pytest.mark.parametrize("name", QWEN)
@pytest.mark.parametrize("options", [
    {"layers_to_transform": [1], "layers_pattern": "blocks"},
    {"layers_to_transform": 0, "layers_pattern": ["blocks", "layers"]},
], ids=str)  # fmt: skip
def test_some_layers_of_a_tower(zoo: Zoo, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    own = save_adapter(tmp_path / "own", zoo[name], ["q_proj", "qkv", "attn.proj"], cls=FULL[name], **options)
    assert_is_peft(zoo[name], own)
    keys = load_file(own / "adapter_model.safetensors")
    lost = next(key for key in keys if "blocks" in key).partition(".lora_")[0]
    odd = rewrite(own, tmp_path / "odd", drop=lambda key: key.startswith(lost))
    with pytest.raises(ModelError, match="1 of its weights is missing"):
        embedder(zoo[name], odd)


@pytest.mark.parametrize(("name", "targets", "saved"), [
    ("clip", ["q_proj", "fc1"], ["visual_projection", "post_layernorm"]),
    ("qwen2_vl", ["q_proj", "qkv"], ["merger"]),
    ("qwen3_vl", r".*language_model.*(q_proj|down_proj)", ["merger", "embed_tokens"]),
])  # fmt: skip
def test_dora_beside_saved_modules(zoo: Zoo, tmp_path: Path, name: str, targets: Any, saved: list[str]) -> None:
    own = save_adapter(
        tmp_path / "own", zoo[name], targets, cls=FULL[name], strength=0.1, use_dora=True, modules_to_save=saved
    )
    assert_is_peft(zoo[name], own)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["clip", "qwen2_5_vl"])
def test_weights_of_half_precision(zoo: Zoo, tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    """Trainers save what they trained in; peft computes with it as fp32."""
    saved = ["post_layernorm"] if name == "clip" else ["merger"]
    own = save_adapter(tmp_path / "own", zoo[name], ["q_proj", "v_proj"], cls=FULL[name], modules_to_save=saved)
    half = rewrite(own, tmp_path / "half")
    weights = {key: value.to(dtype) for key, value in load_file(own / "adapter_model.safetensors").items()}
    save_file(weights, half / "adapter_model.safetensors", {"format": "pt"})
    assert_is_peft(zoo[name], half)


@pytest.mark.parametrize(("name", "targets"), [
    ("clip", ["patch_embedding"]), ("siglip", ["patch_embedding", "q_proj"]),
    ("dinov2", r".*(patch_embeddings\.projection|fc1)"),
    ("qwen2_vl", ["patch_embed.proj"]), ("qwen2_5_vl", ["patch_embed.proj", "qkv"]), ("qwen3_vl", ["patch_embed.proj"]),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("dora", [False, True])
def test_a_lora_of_a_convolution(zoo: Zoo, tmp_path: Path, name: str, targets: Any, dora: bool) -> None:
    own = save_adapter(tmp_path / "own", zoo[name], targets, cls=FULL[name], strength=0.1, use_dora=dora)
    assert_is_peft(zoo[name], own, near=1e-4 if name == "siglip" else 1e-5)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen3_vl", "clip"])
@pytest.mark.parametrize("dora", [False, True])
def test_a_lora_of_embeddings(zoo: Zoo, tmp_path: Path, name: str, dora: bool) -> None:
    """Its parts are bare parameters: lora_embedding_A, lora_embedding_B."""
    targets = ["token_embedding", "q_proj"] if name == "clip" else ["embed_tokens", "q_proj"]
    own = save_adapter(tmp_path / "own", zoo[name], targets, cls=FULL[name], strength=0.1, use_dora=dora)
    weights = load_file(own / "adapter_model.safetensors")
    noisy = {key: torch.randn(value.shape) * 0.1 if "embedding_" in key else value for key, value in weights.items()}
    save_file(noisy, own / "adapter_model.safetensors", {"format": "pt"})
    assert any("lora_embedding_A" in key for key in weights)
    assert_is_peft(zoo[name], own)
    if name == "clip":
        text = embedder(zoo[name], own).embed_texts(["a red car"])[0]
        assert np.abs(text - Reference(zoo[name], own).text("a red car")).max() < 1e-5
    without = rewrite(own, tmp_path / "without", drop=lambda key: "embedding_B" in key)
    with pytest.raises(ModelError, match="1 of its weights is missing"):
        embedder(zoo[name], without)


def test_fan_in_fan_out_means_nothing_for_linear_layers(zoo: Zoo, tmp_path: Path) -> None:
    own = save_adapter(tmp_path / "own", zoo["clip"], ["q_proj"], cls=FULL["clip"])
    fan = rewrite(own, tmp_path / "fan", fan_in_fan_out=True)
    assert_is_peft(zoo["clip"], fan)


def tied(folder: Path) -> Path:
    """Qwen2-VL whose words' embeddings are the language head's weights, too."""
    tiny.save_qwen(folder, "qwen2_vl")
    config = json.loads((folder / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("saved", [["embed_tokens", "lm_head"], ["embed_tokens"], ["lm_head"]], ids=str)
@pytest.mark.parametrize("tying", [False, True])
def test_tied_weights(tmp_path: Path, saved: list[str], tying: bool) -> None:
    """Trained, they may be two."""
    base = tied(tmp_path / "base")
    own = save_adapter(
        tmp_path / "own", base, ["q_proj"], cls=FULL["qwen2_vl"], modules_to_save=saved, ensure_weight_tying=tying
    )
    assert_is_peft(base, own)


def test_a_lora_of_a_tied_head_does_not_change_the_embeddings(tmp_path: Path) -> None:
    base = tied(tmp_path / "base")
    own = save_adapter(tmp_path / "own", base, ["q_proj", "lm_head"], cls=FULL["qwen2_vl"])
    assert_is_peft(base, own)


@pytest.mark.parametrize("options", [
    {"trainable_token_indices": [3, 4]}, {"trainable_token_indices": {"embed_tokens": [3]}},
    {"target_parameters": ["q_proj.weight"]}, {"layer_replication": [[0, 2], [1, 2]]}, {"use_qalora": True},
    {"alora_invocation_tokens": [1, 2]}, {"megatron_config": {"a": 1}}, {"use_bdlora": {"a": 1}},
], ids=str)  # fmt: skip
def test_what_cannot_be_merged_is_refused_by_its_name(zoo: Zoo, tmp_path: Path, options: dict[str, Any]) -> None:
    odd = rewrite(zoo.adapter("qwen2_vl"), tmp_path / "odd", **options)
    (word,) = options
    with pytest.raises(ModelError, match=f"unsupported kind of LoRA .{word}") as caught:
        embedder(zoo["qwen2_vl"], odd)
    assert "merge_and_unload" in caught.value.next_step


def test_weights_in_several_files_are_told_to_be_joined(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd")
    weights = load_file(odd / "adapter_model.safetensors")
    (odd / "adapter_model.safetensors").unlink()
    names = sorted(weights)
    files = {f"adapter_model-0000{n}-of-00002.safetensors": names[n - 1 :: 2] for n in (1, 2)}
    for file, some in files.items():
        save_file({name: weights[name] for name in some}, odd / file)
    index = {"weight_map": {name: file for file, some in files.items() for name in some}}
    (odd / "adapter_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="has its weights in several files") as caught:
        embedder(zoo["clip"], odd)
    command = caught.value.next_step.removeprefix("join them: ").replace("&& python", f"&& {sys.executable}")
    subprocess.run(command, shell=True, check=True)
    assert_is_peft(zoo["clip"], odd, zoo.adapter("clip"))


def test_a_file_without_weights(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", drop=lambda key: True)
    with pytest.raises(ModelError, match=r"the weight file of the adapter .* is empty"):
        embedder(zoo["clip"], odd)


def test_empty_weights_of_a_run_on_several_machines(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("qwen2_vl"), tmp_path / "odd")
    weights = load_file(odd / "adapter_model.safetensors")
    save_file({key: torch.zeros(0) for key in weights}, odd / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"has empty weights .*ZeRO-3") as caught:
        embedder(zoo["qwen2_vl"], odd)
    assert "zero_to_fp32.py" in caught.value.next_step


def test_a_header_that_nests_too_deep_is_damaged(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd")
    header = b'{"a":' * 100_000
    (odd / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError, match="is damaged: its header cannot be read"):
        embedder(zoo["clip"], odd)


def test_weights_that_the_configuration_does_not_ask_for_are_said(zoo: Zoo, tmp_path: Path) -> None:
    """Two runs that wrote into one folder: peft would leave a part out with a warning of its own."""
    own = save_adapter(
        tmp_path / "own", zoo["clip"], ["q_proj", "k_proj"], cls=FULL["clip"], modules_to_save=["visual_projection"]
    )
    odd = rewrite(own, tmp_path / "odd", target_modules=["q_proj"], modules_to_save=None)
    said: list[str] = []
    found = rows(embedder(zoo["clip"], odd, note=said.append))
    (line,) = [one for one in said if one.startswith("warning: the adapter has weights for ")]
    assert "layers.0.self_attn.k_proj" in line and "q_proj" not in line
    alone = rewrite(own, tmp_path / "alone", target_modules=["q_proj", "k_proj"], modules_to_save=None)
    embedder(zoo["clip"], alone, note=said.append)
    assert "weights for visual_projection.weight, which" in said[-1]
    assert np.array_equal(found, rows(embedder(zoo["clip"], own)))
