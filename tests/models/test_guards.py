"""Guards of a model's files and of its libraries: each takes one thing out that nothing else would see."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from support.embedders import embedder, probes, recipe_of
from support.folders import put
from support.model_store import World, change_json, change_weight, proved, settle
from support.zoo import Zoo

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.loading import load
from vstore.embed.hf.processor import load_processor
from vstore.embed.model_words import Settings, Words
from vstore.embed.probe_texts import TEXTS
from vstore.embed.probes import PROBES
from vstore.errors import ModelError

CHANGED = "is not what the space was made with"


@pytest.fixture
def world(tmp_path: Path, zoo: Zoo) -> World:
    """A space of copies, which a test may change."""
    model = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    adapter = Path(shutil.copytree(zoo.adapter("clip"), tmp_path / "lora"))
    made = World(tmp_path, model, adapter)
    made.sync()
    put(made.pictures, {"10.png": 10})
    return made


def refused(world: World, what: str) -> None:
    with pytest.raises(ModelError, match=CHANGED) as caught:
        world.sync()
    assert caught.value.message.startswith(what)
    assert caught.value.exit_code == 13
    assert world.repo.state.current == "v1"


# The files of a space


def test_other_weights_of_an_adapter_are_refused(world: World) -> None:
    assert world.adapter is not None
    change_weight(world.adapter, "adapter_model.safetensors")
    refused(world, f"the adapter {world.adapter} ")


def test_another_configuration_of_an_adapter_is_refused(world: World) -> None:
    assert world.adapter is not None
    change_json(world.adapter, "adapter_config.json", lora_alpha=1)
    refused(world, f"the adapter {world.adapter} ")


def test_another_configuration_of_a_model_is_refused(world: World) -> None:
    """Its weights are the same, and so are the shapes of all of them."""
    value = json.loads((world.model / "config.json").read_text())
    value["vision_config"]["hidden_act"] = "relu"
    (world.model / "config.json").write_text(json.dumps(value))
    refused(world, f"the model {world.model} ")


def test_the_place_of_an_adapter_is_asked_for(zoo: Zoo) -> None:
    recipe = recipe_of(zoo["clip"], zoo.adapter("clip"))
    with pytest.raises(ModelError, match=f"the adapter {CHANGED}: its place is unknown") as caught:
        load(recipe, Words(str(zoo["clip"])), Settings("cpu"), Digests())
    assert f"vstore model add NAME --model {zoo['clip']} --adapter ADAPTER" in caught.value.next_step


def test_all_probes_are_proved_when_files_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a word that no vector depends on: the model is the same, and all of its probes say so."""
    settle(world.folder, monkeypatch)
    world.sync()
    runs = proved(monkeypatch)
    put(world.pictures, {"11.png": 11})
    world.sync()
    assert len(runs[-1]) == 1, "one in turn, as nothing changed"
    change_json(world.model, "tokenizer_config.json", chat_template="none")
    put(world.pictures, {"12.png": 12})
    world.sync()
    assert runs[-1] == [*PROBES, *TEXTS]


# The files of one model


def test_weights_of_another_size_are_refused(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"] = torch.zeros(20, 32)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"weights of another size for 1 parameter of .*visual_projection\.weight"):
        embedder(folder)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_a_tokenizer_that_calls_another_token_a_picture_is_refused(zoo: Zoo, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    token = json.loads((folder / "config.json").read_text())["image_token_id"]
    change_json(folder, "config.json", image_token_id=token + 1)
    with pytest.raises(ModelError, match=r"disagree about <\|image_pad\|>"):
        embedder(folder)


def test_a_model_that_names_no_token_for_a_picture_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["qwen2_vl"], tmp_path / "q"))
    change_json(folder, "config.json", image_token_id=None)
    with pytest.raises(ModelError, match="does not say which token stands for a picture"):
        embedder(folder)


def test_a_model_without_the_tokenizer_that_its_prompt_needs_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["qwen2_vl"], tmp_path / "q"))
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match="has no tokenizer, and its prompt needs one"):
        recipe_of(folder)


@pytest.mark.parametrize(
    "values",
    [{"do_center_crop": True}, {"do_rescale": False}, {"do_normalize": False}, {"size": {"shortest_edge": 32}}],
)
def test_a_dinov3_with_another_preparation_is_refused(zoo: Zoo, tmp_path: Path, values: dict[str, Any]) -> None:
    """It is prepared here, in the order of DINOv3: what is left out or added would be ignored."""
    folder = Path(shutil.copytree(zoo["dinov3"], tmp_path / "d"))
    change_json(folder, "preprocessor_config.json", **values)
    with pytest.raises(ModelError, match="needs a different preparation than other DINOv3 models"):
        recipe_of(folder)


def test_a_number_format_that_nobody_computes_in_is_refused(zoo: Zoo) -> None:
    with pytest.raises(ModelError, match="unknown compute 'fp16'"):
        recipe_of(zoo["clip"], compute="fp16")


# Libraries that do something else than they are asked for


def test_a_processor_that_does_not_take_a_value_of_the_recipe_is_refused(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(zoo["clip"])["processor"]
    assert load_processor(recipe)
    plain = transformers.CLIPImageProcessorPil.__init__

    def forgetful(self: Any, *, image_mean: Any = None, **values: Any) -> None:
        plain(self, image_mean=[0.5, 0.5, 0.5], **values)

    monkeypatch.setattr(transformers.CLIPImageProcessorPil, "__init__", forgetful)
    with pytest.raises(ModelError, match="does not accept image_mean as the space records it"):
        load_processor(recipe)


@pytest.mark.parametrize("name", ["clip", "qwen2_vl", "dinov2"])
def test_a_loaded_model_does_not_follow_its_file(zoo: Zoo, tmp_path: Path, name: str) -> None:
    """Weights are read by mapping their file: a program that writes into it would change the vectors of a run."""
    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    made, pictures = embedder(folder), list(probes().values())[:2]
    before = made.embed_images(pictures)
    with (folder / "model.safetensors").open("r+b") as file:
        (head,) = struct.unpack("<Q", file.read(8))
        file.seek(8 + head)
        file.write(bytes((folder / "model.safetensors").stat().st_size - 8 - head))
    np.testing.assert_array_equal(made.embed_images(pictures), before)
