"""Models with Python code of their own, trusted: vectors from tensors and from objects, of pictures and of texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from support.embedder_suite import check_embedder
from support.embedders import embedder, probes, recipe_of
from support.model_store import change_json
from support.reference import unit
from support.tiny_remote import save_remote
from support.zoo import Zoo

from vstore.embed.embedder import text_side
from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.model_words import Words
from vstore.errors import ModelError


@pytest.fixture(autouse=True)
def no_shared_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    yield


def trusted(folder: Path, **words: Any) -> Any:
    return embedder(folder, trust_remote_code=True, **words)


def states(folder: Path) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The states of the probes, and the weights, without the model's code."""
    weights = load_file(folder / "model.safetensors")
    processor = transformers.CLIPImageProcessorPil.from_pretrained(folder)
    pixels = torch.cat([processor(one, return_tensors="pt")["pixel_values"] for one in probes().values()])
    found = torch.nn.functional.conv2d(pixels, weights["patches.weight"], weights["patches.bias"], stride=8)
    return torch.tanh(found.flatten(2).transpose(1, 2)), weights


def rows(made: Any) -> np.ndarray:
    found: np.ndarray = made.embed_images(list(probes().values()))
    return found


@pytest.mark.parametrize("style", ["tensors", "objects"])
def test_both_styles_of_code_give_the_vectors_of_the_reference(zoo: Zoo, tmp_path: Path, style: str) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], style)
    made = trusted(folder)
    found, weights = states(folder)
    wanted = found.mean(1) @ weights["projection.weight"].T + weights["projection.bias"]
    assert np.abs(rows(made) - np.stack([unit(one) for one in wanted])).max() < 1e-5
    check_embedder(made)
    side = text_side(made)
    assert side is not None
    ids = transformers.AutoTokenizer.from_pretrained(folder)("a red car", return_tensors="pt")["input_ids"]
    text = weights["words.weight"][ids[0]].mean(0) @ weights["projection.weight"].T + weights["projection.bias"]
    assert np.abs(side(["a red car"])[0] - unit(text)).max() < 1e-5


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("style", ["states"])
def test_code_that_pools_nothing_is_pooled_as_asked(zoo: Zoo, tmp_path: Path, style: str, pooling: str) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], style)
    made = trusted(folder, pooling=pooling)
    found, _ = states(folder)
    wanted = found[:, 0] if pooling == "cls" else found.mean(1)
    assert np.abs(rows(made) - np.stack([unit(one) for one in wanted])).max() < 1e-5
    assert text_side(made) is None


def test_code_that_pools_nothing_is_refused_without_a_pooling(zoo: Zoo, tmp_path: Path) -> None:
    made = trusted(save_remote(tmp_path / "own", zoo["clip"], "states"))
    with pytest.raises(ModelError, match=r"gives BaseModelOutput instead of \d+ vectors") as caught:
        rows(made)
    assert "--pooling cls or mean" in caught.value.next_step


def test_other_shapes_of_code_are_refused(zoo: Zoo, tmp_path: Path) -> None:
    made = trusted(save_remote(tmp_path / "own", zoo["clip"], "matrices"))
    with pytest.raises(ModelError, match=r"gives Tensor of the shape \(\d+, 1, 8\) instead of \d+ vectors"):
        rows(made)
    with pytest.raises(ModelError, match=r"gives Tensor of the shape \(1, 1, 8\) instead of 1 vectors"):
        made.embed_texts(["a red car"])


def test_code_without_states_has_no_pooling(zoo: Zoo, tmp_path: Path) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "states")
    code = (folder / "own.py").read_text().replace("BaseModelOutput(last_hidden_state=", "dict(other=")
    (folder / "own.py").write_text(code)
    with pytest.raises(ModelError, match="gives no last hidden state to pool"):
        rows(trusted(folder, pooling="cls"))


def test_a_text_side_in_the_configuration_alone_is_named(zoo: Zoo, tmp_path: Path) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    code = (folder / "own.py").read_text().replace("get_text_features", "encode_text")
    (folder / "own.py").write_text(code)
    made = trusted(folder)
    assert np.isfinite(rows(made)).all()
    with pytest.raises(ModelError, match="has no get_text_features") as caught:
        made.embed_texts(["a red car"])
    assert caught.value.next_step == "search with a picture"


def test_a_missing_weight_is_refused_and_a_width_is_asked_for(zoo: Zoo, tmp_path: Path) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    weights = load_file(folder / "model.safetensors")
    save_file({key: value for key, value in weights.items() if key != "words.weight"}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="they would be random"):
        trusted(folder)
    values = json.loads((folder / "config.json").read_text())
    del values["projection_dim"], values["hidden_size"]
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"\(projection_dim, embed_dim, hidden_size or n_embd\)"):
        recipe_of(folder, trust_remote_code=True)


def test_code_of_another_repository_is_not_run(zoo: Zoo, tmp_path: Path) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"]["AutoModel"] = "stranger/code--" + config["auto_map"]["AutoModel"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"takes its Python code from another repository .stranger/code."):
        trusted(folder)


# What would run, and on whose word


def test_the_code_of_a_model_is_named_before_it_is_trusted(zoo: Zoo, tmp_path: Path) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    with pytest.raises(
        ModelError, match=r"not trusted: OwnModel of own\.py, which can do all that you can do"
    ) as caught:
        recipe_of(folder)
    assert f"read {folder / 'own.py'}, and the files that it imports" in caught.value.next_step
    assert "--trust-remote-code" in caught.value.next_step


def test_the_code_of_another_repository_is_named_as_such(zoo: Zoo, tmp_path: Path) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    change_json(folder, "config.json", auto_map={"AutoModel": "stranger/code--own.OwnModel"})
    with pytest.raises(ModelError, match=r"OwnModel of own\.py") as caught:
        recipe_of(folder)
    assert "own.py in the repository stranger/code" in caught.value.next_step


def test_code_that_was_not_copied_is_named(zoo: Zoo, tmp_path: Path) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    (folder / "own.py").unlink()
    with pytest.raises(ModelError, match=r"own\.py is not in its folder"):
        recipe_of(folder, trust_remote_code=True)


@pytest.mark.parametrize("trust", [False, True])
def test_code_without_a_bare_model_is_refused_whatever_is_trusted(zoo: Zoo, tmp_path: Path, trust: bool) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    change_json(folder, "config.json", auto_map={"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"})
    with pytest.raises(ModelError, match="which has AutoModelForCausalLM and no AutoModel") as caught:
        recipe_of(folder, trust_remote_code=trust)
    assert "trust-remote-code" not in caught.value.next_step


@pytest.mark.parametrize(
    ("file", "values", "what"),
    [
        (
            "preprocessor_config.json",
            {"image_processor_type": "OwnOne", "auto_map": {"AutoImageProcessor": "part.OwnOne"}},
            "the image processor",
        ),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "OwnOne", "auto_map": {"AutoTokenizer": ["part.OwnOne", None]}},
            "the tokenizer",
        ),
    ],
)
def test_other_code_than_the_models_does_not_run_and_the_message_does_not_lead_in_a_circle(
    zoo: Zoo, tmp_path: Path, file: str, values: dict[str, Any], what: str
) -> None:
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    change_json(folder, file, **values)
    (folder / "part.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n\nclass OwnOne:\n    pass\n")
    with pytest.raises(ModelError, match=rf"{what} of .* is Python code of its own .part\.OwnOne.") as caught:
        trusted(folder).embed_texts(["a"])
    assert not (tmp_path / "ran").exists()
    assert caught.value.next_step.startswith("write a plug-in")


def test_trust_that_changes_nothing_is_said(zoo: Zoo, tmp_path: Path) -> None:
    notes: list[str] = []
    describe(Words(str(zoo["clip"]), trust_remote_code=True), Digests(), note=notes.append)
    assert ["--trust-remote-code changes nothing" in note for note in notes] == [True]
    folder = save_remote(tmp_path / "own", zoo["clip"], "tensors")
    notes.clear()
    describe(Words(str(folder), trust_remote_code=True), Digests(), note=notes.append)
    assert notes == []
