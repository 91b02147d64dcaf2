"""Picture encoders that pool by themselves: ConvNeXt, Swin, ResNet, BEiT."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from safetensors.torch import load_file, save_file
from support.adapters import rewrite, save_adapter
from support.embedders import embedder, probes, recipe_of
from support.recut import copied, renamed
from support.reference import Reference
from support.reference_towers import architecture
from support.tiny_pooled import KINDS, save_pooled
from support.zoo import Zoo

from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.identity import Known, identity_of
from vstore.embed.hf.loading import find_files, load
from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError


def identity(folder: Path) -> str:
    digests = Digests()
    recipe, place = describe(Words(str(folder)), digests)
    files = find_files(Known(recipe), place, digests)
    return identity_of(recipe, files.folder, files.adapter, digests)


def rows(made: Any) -> np.ndarray:
    found: np.ndarray = made.embed_images(list(probes().values()))
    return found


@pytest.mark.parametrize("name", [name for name in KINDS if name != "dinov3_convnext"])
def test_a_head_is_left_out_with_a_note_and_has_no_part_in_the_vector(zoo: Zoo, tmp_path: Path, name: str) -> None:
    said: list[str] = []
    recipe, place = describe(Words(str(zoo[name])), Digests())
    made = load(recipe, place, Settings("cpu"), Digests(), note=said.append)
    assert said == [f"{zoo[name]}: weights without a part in the vector are left out: classifier"]
    other = Path(shutil.copytree(zoo[name], tmp_path / name))
    weights = load_file(other / "model.safetensors")
    changed = {key: -value if key.startswith("classifier") else value for key, value in weights.items()}
    save_file(changed, other / "model.safetensors")
    assert np.abs(rows(embedder(other)) - rows(made)).max() < 1e-6


@pytest.mark.parametrize("name", ["convnext", "convnextv2", "swin", "swinv2", "resnet"])
def test_a_bare_model_gives_the_vectors_of_its_classifier(zoo: Zoo, tmp_path: Path, name: str) -> None:
    bare = Path(shutil.copytree(zoo[name], tmp_path / name))
    cls = getattr(transformers, f"{KINDS[name][0]}Model")
    cls.from_pretrained(zoo[name]).save_pretrained(bare)
    assert json.loads((bare / "config.json").read_text())["architectures"] == [cls.__name__]
    assert np.abs(rows(embedder(bare)) - rows(embedder(zoo[name]))).max() < 1e-6


def test_a_swin_with_the_names_of_today_is_the_same_model(zoo: Zoo, tmp_path: Path) -> None:
    """transformers 5 still saves it with the names of version 4."""
    new = copied(zoo["swin"], tmp_path / "swin")
    assert any("attention.self.query" in key for key in load_file(new / "model.safetensors"))
    table = r"\1attention.relative_position_bias.relative_position_bias_table"
    renamed(
        new,
        (r"(blocks\.\d+\.)attention\.self\.relative_position_bias_table", table),
        *((rf"attention\.self\.{old}\.", f"attention.{old[0]}_proj.") for old in ("query", "key", "value")),
        (r"attention\.output\.dense\.", "attention.o_proj."),
        (r"intermediate\.dense\.", "mlp.fc1."),
        (r"output\.dense\.", "mlp.fc2."),
    )
    assert identity(new) == identity(zoo["swin"])
    assert np.abs(rows(embedder(new)) - rows(embedder(zoo["swin"]))).max() < 1e-6


@pytest.mark.parametrize("name", ["convnext", "convnextv2", "swin", "swinv2", "resnet", "beit"])
def test_the_identity_is_that_of_the_bare_model_and_of_no_other(zoo: Zoo, tmp_path: Path, name: str) -> None:
    bare = copied(zoo[name], tmp_path / "bare")
    cls = getattr(transformers, f"{KINDS[name][0]}Model")
    cls.from_pretrained(zoo[name]).save_pretrained(bare)
    assert identity(bare) == identity(zoo[name])
    other = save_pooled(tmp_path / "other", name, seed=1)
    assert identity(other) != identity(zoo[name])


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_weight_is_refused(zoo: Zoo, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    weights = load_file(folder / "model.safetensors")
    gone = max(key for key in weights if key.endswith("weight") and not key.startswith("classifier"))
    save_file({key: value for key, value in weights.items() if key != gone}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="they would be random"):
        embedder(folder)


@pytest.mark.parametrize("name", KINDS)
def test_the_processor_is_on_pillow_or_written_here(zoo: Zoo, name: str) -> None:
    found = recipe_of(zoo[name])["processor"]
    assert found["backend"] == ("vstore" if name == "dinov3_convnext" else "pil")


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("convnext", ["pwconv1", "pwconv2"]),
        ("convnextv2", ["pwconv1"]),
        ("dinov3_convnext", ["pointwise_conv1"]),
        ("swin", ["q_proj", "v_proj"]),
        ("swinv2", ["query", "value"]),
        ("beit", "all-linear"),
        ("data2vec-vision", ["query", "value"]),
    ],
)
def test_an_adapter_trained_on_the_class_with_the_head_is_applied(
    zoo: Zoo, tmp_path: Path, name: str, targets: list[str]
) -> None:
    adapter = save_adapter(tmp_path / "a", zoo[name], targets, cls=getattr(transformers, architecture(zoo[name])))
    made, reference = rows(embedder(zoo[name], adapter)), Reference(zoo[name], adapter)
    assert (made * rows(embedder(zoo[name]))).sum(1).min() < 0.9999
    assert np.abs(made - np.stack([reference.picture(one) for one in probes().values()])).max() < 1e-5


OLD = {
    "swin": {
        "attention.q_proj": "attention.self.query",
        "attention.v_proj": "attention.self.value",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    },
    "beit": {
        "beit.layers.": "beit.encoder.layer.",
        "attention.q_proj": "attention.attention.query",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    },
    "dinov3_convnext": {"model.model.stages": "model.stages"},
}


@pytest.mark.parametrize("name", OLD)
def test_an_adapter_trained_with_transformers_4_is_applied(zoo: Zoo, tmp_path: Path, name: str) -> None:
    cls = getattr(transformers, architecture(zoo[name]))
    targets = ["pointwise_conv1"] if name == "dinov3_convnext" else ["q_proj", "v_proj", "o_proj", "fc1", "fc2"]
    new = save_adapter(tmp_path / "new", zoo[name], targets, cls=cls)

    def as_before(key: str) -> str:
        for today, before in OLD[name].items():
            key = key.replace(today, before)
        return key

    before = targets if name == "dinov3_convnext" else ["query", "value", "dense"]
    old = rewrite(new, tmp_path / "old", rename=as_before, target_modules=before)
    assert load_file(old / "adapter_model.safetensors").keys().isdisjoint(load_file(new / "adapter_model.safetensors"))
    assert np.abs(rows(embedder(zoo[name], old)) - rows(embedder(zoo[name], new))).max() < 1e-6


def test_pictures_of_many_sizes_after_preparation_are_refused(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["swin"], tmp_path / "swin"))
    values = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**values, "do_resize": False}))
    with pytest.raises(ModelError, match=r"a size of its own \(60 x 40, 40 x 90\)"):
        recipe_of(folder)


def test_a_model_without_its_pooling_layer_is_refused(tmp_path: Path) -> None:
    """As data2vec's were saved before they were tuned: a random pooler would be taken for one."""
    folder = save_pooled(tmp_path / "m", "data2vec-vision", classifier=False)
    with pytest.raises(ModelError, match="pooler"):
        embedder(folder)


def test_a_batch_of_a_resnet_knows_no_other_picture(zoo: Zoo) -> None:
    """Batch normalisation in training mode would mix them."""
    made = embedder(zoo["resnet"])
    some = list(probes().values())
    made.limits.batch_size = 8
    assert np.abs(made.embed_images(some) - np.concatenate([made.embed_images([one]) for one in some])).max() < 1e-5
    assert np.abs(made.embed_images(some[:1])[0] - Reference(zoo["resnet"]).picture(some[0])).max() < 1e-5
