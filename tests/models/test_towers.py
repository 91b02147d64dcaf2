"""Picture towers without their other half: the vector of the whole model where the projection is there."""

from __future__ import annotations

import json
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
from support.recut import copied
from support.reference import Reference
from support.reference_towers import architecture
from support.zoo import Zoo

from vstore.embed.embedder import text_side
from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.identity import Known, identity_of
from vstore.embed.hf.loading import find_files, load
from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError
from vstore.format.recipes import space_id

CLASSIFIERS = ("clip_classifier", "metaclip_2_classifier", "siglip_classifier", "naflex_classifier")
POOLED = ("clip_vision", "chinese_clip_vision", "altclip_vision", "siglip_vision", "naflex_vision", "aimv2_vision")


def identity(folder: Path, **words: Any) -> str:
    digests = Digests()
    recipe, place = describe(Words(str(folder), **words), digests)
    files = find_files(Known(recipe), place, digests)
    return identity_of(recipe, files.folder, files.adapter, digests)


def rows(made: Any) -> np.ndarray:
    found: np.ndarray = made.embed_images(list(probes().values()))
    return found


def wanted(folder: Path, **how: str) -> np.ndarray:
    reference = Reference(folder)
    return np.stack([reference.picture(picture, **how) for picture in probes().values()])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_vector_of_a_classifier_is_what_its_head_takes(zoo: Zoo, name: str) -> None:
    made = embedder(zoo[name])
    assert (made.recipe["family"], made.recipe["pooling"], made.recipe["text"]) == ("vision-tower", "mean", None)
    assert np.abs(rows(made) - wanted(zoo[name])).max() < 1e-5
    pooled = embedder(zoo[name], pooling="features")
    assert np.abs(rows(pooled) - wanted(zoo[name], pooling="features")).max() < 1e-5
    assert space_id(pooled.recipe) != space_id(made.recipe)


def test_a_classifier_has_no_part_in_the_identity_and_the_tower_has(zoo: Zoo, tmp_path: Path) -> None:
    for change, is_same in (("classifier", True), ("layers.1", False)):
        other = copied(zoo["clip_classifier"], tmp_path / change)
        weights = load_file(other / "model.safetensors")
        save_file({k: v + 1 if change in k else v for k, v in weights.items()}, other / "model.safetensors")
        assert (identity(other) == identity(zoo["clip_classifier"])) == is_same
    assert identity(zoo["clip_classifier"]) != identity(zoo["clip_classifier"], pooling="features")


@pytest.mark.parametrize("name", [*CLASSIFIERS, "vit"])
def test_a_head_is_left_out_with_a_note(zoo: Zoo, name: str) -> None:
    said: list[str] = []
    recipe, place = describe(Words(str(zoo[name])), Digests())
    made = load(recipe, place, Settings("cpu"), Digests(), note=said.append)
    assert said == [f"{zoo[name]}: weights without a part in the vector are left out: classifier"]
    assert not [key for key, _ in made.model.named_parameters() if "classifier" in key]


@pytest.mark.parametrize("name", POOLED)
def test_the_mean_of_a_tower_is_that_of_its_patches(zoo: Zoo, name: str) -> None:
    made = embedder(zoo[name], pooling="mean")
    assert np.abs(rows(made) - wanted(zoo[name], pooling="mean")).max() < 1e-5
    assert np.abs(rows(made) - rows(embedder(zoo[name]))).max() > 1e-3


def test_a_tower_without_its_pooling_head_has_the_mean_alone(zoo: Zoo) -> None:
    assert recipe_of(zoo["aimv2_headless"])["pooling"] == "mean"
    with pytest.raises(ModelError, match="has no pooling 'features'") as caught:
        recipe_of(zoo["aimv2_headless"], pooling="features")
    assert caught.value.next_step == "choose one of: mean"
    with pytest.raises(ModelError, match=r"has no pooling 'maen'; did you mean mean\? choose one of: mean"):
        recipe_of(zoo["aimv2_headless"], pooling="maen")


def test_a_projected_tower_has_the_vectors_of_the_whole_model_and_no_text_side(zoo: Zoo, tmp_path: Path) -> None:
    whole = zoo["clip"]
    tower = Path(shutil.copytree(whole, tmp_path / "tower"))
    config = transformers.CLIPVisionConfig.from_pretrained(whole, projection_dim=24)
    transformers.CLIPVisionModelWithProjection.from_pretrained(whole, config=config).save_pretrained(tower)
    made = embedder(tower)
    assert made.recipe["model_type"] == "clip_vision_model"
    assert np.abs(rows(made) - rows(embedder(whole))).max() < 1e-6
    assert text_side(made) is None
    pooled = embedder(tower, pooling="mean")
    assert (pooled.dim, made.dim) == (32, 24)


def test_a_tower_as_transformers_4_saved_it_gives_the_same_vectors(zoo: Zoo, tmp_path: Path) -> None:
    """The prefix vision_model went with version 5."""
    for name in ("clip_vision", "siglip_vision"):
        old = Path(shutil.copytree(zoo[name], tmp_path / name))
        weights = load_file(old / "model.safetensors")
        assert not [key for key in weights if key.startswith("vision_model.")]
        save_file({f"vision_model.{key}": value for key, value in weights.items()}, old / "model.safetensors")
        assert np.abs(rows(embedder(old)) - rows(embedder(zoo[name]))).max() < 1e-6
        assert identity(old) == identity(zoo[name])


@pytest.mark.parametrize("name", ["clip_projected", "clip_classifier", "siglip_vision"])
def test_a_tower_with_a_missing_weight_is_refused(zoo: Zoo, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    weights = load_file(folder / "model.safetensors")
    gone = next(key for key in weights if key.endswith("layers.1.mlp.fc1.weight"))
    save_file({key: value for key, value in weights.items() if key != gone}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="they would be random"):
        embedder(folder)


def test_a_tower_whose_weights_are_cut_short_is_refused_by_name(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["clip_projected"], tmp_path / "m"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"model\.safetensors is cut short") as caught:
        recipe_of(folder)
    assert "copy model.safetensors into it again" in caught.value.next_step


def test_a_whole_model_that_lost_its_text_side_is_no_tower(zoo: Zoo, tmp_path: Path) -> None:
    """Its config.json promises a text side: searches by words would be missed."""
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "m"))
    weights = load_file(folder / "model.safetensors")
    save_file({key: value for key, value in weights.items() if "text" not in key}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="they would be random"):
        embedder(folder)


def test_the_projection_alone_is_no_variation_of_another_width(zoo: Zoo) -> None:
    assert [one.name for one in embedder(zoo["clip_projected"]).variations()] == []
    (other,) = embedder(zoo["clip_classifier"]).variations()
    assert other.name == "pooling-features"
    family = type(embedder(zoo["clip_classifier"]).family)
    varied = family(other.recipe, embedder(zoo["clip_classifier"]).family.folder)
    assert varied.recipe["pooling"] == "features"


def test_bf16_reaches_the_pooling(zoo: Zoo) -> None:
    half, full = rows(embedder(zoo["naflex_classifier"], compute="bf16")), rows(embedder(zoo["naflex_classifier"]))
    assert 0.99 < (half * full).sum(1).min() < 1 - 1e-7
    assert torch.get_default_dtype() == torch.float32


def test_a_folder_that_does_not_name_its_class_is_read_by_its_type(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["clip_projected"], tmp_path / "m"))
    values = json.loads((folder / "config.json").read_text())
    del values["architectures"]
    (folder / "config.json").write_text(json.dumps(values))
    assert space_id(recipe_of(folder)) == space_id(recipe_of(zoo["clip_projected"]))


@pytest.mark.parametrize("name", ["clip_vision", "clip_projected", "siglip_vision", "naflex_vision", "aimv2_vision"])
def test_an_adapter_of_a_tower_is_applied_whatever_transformers_called_its_modules(
    zoo: Zoo, tmp_path: Path, name: str
) -> None:
    adapter = save_adapter(
        tmp_path / "a", zoo[name], ["q_proj", "v_proj"], cls=getattr(transformers, architecture(zoo[name]))
    )
    made, reference = rows(embedder(zoo[name], adapter)), Reference(zoo[name], adapter)
    assert np.abs(made - np.stack([reference.picture(one) for one in probes().values()])).max() < 1e-5
    assert (made * rows(embedder(zoo[name]))).sum(1).min() < 0.9999
    old = rewrite(adapter, tmp_path / "old", rename=lambda key: key.replace(".model.", ".model.vision_model.", 1))
    assert np.abs(rows(embedder(zoo[name], old)) - made).max() < 1e-6


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_an_adapter_that_saved_a_classifier_is_applied_without_it(zoo: Zoo, tmp_path: Path, name: str) -> None:
    cls = getattr(transformers, architecture(zoo[name]))
    adapter = save_adapter(
        tmp_path / "a", zoo[name], ["q_proj", "v_proj"], cls=cls, strength=0.1, modules_to_save=["classifier"]
    )
    recipe, place = describe(Words(str(zoo[name]), str(adapter)), Digests())
    said: list[str] = []
    made = rows(load(recipe, place, Settings("cpu"), Digests(), proof=list(probes().values())[:1], note=said.append))
    assert "adapter: classifier left out: no part of the vector" in said
    reference = Reference(zoo[name], adapter)
    assert np.abs(made - np.stack([reference.picture(one) for one in probes().values()])).max() < 1e-5


def test_an_adapter_of_the_whole_model_does_not_fit_one_tower(zoo: Zoo, tmp_path: Path) -> None:
    whole = save_adapter(tmp_path / "a", zoo["clip"], ["q_proj", "v_proj"], cls=transformers.CLIPModel)
    with pytest.raises(ModelError, match="does not fit the model"):
        embedder(zoo["clip_projected"], whole)
