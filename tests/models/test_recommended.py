"""The recommended models: each is of a supported family, and its short name leads to one commit on the hub."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from docs_tools.console import TOP, blocks
from support.fake_hub import FakeHub, fake_hub
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.families import family_of
from vstore.embed.hf.source.find import find_model
from vstore.embed.model_words import BUILTIN
from vstore.embed.recommended import BY_NAME, RECOMMENDED, RecommendedModel

FROM_THE_HUB = [row for row in RECOMMENDED if row.name != BUILTIN]
# The model_type of each configuration at its commit, and thus the tiny model that stands for it.
TYPES = {
    "siglip2-base": "siglip",
    "siglip2-so400m": "siglip",
    "qwen3-vl-embedding-2b": "qwen3_vl",
    "dinov2-base": "dinov2",
}
_OWN = "sentence_transformers"
_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": f"{_OWN}.base.modules.transformer.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{_OWN}.sentence_transformer.modules.pooling.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{_OWN}.sentence_transformer.modules.normalize.Normalize"},
]
_POOLING = {"embedding_dimension": 2048, "pooling_mode": "lasttoken", "include_prompt": True}
_FORWARD = {"method": "forward", "method_output_name": "last_hidden_state"}
# Files of another layout that lie beside the model at its commit; the sizes of the first two are on record.
BESIDE = {
    "qwen3-vl-embedding-2b": {
        "modules.json": json.dumps(_MODULES, indent=2),
        "1_Pooling/config.json": json.dumps(_POOLING, indent=4),
        "config_sentence_transformers.json": json.dumps({"model_type": "SentenceTransformer"}),
        "sentence_bert_config.json": json.dumps(
            {
                "transformer_task": "feature-extraction",
                "modality_config": {
                    **dict.fromkeys(("text", "image", "video"), _FORWARD),
                    "message": {**_FORWARD, "format": "structured"},
                },
                "module_output_name": "token_embeddings",
            }
        ),
    }
}


NEWEST = "f" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache", monkeypatch) as hub:
        yield hub


def publish(hub: FakeHub, row: RecommendedModel, folder: Path, commit: str | None = None) -> None:
    """Publish a folder as the row's commit, below a newer one on main that holds nothing but a pickle."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    newest = {"config.json": files["config.json"], "pytorch_model.bin": b"a pickle"}
    hub.repositories[row.model] = {NEWEST: newest, commit or str(row.revision): files}
    hub.refs[row.model] = {"main": NEWEST}


def test_each_row_has_a_type() -> None:
    assert TYPES.keys() == {row.name for row in FROM_THE_HUB}
    beside = BESIDE["qwen3-vl-embedding-2b"]
    assert (len(beside["modules.json"]), len(beside["1_Pooling/config.json"])) == (429, 96)


@pytest.mark.parametrize("row", FROM_THE_HUB, ids=lambda row: row.name)
def test_a_row_is_of_a_supported_family(vstore: Shell, zoo: Zoo, hub: FakeHub, row: RecommendedModel) -> None:
    folder = Path(shutil.copytree(zoo[TYPES[row.name]], vstore.top / "published"))
    for name, text in BESIDE.get(row.name, {}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    assert find_model(str(folder)).model_type == TYPES[row.name]
    family = family_of(find_model(str(folder)), trust_code=False)
    publish(hub, row, folder)
    code, out, err = vstore("init", "--model", row.name)
    assert (code, "space " + row.name in out) == (0, True), err
    assert f"{row.name} stands for {row.model} at {row.revision}" in err
    assert f"GET /api/models/{row.model}/revision/{row.revision}" in hub.asked
    assert not [path for path in hub.asked if NEWEST in path or path.endswith("/main")]
    shown = vstore.json("model", "show", row.name)
    assert (shown["place"]["model"], shown["place"]["revision"]) == (row.model, row.revision)
    assert shown["family"] == family.name
    assert (shown["recipe"]["text"] is not None) == row.texts
    assert shown["place"].get("preset") == row.preset


def full_size(name: str) -> tuple[Any, int, int]:
    """A row's model at its full size, without memory for it; the width of its vectors; the bytes of a number."""
    so400m = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
    with torch.device("meta"):
        if name == "siglip2-base":
            siglip = transformers.SiglipConfig(text_config={"vocab_size": 256_000}, vision_config={})
            return transformers.SiglipModel(siglip), siglip.vision_config.hidden_size, 4
        if name == "siglip2-so400m":
            text = {"vocab_size": 256_000, "projection_size": 1152, **so400m}
            siglip = transformers.SiglipConfig(
                text_config=text, vision_config={"image_size": 384, "patch_size": 14, **so400m}
            )
            return transformers.SiglipModel(siglip), siglip.vision_config.hidden_size, 4
        if name == "dinov2-base":
            dinov2 = transformers.Dinov2Config(image_size=518, patch_size=14)
            return transformers.Dinov2Model(dinov2), dinov2.hidden_size, 4
        text = {"num_hidden_layers": 28, "intermediate_size": 6144, "num_attention_heads": 16, "vocab_size": 151_936}
        qwen = transformers.Qwen3VLConfig(
            text_config={**text, "hidden_size": 2048, "num_key_value_heads": 8, "head_dim": 128},
            vision_config={
                "depth": 24,
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "out_hidden_size": 2048,
                "deepstack_visual_indexes": [5, 11, 17],
            },
        )
        return transformers.Qwen3VLModel(qwen), qwen.text_config.hidden_size, 2


@pytest.mark.parametrize("row", FROM_THE_HUB, ids=lambda row: row.name)
def test_the_bytes_and_the_numbers_are_those_of_the_architecture(row: RecommendedModel) -> None:
    model, dim, width = full_size(row.name)
    assert row.dim == dim
    header = row.bytes - width * sum(tensor.numel() for tensor in model.state_dict().values())
    assert 0 < header < 200 * len(model.state_dict()), "a header names each tensor with its shape and its place"


def test_only_the_pinned_commit_is_taken(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    row = BY_NAME["dinov2-base"]
    publish(hub, row, zoo["dinov2"], commit=NEWEST)
    said = vstore.bad(13, "init", "--model", row.name)
    assert f"{row.model} has no revision '{row.revision}'" in said
    assert not (vstore.top / ".vstore").exists()
    vstore.good("init", "--model", row.name, "--revision", "main")
    assert vstore.json("model", "show", row.name)["place"]["revision"] == NEWEST


def test_without_a_network_the_next_step_names_the_commit(
    vstore: Shell, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    row = BY_NAME["siglip2-base"]
    said = vstore.bad(13, "init", "--model", row.name)
    place = "siglip2-base-patch16-224"
    assert f"hf download {row.model} --revision {row.revision} --local-dir {place}, then" in said
    assert said.endswith(f"name it: --model ./{place}")


def test_a_short_name_is_a_word_of_every_command_that_takes_a_model(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    row = BY_NAME["siglip2-base"]
    publish(hub, row, zoo["siglip"])
    assert vstore.json("sync", "pictures", "--model", row.name)["space_name"] == row.name
    (first,) = vstore.json("model", "list")
    assert first["model"] == row.model
    report = vstore.json("model", "add", row.name, "--model", row.name)
    assert report["known"], "the same model, thus the same space"
    assert any("stands for" in note for note in report["notes"])
    tried = vstore.json("check", "--reembed", "2", "--model", row.name)["reembed"]
    assert (tried["asked"], tried["fits"]) == (2, True), tried


def test_an_adapter_on_a_short_name(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    row = BY_NAME["siglip2-base"]
    publish(hub, row, zoo["siglip"])
    vstore.good("init", "--model", row.name, "--adapter", zoo.adapter("siglip"), "--name", "lora")
    place = vstore.json("model", "show", "lora")["place"]
    assert (place["model"], place["revision"]) == (row.model, row.revision)


def test_a_folder_of_that_name_wins(vstore: Shell, zoo: Zoo) -> None:
    shutil.copytree(zoo["clip"], vstore.top / "siglip2-base")
    code, _, err = vstore("init", "--model", "siglip2-base")
    assert (code, "is taken as the folder here" in err) == (0, True)
    assert vstore.json("model", "list")[0]["family"] == "clip"


def test_a_misspelt_name_ends_with_the_whole_command(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    publish(hub, BY_NAME["siglip2-base"], zoo["siglip"])
    for words in (["init", "--compute", "bf16"], ["sync", "pictures", "--compute", "bf16"]):
        said = vstore.bad(13, *words, "--model", "siglip2-bse")
        assert said.endswith("vstore init --name siglip2-base --model siglip2-base --compute bf16")
    vstore.good(*shlex.split(said.partition("vstore ")[2]))
    said = vstore.bad(13, "model", "add", "two", "--model", "dino-v2-base")
    assert said.endswith("vstore model add two --model dinov2-base")


def test_the_first_model_example_of_readme_works_as_written(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    text = (TOP / "README.md").read_text(encoding="utf-8")
    example = next(block for block in blocks(text) if "test_recommended.py" in block.directives.get("not run", ""))
    commands = [step.command.partition(" #")[0] for step in example.steps()]
    named = re.search(r"--model (\S+)", commands[0])
    assert named is not None
    publish(hub, BY_NAME[named[1]], zoo[TYPES[named[1]]])
    shutil.copytree(TOP / "examples/pictures", vstore.top / "examples/pictures")
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "vstore"
        assert vstore.good(*words)
