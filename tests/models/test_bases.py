"""The base of an adapter: never another than the one it was trained on, unless somebody says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support import tiny
from support.adapters import rewrite, save_adapter
from support.fake_hub import fake_hub
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.find import find_model
from vstore.embed.hf.source.model_folder import weight_digests
from vstore.embed.hf.source.trained_on import Kin, Sibling, trained_on
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
    assert f"name its base, or --model {zoo['clip']} if you mean that one all the same" in said
    command = f"vstore model add two --model {vstore.top}/other --adapter {other} --compute bf16"
    assert said.endswith(command)
    assert [row["space_name"] for row in vstore.json("model", "list")] == ["one"]
    vstore.good(*command.split()[1:])
    assert vstore.json("model", "show", "two")["place"]["model"] == f"{vstore.top}/other"


@pytest.fixture
def upgrade(vstore: Shell, zoo: Zoo) -> Any:
    """Two checkpoints of one run, whose base is called by another machine's path."""
    made = []
    for number, base in enumerate(("/data/models/Qwen2-VL-7B", "/data/models/Qwen2-VL-7B", "/data/models/other")):
        own = save_adapter(vstore.top / f"own-{number}", zoo["clip"], ["q_proj", "v_proj"], seed=number)
        made.append(rewrite(own, vstore.top / f"v{number}" / "checkpoint-9", base_model_name_or_path=base))
    return made


def test_the_next_checkpoint_of_a_run_is_put_on_the_base_of_the_first(vstore: Shell, zoo: Zoo, upgrade: Any) -> None:
    first, second, third = upgrade
    code, _, err = vstore("init", "--model", zoo["clip"], "--adapter", first, "--name", "one")
    assert code == 0 and "warning: the adapter says that it was trained on /data/models/Qwen2-VL-7B, and it is" in err
    report = vstore.json("model", "add", "two", "--adapter", second)
    assert report["notes"] == [
        f"taken from the current space: --model {zoo['clip']} --compute fp32",
        "the adapter names the base /data/models/Qwen2-VL-7B, as that of the space one does: it is put on "
        f"{zoo['clip']}",
    ]
    said = vstore.bad(13, "model", "add", "three", "--adapter", third)
    command = f"vstore model add three --model {zoo['clip']} --adapter {third} --compute fp32"
    assert "name both; else write the adapter's base in its place" in said and said.endswith(command)
    assert vstore.json(*command.split()[1:])["notes"] == [
        f"warning: the adapter says that it was trained on /data/models/other, and it is put on {zoo['clip']}: if that "
        "is another model, the vectors mean nothing, even where all shapes fit"
    ]
    again = vstore.json("model", "add", "two", "--model", zoo["clip"], "--adapter", second)
    assert again["known"] and again["notes"] == []


def test_a_space_vouches_for_its_own_model_alone(vstore: Shell, zoo: Zoo, other: Path, upgrade: Any) -> None:
    first, second, _ = upgrade
    vstore.good("init", "--model", zoo["clip"], "--adapter", first, "--name", "one")
    said = vstore.json("model", "add", "two", "--model", other.parent / "other", "--adapter", second)["notes"]
    assert said[0].startswith("warning: the adapter says that it was trained on /data/models/Qwen2-VL-7B")


def test_an_adapter_may_be_put_on_another_base_by_name_and_that_is_said(vstore: Shell, zoo: Zoo, other: Path) -> None:
    vstore.good("init", "--model", zoo["clip"], "--name", "one")
    note = (
        f"warning: the adapter says that it was trained on {vstore.top}/other, and it is put on {zoo['clip']}: if that "
        "is another model, the vectors mean nothing, even where all shapes fit"
    )
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
    ("base", "model", "kin"),
    [
        ("openai/clip-vit-base", "openai/CLIP-ViT-base", Kin.SAME),
        ("openai/clip-vit-base", "laion/clip-vit-base", Kin.OTHER),
        ("openai/clip-vit-base", HERE, Kin.ALIKE),
        ("openai/clip-vit-large", HERE, Kin.OTHER),
        ("/home/me/clip-vit-base/", HERE, Kin.ALIKE),
        ("C:\\models\\clip-vit-base", HERE, Kin.ALIKE),
        ("/home/me/base", HERE, Kin.OTHER),
        (CACHE, "openai/clip-vit-base", Kin.SAME),
        (CACHE, HERE, Kin.ALIKE),
        (CACHE, "laion/clip-vit-base", Kin.OTHER),
        ("/m/.cache/modelscope/hub/Qwen/Qwen2___5-VL", "qwen/Qwen2.5-VL", Kin.SAME),
        ("/m/.cache/modelscope/hub/Qwen/Qwen2___5-VL", "/x/Qwen2-VL", Kin.OTHER),
        ("unsloth/CLIP-vit-base-bnb-4bit", HERE, Kin.ALIKE),
        ("unsloth/CLIP-vit-base-unsloth-bnb-4bit", "openai/clip-vit-base", Kin.ALIKE),
        ("/home/me/clip-vit-base-4bit", "openai/clip-vit-base", Kin.ALIKE),
        ("unsloth/CLIP-vit-large-bnb-4bit", "openai/clip-vit-base", Kin.OTHER),
        ("", HERE, None),
    ],
)
def test_bases_are_compared_by_name_where_they_are_not_here(
    zoo: Zoo, tmp_path: Path, base: str, model: str, kin: Kin | None
) -> None:
    adapter = rewrite(zoo.adapter("clip"), tmp_path / "a", base_model_name_or_path=base)
    found = trained_on(Words(model, str(adapter)), [], Digests())
    assert found == (kin and (base, "", kin, ""))
    said = found and found.note(model)
    assert (said is not None) == (kin in (Kin.ALIKE, Kin.OTHER))


def test_two_commits_of_one_repository_are_two_bases(zoo: Zoo, tmp_path: Path) -> None:
    def kin(one: Any, other: str | None, base: str = "o/clip") -> Any:
        to = tmp_path / f"{one}-{other}-{len(base)}"
        adapter = rewrite(zoo.adapter("clip"), to, base_model_name_or_path=base, revision=one)
        found = trained_on(Words("o/clip", str(adapter), other), [], Digests())
        return found and found.kin

    assert kin("a" * 40, "b" * 40) is Kin.OTHER
    assert kin(None, "b" * 40, CACHE.replace("openai--CLIP-vit-base", "o--clip")) is Kin.OTHER
    for one, other in ((None, "b" * 40), ("main", "b" * 40), ("b" * 40, "b" * 40)):
        assert kin(one, other) is Kin.SAME


def test_a_sibling_vouches_by_the_same_base_revision_and_weights(zoo: Zoo, tmp_path: Path) -> None:
    def adapter(name: str, base: str, revision: str | None = None) -> str:
        return str(rewrite(zoo.adapter("clip"), tmp_path / name, base_model_name_or_path=base, revision=revision))

    own = Words(HERE, adapter("own", "/data/x", "main"))

    def kin(words: Words, weights: list[str]) -> Kin:
        found = trained_on(own, ["w"], Digests(), [Sibling("s", weights, words)])
        assert found is not None
        return found.kin

    assert kin(Words(HERE, adapter("a", "/data/x", "main")), ["w"]) is Kin.VOUCHED
    assert kin(Words("/moved", adapter("b", "/data/x", "main")), ["w"]) is Kin.VOUCHED
    assert kin(Words(HERE, adapter("c", "/data/x", "main")), ["v"]) is Kin.OTHER
    assert kin(Words(HERE, adapter("d", "/data/y", "main")), ["w"]) is Kin.OTHER
    assert kin(Words(HERE, adapter("e", "/data/x")), ["w"]) is Kin.OTHER
    assert kin(Words(HERE, str(tmp_path / "gone")), ["w"]) is Kin.OTHER


def test_bases_are_compared_by_their_digests_where_both_are_here(zoo: Zoo, tmp_path: Path, other: Path) -> None:
    weights = weight_digests(find_model(str(zoo["clip"])), Digests())
    copy = Path(shutil.copytree(zoo["clip"], tmp_path / "under another name"))
    adapter = rewrite(zoo.adapter("clip"), tmp_path / "a", base_model_name_or_path=str(copy))
    assert trained_on(Words(str(zoo["clip"]), str(adapter)), weights, Digests()) == (str(copy), "", Kin.SAME, "")
    alike = tmp_path / "x" / zoo["clip"].name
    shutil.copytree(tmp_path / "other", alike)
    adapter = rewrite(zoo.adapter("clip"), tmp_path / "b", base_model_name_or_path=str(alike))
    words = Words(str(zoo["clip"]), str(adapter))
    siblings = [Sibling("s", weights, words)]
    assert trained_on(words, weights, Digests(), siblings) == (str(alike), "", Kin.OTHER, ""), "names are not enough"


def test_a_base_in_the_cache_of_the_hub_is_compared_by_its_digests(
    vstore: Shell, zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People download a base into a folder of their own, and its trainer wrote the hub id."""
    own = rewrite(zoo.adapter("clip"), tmp_path / "own", base_model_name_or_path="somebody/model")
    words = Words(str(zoo["clip"]), str(own))
    weights = weight_digests(find_model(str(zoo["clip"])), Digests())
    with fake_hub(tmp_path / "cache", monkeypatch) as hub:
        hub.put("somebody/model", zoo["clip"])
        assert trained_on(words, weights, Digests()) == ("somebody/model", "", Kin.OTHER, "")
        assert hub.asked == [], "nothing is fetched to compare it"
        vstore.good("init", "--model", "somebody/model", "--store", "a")
        assert trained_on(words, weights, Digests()) == ("somebody/model", "", Kin.SAME, "")
