"""Failures without an error when models are loaded by the book: each is shown to, and then shown not to here.

The first half of a test shows the trap in the libraries as they are installed; where a library fixes it one day, that
half fails and the guard may go.
"""

from __future__ import annotations

import json
import shutil
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from support.adapters import rewrite, save_adapter
from support.embedders import embedder, probes, recipe_of
from support.reference import Reference, unit
from support.zoo import Zoo

from vstore.embed.hf import adapters
from vstore.embed.hf.families.dual import features
from vstore.embed.hf.libraries import quiet
from vstore.embed.hf.loading import load_model
from vstore.embed.hf.processor import describe_processor, effective
from vstore.embed.hf.source.find import find_adapter, find_model
from vstore.errors import ModelError
from vstore.format.recipes import space_id


def rows(made: Any) -> np.ndarray:
    found: np.ndarray = made.embed_images(list(probes().values()))
    return found


def peft_rows(base: Path, adapter: Path) -> np.ndarray:
    """By PeftModel.from_pretrained, warnings passed over as most scripts do."""
    reference = Reference(base, adapter)
    return np.stack([reference.picture(picture) for picture in probes().values()])


def old_layout(key: str) -> str:
    """A key of a Qwen2-VL adapter as transformers before 4.52 had it."""
    return key.replace("model.language_model.layers", "model.layers")


# Adapters


def test_an_adapter_with_keys_of_the_old_layout_is_applied(zoo: Zoo, tmp_path: Path) -> None:
    adapter = zoo.adapter("qwen2_vl")
    old = rewrite(adapter, tmp_path / "old", rename=old_layout)
    plain = rows(embedder(zoo["qwen2_vl"]))
    assert np.abs(peft_rows(zoo["qwen2_vl"], old) - plain).max() < 1e-5, "peft alone loads none of it, and says nothing"
    made = rows(embedder(zoo["qwen2_vl"], old))
    assert np.abs(made - peft_rows(zoo["qwen2_vl"], adapter)).max() < 1e-5
    assert np.abs(made - plain).max() > 1e-3


def test_an_adapter_saved_on_the_full_model_is_applied_to_the_bare_one(zoo: Zoo) -> None:
    adapter = zoo.adapter("qwen2_vl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = transformers.AutoModel.from_pretrained(zoo["qwen2_vl"], dtype=torch.float32)
        lost = peft.PeftModel.from_pretrained(bare, adapter)
    assert all((value == 0).all() for name, value in lost.named_parameters() if "lora_B" in name), "silently the base"
    made = embedder(zoo["qwen2_vl"], adapter)
    assert np.abs(rows(made) - peft_rows(zoo["qwen2_vl"], adapter)).max() < 1e-5


def test_target_modules_that_were_renamed_are_found_and_it_is_said(zoo: Zoo, tmp_path: Path) -> None:
    new = zoo.adapter("dinov2")
    names = {"q_proj": "attention.query", "v_proj": "attention.value"}

    def as_before(key: str) -> str:
        return key.replace("attention.q_proj", "attention.attention.query").replace(
            "attention.v_proj", "attention.attention.value"
        )

    old = rewrite(new, tmp_path / "old", rename=as_before, target_modules=["query", "value"])
    with pytest.raises(ValueError, match=r"[Tt]arget modules"):
        peft_rows(zoo["dinov2"], old)
    said: list[str] = []
    folder = find_model(str(zoo["dinov2"]))
    with quiet():
        model = load_model(folder, {}, torch.float32)
        adapters.apply(model, find_adapter(str(old)), said.append)
    assert said == [
        "adapter: modules renamed: attention.attention.query -> attention.q_proj, "
        "attention.attention.value -> attention.v_proj"
    ], names
    assert np.abs(rows(embedder(zoo["dinov2"], old)) - rows(embedder(zoo["dinov2"], new))).max() < 1e-6


@pytest.mark.parametrize("name", ["clip", "qwen2_vl"])
def test_an_adapter_with_a_missing_key_is_refused(zoo: Zoo, tmp_path: Path, name: str) -> None:
    lacking = rewrite(zoo.adapter(name), tmp_path / "lacking", drop=lambda key: "layers.1.self_attn.q_proj" in key)
    peft_rows(zoo[name], lacking)  # loads, with no more than a warning
    with pytest.raises(ModelError, match=r"of its weights (is|are) missing") as caught:
        embedder(zoo[name], lacking)
    assert "so its own files do not belong together" in caught.value.next_step


def test_an_adapter_with_a_key_too_many_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", rename=lambda k: k.replace("layers.1.", "layers.7."))
    with pytest.raises(ModelError, match="does not fit the model"):
        embedder(zoo["clip"], odd)
    more = rewrite(zoo.adapter("clip"), tmp_path / "more")
    weights = load_file(more / "adapter_model.safetensors")
    first = next(iter(weights))
    save_file(
        {**weights, first.replace("layers.0", "layers.9"): weights[first].clone()}, more / "adapter_model.safetensors"
    )
    with pytest.raises(ModelError, match="1 of its weights has no place in it"):
        embedder(zoo["clip"], more)


def test_an_adapter_for_another_base_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    from support import tiny

    other = tmp_path / "other"
    tiny.save_clip(other)
    values = json.loads((other / "config.json").read_text())
    config = transformers.CLIPConfig.from_dict(values)
    config.vision_config.hidden_size = config.text_config.hidden_size = 48
    transformers.CLIPModel(config).save_pretrained(other)
    with pytest.raises(ModelError, match="does not fit the model"):
        embedder(other, zoo.adapter("clip"))
    with pytest.raises(ModelError, match="does not fit the model"):
        embedder(zoo["clip"], zoo.adapter("qwen2_vl"))


@pytest.mark.parametrize("name", ["clip", "dinov2", "qwen2_vl"])
def test_an_adapter_that_changes_nothing_is_refused(zoo: Zoo, name: str) -> None:
    with pytest.raises(ModelError, match="changes nothing"):
        embedder(zoo[name], zoo.adapter(name, "idle"))


def test_no_version_of_peft_that_transformers_wants_stands_between(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch of adapters in transformers 5.24 demands a peft newer than the newest."""
    monkeypatch.setattr("transformers.integrations.peft.MIN_PEFT_VERSION", "99")
    adapter = zoo.adapter("clip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.CLIPModel.from_pretrained(zoo["clip"], dtype=torch.float32)
        model.load_adapter(str(adapter))
    with pytest.raises(ValueError, match="PEFT"):
        model.disable_adapters()
    assert np.abs(rows(embedder(zoo["clip"], adapter)) - peft_rows(zoo["clip"], adapter)).max() < 1e-5


def test_the_magnitudes_of_dora_are_loaded(zoo: Zoo) -> None:
    adapter = zoo.adapter("clip", "dora")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.CLIPModel.from_pretrained(zoo["clip"], dtype=torch.float32)
        info = model.load_adapter(str(adapter))
    assert any("lora_magnitude_vector" in key for key in info.missing_keys), "transformers leaves them at their start"
    assert np.abs(rows(embedder(zoo["clip"], adapter)) - peft_rows(zoo["clip"], adapter)).max() < 1e-5


@pytest.mark.parametrize(
    "options",
    [{"modules_to_save": ["visual_projection"]}, {"alpha_pattern": {"v_proj": 32}}, {"rank_pattern": {"q_proj": 2}}],
)
def test_what_an_adapter_holds_besides_is_applied_and_part_of_the_space(
    zoo: Zoo, tmp_path: Path, options: dict[str, Any]
) -> None:
    adapter = save_adapter(tmp_path / "a", zoo["clip"], ["q_proj", "v_proj"], **options)
    if "modules_to_save" in options:
        weights = load_file(adapter / "adapter_model.safetensors")
        # Noise, not a constant: a layer norm stands before it, and takes away what all numbers have in common.
        weights = {k: v + 0.3 * torch.randn(v.shape) if "visual_projection" in k else v for k, v in weights.items()}
        save_file(weights, adapter / "adapter_model.safetensors", {"format": "pt"})
    assert np.abs(rows(embedder(zoo["clip"], adapter)) - peft_rows(zoo["clip"], adapter)).max() < 1e-5
    (option,) = options
    other = rewrite(adapter, tmp_path / "b", **{option: None if option == "modules_to_save" else {}})
    assert space_id(recipe_of(zoo["clip"], other)) != space_id(recipe_of(zoo["clip"], adapter))


def test_an_adapter_whose_effect_lies_in_a_module_trained_whole_has_one(zoo: Zoo, tmp_path: Path) -> None:
    idle = save_adapter(tmp_path / "a", zoo["clip"], ["q_proj"], strength=0, modules_to_save=["visual_projection"])
    with pytest.raises(ModelError, match="changes nothing"):
        embedder(zoo["clip"], idle)
    weights = load_file(idle / "adapter_model.safetensors")
    weights = {k: v + 0.3 * torch.randn(v.shape) if "visual_projection" in k else v for k, v in weights.items()}
    save_file(weights, idle / "adapter_model.safetensors", {"format": "pt"})
    assert np.abs(rows(embedder(zoo["clip"], idle)) - peft_rows(zoo["clip"], idle)).max() < 1e-5


@pytest.mark.parametrize(
    "options", [{"bias": "lora_only"}, {"lora_bias": True}, {"init_lora_weights": "pissa"}], ids=str
)
def test_what_a_library_may_load_otherwise_is_taken_and_right(
    zoo: Zoo, tmp_path: Path, options: dict[str, Any]
) -> None:
    adapter = save_adapter(tmp_path / "a", zoo["clip"], ["q_proj", "v_proj"], **options)
    made = embedder(zoo["clip"], adapter)
    assert np.abs(rows(made) - peft_rows(zoo["clip"], adapter)).max() < 1e-5
    other = rewrite(adapter, tmp_path / "b", **dict.fromkeys(options))
    assert space_id(recipe_of(zoo["clip"], other)) != space_id(made.recipe)


@pytest.mark.parametrize("name", ["alora_invocation_tokens", "use_qalora", "layer_replication", "target_parameters"])
def test_a_lora_of_another_kind_is_refused(zoo: Zoo, tmp_path: Path, name: str) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", **{name: [1]})
    with pytest.raises(ModelError, match=f"an unsupported kind of LoRA .{name}"):
        recipe_of(zoo["clip"], odd)


def test_a_quantised_base_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    value = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**value, "quantization_config": {"quant_method": "awq"}}))
    with pytest.raises(ModelError, match="is quantised"):
        recipe_of(folder)


def test_the_scaling_of_rslora_is_part_of_the_space(zoo: Zoo, tmp_path: Path) -> None:
    """Two adapters whose weight files are equal to the byte may still be two."""
    adapter = zoo.adapter("clip")
    other = rewrite(adapter, tmp_path / "rs", use_rslora=True)
    assert space_id(recipe_of(zoo["clip"], other)) != space_id(recipe_of(zoo["clip"], adapter))
    assert np.abs(rows(embedder(zoo["clip"], other)) - rows(embedder(zoo["clip"], adapter))).max() > 1e-3


def test_texts_run_through_an_adapter_that_touches_the_text_tower(zoo: Zoo) -> None:
    made, plain = embedder(zoo["clip"], zoo.adapter("clip")), embedder(zoo["clip"])
    assert (made.embed_texts(["a red car"]) * plain.embed_texts(["a red car"])).sum() < 0.999


def test_an_adapter_of_the_text_tower_alone_has_an_effect(zoo: Zoo, tmp_path: Path) -> None:
    adapter = save_adapter(tmp_path / "t", zoo["clip"], ".*text_model.*q_proj")
    made, plain = embedder(zoo["clip"], adapter), embedder(zoo["clip"])
    assert np.abs(rows(made) - rows(plain)).max() < 1e-6
    assert (made.embed_texts(["a red car"]) * plain.embed_texts(["a red car"])).sum() < 0.9999


def test_an_adapter_in_the_folder_of_its_base_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    both = Path(shutil.copytree(zoo["clip"], tmp_path / "both"))
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(zoo.adapter("clip") / name, both)
    with quiet():
        model = transformers.AutoModel.from_pretrained(both)
    assert any("lora" in name for name, _ in model.named_parameters()), "the library applies it unasked"
    with pytest.raises(ModelError, match="a model and an adapter in one folder"):
        recipe_of(both)


# Bases


def test_a_base_with_a_missing_weight_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    weights = load_file(folder / "model.safetensors")
    gone = "vision_model.encoder.layers.1.mlp.fc1.weight"
    assert weights.pop(gone) is not None
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with quiet():
        transformers.CLIPModel.from_pretrained(folder)  # random there, with no more than a report
    with pytest.raises(ModelError, match="they would be random") as caught:
        embedder(folder)
    assert gone in caught.value.message


def test_a_base_with_a_weight_of_another_size_is_refused_by_its_name(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    value = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**value, "projection_dim": 12}))
    with pytest.raises(ModelError, match="weights of another size for 2 parameters of CLIPModel") as caught:
        embedder(folder)
    assert "visual_projection.weight" in caught.value.message


def test_a_vit_without_a_pooler_gives_no_random_vector(zoo: Zoo) -> None:
    with quiet():
        one = transformers.AutoModel.from_pretrained(zoo["vit"])
        other = transformers.AutoModel.from_pretrained(zoo["vit"])
    pixels = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        assert not torch.allclose(one(pixels).pooler_output, other(pixels).pooler_output), "another one each time"
    assert np.array_equal(rows(embedder(zoo["vit"])), rows(embedder(zoo["vit"])))


def test_a_bf16_checkpoint_is_computed_in_fp32_unless_said_otherwise(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    with quiet():
        transformers.CLIPModel.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
        assert transformers.CLIPModel.from_pretrained(folder).dtype == torch.bfloat16, "the library's own choice"
    assert {value.dtype for value in embedder(folder).model.parameters()} == {torch.float32}


def test_a_dtype_that_the_library_passes_over_is_noticed(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = transformers.AutoModel.from_pretrained.__func__

    def forgetful(cls: Any, *args: Any, **options: Any) -> Any:
        return plain(cls, *args, **{**options, "dtype": torch.bfloat16})

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", classmethod(forgetful))
    with pytest.raises(ModelError, match=r"should be loaded as torch\.float32"):
        embedder(zoo["clip"])


def test_features_that_are_no_tensor_any_more_are_unpacked(zoo: Zoo) -> None:
    with quiet():
        model = transformers.CLIPModel.from_pretrained(zoo["clip"]).eval()
    with torch.inference_mode():
        output = model.get_image_features(torch.zeros(2, 3, 32, 32))
    assert not isinstance(output, torch.Tensor)
    assert features(output, 2).shape == (2, 24)
    for odd in (output.pooler_output, types.SimpleNamespace(pooler_output=torch.zeros(3, 24)), (torch.zeros(2, 24),)):
        with pytest.raises(ModelError, match="instead of 2 vectors"):
            features(odd, 2)


# Preparation


@pytest.mark.parametrize("name", ["clip", "siglip", "naflex", "dinov2", "vit", "qwen2_vl"])
def test_the_processor_is_the_one_on_pillow(zoo: Zoo, name: str) -> None:
    found = recipe_of(zoo[name])["processor"]
    assert found["backend"] == "pil"
    assert found["class"].endswith("Pil")


def test_a_processor_of_another_backend_is_refused() -> None:
    """`backend="pil"` falls back to torchvision where there is no other, with a remark in the log."""

    class CLIPImageProcessor:
        def to_dict(self) -> dict[str, Any]:
            return {}

    with pytest.raises(ModelError, match="not the one that works on Pillow"):
        effective(CLIPImageProcessor())


def test_an_installed_torchvision_changes_no_processor(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is installed, transformers takes its processor, unless the one on Pillow is asked for."""
    before = describe_processor(find_model(str(zoo["clip"])))
    plain = transformers.AutoImageProcessor.from_pretrained

    class CLIPImageProcessor:
        def to_dict(self) -> dict[str, Any]:
            return {}

    def with_torchvision(*args: Any, backend: str | None = None, **options: Any) -> Any:
        return plain(*args, backend=backend, **options) if backend == "pil" else CLIPImageProcessor()

    monkeypatch.setattr(transformers.AutoImageProcessor, "from_pretrained", with_torchvision)
    assert describe_processor(find_model(str(zoo["clip"]))) == before


def test_dinov3_is_prepared_here_as_torchvision_would(zoo: Zoo) -> None:
    from support.reference import dinov3_pixels

    from vstore.embed.hf.families.dinov3 import prepare_dinov3

    with pytest.raises(ModelError):
        describe_processor(find_model(str(zoo["dinov3"])))  # there is none without torchvision
    recipe = recipe_of(zoo["dinov3"])["processor"]
    assert (recipe["backend"], recipe["order"]) == ("vstore", "rescale, resize, normalise")
    for picture in probes().values():
        ours = prepare_dinov3(picture, recipe)
        assert np.abs(ours - dinov3_pixels(picture, zoo["dinov3"])[0].numpy()).max() < 1e-4


def test_qwen_needs_no_torchvision(zoo: Zoo) -> None:
    with pytest.raises(ImportError, match=r"[Tt]orchvision"):
        transformers.AutoProcessor.from_pretrained(zoo["qwen2_vl"])
    assert np.isfinite(rows(embedder(zoo["qwen2_vl"]))).all()


def test_a_turned_photograph_is_turned(zoo: Zoo) -> None:
    """Processors turn a file that they open themselves, and not a picture that they are given."""
    from vstore.embed.probes import probe_file
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import Preparation

    data = probe_file("turned")
    picture, facts = prepare(data, Preparation())
    assert (facts.width, facts.height) == picture.size == (180, 260)


# Vectors


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_the_last_real_token_is_taken_whatever_is_padded(zoo: Zoo, name: str) -> None:
    made = embedder(zoo[name], batch_size=8)
    some = [probes()["tiny"], probes()["large"]]
    assert len(made.prepare(some[0])["ids"]) < len(made.prepare(some[1])["ids"])
    together = made.embed_images(some)
    alone = np.concatenate([made.embed_images([one]) for one in some])
    assert np.abs(together - alone).max() < 1e-5
    # Without the mask, the last column: padding, for the shorter one.
    ids, mask = made.family._padded([made.prepare(one)["ids"] for one in some])
    assert ids[0, -1] == made.family._tokenizer.pad_token_id
    assert mask[0, -1] == 0


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_positions_are_those_of_rows_and_columns(zoo: Zoo, name: str) -> None:
    made = embedder(zoo[name], batch_size=8)
    one = made.prepare(probes()["large"])
    grid = torch.from_numpy(one["grid"])[None]
    ids = torch.from_numpy(one["ids"])[None]
    pixels = torch.from_numpy(one["pixels"])
    flat = torch.arange(ids.shape[1]).expand(3, 1, -1)
    with torch.inference_mode():
        state = made.model(input_ids=ids, position_ids=flat, pixel_values=pixels, image_grid_thw=grid).last_hidden_state
    counted = unit(state[0, -1])
    wanted = Reference(zoo[name]).picture(probes()["large"])
    assert np.abs(counted - wanted).max() > 1e-3, "one position after the other is another space"
    assert np.abs(made.embed_images([probes()["large"]])[0] - wanted).max() < 1e-5
    assert made.recipe["positions"] == "m-rope"


def test_a_siglip_text_is_padded_to_its_full_length_without_a_mask(zoo: Zoo) -> None:
    made = embedder(zoo["siglip"])
    ids = made.family._tokenizer or None
    assert ids is None, "no tokenizer is loaded before a text is there"
    row = made.embed_texts(["a red car"])[0]
    short = made.family._tokenizer("a red car", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        unpadded = unit(made.model.get_text_features(input_ids=short).pooler_output[0])
    assert np.abs(row - unpadded).max() > 1e-3, "what the plain call gives"
    assert np.abs(row - Reference(zoo["siglip"]).text("a red car")).max() < 1e-5


def test_a_siglip2_text_is_lower_case(zoo: Zoo) -> None:
    made = embedder(zoo["naflex"])
    assert np.array_equal(made.embed_texts(["A RED Car"]), made.embed_texts(["a red car"]))
    assert made.recipe["text"]["lowercase"] is True


def test_a_long_text_is_cut_and_not_refused(zoo: Zoo) -> None:
    for name in ("clip", "siglip", "naflex"):
        assert np.isfinite(embedder(zoo[name]).embed_texts(["red car " * 200])).all()


def test_one_picture_and_none_keep_their_shape(zoo: Zoo) -> None:
    for name in ("clip", "dinov2", "qwen2_vl"):
        made = embedder(zoo[name])
        assert made.embed_images([probes()["tiny"]]).shape == (1, made.dim)
        assert made.embed_images([]).shape == (0, made.dim)
        assert made.embed_images([Image.new("RGB", (1024, 1))] * 2).shape == (2, made.dim)


def test_vectors_come_normalised_from_models_that_do_not(zoo: Zoo) -> None:
    with quiet():
        model = transformers.CLIPModel.from_pretrained(zoo["clip"]).eval()
    with torch.inference_mode():
        norm = float(model.get_image_features(torch.zeros(1, 3, 32, 32)).pooler_output.norm())
    assert abs(norm - 1) > 0.01
    assert np.abs(np.linalg.norm(rows(embedder(zoo["clip"])), axis=1) - 1).max() < 1e-6
