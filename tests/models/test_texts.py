"""Texts: their model's tokenizer is the one that the space was made with, and no wrong vector is remembered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.folders import put
from support.model_store import World, change_json
from support.zoo import Zoo

from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.dual import DualEncoder
from vstore.embed.hf.loading import load
from vstore.embed.model_words import Settings, Words
from vstore.embed.text_cache import cache_text, cached_text, text_name
from vstore.errors import ModelError, VstoreError
from vstore.search.query import Operand

TEXT = Operand(1.0, None, "a red car")


@pytest.fixture
def world(tmp_path: Path, zoo: Zoo) -> World:
    made = World(tmp_path, Path(shutil.copytree(zoo["clip"], tmp_path / "clip")))
    made.sync()
    return made


def swap_letters(folder: Path) -> None:
    """Give two letters of a tokenizer each other's ids: every text with one of them is another one."""
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    words = value["model"]["vocab"]
    words["a"], words["z"] = words["z"], words["a"]
    path.write_text(json.dumps(value))


def scores(world: World) -> list[float]:
    return [hit.score for hit in world.store.search([TEXT], k=5).hits]


def remembered(world: World) -> set[str]:
    return {path.name for path in world.repo.layout.cache.glob("text-*")}


@pytest.mark.parametrize("name", ["clip", "siglip", "naflex", "qwen2_vl"])
def test_another_tokenizer_is_another_model(zoo: Zoo, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    recipe, place = describe(Words(str(folder)), Digests())
    load(recipe, place, Settings("cpu"), Digests())
    swap_letters(folder)
    with pytest.raises(ModelError, match="is not what the space was made with: its tokenizer has changed"):
        load(recipe, place, Settings("cpu"), Digests())


def test_a_search_with_another_tokenizer_is_refused_and_nothing_is_remembered(world: World, zoo: Zoo) -> None:
    folder = world.pictures.parent / "clip"
    swap_letters(folder)
    with pytest.raises(ModelError, match="its tokenizer has changed") as caught:
        scores(world)
    assert f"vstore model add NAME --model {folder} --compute fp32" in caught.value.next_step
    assert remembered(world) == set()
    put(world.pictures, {"10.png": 10})
    with pytest.raises(ModelError, match="its tokenizer has changed"):
        world.sync()
    shutil.copy(zoo["clip"] / "tokenizer.json", folder)
    right = scores(world)
    assert len(remembered(world)) == 1
    swap_letters(folder)
    assert scores(world) == right, "what is remembered is right, and needs no model"


def test_a_text_is_embedded_only_after_the_text_probe_passed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = DualEncoder.forward_text
    monkeypatch.setattr(DualEncoder, "forward_text", lambda self, on, text: plain(self, on, text[::-1]))
    for _ in range(12):  # whichever probe has its turn when the model is loaded
        with pytest.raises(ModelError, match=r"the probe 'text[a-z-]*' is off"):
            scores(world)
    assert remembered(world) == set()
    monkeypatch.undo()
    assert scores(world)
    assert len(remembered(world)) == 1


def test_a_vector_that_is_not_finite_is_not_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = DualEncoder.forward_text

    def sick(self: Any, on: Any, text: str) -> Any:
        return plain(self, on, text) * (np.nan if text == TEXT.text else 1)

    monkeypatch.setattr(DualEncoder, "forward_text", sick)
    with pytest.raises(VstoreError, match="the model gave no usable vector for it"):
        scores(world)
    assert remembered(world) == set()


def test_vectors_are_remembered_by_their_tokenizer() -> None:
    names = {
        text_name(space, {"text": {"tokenizer": tokenizer}}, text)
        for space, tokenizer, text in [("s", ["a"], "x"), ("s", ["b"], "x"), ("s", ["a"], "y"), ("t", ["a"], "x")]
    }
    assert len(names) == 4
    assert text_name("s", {}, "x") == text_name("s", {"text": "any"}, "x"), "a plug-in may have no tokenizer"


def test_a_vector_of_another_width_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    vector = np.arange(8, dtype=np.float32)
    cache_text(tmp_path, "text-1", vector)
    assert np.array_equal(cached_text(tmp_path, "text-1", 8), vector)
    assert cached_text(tmp_path, "text-1", 16) is cached_text(tmp_path, "text-1", 4) is None
    assert cached_text(tmp_path, "text-2", 8) is None


@pytest.mark.parametrize("name", ["clip", "siglip", "dinov2", "dinov3", "qwen2_vl"])
def test_a_changed_preparation_in_the_folder_changes_no_vector_and_refuses_none(
    zoo: Zoo, tmp_path: Path, name: str
) -> None:
    """Pictures are prepared as the recipe says. What the folder says today is that of another space."""
    from support.embedders import probes

    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    recipe, place = describe(Words(str(folder)), Digests())
    pictures = list(probes().values())[:2]
    before = load(recipe, place, Settings("cpu"), Digests()).embed_images(pictures)
    change_json(folder, "preprocessor_config.json", image_mean=[0.1, 0.2, 0.3], resample=0)
    assert np.array_equal(load(recipe, place, Settings("cpu"), Digests()).embed_images(pictures), before)
    assert describe(Words(str(folder)), Digests())[0]["processor"] != recipe["processor"]
    (folder / "preprocessor_config.json").unlink()
    assert np.array_equal(load(recipe, place, Settings("cpu"), Digests()).embed_images(pictures), before)


def test_a_tokenizer_that_no_digest_covers_is_refused(world: World) -> None:
    """transformers reads the file that fast_tokenizer_files names for its version, in the place of tokenizer.json."""
    folder = world.pictures.parent / "clip"
    shutil.copy(folder / "tokenizer.json", folder / "tokenizer.4.0.0.json")
    change_json(folder, "tokenizer_config.json", fast_tokenizer_files=["tokenizer.json", "tokenizer.4.0.0.json"])
    recipe, place = describe(Words(str(folder)), Digests())
    made = load(recipe, place, Settings("cpu"), Digests())
    with pytest.raises(ModelError, match=r"names another tokenizer .tokenizer\.4\.0\.0\.json."):
        made.embed_texts(["a red car"])
