"""The text sides of models that are built like CLIP: each as it was trained."""

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
from support.embedders import embedder, recipe_of
from support.reference import Reference, unit
from support.zoo import Zoo

from vstore.errors import ModelError

LONG = "the red car of a blue cat " * 30


def text_vector(made: Any, text: str) -> np.ndarray:
    found: np.ndarray = made.embed_texts([text])[0]
    return found


def test_a_text_of_aimv2_is_causal_where_transformers_forgets_it(zoo: Zoo) -> None:
    """Without padding its mask is left out, and every token sees those after it: aim/v2/torch/models.py is causal."""
    model = transformers.Aimv2Model.from_pretrained(zoo["aimv2"], dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(zoo["aimv2"])
    plain = dict(tokenizer("a red car", return_tensors="pt"))
    padded = dict(tokenizer("a red car", padding="max_length", max_length=77, return_tensors="pt"))
    with torch.inference_mode():
        alone = unit(model.get_text_features(**plain).pooler_output[0])
        causal = unit(model.get_text_features(**padded).pooler_output[0])
    assert np.abs(alone - causal).max() > 1e-3, "transformers has mended it: the mask of Aimv2.text_inputs may go"
    made = embedder(zoo["aimv2"])
    assert np.abs(text_vector(made, "a red car") - causal).max() < 1e-5
    assert np.abs(text_vector(made, LONG) - Reference(zoo["aimv2"]).text(LONG)).max() < 1e-5
    half = text_vector(embedder(zoo["aimv2"], compute="bf16"), "a red car")
    assert (half * causal).sum() > 0.99


@pytest.mark.parametrize(("name", "length"), [("chinese_clip", 52), ("altclip", 77)])
def test_a_text_is_cut_where_training_cut_it(zoo: Zoo, name: str, length: int) -> None:
    """Their text sides have positions for more tokens, which never saw a picture."""
    made = embedder(zoo[name])
    assert made.recipe["text"]["max_length"] == length
    assert json.loads((zoo[name] / "config.json").read_text())["text_config"]["max_position_embeddings"] > length
    assert np.abs(text_vector(made, LONG) - Reference(zoo[name]).text(LONG)).max() < 1e-5


def test_chinese_clip_reads_lower_case_from_a_vocabulary_alone(zoo: Zoo) -> None:
    assert not (zoo["chinese_clip"] / "tokenizer.json").exists()
    made = embedder(zoo["chinese_clip"])
    assert np.array_equal(text_vector(made, "红车 CAR"), text_vector(made, "红车 car"))
    assert np.abs(text_vector(made, "红车") - text_vector(made, "蓝猫")).max() > 1e-3


def test_chinese_clip_reads_lower_case_whatever_its_tokenizer_keeps(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["chinese_clip"], tmp_path / "m"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": false}')
    assert transformers.AutoTokenizer.from_pretrained(folder).tokenize("CAR") == ["[UNK]"]
    assert np.abs(text_vector(embedder(folder), "CAR") - text_vector(embedder(zoo["chinese_clip"]), "car")).max() < 1e-6


def test_an_upload_of_aimv2_with_code_of_its_own_is_named_as_such(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["aimv2"], tmp_path / "m"))
    flat = {"model_type": "aimv2", "hidden_size": 32, "auto_map": {"AutoModel": "modeling_aimv2.AIMv2Model"}}
    (folder / "config.json").write_text(json.dumps(flat))
    with pytest.raises(ModelError, match="runs Python code of its own"):
        recipe_of(folder)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("chinese_clip", "text_projection.weight"),
        ("altclip", "text_model.transformation.weight"),
        ("aimv2", "visual_projection.weight"),
    ],
)
def test_a_model_with_a_missing_weight_is_refused(zoo: Zoo, tmp_path: Path, name: str, gone: str) -> None:
    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    weights = load_file(folder / "model.safetensors")
    assert weights.pop(gone) is not None
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelError, match="they would be random") as caught:
        embedder(folder)
    assert gone in caught.value.message


@pytest.mark.parametrize("name", ["chinese_clip", "altclip", "aimv2"])
def test_the_processor_is_the_one_on_pillow(zoo: Zoo, name: str) -> None:
    found = recipe_of(zoo[name])["processor"]
    assert found["backend"] == "pil"
    assert found["class"].endswith("Pil")
