"""An adapter on a base whose files hold bf16: merged in half of the memory, to the same bits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from support.adapters import rewrite, save_adapter
from support.embedders import embedder, probes, recipe_of
from support.zoo import Zoo

from vstore.embed.hf.source.find import find_model
from vstore.embed.hf.source.model_folder import is_stored_in_bf16
from vstore.errors import ModelError
from vstore.format.recipes import space_id

BASES = ["clip", "naflex", "siglip", "dinov2", "dinov3", "vit", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"]


def in_bf16(model: Path, to: Path) -> Path:
    """A copy of a model with its weights in bf16, as most large ones are published."""
    shutil.copytree(model, to)
    weights = {name: value.to(torch.bfloat16) for name, value in load_file(model / "model.safetensors").items()}
    save_file(weights, to / "model.safetensors", {"format": "pt"})
    return to


@pytest.fixture
def loaded_as(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    """The dtypes that models are loaded as."""
    found: list[torch.dtype] = []
    plain = transformers.AutoModel.from_pretrained.__func__

    def noting(cls: Any, *args: Any, **options: Any) -> Any:
        found.append(options["dtype"])
        return plain(cls, *args, **options)

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", classmethod(noting))
    return found


def both_ways(base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The model merged layer by layer in a base of bf16, and merged as a whole in fp32."""
    slim = embedder(base, adapter, compute="bf16")
    with monkeypatch.context() as patch:
        patch.setattr("vstore.embed.hf.loading.is_stored_in_bf16", lambda folder: False)
        return slim, embedder(base, adapter, compute="bf16")


def assert_the_same_model(one: Any, other: Any) -> None:
    for values in ("named_parameters", "named_buffers"):
        here, there = dict(getattr(one.model, values)()), dict(getattr(other.model, values)())
        assert here.keys() == there.keys()
        for name, value in here.items():
            assert value.dtype == there[name].dtype and torch.equal(value, there[name]), name
    some = list(probes().values())
    assert np.array_equal(one.embed_images(some), other.embed_images(some))


@pytest.mark.parametrize("kind", ["lora", "rslora", "dora"])
@pytest.mark.parametrize("name", BASES)
def test_a_base_in_bf16_is_merged_to_the_bits_of_one_in_fp32(
    name: str,
    kind: str,
    zoo: Zoo,
    tmp_path: Path,
    loaded_as: list[torch.dtype],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, adapter = in_bf16(zoo[name], tmp_path / "base"), zoo.adapter(name, kind)
    weights = load_file(adapter / "adapter_model.safetensors").values()
    assert any(not torch.equal(value, value.to(torch.bfloat16).float()) for value in weights), "or nothing is shown"
    loaded_as.clear()
    slim, full = both_ways(base, adapter, monkeypatch)
    assert loaded_as == [torch.bfloat16, torch.float32]
    assert_the_same_model(slim, full)
    bare = dict(embedder(base, compute="bf16").model.named_parameters())
    assert any(not torch.equal(value, bare[key]) for key, value in slim.model.named_parameters())
    # The merge stands in the recipe, and is what it was.
    assert space_id(slim.recipe) == space_id(full.recipe)
    assert slim.recipe["adapter"]["merge"] == "merged in fp32, then cast"


@pytest.mark.parametrize("kind", [None, "lora"])
@pytest.mark.parametrize("stored", ["bf16", "fp32"])
@pytest.mark.parametrize("name", BASES)
def test_a_model_in_bf16_has_the_dtypes_that_transformers_gives_it(
    name: str, stored: str, kind: str | None, zoo: Zoo, tmp_path: Path
) -> None:
    """Rotary frequencies stay fp32: cast, they would turn the hundredth token by another angle."""
    base = in_bf16(zoo[name], tmp_path / "base") if stored == "bf16" else zoo[name]
    made = embedder(base, zoo.adapter(name, kind) if kind else None, compute="bf16")
    plain = transformers.AutoModel.from_pretrained(base, dtype=torch.bfloat16)
    parameters, buffers = dict(plain.named_parameters()), dict(plain.named_buffers())
    for key, value in made.model.named_parameters():  # of some, not all that transformers makes is needed
        assert value.dtype == parameters[key].dtype, key
    for key, value in made.model.named_buffers():
        assert value.dtype == buffers[key].dtype and torch.equal(value, buffers[key]), key


@pytest.mark.parametrize(
    "options",
    [
        {"modules_to_save": ["visual_projection"]},
        {"lora_bias": True},
        {"bias": "lora_only"},
        {"targets": ["patch_embedding", "fc1"]},
        {"targets": ["token_embedding", "q_proj"]},
    ],
    ids=str,
)
def test_whatever_an_adapter_touches_is_merged_to_the_same_bits(
    options: dict[str, Any], zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = options.pop("targets", ["q_proj", "v_proj"])
    adapter = save_adapter(tmp_path / "adapter", zoo["clip"], targets, **options)
    weights = load_file(adapter / "adapter_model.safetensors")
    weights = {key: value + torch.rand(value.shape) / 50 for key, value in weights.items()}  # as trained, all of it
    save_file(weights, adapter / "adapter_model.safetensors", {"format": "pt"})
    assert_the_same_model(*both_ways(in_bf16(zoo["clip"], tmp_path / "base"), adapter, monkeypatch))


def test_an_adapter_in_bf16_is_merged_with_its_own_numbers(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coarse = rewrite(zoo.adapter("clip"), tmp_path / "coarse")
    weights = {key: value.half() for key, value in load_file(coarse / "adapter_model.safetensors").items()}
    save_file(weights, coarse / "adapter_model.safetensors", {"format": "pt"})
    assert_the_same_model(*both_ways(in_bf16(zoo["clip"], tmp_path / "base"), coarse, monkeypatch))


@pytest.mark.parametrize("odd", [torch.float32, torch.float16])
def test_a_base_that_holds_anything_but_bf16_is_merged_in_fp32(
    odd: torch.dtype, zoo: Zoo, tmp_path: Path, loaded_as: list[torch.dtype]
) -> None:
    base = in_bf16(zoo["clip"], tmp_path / "base")
    assert is_stored_in_bf16(find_model(str(base)))
    weights = load_file(base / "model.safetensors")
    name = max(weights)
    save_file({**weights, name: weights[name].to(odd)}, base / "model.safetensors", {"format": "pt"})
    assert not is_stored_in_bf16(find_model(str(base)))
    adapter = zoo.adapter("clip")
    loaded_as.clear()
    embedder(base, adapter, compute="bf16")
    assert loaded_as == [torch.float32]


@pytest.mark.parametrize("name", ["clip", "dinov2", "qwen2_vl"])
def test_an_adapter_that_changes_nothing_is_refused_on_a_base_in_bf16(zoo: Zoo, tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="changes nothing"):
        embedder(in_bf16(zoo[name], tmp_path / "base"), zoo.adapter(name, "idle"), compute="bf16")


def test_the_dtype_of_the_files_is_no_part_of_how_a_space_is_named(zoo: Zoo, tmp_path: Path) -> None:
    base = in_bf16(zoo["clip"], tmp_path / "base")
    one, other = (recipe_of(base, zoo.adapter("clip"), compute=compute) for compute in ("fp32", "bf16"))
    assert space_id(one) == space_id(other)
