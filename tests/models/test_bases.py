"""The base of an adapter: never another than the one it was trained on, unless somebody says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support import tiny
from support.adapters import rewrite, save_adapter
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.bases import other_base
from vstore.embed.hf.source.find import find_model
from vstore.embed.hf.source.model_folder import weight_digests
from vstore.embed.model_words import Words


@pytest.fixture
def vstore(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VSTORE_DIR", raising=False)
    return Shell(tmp_path, capsys)


@pytest.fixture
def other(vstore: Shell) -> Path:
    """A model of the same sizes, and an adapter of it."""
    base = tiny.save_clip(vstore.top / "other", seed=7)
    return save_adapter(vstore.top / "of-other", base, ["q_proj", "v_proj"])


def test_an_adapter_of_another_base_is_not_put_on_that_of_the_current_space(
    vstore: Shell, zoo: Zoo, other: Path
) -> None:
    vstore.good("init", "--model", zoo["clip"], "--name", "one", "--compute", "bf16")
    said = vstore.bad(13, "model", "add", "two", "--adapter", other)
    assert f"was trained on '{vstore.top}/other', and the current space has the model {zoo['clip']}" in said
    command = f"vstore model add two --model {vstore.top}/other --adapter {other} --compute bf16"
    assert said.endswith(command)
    assert [row["space_name"] for row in vstore.json("model", "list")] == ["one"]
    vstore.good(*command.split()[1:])
    assert vstore.json("model", "show", "two")["place"]["model"] == f"{vstore.top}/other"


def test_an_adapter_may_be_put_on_another_base_by_name_and_that_is_said(vstore: Shell, zoo: Zoo, other: Path) -> None:
    vstore.good("init", "--model", zoo["clip"], "--name", "one")
    note = f"the adapter says that it was trained on {vstore.top}/other; it is put on {zoo['clip']}"
    assert note in vstore.json("model", "add", "two", "--model", zoo["clip"], "--adapter", other)["notes"]
    assert vstore.json("model", "add", "three", "--adapter", zoo.adapter("clip", "rslora"))["notes"] == [
        f"taken from the current space: --model {zoo['clip']} --compute fp32"
    ]
    code, _, err = vstore("init", "--store", "b", "--model", zoo["clip"], "--adapter", other)
    assert code == 0 and note in err


def test_an_adapter_of_another_size_is_told_its_base_in_a_whole_command(vstore: Shell, zoo: Zoo) -> None:
    adapter = zoo.adapter("qwen2_vl")
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", adapter, "--compute", "bf16")
    assert "does not fit the model" in said
    command = f"vstore init --name qwen2_vl-lora --model {zoo['qwen2_vl']} --adapter {adapter} --compute bf16"
    assert said.endswith(f"name that one: {command}")
    unnamed = rewrite(adapter, vstore.top / "unnamed", base_model_name_or_path=None)
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", unnamed)
    assert said.endswith(
        f"in place of BASE: vstore init --name unnamed --model BASE --adapter {unnamed} --compute fp32"
    )


HERE = "/models/clip-vit-base"
CACHE = "/root/.cache/huggingface/hub/models--openai--CLIP-vit-base/snapshots/" + "c" * 40


@pytest.mark.parametrize(
    ("base", "model", "same"),
    [
        ("openai/clip-vit-base", "openai/CLIP-ViT-base", True),
        ("openai/clip-vit-base", "laion/clip-vit-base", False),
        ("openai/clip-vit-base", HERE, True),
        ("openai/clip-vit-large", HERE, False),
        ("/home/me/clip-vit-base/", HERE, True),
        ("C:\\models\\clip-vit-base", HERE, True),
        ("/home/me/base", HERE, False),
        (CACHE, "openai/clip-vit-base", True),
        (CACHE, HERE, True),
        (CACHE, "laion/clip-vit-base", False),
        ("/m/.cache/modelscope/hub/Qwen/Qwen2___5-VL", "qwen/Qwen2.5-VL", True),
        ("/m/.cache/modelscope/hub/Qwen/Qwen2___5-VL", "/x/Qwen2-VL", False),
        ("", HERE, True),
    ],
)
def test_bases_are_compared_by_name_where_they_are_not_here(
    zoo: Zoo, tmp_path: Path, base: str, model: str, same: bool
) -> None:
    adapter = rewrite(zoo.adapter("clip"), tmp_path / "a", base_model_name_or_path=base)
    found = other_base(Words(model, str(adapter)), [], Digests())
    assert found == (None if same else (base, ""))


def test_two_commits_of_one_repository_are_two_bases(zoo: Zoo, tmp_path: Path) -> None:
    def found(one: Any, other: str | None) -> Any:
        adapter = rewrite(
            zoo.adapter("clip"), tmp_path / f"{one}-{other}", base_model_name_or_path="o/clip", revision=one
        )
        return other_base(Words("o/clip", str(adapter), other), [], Digests())

    assert found("a" * 40, "b" * 40) == ("o/clip", "a" * 40)
    for one, other in ((None, "b" * 40), ("main", "b" * 40), ("b" * 40, "b" * 40)):
        assert found(one, other) is None


def test_bases_are_compared_by_their_digests_where_both_are_here(zoo: Zoo, tmp_path: Path, other: Path) -> None:
    weights = weight_digests(find_model(str(zoo["clip"])), Digests())
    copy = Path(shutil.copytree(zoo["clip"], tmp_path / "under another name"))
    adapter = rewrite(zoo.adapter("clip"), tmp_path / "a", base_model_name_or_path=str(copy))
    assert other_base(Words(str(zoo["clip"]), str(adapter)), weights, Digests()) is None
    alike = tmp_path / "x" / zoo["clip"].name
    shutil.copytree(tmp_path / "other", alike)
    adapter = rewrite(zoo.adapter("clip"), tmp_path / "b", base_model_name_or_path=str(alike))
    assert other_base(Words(str(zoo["clip"]), str(adapter)), weights, Digests()) == (str(alike), ""), (
        "names are not enough"
    )
