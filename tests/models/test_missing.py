"""Names at which nothing is: a misspelt path is told from a hub id, and what is suggested is there and works."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_hub import FakeHub, fake_hub
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.source.missing import is_written_as_a_path, nearest_folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache", monkeypatch) as hub:
        yield hub


@pytest.fixture
def kept(vstore: Shell, zoo: Zoo) -> Path:
    """A folder with two models and the runs of two adapters."""
    shutil.copytree(zoo["clip"], vstore.top / "models/qwen2-vl")
    shutil.copytree(zoo["clip"], vstore.top / "models/clip-b")
    for step in (100, 200):
        shutil.copytree(zoo.adapter("clip"), vstore.top / f"runs/v11/checkpoint-{step}")
    (vstore.top / "models/empty").mkdir()
    return vstore.top


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("models/qwen", "there is no model folder models/qwen; models holds clip-b, qwen2-vl"),
        ("models/emty", "there is no model folder models/emty; models holds clip-b, qwen2-vl"),
        ("models/qwen3-vl", "there is no model folder models/qwen3-vl; models holds clip-b, qwen2-vl"),
        ("models/a/b", "there is no model folder models/a/b: models/a is not there; models holds clip-b, qwen2-vl"),
        ("./modls/qwen", "there is no model folder ./modls/qwen: ./modls is not there"),
        ("../no/where", "there is no model folder ../no/where: ../no is not there"),
        ("~/no/where", "there is no model folder ~/no/where: "),
        ("/no/where", "there is no model folder /no/where: /no is not there"),
    ],
)
def test_a_path_is_not_looked_for_on_the_hub(
    vstore: Shell, kept: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv("HOME", str(vstore.top))
    said = vstore.bad(13, "init", "--model", name)
    assert said.startswith(words) and "vstore init" not in said
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "meant", "space"),
    [
        ("models/qwen2-v", "models/qwen2-vl", "qwen2-vl"),
        ("models/Qwen2-VL", "models/qwen2-vl", "qwen2-vl"),
        ("./modls/qwen2vl", "./models/qwen2-vl", "qwen2-vl"),
        ("model/clip-b", "models/clip-b", "clip-b"),
        ("~/models/clip-b", "{home}/models/clip-b", "clip-b"),
    ],
)
def test_the_nearest_folder_is_named_in_a_command_that_works(
    vstore: Shell,
    kept: Path,
    hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    meant: str,
    space: str,
) -> None:
    monkeypatch.setenv("HOME", str(kept))
    said = vstore.bad(13, "init", "--model", name)
    assert said.endswith(f"vstore init --name {space} --model {meant.format(home=kept)}")
    made = vstore.json(*shlex.split(said[said.rindex("vstore init ") :])[1:])
    assert made["space_name"] == space


def test_an_adapter_that_is_not_there(vstore: Shell, kept: Path, hub: FakeHub) -> None:
    said = vstore.bad(13, "init", "--model", "models/clip-b", "--adapter", "runs/v11/checkpoint-300")
    assert said.startswith("there is no adapter folder runs/v11/checkpoint-300; runs/v11 holds checkpoint-100, check")
    said = vstore.bad(13, "init", "--model", "models/clip-b", "--adapter", "run/v11/checkpoint-200")
    assert said.endswith("vstore init --name model-v11 --model models/clip-b --adapter runs/v11/checkpoint-200")
    assert hub.asked == []


@pytest.mark.parametrize("name", ["dinov3-base", "clip-base", "siglip-base", "qwen"])
def test_another_model_is_no_nearest_name(vstore: Shell, name: str) -> None:
    assert "vstore init" not in vstore.bad(13, "init", "--model", name)


def test_a_short_name_may_be_a_misspelt_folder(vstore: Shell, zoo: Zoo) -> None:
    shutil.copytree(zoo["clip"], vstore.top / "my-clip")
    assert vstore.bad(13, "init", "--model", "my-clp").endswith("vstore init --name my-clip --model my-clip")


def test_a_hub_id_beside_a_folder_of_its_owner(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    """The first part of the id is a folder here: the name is a path, unless it says that it is none."""
    commit = hub.put("models/clip", zoo["clip"])
    (vstore.top / "models").mkdir()
    said = vstore.bad(13, "init", "--model", "models/clip")
    assert said.endswith("if you mean the one on the hub, write --model hf://models/clip")
    assert hub.asked == []
    vstore.good("init", "--model", "hf://models/clip")
    vstore.good("sync", "pictures")
    # A commit, or a download of that name, says that it is one of the hub.
    vstore.good("init", "--store", "b", "--model", "models/clip")
    shutil.rmtree(vstore.top / "cache")
    vstore.good("init", "--store", "c", "--model", "models/clip", "--revision", commit)


def test_a_space_from_the_hub_stays_one_whatever_folder_appears(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("somebody/clip", zoo["clip"])
    vstore.good("init", "--model", "somebody/clip")
    (vstore.top / "somebody").mkdir()
    shutil.rmtree(vstore.top / "cache")
    vstore.good("sync", "pictures")


def test_a_name_that_the_hub_lacks_may_be_a_misspelt_folder(vstore: Shell, kept: Path, hub: FakeHub) -> None:
    said = vstore.bad(13, "init", "--model", "modls/clip-b")
    assert said.startswith("there is no model modls/clip-b on the hub and no such folder here")
    assert said.endswith("vstore init --name clip-b --model models/clip-b")
    said = vstore.bad(13, "init", "--model", "modls/clip-b", "--offline")
    assert said.endswith("vstore init --offline --name clip-b --model models/clip-b")
    assert "vstore init" not in vstore.bad(13, "init", "--model", "hf://modls/clip-b")


def test_a_page_of_the_hub_is_told_by_its_id(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("a/b-c", zoo["clip"], branch="v1")
    said = vstore.bad(13, "init", "--model", "https://huggingface.co/a/b-c/tree/v1")
    assert said.endswith("vstore init --name b-c --model a/b-c --revision v1")
    vstore.good(*shlex.split(said[said.rindex("vstore init ") :])[1:])
    said = vstore.bad(13, "model", "convert", "https://huggingface.co/a/b-c/")
    assert said.endswith("vstore model convert a/b-c")
    assert vstore.bad(13, "init", "--store", "b", "--model", "hf://a").endswith(
        "write hf://OWNER/NAME or hf://OWNER/NAME/FOLDER"
    )


@pytest.mark.parametrize("what", ["model", "adapter"])
def test_a_folder_whose_name_is_not_utf_8(vstore: Shell, zoo: Zoo, what: str) -> None:
    source = zoo["clip"] if what == "model" else zoo.adapter("clip")
    shutil.copytree(source, vstore.top / "mod\udce8le d/inner")
    words = ["--model", "mod\udce8le d/inner"] if what == "model" else ["--model", zoo["clip"], "--adapter"]
    said = vstore.bad(13, "init", *words, *([] if what == "model" else ["mod\udce8le d/inner"]))
    assert "is not valid UTF-8" in said
    command = said.partition("by that: ")[2]
    assert command == f"mv $'{vstore.top}/mod\\350le d' '{vstore.top}/modèle d'"
    (vstore.top / "mod\udce8le d").rename(vstore.top / "modèle d")
    vstore.good("init", *words[:-1], *(["modèle d/inner"] if what == "model" else ["--adapter", "modèle d/inner"]))
    assert "there is no model folder n\udce8" in vstore.bad(13, "init", "--store", "b", "--model", "n\udce8")


def test_what_is_written_as_a_path(vstore: Shell) -> None:
    (vstore.top / "here").mkdir()
    assert all(map(is_written_as_a_path, ("./a", "../a/b", ".", "/a", "~/a", "here/a", "here/a/b")))
    assert not any(map(is_written_as_a_path, ("here", "there/a", "hf://a/b", ".a/b")))
    assert nearest_folder("here", "model") is None, "it holds no model"
