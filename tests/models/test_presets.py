"""Presets give the vectors that the scripts of published models give, for pictures of any shape and for texts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.embedders import embedder, probes, recipe_of
from support.official import QWEN3_VL_EMBEDDING_TEMPLATE, GmeQwen2VL, Qwen3VLEmbedder, UniteQwen2VL, VLM2Vec
from support.zoo import Zoo

from vstore.embed.hf.families.presets import PRESETS
from vstore.errors import ModelError, UsageError
from vstore.format.recipes import space_id

TEXTS = ["a red car", "A Blue Cat of the Sky", "dog!", " a photo\nof the sky "]
RETRIEVE = "Retrieve images or text relevant to the user's query."
SCRIPTS: dict[str, tuple[str, Callable[..., Any], Callable[..., Any]]] = {
    "qwen3-vl-embedding": (
        "qwen3_vl",
        lambda folder, picture: Qwen3VLEmbedder(folder).process(image=picture),
        lambda folder, text: Qwen3VLEmbedder(folder).process(text=text, instruction=RETRIEVE),
    ),
    "gme": (
        "qwen2_vl",
        lambda folder, picture: GmeQwen2VL(folder).embed(None, picture),
        lambda folder, text: GmeQwen2VL(folder).embed(text, None, "Find an image that matches the given text."),
    ),
    "unite": (
        "qwen2_vl",
        lambda folder, picture: UniteQwen2VL(folder).summary(None, picture),
        lambda folder, text: UniteQwen2VL(folder).summary(text, None),
    ),
    "vlm2vec": (
        "qwen2_vl",
        lambda folder, picture: VLM2Vec(folder).encode("<|image_pad|>\nRepresent the given image.\n", picture),
        lambda folder, text: VLM2Vec(folder).encode(
            f"Find me an everyday image that matches the given caption: {text}\n"
        ),
    ),
}


@pytest.fixture
def ending(zoo: Zoo, tmp_path: Path) -> Path:
    """A model whose tokenizer adds a token to every text, as that of Qwen3-VL-Embedding does."""
    folder = Path(shutil.copytree(zoo["qwen3_vl"], tmp_path / "ending"))
    values = json.loads((folder / "tokenizer.json").read_text())
    end = {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}
    assert values["model"]["vocab"]["<|endoftext|>"] == 0
    values["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<|endoftext|>": end},
    }
    (folder / "tokenizer.json").write_text(json.dumps(values))
    return folder


def test_every_preset_has_a_script() -> None:
    assert SCRIPTS.keys() == {preset.name for preset in PRESETS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_preset_has_the_vectors_of_its_script(zoo: Zoo, name: str) -> None:
    kind, picture, text = SCRIPTS[name]
    made = embedder(zoo[kind], preset=name)
    some = [*probes().values(), Image.effect_noise((60, 9), 90).convert("RGB")]
    wanted = np.stack([picture(zoo[kind], one) for one in some])
    assert np.abs(wanted @ wanted.T - 1).max() > 1e-3, "pictures that all look alike prove nothing"
    for size in (1, 3):
        made.limits.batch_size = size
        assert np.abs(made.embed_images(some) - wanted).max() < 1e-5
    words = np.stack([text(zoo[kind], one) for one in TEXTS])
    assert np.abs(made.embed_texts(TEXTS) - words).max() < 1e-5


def test_what_a_tokenizer_adds_to_every_text_is_added(ending: Path) -> None:
    for words in ({}, {"preset": "qwen3-vl-embedding"}):
        assert recipe_of(ending, **words)["prompt"].endswith("<|im_start|>assistant\n<|endoftext|>")
    made = embedder(ending, preset="qwen3-vl-embedding")
    script = Qwen3VLEmbedder(ending)
    picture = probes()["landscape"]
    assert np.abs(made.embed_images([picture])[0] - script.process(image=picture)).max() < 1e-5
    text = script.process(text="a red car", instruction=RETRIEVE)
    assert np.abs(made.embed_texts(["a red car"])[0] - text).max() < 1e-5


def test_a_query_prompt_is_the_instruction_of_a_preset(zoo: Zoo) -> None:
    made = embedder(zoo["qwen3_vl"], preset="qwen3-vl-embedding", query_prompt=" Find the red one")
    wanted = Qwen3VLEmbedder(zoo["qwen3_vl"]).process(text="a car", instruction="Find the red one.")
    assert np.abs(made.embed_texts(["a car"])[0] - wanted).max() < 1e-5, "it ends with a full stop, as in the script"
    plain = embedder(zoo["qwen3_vl"], preset="qwen3-vl-embedding")
    picture = [probes()["tiny"]]
    assert np.array_equal(made.embed_images(picture), plain.embed_images(picture))
    assert space_id(made.recipe) != space_id(plain.recipe)


def test_a_preset_is_of_its_models_and_brings_its_prompt(zoo: Zoo) -> None:
    with pytest.raises(UsageError, match="'gme' is for models of the type qwen2_vl, and this is a qwen3_vl model"):
        recipe_of(zoo["qwen3_vl"], preset="gme")
    with pytest.raises(UsageError, match="there is no preset 'x'") as caught:
        recipe_of(zoo["qwen2_vl"], preset="x")
    assert "qwen3-vl-embedding, gme, vlm2vec, unite" in caught.value.next_step
    with pytest.raises(UsageError, match=r"there is no preset 'vlm2veq'; did you mean vlm2vec\? choose one of: "):
        recipe_of(zoo["qwen2_vl"], preset="vlm2veq")
    with pytest.raises(UsageError, match="the preset gme has a prompt of its own"):
        recipe_of(zoo["qwen2_vl"], preset="gme", prompt="look")
    with pytest.raises(ModelError, match="clip model does not take a prompt"):
        recipe_of(zoo["clip"], preset="gme")


def test_a_preset_without_an_instruction_takes_none(zoo: Zoo) -> None:
    with pytest.raises(UsageError, match="searches of the preset unite have no place for an instruction"):
        recipe_of(zoo["qwen2_vl"], preset="unite", query_prompt="find")
    whole = recipe_of(zoo["qwen2_vl"], preset="unite", query_prompt="find: %s<|endoftext|>")
    assert whole["text"]["template"] == "find: %s<|endoftext|>"


def notes_of(folder: Path, **words: Any) -> tuple[dict[str, Any], list[str]]:
    from vstore.embed.hf.description import describe
    from vstore.embed.hf.digests import Digests
    from vstore.embed.model_words import Words

    notes: list[str] = []
    recipe, place = describe(Words(str(folder), **words), Digests(), note=notes.append)
    return {**recipe, "place": place}, notes


def test_the_chat_template_of_a_published_model_brings_its_preset(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["qwen3_vl"], tmp_path / "any name"))
    (folder / "chat_template.jinja").write_text(QWEN3_VL_EMBEDDING_TEMPLATE)
    recipe, notes = notes_of(folder)
    assert recipe["place"].preset == "qwen3-vl-embedding"
    assert len(notes) == 1 and "--preset qwen3-vl-embedding is taken" in notes[0]
    assert space_id({**recipe, "place": 0}) == space_id(
        {**recipe_of(zoo["qwen3_vl"], preset="qwen3-vl-embedding"), "place": 0}
    )
    recipe, notes = notes_of(folder, prompt="")
    assert (recipe["place"].preset, notes) == (None, [])
    assert "Represent the user's input." in recipe["prompt"], "it is its own template still"


@pytest.mark.parametrize(
    "name", ["gme-Qwen2-VL-2B-Instruct", "VLM2Vec_V2.0", "VLM2Vec-Qwen2VL-7B", "Unite-Base-Qwen2-VL-2B"]
)
def test_a_model_with_the_name_of_a_published_one_is_told_its_preset(zoo: Zoo, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(zoo["qwen2_vl"], tmp_path / name))
    recipe, notes = notes_of(folder, max_side=256)
    preset = name.partition("-")[0].partition("_")[0].lower()
    assert f"vstore model add {preset} --model {folder} --max-side 256 --preset {preset}" in notes[0]
    assert {**recipe, "place": 0} == {**recipe_of(zoo["qwen2_vl"], max_side=256), "place": 0}, "no name decides a space"
    assert notes_of(folder, preset=preset)[1] == []
    assert notes_of(zoo["qwen2_vl"])[1] == []


def test_a_text_is_tokenised_with_the_words_beside_it(zoo: Zoo, tmp_path: Path) -> None:
    """A word and the space before it are one token of the published tokenizers, and so are line breaks in a row."""
    folder = Path(shutil.copytree(zoo["qwen2_vl"], tmp_path / "q"))
    values = json.loads((folder / "tokenizer.json").read_text())
    values["model"]["vocab"] |= {"Ġa": 290, "ĊĊ": 291}
    values["model"]["merges"] = [["Ġ", "a"], ["Ċ", "Ċ"]]
    (folder / "tokenizer.json").write_text(json.dumps(values))
    made, script = embedder(folder, preset="vlm2vec"), VLM2Vec(folder)
    for text in ("a cat", "\na cat\n", "cat"):
        said = f"Find me an everyday image that matches the given caption: {text}\n"
        ids = script.tokenizer(said)["input_ids"]
        assert made.family.text_ids(text) == ids
        assert {290, 291} & set(ids) or text == "cat"
        assert np.abs(made.embed_texts([text])[0] - script.encode(said)).max() < 1e-5
    asked = embedder(folder, query_prompt="find")
    said = "<|im_start|>system\nfind<|im_end|>\n<|im_start|>user\n\na cat<|im_end|>\n<|im_start|>assistant\n"
    assert asked.family.text_ids("\na cat") == script.tokenizer(said)["input_ids"]


def test_an_instruction_in_files_for_sentence_transformers_is_told(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["qwen2_vl"], tmp_path / "q"))
    saved = folder / "config_sentence_transformers.json"
    for value in ({"prompts": {"query": "", "document": "x"}}, {"prompts": None}, [], {}):
        saved.write_text(json.dumps(value))
        assert notes_of(folder)[1] == []
    saved.write_text(json.dumps({"prompts": {"query": "Find it."}}))
    (note,) = notes_of(folder)[1]
    assert f"vstore model add asked --model {folder} --query-prompt 'Find it.'" in note
    assert notes_of(folder, query_prompt="x")[1] == notes_of(folder, preset="gme")[1] == []


def test_a_picture_that_the_first_resizing_makes_longer_than_200_to_1(zoo: Zoo) -> None:
    """The script of Qwen3-VL-Embedding takes it as it is; that of GME resizes again, and fails."""
    long = Image.effect_noise((6432, 33), 90).convert("RGB")
    wanted = Qwen3VLEmbedder(zoo["qwen3_vl"]).process(image=long)
    made = embedder(zoo["qwen3_vl"], preset="qwen3-vl-embedding")
    assert np.abs(made.embed_images([long])[0] - wanted).max() < 1e-5
    rows = embedder(zoo["qwen2_vl"], preset="gme").embed_images([Image.new("RGB", (5628, 29)), probes()["tiny"]])
    assert np.isnan(rows[0]).all()
    assert np.isfinite(rows[1]).all()
