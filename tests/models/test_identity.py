"""The identity of a model: equal where only its files are others, another one wherever a vector may be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from support.adapters import rewrite
from support.embedders import embedder, probes
from support.recut import (
    WEIGHTS,
    annotated,
    another_word,
    copied,
    one_bit,
    renamed,
    resharded,
    with_json,
    with_weights,
)
from support.zoo import Zoo

from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.effective import config_values
from vstore.embed.hf.identity import Known, differences, identity_of, told
from vstore.embed.hf.loading import find_files
from vstore.embed.hf.tensor_names import adapter_names, canonical_names
from vstore.embed.hf.tensors import file_digests
from vstore.embed.model_words import Words
from vstore.errors import ModelError

MODELS = ["clip", "metaclip_2", "siglip", "naflex", "dinov2", "dinov2_with_registers", "dinov3", "vit"]
QWEN = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"]


def identity(model: Path, adapter: Path | None = None, **words: Any) -> str:
    digests = Digests()
    recipe, place = describe(Words(str(model), adapter and str(adapter), **words), digests)
    files = find_files(Known(recipe), place, digests)
    assert files.is_original
    return identity_of(recipe, files.folder, files.adapter, digests)


def saved(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """A configuration as another program writes it."""
    path = folder / "config.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    return folder


def in_full(config: dict[str, Any]) -> dict[str, Any]:
    made = transformers.CONFIG_MAPPING[config["model_type"]].from_dict(config)
    return dict(json.loads(made.to_json_string(use_diff=False)))


def in_part(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the values that are its class's defaults."""
    default = transformers.CONFIG_MAPPING[config["model_type"]]().to_dict()

    def less(values: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
        return {
            name: less(value, usual.get(name, {})) if isinstance(value, dict) and name.endswith("_config") else value
            for name, value in values.items()
            if name == "model_type" or usual.get(name) != value
        }

    left = less(config, default)
    assert len(json.dumps(left)) < len(json.dumps(config)) - 100
    return left


def of_version_4(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with the settings of generation that version 4 wrote into each of its parts."""
    usual = {"max_length": 20, "top_k": 50, "temperature": 1.0, "is_decoder": False, "pruned_heads": {}}
    usual |= {"chunk_size_feed_forward": 0, "bad_words_ids": None, "torch_dtype": "float32"}
    return {name: {**usual, **v} if name.endswith("_config") else v for name, v in {**usual, **config}.items()}


def backwards(folder: Path) -> Path:
    """The same tensors in another order."""
    header, data = _parts(folder / WEIGHTS)
    header.pop("__metadata__", None)
    out, body, at = {}, b"", 0
    for name in sorted(header, reverse=True):
        begin, end = header[name]["data_offsets"]
        out[name] = {**header[name], "data_offsets": [at, at + end - begin]}
        body, at = body + data[begin:end], at + end - begin
    text = json.dumps(out).encode()
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + body)
    return folder


def _parts(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


SAME: dict[str, Callable[[Path], object]] = {
    "other shards": resharded,
    "more shards": lambda folder: resharded(folder, 5),
    "metadata of safetensors": annotated,
    "tensors in another order": backwards,
    "use_cache": lambda folder: with_json(folder, "config.json", use_cache=True),
    "id2label": lambda folder: with_json(folder, "config.json", id2label={"0": "cat"}, label2id={"cat": 0}),
    "the version of transformers": lambda folder: with_json(folder, "config.json", transformers_version="4.30.0"),
    "the dtype that the files are said to have": lambda folder: with_json(folder, "config.json", torch_dtype="float16"),
    "where it came from": lambda folder: with_json(folder, "config.json", _name_or_path="me/mine", architectures=["X"]),
    "outputs": lambda folder: with_json(folder, "config.json", output_hidden_states=True, return_dict=False),
    "every default written out": lambda folder: saved(folder, in_full),
    "defaults left out": lambda folder: saved(folder, in_part),
    "what version 4 wrote besides": lambda folder: saved(folder, of_version_4),
    "a colour conversion of RGB": lambda folder: with_json(folder, "preprocessor_config.json", do_convert_rgb=False),
    "the processor of more": lambda folder: with_json(folder, "preprocessor_config.json", processor_class="Any"),
}
OF_TEXTS: dict[str, Callable[[Path], object]] = {
    "a chat template": lambda folder: with_json(folder, "tokenizer_config.json", chat_template="{{ messages }}"),
    "a chat template in a file": lambda folder: (folder / "chat_template.jinja").write_text("{{ messages }}"),
    "the longest text": lambda folder: with_json(folder, "tokenizer_config.json", model_max_length=5),
    "spaces of decoded texts": lambda folder: with_json(
        folder, "tokenizer_config.json", clean_up_tokenization_spaces=True
    ),
    "the padding of other programs": lambda folder: with_json(
        folder,
        "tokenizer.json",
        padding={
            "strategy": {"Fixed": 9},
            "direction": "Left",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "a",
        },
        truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
    ),
    "a decoder": lambda folder: with_json(folder, "tokenizer.json", decoder=None),
    "the words that only decide without tokenizer.json": lambda folder: with_json(folder, "vocab.json", a=1),
}


@pytest.mark.parametrize("change", SAME)
@pytest.mark.parametrize("base", ["clip", "siglip", "dinov2", "vit", "qwen2_vl"])
def test_other_files_of_a_model_have_its_identity(zoo: Zoo, tmp_path: Path, base: str, change: str) -> None:
    folder = copied(zoo[base], tmp_path / "copy")
    SAME[change](folder)
    assert identity(folder) == identity(zoo[base])


@pytest.mark.parametrize("change", OF_TEXTS)
@pytest.mark.parametrize("base", ["clip", "siglip", "qwen2_vl"])
def test_other_files_of_a_tokenizer_have_its_identity(zoo: Zoo, tmp_path: Path, base: str, change: str) -> None:
    folder = copied(zoo[base], tmp_path / "copy")
    OF_TEXTS[change](folder)
    assert identity(folder) == identity(zoo[base])


def halved(folder: Path) -> None:
    """One tensor in half of the bits, with the same numbers."""

    def change(weights: dict[str, Any]) -> dict[str, Any]:
        name = next(key for key in sorted(weights) if torch.equal(weights[key].half().float(), weights[key]))
        return {**weights, name: weights[name].half()}

    with_weights(folder, change)


def swapped(folder: Path) -> None:
    """Two tensors of one shape under one another's names."""

    def change(weights: dict[str, Any]) -> dict[str, Any]:
        one, other = (
            next(key for key in sorted(weights) if part in key) for part in ("q_proj.weight", "k_proj.weight")
        )
        return {**weights, one: weights[other], other: weights[one]}

    with_weights(folder, change)


def without_crop(folder: Path) -> None:
    path = folder / "preprocessor_config.json"
    whole = {"do_center_crop": False, "size": {"height": 32, "width": 32}}
    path.write_text(json.dumps({**json.loads(path.read_text()), **whole}))


OTHER: dict[str, Callable[[Path], object]] = {
    "one bit of a tensor": one_bit,
    "the dtype of a tensor": halved,
    "the shape of a tensor": lambda folder: with_weights(
        folder, lambda weights: {**weights, "logit_scale": weights["logit_scale"].reshape(1)}
    ),
    "two tensors swapped": swapped,
    "a tensor more": lambda folder: with_weights(folder, lambda weights: {**weights, "more": torch.zeros(1)}),
    "an activation": lambda folder: with_json(folder, "config.json", vision_config={"hidden_act": "gelu"}),
    "a token": lambda folder: with_json(folder, "config.json", text_config={"eos_token_id": 2}),
    "a word that nobody knows": lambda folder: with_json(folder, "config.json", vision_config={"new_in_5_99": 1}),
    "the mean": lambda folder: with_json(folder, "preprocessor_config.json", image_mean=[0.1, 0.1, 0.1]),
    "the size": lambda folder: with_json(folder, "preprocessor_config.json", size={"shortest_edge": 40}),
    "the resampling": lambda folder: with_json(folder, "preprocessor_config.json", resample=2),
    "no crop": without_crop,
    "a normaliser": lambda folder: with_json(folder, "tokenizer.json", normalizer={"type": "NFC"}),
    "a word": another_word,
    "the side of padding": lambda folder: with_json(folder, "tokenizer_config.json", padding_side="left"),
    "the side that is cut off": lambda folder: with_json(folder, "tokenizer_config.json", truncation_side="left"),
    "the end that is left": lambda folder: with_json(
        folder, "tokenizer.json", truncation={"direction": "Left", "max_length": 77, "strategy": "LongestFirst"}
    ),
    "added tokens": lambda folder: (folder / "added_tokens.json").write_text('{"blue": 5}'),
    "the class of a tokenizer": lambda folder: with_json(
        folder, "tokenizer_config.json", tokenizer_class="CLIPTokenizer"
    ),
}


@pytest.mark.parametrize("change", OTHER)
def test_whatever_may_change_a_vector_changes_the_identity(zoo: Zoo, tmp_path: Path, change: str) -> None:
    folder = copied(zoo["clip"], tmp_path / "clip")
    OTHER[change](folder)
    assert identity(folder) != identity(zoo["clip"])


def test_words_that_change_a_vector_change_the_identity(zoo: Zoo) -> None:
    qwen = zoo["qwen2_vl"]
    found = [
        identity(qwen),
        identity(qwen, max_side=256),
        identity(qwen, prompt="describe"),
        identity(qwen, pooling="mean"),
        identity(qwen, zoo.adapter("qwen2_vl")),
        identity(qwen, zoo.adapter("qwen2_vl", "dora")),
    ]
    assert len(set(found)) == len(found)


def test_values_of_a_step_that_is_left_out_say_nothing(zoo: Zoo, tmp_path: Path) -> None:
    found = []
    for number, mean in enumerate(([0.1, 0.1, 0.1], [0.2, 0.2, 0.2])):
        folder = copied(zoo["clip"], tmp_path / str(number))
        with_json(folder, "preprocessor_config.json", do_normalize=False, image_mean=mean)
        found.append(identity(folder))
    assert found[0] == found[1] != identity(zoo["clip"])


# Names of other times

RENAMED: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "the language model beside the vision tower": ("qwen2_vl", ((r"^model\.language_model\.", "model."),)),
    "a vision tower without a name in front": ("qwen2_5_vl", ((r"^model\.visual\.", "visual."),)),
    "attention with new names": (
        "dinov2",
        tuple((rf"attention\.attention\.{old}\.", f"attention.{old[0]}_proj.") for old in ("query", "key", "value")),
    ),
    "layers of the encoder": ("dinov3", ((r"^layer\.", "model.layer."),)),
    "a bare class": ("vit", ((r"^vit\.", ""),)),
}


@pytest.mark.parametrize("case", RENAMED)
def test_parameters_under_the_names_of_other_times_are_the_same(zoo: Zoo, tmp_path: Path, case: str) -> None:
    base, rules = RENAMED[case]
    folder = renamed(copied(zoo[base], tmp_path / "renamed"), *rules)
    assert identity(folder) == identity(zoo[base])
    pictures = list(probes().values())[:2]
    np.testing.assert_array_equal(embedder(folder).embed_images(pictures), embedder(zoo[base]).embed_images(pictures))


@pytest.mark.parametrize("base", [*MODELS, *QWEN])
def test_canonical_names_are_those_of_the_parameters_that_transformers_loads(zoo: Zoo, base: str) -> None:
    """Each tensor that has a part in a vector, and no other, under the name of the bare class of today."""
    options = {"add_pooling_layer": False} if base == "vit" else {}
    model = transformers.AutoModel.from_pretrained(zoo[base], **options)
    with safe_open(zoo[base] / WEIGHTS, "pt") as file:
        names = canonical_names(model.config.model_type, file.keys())
    own = {re_layer(name) for name in model.state_dict()} if base == "dinov3" else set(model.state_dict())
    assert set(names.values()) == own


def re_layer(name: str) -> str:
    return name.removeprefix("model.")


def test_heads_have_no_part_in_a_vector(zoo: Zoo, tmp_path: Path) -> None:
    from support import tiny

    assert identity(tiny.save_qwen(tmp_path / "bare", head=False)) == identity(zoo["qwen2_vl"])
    folder = copied(zoo["vit"], tmp_path / "vit")
    with_weights(folder, lambda weights: {k: v + 1 if "classifier" in k else v for k, v in weights.items()})
    assert identity(folder) == identity(zoo["vit"])


def test_two_tensors_never_become_one() -> None:
    both = ["model.visual.a", "visual.a"]
    assert canonical_names("qwen2_vl", [*both, "lm_head.weight"]) == {name: name for name in both}
    assert canonical_names("a type that nobody knows", ["model.a", "a"]) == {"model.a": "model.a", "a": "a"}
    twice = ["x.lora_A.one.weight", "x.lora_A.two.weight"]
    assert adapter_names(twice) == {name: name for name in twice}


# Adapters


def test_an_adapter_in_other_files_has_its_identity(zoo: Zoo, tmp_path: Path) -> None:
    base, own = zoo["clip"], zoo.adapter("clip")
    wanted = identity(base, own)
    moved = rewrite(own, tmp_path / "moved", base_model_name_or_path="/elsewhere", peft_version="0.1")
    named = rewrite(own, tmp_path / "named", rename=lambda key: key.replace(".weight", ".default.weight"))
    noted = copied(own, tmp_path / "noted")
    save_file(load_file(own / "adapter_model.safetensors"), noted / "adapter_model.safetensors", {"step": "1095"})
    assert [identity(base, other) for other in (moved, named, noted)] == [wanted] * 3


def test_another_adapter_has_another_identity(zoo: Zoo, tmp_path: Path) -> None:
    base, own = zoo["clip"], zoo.adapter("clip")
    other = copied(own, tmp_path / "bit")
    one_bit(other, "adapter_model.safetensors")
    stronger = rewrite(own, tmp_path / "alpha", lora_alpha=9)
    found = [identity(base), identity(base, own), identity(base, other), identity(base, stronger)]
    assert len(set(found)) == len(found)


# Files


def test_tensors_are_read_a_block_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    big, small = torch.arange(3000, dtype=torch.float32), torch.ones(2, 2, dtype=torch.float16)
    save_file({"big": big, "small": small, "none": torch.zeros(0)}, tmp_path / WEIGHTS)
    monkeypatch.setattr("vstore.embed.hf.tensors._BLOCK", 100)
    found = file_digests(tmp_path / WEIGHTS)
    assert found.sha256 == hashlib.sha256((tmp_path / WEIGHTS).read_bytes()).hexdigest()
    assert found.tensors == {
        "big": ["F32", [3000], hashlib.sha256(big.numpy().tobytes()).hexdigest()],
        "small": ["F16", [2, 2], hashlib.sha256(small.numpy().tobytes()).hexdigest()],
        "none": ["F32", [0], hashlib.sha256().hexdigest()],
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\1",
        b"\xff" * 8,
        b"\2\0\0\0\0\0\0\0[]",
        b"\2\0\0\0\0\0\0\0{}x",
        b"\2\0\0\0\0\0\0\0\xff\xff",
        b"\2\0\0\0\0\0\0\0{",
    ],
)
def test_a_file_that_is_no_safetensors_has_no_tensors(tmp_path: Path, content: bytes) -> None:
    import hashlib

    path = tmp_path / WEIGHTS
    path.write_bytes(content)
    assert file_digests(path) == (hashlib.sha256(content).hexdigest(), None)


def test_tensors_that_overlap_or_leave_a_gap_are_not_believed(zoo: Zoo, tmp_path: Path) -> None:
    header, data = _parts(zoo["clip"] / WEIGHTS)
    first = min(name for name in header if name != "__metadata__")
    for odd in ([0, 4], [0, len(data)], [4, 0], [0], "ab"):
        text = json.dumps({**header, first: {**header[first], "data_offsets": odd}}).encode()
        (tmp_path / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + data)
        if odd != header[first]["data_offsets"]:
            assert file_digests(tmp_path / WEIGHTS).tensors is None


def test_tensors_are_remembered_by_their_files_stat(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.embed.hf.digests._SETTLED_NS", 0)
    path = copied(zoo["clip"], tmp_path / "clip") / WEIGHTS
    first = Digests(tmp_path)
    first.of(path)
    tensors = first.tensors(path)
    assert first.read == 1, "one reading gives both"
    first.keep()
    again = Digests(tmp_path)
    assert (again.tensors(path), again.read) == (tensors, 0)
    elsewhere = Digests(known=again.known)
    assert (elsewhere.tensors(path), elsewhere.of(path), elsewhere.read) == (tensors, first.of(path), 0)
    one_bit(path.parent)
    changed = Digests(tmp_path)
    assert changed.tensors(path) != tensors
    assert changed.read == 1


def test_the_tensors_of_files_that_are_gone_are_forgotten(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.disk.cache import read_cache_json

    monkeypatch.setattr("vstore.embed.hf.digests._SETTLED_NS", 0)
    for name in ("one", "two"):
        digests = Digests(tmp_path)
        digests.of(copied(zoo["clip"], tmp_path / name) / WEIGHTS)
        digests.keep()
        (tmp_path / "one" / WEIGHTS).rename(tmp_path / "one" / "gone") if name == "one" else None
    assert set(read_cache_json(tmp_path, "model-tensors") or {}) == {str(tmp_path / "two" / WEIGHTS)}


def test_a_model_whose_weights_are_cut_has_no_identity(zoo: Zoo, tmp_path: Path) -> None:
    folder = copied(zoo["clip"], tmp_path / "clip")
    digests = Digests()
    recipe, place = describe(Words(str(folder)), digests)
    files = find_files(Known(recipe), place, digests)
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])
    with pytest.raises(ModelError, match="not a valid safetensors file"):
        identity_of(recipe, files.folder, None, Digests())


def test_a_recipe_of_other_files_is_no_variation_of_a_space(zoo: Zoo, tmp_path: Path) -> None:
    """The files of a space prove its own recipe and its variations, and no other."""
    from vstore.embed.hf.loading import load
    from vstore.embed.model_words import Settings

    own, place = describe(Words(str(zoo["clip"]), str(zoo.adapter("clip"))), Digests())
    other = copied(zoo["clip"], tmp_path / "clip")
    one_bit(other)
    wrong, _ = describe(Words(str(other), str(zoo.adapter("clip"))), Digests())
    with pytest.raises(ModelError, match="its weights have changed"):
        load(wrong, place, Settings("cpu"), Digests(), known=Known(own))
    plain = load({**own, "adapter": None}, place, Settings("cpu"), Digests(), known=Known(own))
    pictures = list(probes().values())[:1]
    np.testing.assert_array_equal(plain.embed_images(pictures), embedder(zoo["clip"]).embed_images(pictures))


# What differs, for people


def about(recipe: Any, folder: Path, adapter: Path | None = None) -> str:
    _, place = describe(Words(str(folder), adapter and str(adapter)), Digests())
    own, _ = describe(Words(str(folder), adapter and str(adapter)), Digests())
    files = find_files(Known(own), place, Digests())
    return told(differences(recipe, files.folder, files.adapter, Digests()))


def test_each_difference_is_named(zoo: Zoo, tmp_path: Path) -> None:
    recipe, _ = describe(Words(str(zoo["clip"]), str(zoo.adapter("clip"))), Digests())
    folder = copied(zoo["clip"], tmp_path / "clip")
    adapter = rewrite(zoo.adapter("clip"), tmp_path / "adapter", lora_alpha=9)
    one_bit(adapter, "adapter_model.safetensors")
    assert about(recipe, folder, zoo.adapter("clip")) == ""
    one_bit(folder)
    with_json(folder, "config.json", use_cache=True, vision_config={"hidden_act": "gelu"}, projection_dim=24)
    another_word(folder)
    assert about(recipe, folder, adapter) == (
        "its weights or its tokenizer or the adapter's weights have changed; its config.json has changed: "
        "vision_config.hidden_act: quick_gelu -> gelu; its adapter_config.json has changed: lora_alpha: 8 -> 9"
    )


def test_every_word_counts_where_the_class_is_not_of_transformers() -> None:
    own = {"model_type": "somebodys_own", "use_cache": True, "max_length": 5, "torch_dtype": "float32"}
    assert config_values(own) == {"model_type": "somebodys_own", "use_cache": True, "max_length": 5}


def test_a_configuration_that_its_class_refuses_is_taken_as_it_is_written() -> None:
    odd = {"model_type": "clip", "vision_config": "none", "use_cache": True}
    assert config_values(odd) == {"model_type": "clip", "vision_config": "none"}
