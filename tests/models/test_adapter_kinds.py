"""Adapters of every kind that peft merges, of every class that people train, give the vectors of peft."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from support import tiny
from support.adapters import rewrite, save_adapter, save_kind
from support.embedders import embedder, probes
from support.reference import Reference
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.adapters.naming import find_naming
from vstore.embed.hf.adapters.patterns import exact_entry
from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.loading import load
from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError

LANGUAGE = "model.language_model.layers"
FULL: dict[str, Any] = {
    "clip": transformers.CLIPModel,
    "vit": transformers.ViTModel,
    "qwen2_vl": transformers.Qwen2VLForConditionalGeneration,
}


def rows(made: Any) -> np.ndarray:
    found: np.ndarray = made.embed_images(list(probes().values()))
    return found


def peft_rows(base: Path, adapter: Path) -> np.ndarray:
    reference = Reference(base, adapter)
    return np.stack([reference.picture(picture) for picture in probes().values()])


def weights_of(adapter: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(adapter / "adapter_model.safetensors"))


def assert_is_peft(base: Path, adapter: Path, **near: float) -> None:
    made, wanted = rows(embedder(base, adapter)), peft_rows(base, adapter)
    assert np.abs(made - wanted).max() < near.get("near", 1e-5)
    assert np.abs(made - rows(embedder(base))).max() > 1e-3, "an adapter without an effect proves nothing"


@pytest.mark.parametrize("options", [
    {"use_rslora": True}, {"use_dora": True}, {"init_lora_weights": "pissa"}, {"init_lora_weights": "olora"},
    {"init_lora_weights": "eva"}, {"bias": "all"}, {"bias": "lora_only"}, {"lora_bias": True},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", ["clip", "qwen2_vl"])
def test_a_lora_of_each_beginning_and_form(zoo: Zoo, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    if options == {"lora_bias": True} and name == "qwen2_vl":
        targets = ["qkv", "fc1"]  # it needs layers with a bias
    else:
        targets = ["q_proj", "v_proj"] if name == "clip" else ["q_proj", "qkv"]
    own = save_adapter(tmp_path / "own", zoo[name], targets, cls=FULL[name], strength=0.1, **options)
    assert_is_peft(zoo[name], own, near=2e-5 if "init_lora_weights" in options else 1e-5)


@pytest.mark.parametrize("kind", ["LoHa", "LoKr", "IA3"])
@pytest.mark.parametrize("name", ["clip", "vit", "qwen2_vl"])
def test_adapters_that_are_no_lora(zoo: Zoo, tmp_path: Path, name: str, kind: str) -> None:
    own = save_kind(tmp_path / "own", zoo[name], kind, cls=FULL[name])
    assert_is_peft(zoo[name], own)


@pytest.mark.parametrize("beginning", ["pissa_niter_4", "loftq", "corda", "mica"])
def test_a_beginning_that_cannot_be_computed_again_is_refused(zoo: Zoo, tmp_path: Path, beginning: str) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", init_lora_weights=beginning)
    with pytest.raises(ModelError, match="cannot be computed again") as caught:
        embedder(zoo["clip"], odd)
    assert "path_initial_model_for_weight_conversion" in caught.value.next_step


@pytest.mark.parametrize("kind", ["VERA", "BOFT", "PROMPT_TUNING", "ADALORA"])
def test_an_unknown_kind_is_refused(zoo: Zoo, tmp_path: Path, kind: str) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", peft_type=kind)
    with pytest.raises(ModelError, match=f"of the type {kind}") as caught:
        embedder(zoo["clip"], odd)
    assert "merge" in caught.value.next_step


# Patterns


@pytest.mark.parametrize("options", [
    {"alpha_pattern": {f"{LANGUAGE}.0.self_attn.q_proj": 64, "model.visual.blocks.1.attn.qkv": 2}},
    {"alpha_pattern": {r"model\.language_model\..*\.q_proj": 48}},
    {"alpha_pattern": {"q_proj": 48}, "use_rslora": True},
    {"rank_pattern": {f"{LANGUAGE}.1.self_attn.q_proj": 7}},
    {"rank_pattern": {"model.visual.blocks.0.attn.qkv": 2}, "alpha_pattern": {r"^model.visual.blocks.0.attn.qkv": 30}},
    {"exclude_modules": r".*layers\.0.*"},
    {"layers_to_transform": [1]},
], ids=str)  # fmt: skip
def test_patterns_with_names_of_the_full_class(zoo: Zoo, tmp_path: Path, options: dict[str, Any]) -> None:
    own = save_adapter(tmp_path / "own", zoo["qwen2_vl"], ["q_proj", "qkv"], cls=FULL["qwen2_vl"], **options)
    assert_is_peft(zoo["qwen2_vl"], own)
    if "alpha_pattern" in options:
        without = rewrite(own, tmp_path / "without", alpha_pattern={})
        assert np.abs(rows(embedder(zoo["qwen2_vl"], without)) - rows(embedder(zoo["qwen2_vl"], own))).max() > 1e-3


@pytest.mark.parametrize("word", ["alpha_pattern", "rank_pattern"])
def test_an_entry_of_a_pattern_that_matches_nothing_is_refused(zoo: Zoo, tmp_path: Path, word: str) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", **{word: {"q_proj": 4, "text_model.layers.0.q_prj": 4}})
    with pytest.raises(
        ModelError, match=f"its {word} has the entry 'text_model.layers.0.q_prj', and no module"
    ) as caught:
        embedder(zoo["clip"], odd)
    assert caught.value.next_step.endswith(f"it met nothing then either: take it out of {word}")


def test_a_pattern_is_of_the_names_that_were_trained(zoo: Zoo, tmp_path: Path) -> None:
    """peft knows no other names: one of the bare class was ignored in training, and is a mistake of its author."""
    own = save_adapter(tmp_path / "own", zoo["qwen2_vl"], ["q_proj"], cls=FULL["qwen2_vl"])
    odd = rewrite(own, tmp_path / "odd", alpha_pattern={r"^language_model\.layers\.0\.self_attn\.q_proj": 64})
    with pytest.raises(ModelError, match="no module that it has weights for has such a name"):
        embedder(zoo["qwen2_vl"], odd)


def test_a_rank_that_its_weights_do_not_have_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", rank_pattern={"q_proj": 2})
    with pytest.raises(ModelError, match=r"says a rank of 2 for .*q_proj, and its weights have 4"):
        embedder(zoo["clip"], odd)


# Classes that were trained


@pytest.mark.parametrize("cls", ["CLIPVisionModel", "CLIPVisionModelWithProjection"])
def test_adapters_of_a_vision_tower_alone(zoo: Zoo, tmp_path: Path, cls: str) -> None:
    full = save_adapter(tmp_path / "full", zoo["clip"], r"vision_model.*(q_proj|fc1)", cls=transformers.CLIPModel)
    tower = rewrite(
        full,
        tmp_path / "tower",
        rename=(lambda key: key.replace("model.vision_model.", "model.")) if cls == "CLIPVisionModel" else None,
        target_modules=["q_proj", "fc1"],
        auto_mapping={"base_model_class": cls, "parent_library": "transformers.models.clip.modeling_clip"},
    )
    config = transformers.CLIPConfig.from_pretrained(zoo["clip"]).vision_config
    modules = {name for name, _ in getattr(transformers, cls)(config).named_modules()}
    trained = {key.removeprefix("base_model.model.").split(".lora_")[0] for key in weights_of(tower)}
    assert trained <= modules, "as such a class is trained"
    assert np.abs(rows(embedder(zoo["clip"], tower)) - peft_rows(zoo["clip"], full)).max() < 1e-5


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("tower", ["Vision", "Text"])
def test_a_tower_of_equal_size_is_asked_for_and_may_be_said(zoo: Zoo, tmp_path: Path, kind: str, tower: str) -> None:
    """SigLIP's base has 12 layers of width 768 in both towers; peft names no class beside a task type."""
    prefix = {"clip": "CLIP", "siglip": "Siglip"}[kind]
    part = f"{tower.lower()}_model"
    cls = getattr(transformers, f"{prefix}Model")
    full = save_adapter(tmp_path / "full", zoo[kind], rf"{part}\.encoder\..*(q_proj|fc1)", cls=cls)
    silent = rewrite(
        full, tmp_path / "silent", rename=lambda key: key.replace(f"model.{part}.", "model."),
        target_modules=r".*layers.*(q_proj|fc1)", auto_mapping=None, task_type="FEATURE_EXTRACTION",
    )  # fmt: skip
    with pytest.raises(ModelError, match="fit text_model and vision_model alike") as caught:
        embedder(zoo[kind], silent)
    written = f'"auto_mapping": {{"base_model_class": "{prefix}VisionModel"}}'
    assert written in caught.value.next_step and f"{prefix}TextModel in the same place" in caught.value.next_step
    said = rewrite(silent, tmp_path / "said", auto_mapping={"base_model_class": f"{prefix}{tower}Model"})
    found, wanted = embedder(zoo[kind], said), embedder(zoo[kind], full)
    assert np.array_equal(rows(found), rows(wanted))
    assert np.array_equal(found.embed_texts(["a red car"]), wanted.embed_texts(["a red car"]))


@pytest.mark.parametrize(
    ("targets", "of_tower", "saved"),
    [
        (r"vision_model\.encoder.*q_proj", ["q_proj"], ["post_layernorm"]),
        (r"vision_model\..*(q_proj|head\.mlp\.fc2)", r".*(q_proj|head\.mlp\.fc2)", []),
    ],
)
def test_a_tower_is_told_by_what_the_other_does_not_have(
    zoo: Zoo, tmp_path: Path, targets: str, of_tower: Any, saved: list[str]
) -> None:
    full = save_adapter(tmp_path / "full", zoo["siglip"], targets, cls=transformers.SiglipModel, modules_to_save=saved)
    silent = rewrite(
        full, tmp_path / "silent", rename=lambda key: key.replace("model.vision_model.", "model."),
        target_modules=of_tower, auto_mapping=None,
    )  # fmt: skip
    assert np.array_equal(rows(embedder(zoo["siglip"], silent)), rows(embedder(zoo["siglip"], full)))


def test_a_tower_is_told_by_its_number_of_layers(tmp_path: Path) -> None:
    """CLIP models with towers of one width and another depth."""
    base = tiny.save_clip(tmp_path / "base", text_layers=3)
    for tower in ("vision_model", "text_model"):
        full = save_adapter(tmp_path / tower, base, rf"{tower}\..*(q_proj|fc1)", cls=transformers.CLIPModel)
        silent = rewrite(
            full,
            tmp_path / f"{tower}-silent",
            rename=lambda key, tower=tower: key.replace(f"model.{tower}.", "model."),
            target_modules=["q_proj", "fc1"],
            auto_mapping=None,
        )
        found, wanted = embedder(base, silent), embedder(base, full)
        assert np.array_equal(rows(found), rows(wanted))
        assert np.array_equal(found.embed_texts(["a red car"]), wanted.embed_texts(["a red car"]))


@pytest.mark.parametrize("age", ["today", "before"])
def test_a_classifier_beside_it_is_left_out(zoo: Zoo, tmp_path: Path, age: str) -> None:
    own = save_adapter(
        tmp_path / "own", zoo["vit"], ["q_proj", "v_proj"], cls=transformers.ViTForImageClassification,
        modules_to_save=["classifier"],
    )  # fmt: skip
    alone = rewrite(
        own,
        tmp_path / "alone",
        rename=lambda key: key.replace("vit.", ""),
        drop=lambda key: "classifier" in key,
        modules_to_save=None,
        task_type=None,
    )
    if age == "before":
        own = rewrite(
            own,
            tmp_path / "before",
            rename=lambda key: (
                key.replace("vit.layers.", "vit.encoder.layer.")
                .replace("attention.q_proj", "attention.attention.query")
                .replace("attention.v_proj", "attention.attention.value")
            ),
            target_modules=["query", "value"],
        )
    assert np.abs(rows(embedder(zoo["vit"], own)) - peft_rows(zoo["vit"], alone)).max() < 1e-5


def test_an_adapter_of_a_head_alone_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    own = save_adapter(tmp_path / "own", zoo["qwen2_vl"], ["lm_head"], cls=FULL["qwen2_vl"])
    with pytest.raises(ModelError, match="no part in the vector"):
        embedder(zoo["qwen2_vl"], own)


def test_a_head_of_ones_own_has_no_place(zoo: Zoo, tmp_path: Path) -> None:
    """A projection that a trainer put on top has a part in the trained vectors, and no model of ours has it."""
    weights = load_file(zoo.adapter("clip") / "adapter_model.safetensors")
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", modules_to_save=["projector"])
    save_file({**weights, "base_model.model.projector.weight": torch.randn(8, 24)}, odd / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"1 of its weights has no place in it .projector"):
        embedder(zoo["clip"], odd)


@pytest.mark.parametrize("wrapped", ["encoder.clip.", "module.", "_orig_mod."])
def test_wrappers_are_left_out(zoo: Zoo, tmp_path: Path, wrapped: str) -> None:
    own = zoo.adapter("clip")
    other = rewrite(own, tmp_path / "other", rename=lambda key: key.replace("base_model.model.", f"base_model.model.{wrapped}"))  # fmt: skip  # noqa: E501
    assert np.abs(rows(embedder(zoo["clip"], other)) - peft_rows(zoo["clip"], own)).max() < 1e-5


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_an_adapter_of_the_language_model_alone(zoo: Zoo, tmp_path: Path, name: str) -> None:
    """As trained on the text class of the same language model (vllm#48019): model.layers, and no word of a picture."""
    full = {"qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL"}[name] + "ForConditionalGeneration"
    own = save_adapter(
        tmp_path / "own", zoo[name], r".*language_model.*(q_proj|v_proj)", cls=getattr(transformers, full)
    )
    text = rewrite(
        own,
        tmp_path / "text",
        rename=lambda key: key.replace("model.language_model.layers", "model.layers"),
        target_modules=["q_proj", "v_proj"],
        task_type="CAUSAL_LM",
        auto_mapping=None,
    )
    assert np.abs(rows(embedder(zoo[name], text)) - peft_rows(zoo[name], own)).max() < 1e-5


def test_a_convolution_that_the_trainer_passed_over_is_not_missing(zoo: Zoo, tmp_path: Path) -> None:
    """ms-swift leaves out what its own regular expression matches besides layers that are linear (ms-swift#2640)."""
    targets = r"^(model\.visual(?=\.).*\.(qkv|proj))$"
    linear = save_adapter(tmp_path / "own", zoo["qwen2_vl"], r".*visual.*(qkv|attn\.proj)", cls=FULL["qwen2_vl"])
    swift = rewrite(linear, tmp_path / "swift", target_modules=targets)
    assert np.abs(rows(embedder(zoo["qwen2_vl"], swift)) - peft_rows(zoo["qwen2_vl"], linear)).max() < 1e-5


def test_an_adapter_that_changes_texts_alone_says_so(zoo: Zoo, tmp_path: Path) -> None:
    own = save_adapter(tmp_path / "own", zoo["clip"], r".*text_model.*q_proj", cls=FULL["clip"])
    said: list[str] = []
    words = Words(str(zoo["clip"]), str(own))
    recipe, place = describe(words, Digests())
    load(recipe, place, Settings("cpu"), Digests(), proof=list(probes().values())[:2], note=said.append)
    (warning,) = [text for text in said if text.startswith("Warning: ")]
    assert warning.startswith(f"Warning: the adapter {own} changes no picture: pictures have the vectors of the base")
    assert warning.endswith("its weights for them are lost: copy it again, or take an earlier checkpoint")


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_an_adapter_whose_vision_half_is_lost_is_told_by_every_command(
    vstore: Shell, zoo: Zoo, tmp_path: Path, name: str
) -> None:
    own = save_adapter(tmp_path / "own", zoo[name], ["q_proj", "v_proj"])
    half = rewrite(
        own,
        tmp_path / "half",
        drop=lambda key: "vision_model" in key,
        auto_mapping=None,
        task_type="FEATURE_EXTRACTION",
    )
    base = ("--model", zoo[name], "--device", "cpu")
    said = f"Warning: the adapter {half} changes no picture: "
    for command in (("init",), ("init", "--json"), ("sync", "pictures"), ("model", "add", "half", "--json")):
        store = ("--store", f"{len(command)}-{command[0]}")
        if command[0] == "model":
            vstore.good("init", *store)
        code, out, err = vstore(*command, *base, "--adapter", half, *store)
        assert code == 0, err
        assert said in err, command
        if "--json" in command:
            assert [text for text in json.loads(out)["notes"] if text.startswith(said)]
    assert "Warning" not in str(vstore.json("init", *base, "--adapter", own, "--store", "whole")["notes"])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_of_the_adapter(zoo: Zoo, tmp_path: Path, value: float) -> None:
    weights = weights_of(zoo.adapter("clip"))
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd")
    weights[next(iter(weights))].view(-1)[3] = value
    save_file(weights, odd / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="has weights that are not finite") as caught:
        embedder(zoo["clip"], odd)
    assert "earlier checkpoint" in caught.value.next_step


# Weights that are not what the configuration says


def test_a_saved_module_without_its_weights_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    own = save_adapter(
        tmp_path / "own", zoo["clip"], ["q_proj"], modules_to_save=["visual_projection", "post_layernorm"]
    )
    assert_is_peft(zoo["clip"], own)
    for number, lost in enumerate(("visual_projection", "post_layernorm", "post_layernorm.bias")):
        odd = rewrite(own, tmp_path / str(number), drop=lambda key, lost=lost: lost in key)
        with pytest.raises(ModelError, match=r"of its weights (is|are) missing"):
            embedder(zoo["clip"], odd)


@pytest.mark.parametrize("targets", [["q_proj", "qkv"], r"model\.(language_model|visual).*(q_proj|qkv)"])
def test_weights_of_one_layer_that_are_missing_are_noticed(zoo: Zoo, tmp_path: Path, targets: Any) -> None:
    own = save_adapter(tmp_path / "own", zoo["qwen2_vl"], targets, cls=FULL["qwen2_vl"])
    for number, lost in enumerate(
        ("layers.1.self_attn.q_proj", "blocks.0.attn.qkv", "layers.0.self_attn.q_proj.lora_A")
    ):
        odd = rewrite(own, tmp_path / str(number), drop=lambda key, lost=lost: lost in key)
        with pytest.raises(ModelError, match=r"of its weights (is|are) missing"):
            embedder(zoo["qwen2_vl"], odd)


def test_embeddings_of_an_enlarged_vocabulary_are_refused(zoo: Zoo, tmp_path: Path) -> None:
    own = save_adapter(tmp_path / "own", zoo["qwen2_vl"], ["q_proj"], cls=FULL["qwen2_vl"], modules_to_save=["embed_tokens"])  # fmt: skip  # noqa: E501
    weights = load_file(own / "adapter_model.safetensors")
    (name,) = [key for key in weights if "embed_tokens" in key]
    weights[name] = torch.cat([weights[name], weights[name][:3]])
    save_file(weights, own / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="its vocabulary was changed in training"):
        embedder(zoo["qwen2_vl"], own)


def test_a_tensor_that_its_module_does_not_have_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd")
    more = {"base_model.model.visual_projection.bias": torch.zeros(24)}
    save_file({**weights_of(zoo.adapter("clip")), **more}, odd / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"1 of its weights has no place in it .visual_projection.bias"):
        embedder(zoo["clip"], odd)


def test_a_module_that_peft_passes_over_is_noticed(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = peft.inject_adapter_in_model

    def careless(config: Any, model: Any, name: str) -> Any:
        config.target_modules = config.target_modules.partition("|")[2]
        return plain(config, model, name)

    monkeypatch.setattr(peft, "inject_adapter_in_model", careless)
    with pytest.raises(ModelError, match="peft cannot take 1 of its modules"):
        embedder(zoo["clip"], zoo.adapter("clip"))


def test_two_adapters_in_one_file_are_refused(zoo: Zoo, tmp_path: Path) -> None:
    own = zoo.adapter("clip")
    odd = rewrite(own, tmp_path / "odd")
    weights = load_file(own / "adapter_model.safetensors")
    both = {key.replace(".weight", f".{name}.weight"): value for key, value in weights.items() for name in ("a", "b")}
    save_file({key: value.clone() for key, value in both.items()}, odd / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="several adapters: a, b"):
        embedder(zoo["clip"], odd)


def test_a_weight_that_stands_twice_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    weights = weights_of(zoo.adapter("clip"))
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd")
    first = next(iter(weights))
    weights[first.replace(".weight", ".default.weight")] = weights[first].clone()
    save_file(weights, odd / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="1 of its weights stands twice"):
        embedder(zoo["clip"], odd)


def test_the_reference_itself_applies_the_adapter(zoo: Zoo) -> None:
    """A reference that lost the adapter would agree with a loader that lost it."""
    reference = Reference(zoo["qwen2_vl"], zoo.adapter("qwen2_vl"))
    assert isinstance(reference.model, peft.PeftModel)
    assert json.loads((zoo.adapter("qwen2_vl") / "adapter_config.json").read_text())["peft_type"] == "LORA"
    assert all(value.abs().max() > 0 for name, value in reference.model.named_parameters() if "lora_B" in name)


def test_a_part_that_its_kind_does_not_have_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip", "dora"), tmp_path / "odd", use_dora=False)
    with pytest.raises(ModelError, match=r"have no place in it .*lora_magnitude_vector"):
        embedder(zoo["clip"], odd)


def test_an_exact_entry_matches_no_longer_name() -> None:
    entry = exact_entry("layers.0.q_proj")
    assert [bool(re.match(rf"(.*\.)?({entry})$", name)) for name in ("layers.0.q_proj", "a.layers.0.q_proj")] == [True, False]  # fmt: skip  # noqa: E501


def test_shapes_tell_a_tower() -> None:
    modules = {"text_model.encoder.q", "vision_model.encoder.q"}
    for tower in ("text_model.", "vision_model."):
        found = find_naming(
            {"encoder.q"},
            modules,
            model_type="clip",
            prefix="clip",
            evidence=[lambda naming, tower=tower: naming.add == tower],
        )
        assert found.add == tower


@pytest.mark.parametrize("name", ["vit_msn", "vit_mae"])
def test_masked_models_take_adapters_of_today_and_of_transformers_4(zoo: Zoo, tmp_path: Path, name: str) -> None:
    today = save_adapter(tmp_path / "today", zoo[name], ["q_proj", "v_proj"])
    assert_is_peft(zoo[name], today)

    def old(key: str) -> str:
        key = key.replace(".layers.", ".encoder.layer.")
        return key.replace("q_proj", "attention.query").replace("v_proj", "attention.value")

    before = rewrite(today, tmp_path / "before", rename=old, target_modules=["query", "value"])
    np.testing.assert_array_equal(rows(embedder(zoo[name], before)), rows(embedder(zoo[name], today)))
