"""Models of sentence-transformers are those of the folder within, pooled as their modules say; the rest is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.embedders import embedder, probes, recipe_of
from support.reference import Reference
from support.zoo import Zoo

from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.model_words import Words
from vstore.errors import ModelError
from vstore.format.recipes import space_id

OLD, NEW = "sentence_transformers.models", "sentence_transformers.sentence_transformer.modules"


def save_modules(folder: Path, *rows: tuple[str, str, dict[str, Any] | None]) -> None:
    """Write modules.json. rows: type, path, configuration of each module."""
    listed = [{"idx": n, "name": str(n), "path": path, "type": kind} for n, (kind, path, _) in enumerate(rows)]
    (folder / "modules.json").write_text(json.dumps(listed))
    for _, path, config in rows:
        (folder / path).mkdir(exist_ok=True)
        if config is not None:
            (folder / path / "config.json").write_text(json.dumps(config))


def wrapped(zoo: Zoo, to: Path, model: str, kind: str, *later: tuple[str, str, dict[str, Any] | None]) -> Path:
    """A model in a folder of its own, as `clip-ViT-B-32` has it."""
    to.mkdir()
    shutil.copytree(zoo[model], to / "0_Inner")
    save_modules(to, (kind, "0_Inner", None), *later)
    return to


def beside(zoo: Zoo, to: Path, model: str, *later: tuple[str, str, dict[str, Any] | None]) -> Path:
    """A model beside its modules, as newer repositories have it."""
    shutil.copytree(zoo[model], to)
    save_modules(to, (f"{OLD}.Transformer", "", None), *later)
    return to


@pytest.mark.parametrize("kind", [f"{OLD}.CLIPModel", f"{OLD}.Transformer", f"{NEW}.Transformer"])
def test_a_model_in_a_folder_of_its_own_is_that_model(zoo: Zoo, tmp_path: Path, kind: str) -> None:
    folder = wrapped(zoo, tmp_path / "st", "clip", kind, (f"{OLD}.Normalize", "1_Normalize", None))
    recipe, place = describe(Words(str(folder)), Digests())
    assert space_id(recipe) == space_id(recipe_of(zoo["clip"])), "one space, whatever its layout"
    assert place.model == str(folder / "0_Inner"), "where it is found again"
    assert embedder(folder).embed_texts(["a red car"]).shape == (1, 24)


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, "last"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode": ["mean"], "include_prompt": True}, "mean"),
        ({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}, "mean"),
    ],
)
def test_tokens_are_pooled_as_the_modules_say(zoo: Zoo, tmp_path: Path, config: dict[str, Any], pooling: str) -> None:
    later = ((f"{OLD}.Pooling", "1_Pooling", config), (f"{OLD}.Normalize", "2_Normalize", None))
    folder = beside(zoo, tmp_path / "st", "qwen2_vl", *later)
    recipe, place = describe(Words(str(folder)), Digests())
    assert recipe["pooling"] == place.pooling == pooling
    picture = probes()["landscape"]
    wanted = Reference(zoo["qwen2_vl"]).picture(picture, pooling=pooling)
    assert abs(embedder(folder).embed_images([picture])[0] - wanted).max() < 1e-5
    # Within a folder that says nothing, the words of the place do.
    apart = wrapped(zoo, tmp_path / "apart", "qwen2_vl", f"{OLD}.Transformer", *later)
    again, place = describe(Words(str(apart)), Digests())
    assert space_id(again) == space_id(recipe) == space_id(describe(place, Digests())[0])


def test_a_pooling_of_the_user_goes_first(zoo: Zoo, tmp_path: Path) -> None:
    folder = beside(zoo, tmp_path / "st", "qwen2_vl", (f"{OLD}.Pooling", "1_Pooling", {"pooling_mode": "mean"}))
    assert recipe_of(folder, pooling="last")["pooling"] == "last"


def test_the_class_token_of_a_picture_encoder_is_taken(zoo: Zoo, tmp_path: Path) -> None:
    folder = beside(zoo, tmp_path / "st", "dinov2", (f"{OLD}.Pooling", "1_Pooling", {"pooling_mode": "cls"}))
    assert space_id(recipe_of(folder)) == space_id(recipe_of(zoo["dinov2"]))


@pytest.mark.parametrize(
    ("model", "kind", "config", "why"),
    [
        ("clip", f"{OLD}.Dense", {"in_features": 24, "out_features": 8}, "with the module .*Dense"),
        ("clip", "my_code.Whitening", None, "with the module my_code.Whitening"),
        ("clip", f"{OLD}.Pooling", {"pooling_mode": "mean"}, "no such vector from a clip model"),
        ("dinov2", f"{OLD}.Pooling", {"pooling_mode": "mean"}, "no such vector from a dinov2 model"),
        ("qwen2_vl", f"{OLD}.Pooling", {"pooling_mode": "max"}, "pools the tokens of its model by max"),
        ("qwen2_vl", f"{OLD}.Pooling", {"pooling_mode": ["cls", "mean"]}, "by cls and mean"),
        ("qwen2_vl", f"{OLD}.Pooling", {"pooling_mode": "mean", "include_prompt": False}, "without the tokens"),
        ("qwen2_vl", f"{OLD}.Pooling", {}, "by nothing"),
        ("clip", f"{OLD}.Normalize", {"module_input_name": "token_embeddings"}, "with the module .*Normalize"),
    ],
)  # fmt: skip
def test_a_module_that_would_be_left_out_is_refused(
    zoo: Zoo, tmp_path: Path, model: str, kind: str, config: dict[str, Any] | None, why: str
) -> None:
    with pytest.raises(ModelError, match=why):
        recipe_of(beside(zoo, tmp_path / "st", model, (kind, "1_Module", config)))


def test_a_second_pooling_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    pooling = (f"{OLD}.Pooling", "1_Pooling", {"pooling_mode": "mean"})
    with pytest.raises(ModelError, match="which vstore does not apply"):
        recipe_of(beside(zoo, tmp_path / "st", "qwen2_vl", pooling, (f"{OLD}.Pooling", "2_Pooling", {})))


def test_a_first_module_of_another_kind_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    folder = wrapped(zoo, tmp_path / "st", "clip", f"{OLD}.Router")
    with pytest.raises(ModelError, match=r"with the module sentence_transformers\.models\.Router"):
        recipe_of(folder)


@pytest.mark.parametrize(
    ("way", "fits"),
    [
        ({"method": "get_image_features", "method_output_name": "pooler_output"}, True),
        ({"method": "forward", "method_output_name": "last_hidden_state"}, False),
        ({"method": "vision_model", "method_output_name": "pooler_output"}, False),
    ],
)
def test_another_output_of_the_model_is_refused(zoo: Zoo, tmp_path: Path, way: dict[str, str], fits: bool) -> None:
    folder = wrapped(zoo, tmp_path / "st", "clip", f"{NEW}.Transformer")
    (folder / "0_Inner" / "sentence_bert_config.json").write_text(json.dumps({"modality_config": {"image": way}}))
    if fits:
        assert space_id(recipe_of(folder)) == space_id(recipe_of(zoo["clip"]))
    else:
        with pytest.raises(ModelError, match="takes the vector of a picture from"):
            recipe_of(folder)


def test_code_of_its_own_is_taken_by_its_own_configuration(zoo: Zoo, tmp_path: Path) -> None:
    """As jina-clip's: such a model needs the user's word, and its modules are nothing more than a name for it."""
    shutil.copytree(zoo["clip"], tmp_path / "st")
    normalise = (f"{OLD}.Normalize", "1_Normalize", None)
    save_modules(tmp_path / "st", ("custom_st.Transformer", "", None), normalise)
    assert space_id(recipe_of(tmp_path / "st")) == space_id(recipe_of(zoo["clip"]))


@pytest.mark.parametrize("text", ["[]", "{}", '[{"idx": 0}]', "[1]", "nothing"])
def test_damaged_modules_are_refused(zoo: Zoo, tmp_path: Path, text: str) -> None:
    shutil.copytree(zoo["clip"], tmp_path / "st")
    (tmp_path / "st" / "modules.json").write_text(text)
    with pytest.raises(ModelError, match=r"modules\.json (cannot be read|lists no module)"):
        recipe_of(tmp_path / "st")


@pytest.mark.parametrize("path", ["../elsewhere", "/elsewhere"])
def test_a_folder_outside_of_the_model_is_refused(zoo: Zoo, tmp_path: Path, path: str) -> None:
    (tmp_path / "st").mkdir()
    rows = [{"idx": 0, "name": "0", "path": path, "type": f"{OLD}.Transformer"}]
    (tmp_path / "st" / "modules.json").write_text(json.dumps(rows))
    with pytest.raises(ModelError, match="a folder outside of the model"):
        recipe_of(tmp_path / "st")


def test_a_folder_that_was_not_copied_is_named(zoo: Zoo, tmp_path: Path) -> None:
    folder = wrapped(zoo, tmp_path / "st", "clip", f"{OLD}.CLIPModel")
    shutil.rmtree(folder / "0_Inner")
    with pytest.raises(ModelError, match="names the folder 0_Inner, which is not there"):
        recipe_of(folder)


def test_a_model_of_texts_alone_is_told(zoo: Zoo, tmp_path: Path) -> None:
    """clip-ViT-B-32-multilingual-v1 reads texts; its pictures are those of another model."""
    folder = wrapped(
        zoo, tmp_path / "st", "clip", f"{OLD}.Transformer", (f"{OLD}.Pooling", "1_Pooling", {"pooling_mode": "mean"})
    )
    (folder / "0_Inner" / "config.json").write_text(json.dumps({"model_type": "distilbert"}))
    with pytest.raises(ModelError, match="reads texts alone"):
        recipe_of(folder)
