"""`vstore` with models, as it is typed: its words, its JSON, its exit codes; and every bad input that can be met."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.adapters import rewrite
from support.folders import put
from support.lines import PATHS, environment, process
from support.shell import Shell
from support.zoo import Zoo

from vstore.repository.repository import Repository


def test_a_store_of_a_model_from_init_to_rollback(vstore: Shell, zoo: Zoo) -> None:
    made = vstore.json("init", "--model", zoo["clip"], "--adapter", zoo.adapter("clip"), "--name", "lora-v11")
    assert made["space_name"] == "lora-v11"
    first = vstore.json("sync", "pictures", "--batch-size", "2", "--device", "cpu")
    assert (first["embedded"], first["space_name"], first["snapshot"]) == (4, "lora-v11", "v1")
    hits = vstore.json("search", "a red car", "-k", "2")["hits"]
    assert len(hits) == 2
    assert "lora-v12" in vstore.good("model", "add", "lora-v12", "--adapter", zoo.adapter("clip", "dora"))
    rows = vstore.json("model", "list")
    assert [(r["space_name"], r["rows"], r["current"]) for r in rows] == [("lora-v11", 4, True), ("lora-v12", 0, False)]
    assert vstore.json("sync", "--space", "lora-v12")["snapshot"] == "v2"
    assert "recipe:" in vstore.good("model", "show", "lora-v12")
    assert vstore.json("rollback", "v1")["current"] == "v1"
    assert vstore.json("model", "use", "lora-v12")["snapshot"] == "v3"
    assert "needed by" in vstore.bad(5, "model", "drop", "lora-v11")
    assert vstore.json("check")["ok"]


def test_sync_makes_a_store_of_a_model_where_there_is_none(vstore: Shell, zoo: Zoo) -> None:
    report = vstore.json("sync", "pictures", "--model", zoo["dinov2"], "--pooling", "mean", "--max-side", "64")
    assert (report["created_store"], report["embedded"]) == (True, 4)
    recipe = vstore.json("model", "show", "dinov2")["recipe"]
    assert (recipe["pooling"], recipe["prepare"]["max_side"]) == ("mean", 64)
    said = vstore.bad(13, "sync", "pictures", "--model", zoo["clip"])
    assert "vstore model add" in said
    assert vstore.json("sync", "pictures")["embedded"] == 0


def test_a_device_that_is_not_there_is_named_with_the_place_where_it_is_set(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    vstore.good("init", "--model", zoo["clip"])
    monkeypatch.setenv("VSTORE_DEVICE", "cuda:99")
    said = vstore.bad(13, "sync", "pictures")
    assert "no device 'cuda:99'" in said and "(--device is set by VSTORE_DEVICE)" in said


def test_an_adapter_alone_takes_the_base_that_it_names(vstore: Shell, zoo: Zoo) -> None:
    vstore.good("init", "--adapter", zoo.adapter("clip"))
    (row,) = vstore.json("model", "list")
    assert (row["model"], row["adapter"]) == (str(zoo["clip"]), str(zoo.adapter("clip")))


def test_a_checkpoint_that_is_called_like_a_snapshot_gets_another_name(vstore: Shell, zoo: Zoo, tmp_path: Path) -> None:
    folder = shutil.copytree(zoo.adapter("clip"), tmp_path / "v11")
    assert vstore.json("init", "--adapter", folder)["space_name"] == "model-v11"


def test_the_command_that_fills_a_new_space_names_a_folder_where_the_store_has_none(vstore: Shell, zoo: Zoo) -> None:
    vstore.good("init")
    said = vstore.good("model", "add", "words", "--model", zoo["clip"])
    assert "Fill it with: vstore sync FOLDER --space words\n" in said
    vstore.good("sync", "pictures")
    said = vstore.good("model", "add", "looks", "--model", zoo["dinov2"], "--offline")
    assert "Fill it with: vstore sync --offline --space looks\n" in said


def test_an_adapter_without_a_name_for_its_space(vstore: Shell, zoo: Zoo) -> None:
    vstore.good("init")
    said = vstore.bad(2, "model", "add", "--adapter", zoo.adapter("clip"))
    assert said == f"the space has no name; name it: vstore model add NAME --adapter {zoo.adapter('clip')}"


def test_the_built_in_embedder_can_be_added_and_used_beside_a_model(vstore: Shell, zoo: Zoo) -> None:
    vstore.good("sync", "pictures", "--model", zoo["clip"])
    vstore.good("model", "add", "looks", "--model", "builtin")
    assert vstore.json("sync", "--space", "looks")["space_name"] == "looks"
    assert "--adapter" in vstore.bad(2, "model", "add", "x", "--model", "builtin", "--adapter", zoo.adapter("clip"))


# Bad input: one paragraph that names the cause and the next command; no half store is left


def test_a_folder_that_is_not_there(vstore: Shell) -> None:
    assert "there is no model folder ./nowhere" in vstore.bad(13, "init", "--model", "./nowhere")
    assert not (vstore.top / ".vstore").exists()


def test_a_folder_that_holds_no_model(vstore: Shell) -> None:
    assert "holds no model" in vstore.bad(13, "init", "--model", "pictures")
    assert not (vstore.top / ".vstore").exists()


def test_an_adapter_given_as_a_model(vstore: Shell, zoo: Zoo) -> None:
    assert "--adapter" in vstore.bad(13, "init", "--model", zoo.adapter("clip"))


def test_a_model_given_as_an_adapter(vstore: Shell, zoo: Zoo) -> None:
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", zoo["clip"])
    assert "is a model, not an adapter" in said and f"vstore init --name clip --model {zoo['clip']}" in said


def test_a_run_folder_given_instead_of_its_checkpoint(vstore: Shell, zoo: Zoo) -> None:
    shutil.copytree(zoo.adapter("clip"), vstore.top / "run/checkpoint-1095")
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "./run")
    assert f"vstore init --name run --model {zoo['clip']} --adapter ./run/checkpoint-1095" in said


@pytest.mark.parametrize("name", ["model.safetensors", "preprocessor_config.json"])
def test_a_file_that_is_missing(vstore: Shell, zoo: Zoo, name: str) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    (folder / name).unlink()
    said = vstore.bad(13, "init", "--model", "./clip")
    assert name.split(".")[0] in said


def test_a_tokenizer_that_is_missing_leaves_a_space_without_text(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    vstore.good("sync", "pictures", "--model", "./clip")
    assert "does not read text" in vstore.bad(13, "search", "a red car")


def test_a_shard_that_is_missing(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002-of-00002.safetensors" in vstore.bad(13, "init", "--model", "./clip")


def test_a_weight_file_that_is_cut_off(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    os.truncate(folder / "model.safetensors", 5000)
    said = vstore.bad(13, "init", "--model", "./clip")
    assert "model.safetensors is cut short: it has 5000 bytes" in said
    assert "copy model.safetensors into it again" in said
    broken = Path(shutil.copytree(zoo.adapter("clip"), vstore.top / "adapter"))
    os.truncate(broken / "adapter_model.safetensors", 300)
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "./adapter")
    assert "adapter_model.safetensors is cut short: it has 300 bytes" in said
    assert "copy adapter_model.safetensors into it again" in said


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("peft.tuners.lora.layer.Linear.merge", AttributeError("no such part")),
        ("peft.inject_adapter_in_model", ImportError("it needs transformers >= 99")),
        ("transformers.CLIPModel.get_image_features", TypeError("an argument that nobody knows")),
        ("transformers.AutoModel.from_pretrained", ImportError("it needs torch >= 99")),
        ("transformers.AutoImageProcessor.from_pretrained", ImportError("it needs torchvision")),
    ],
)
def test_libraries_that_do_not_fit_are_not_blamed_on_the_files(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, broken: str, error: Exception
) -> None:
    model, adapter = zoo["clip"], zoo.adapter("clip")

    def fail(*args: Any, **words: Any) -> Any:
        raise error

    monkeypatch.setattr(broken, fail)
    said = vstore.bad(13, "init", "--model", model, "--adapter", adapter)
    assert str(error) in said and "vstore doctor" in said
    assert "damaged" not in said and "download" not in said and "copy " not in said


def test_a_torchvision_that_does_not_fit_is_told_with_its_fix(vstore: Shell, zoo: Zoo) -> None:
    there = vstore.top / "there"
    for name in ("torchvision", "torchvision-0.27.0.dist-info"):
        (there / name).mkdir(parents=True)
    (there / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    (there / "torchvision-0.27.0.dist-info" / "METADATA").write_text("Name: torchvision\nVersion: 0.27.0\n")
    env = environment(PYTHONPATH=os.pathsep.join([PATHS, str(there)]))
    error = process("init", "--model", zoo["clip"], "--json", cwd=vstore.top, env=env).error
    assert error["message"].startswith("the torchvision that is installed cannot be imported (RuntimeError: operator")
    assert error["next"] == "vstore does not need it: pip uninstall -y torchvision"


def test_a_configuration_that_is_no_json(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    (folder / "config.json").write_text("{ oops")
    assert "config.json cannot be read" in vstore.bad(13, "init", "--model", "./clip")


@pytest.mark.parametrize("base", ["clip", "siglip", "dinov3", "qwen2_vl"])
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer_config.json"])
def test_a_configuration_of_nonsense_is_an_error_of_the_model(vstore: Shell, zoo: Zoo, base: str, name: str) -> None:
    source = zoo[base]
    if not (source / name).exists():
        return
    values = json.loads((source / name).read_text())
    for number, nonsense in enumerate((None, [], "x", {"size": None})):
        folder = Path(shutil.copytree(source, vstore.top / f"{base}-{number}"))
        kept = {"model_type": values["model_type"]} if "model_type" in values else {}
        (folder / name).write_text(json.dumps({**dict.fromkeys(values, nonsense), **kept}))
        code, _, err = vstore("init", "--store", f"store-{number}", "--model", folder, "--json")
        assert code in (0, 13), err
        assert "Traceback" not in err


def test_an_adapter_for_another_base(vstore: Shell, zoo: Zoo) -> None:
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", zoo.adapter("qwen2_vl"))
    assert "does not fit the model" in said
    assert str(zoo["qwen2_vl"]) in said, "it names the base that the adapter was trained on"


def test_an_adapter_that_changes_nothing(vstore: Shell, zoo: Zoo) -> None:
    assert "changes nothing" in vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", zoo.adapter("clip", "idle"))


def test_an_adapter_of_another_kind(vstore: Shell, zoo: Zoo) -> None:
    rewrite(zoo.adapter("clip"), vstore.top / "vera", peft_type="VERA")
    assert "LoRA, rsLoRA, DoRA" in vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "./vera")
    rewrite(zoo.adapter("clip"), vstore.top / "ia3", peft_type="IA3")
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "./ia3")
    assert "its configuration says IA3, and its weights have other parts (lora_A, lora_B)" in said


def test_a_model_with_no_image_side(vstore: Shell) -> None:
    import transformers

    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=50
    )
    transformers.BertModel(config).save_pretrained(vstore.top / "bert")
    said = vstore.bad(13, "init", "--model", "./bert")
    assert "reads texts alone, and takes no pictures" in said


def test_a_model_whose_numbers_are_not_finite(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"][0, 0] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert "not finite" in vstore.bad(13, "init", "--model", "./clip")


def test_a_picture_whose_vector_is_not_finite_is_one_failure(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.embed.hf.families.dual import DualEncoder

    vstore.good("init", "--model", zoo["clip"])
    plain = DualEncoder.prepare
    from PIL import Image

    def spoilt(self: Any, picture: Image.Image) -> Any:
        found = plain(self, picture)
        return {n: v * np.nan for n, v in found.items()} if picture.getpixel((0, 0)) == (7, 7, 7) else found

    monkeypatch.setattr(DualEncoder, "prepare", spoilt)
    Image.new("RGB", (30, 20), (7, 7, 7)).save(vstore.top / "pictures/odd.png")
    code, out, _ = vstore("sync", "pictures", "--json")
    report = json.loads(out)
    assert (code, report["embedded"]) == (3, 4)
    assert [(f["path"], f["kind"]) for f in report["failed"]] == [("pictures/odd.png", "model")]
    assert vstore("sync")[0] == 0, "known failures are not tried again"


def test_out_of_memory_halves_the_batch_and_ends_at_one(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.embed.hf.families.dual import DualEncoder

    vstore.good("init", "--model", zoo["clip"])
    plain = DualEncoder.forward
    sizes: list[int] = []
    room = 2

    def small(self: Any, on: Any, batch: list[Any]) -> Any:
        sizes.append(len(batch))
        if len(batch) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return plain(self, on, batch)

    monkeypatch.setattr(DualEncoder, "forward", small)
    assert vstore.json("sync", "pictures", "--batch-size", "4")["embedded"] == 4
    assert max(sizes) > 2 and sizes[-2:] == [2, 2]
    put(vstore.top / "pictures", {"9.png": 9})
    # The probe is embedded first, so that nothing is half done.
    room = 0
    said = vstore.bad(13, "sync", "pictures")
    assert "not enough memory on cpu to embed even one picture" in said
    assert "--compute bf16" in said
    room = 8
    assert vstore.json("sync", "pictures")["embedded"] == 1, "what was kept is kept"


def test_a_text_on_a_space_without_a_text_side(vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    vstore.good("sync", "pictures", "--model", zoo["dinov2"])
    with monkeypatch.context() as patch:
        patch.setattr("vstore.repository.spaces.load_embedder", None)  # it is known without loading anything
        said = vstore.bad(13, "search", "a red car")
    assert "does not read text" in said
    assert "vstore model add" in said
    vstore.good("model", "add", "words", "--model", zoo["clip"])
    said = vstore.bad(13, "search", "a red car")
    assert said.endswith("fill the space 'words', which reads text: vstore sync --space words")
    vstore.good("sync", "--space", "words")
    vstore.good("rollback", "v1")
    said = vstore.bad(13, "search", "a red car")
    assert said.endswith("v2, whose space 'words' reads text: vstore search --at v2 'a red car'")


def test_a_hub_id_without_a_network(vstore: Shell) -> None:
    said = vstore.bad(13, "init", "--model", "nobody/no-such-model-anywhere")
    assert "is not a folder here, is not among the earlier downloads" in said
    assert "HF_HUB_OFFLINE" in said


def downloaded(cache: Path, name: str, folder: Path, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay a folder into the hub's cache as the newest commit of somebody/NAME."""
    import huggingface_hub.constants

    there = cache / f"models--somebody--{name}"
    shutil.copytree(folder, there / "snapshots" / commit)
    (there / "refs").mkdir(exist_ok=True)
    (there / "refs/main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))


def test_a_hub_model_that_was_downloaded_before_needs_no_network(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "a" * 40
    downloaded(vstore.top / "hub", "clip", zoo["clip"], commit, monkeypatch)
    vstore.good("sync", "pictures", "--model", "somebody/clip")
    detail = vstore.json("model", "show", "clip")
    assert detail["place"]["model"] == "somebody/clip"
    assert detail["place"]["revision"] == commit, "what main means tomorrow is another matter"
    assert detail["space"] == vstore.json("init", "--store", "other", "--model", zoo["clip"])["space"]


def test_a_vector_size_that_differs_from_the_stores(vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.embed.hf.families.dual import DualEncoder

    vstore.good("init", "--model", zoo["clip"])
    plain = DualEncoder.forward
    monkeypatch.setattr(DualEncoder, "forward", lambda self, on, batch: plain(self, on, batch)[:, :16])
    assert "its space has vectors of 24 numbers" in vstore.bad(13, "sync", "pictures")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pooling", "mean"], "has no pooling 'mean'"),
        (["--prompt", "x"], "does not take a prompt"),
        (["--device", "cuda:99"], "no device 'cuda:99'"),
        (["--device", "cuda"], "no device 'cuda'"),
    ],
)
def test_words_that_the_model_cannot_follow(vstore: Shell, zoo: Zoo, words: list[str], said: str) -> None:
    if words[-1] == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one here")
    assert said in vstore.bad(13, "init", "--model", zoo["clip"], *words)


def test_words_of_a_model_without_a_model(vstore: Shell) -> None:
    assert "--compute without a model" in vstore.bad(2, "init", "--compute", "bf16")
    code, _, err = vstore("sync", "pictures", "--batch-size", "none")
    assert (code, "auto" in err) == (2, True)


@pytest.mark.parametrize("option", ["--revision", "--adapter-revision"])
def test_a_revision_of_a_folder(vstore: Shell, zoo: Zoo, option: str) -> None:
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", zoo.adapter("clip"), option, "main")
    assert f"{option} main names a revision of the hub" in said
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter-revision", "main")
    assert "no adapter is named" in said


# The commands that errors print


def pasted(text: str, before: str, after: str, name: str) -> list[str]:
    """Take the command between two texts out of an error, split by a shell, with the name of a space filled in."""
    command = text.partition(before)[2].partition(after)[0]
    out = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout.decode()
    words = out.split("\0")[:-1]
    assert words[:3] == ["vstore", "model", "add"] and words[3] in ("NAME", "NEWNAME"), text
    return [*words[1:3], name, *words[4:]]


PROMPT = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>it's\t$HOME<|im_end|>"
WORDS = ["--prompt", PROMPT, "--pooling", "mean", "--max-side", "256", "--compute", "bf16"]


def test_the_command_of_a_drift_error_makes_the_same_space(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.embed.hf.families import qwen_vl

    base, adapter = zoo["qwen2_vl"], zoo.adapter("qwen2_vl")
    vstore.good("init", "--name", "tuned", "--model", base, "--adapter", adapter, *WORDS)
    before = vstore.json("model", "show", "tuned")
    plain = qwen_vl.QwenVL.prepare

    def shifted(self: Any, picture: Any) -> Any:
        found = plain(self, picture)
        return found and {**found, "pixels": found["pixels"] * 1.5 + 0.3}

    monkeypatch.setattr(qwen_vl.QwenVL, "prepare", shifted)
    said = vstore.bad(13, "sync", "pictures")
    monkeypatch.undo()
    monkeypatch.chdir(vstore.top)
    vstore.good("init", "--store", "other")
    vstore.good(*pasted(said, "or make a new space: ", ", then vstore sync", "again"), "--store", "other")
    again = vstore.json("model", "show", "again", "--store", "other")
    assert (again["space"], again["recipe"]) == (before["space"], before["recipe"])
    assert again["place"] == before["place"]


def test_the_command_of_a_changed_adapter_finds_the_old_one(vstore: Shell, zoo: Zoo) -> None:
    adapter = Path(shutil.copytree(zoo.adapter("clip"), vstore.top / "it's a"))
    vstore.good("init", "--name", "tuned", "--model", zoo["clip"], "--adapter", adapter, "--compute", "bf16")
    before = vstore.json("model", "show", "tuned")
    shutil.move(adapter, vstore.top / "old")
    shutil.copytree(zoo.adapter("clip", "rslora"), adapter)
    said = vstore.bad(13, "sync", "pictures")
    assert "is not what the space was made with" in said
    words = pasted(said, "or run ", ": with the name", "tuned")
    vstore.good(*[str(vstore.top / "old") if word == str(adapter) else word for word in words])
    after = vstore.json("model", "show", "tuned")
    assert after["space"] == before["space"] and after["place"]["adapter"] == str(vstore.top / "old")
    vstore.good(*pasted(said, "or run ", ": with the name", "new"))
    new = vstore.json("model", "show", "new")
    assert new["recipe"]["adapter"]["config"]["use_rslora"] is True
    assert (new["place"]["compute"], new["place"]["model"]) == ("bf16", str(zoo["clip"]))


def test_the_command_names_the_commits_of_the_hub(vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.embed.model_words import Words

    hub = vstore.top / "hub"
    downloaded(hub, "clip", zoo["clip"], "a" * 40, monkeypatch)
    downloaded(hub, "lora", zoo.adapter("clip"), "b" * 40, monkeypatch)
    vstore.good("init", "--name", "tuned", "--model", "somebody/clip", "--adapter", "somebody/lora")
    before = vstore.json("model", "show", "tuned")
    downloaded(hub, "lora", zoo.adapter("clip", "rslora"), "c" * 40, monkeypatch)  # it has moved on since
    command = Words.from_json(before["place"]).command("again")
    vstore.good("init", "--store", "other")
    vstore.good(*command.split()[1:], "--store", "other")
    assert vstore.json("model", "show", "again", "--store", "other")["space"] == before["space"]


def test_a_store_that_exists_says_how_the_model_is_added(vstore: Shell, zoo: Zoo) -> None:
    vstore.good("init")
    words = ["--model", str(zoo["clip"]), "--adapter", str(zoo.adapter("clip")), "--compute", "bf16"]
    wanted = f"vstore model add NAME {' '.join(words)}"
    assert wanted in vstore.bad(2, "init", *words)
    assert f"{wanted}, then vstore sync --space NAME" in vstore.bad(13, "sync", "pictures", *words)


# Security


class Evil:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.path,))


def test_pickled_weights_are_refused_unread(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    adapter = Path(shutil.copytree(zoo.adapter("clip"), vstore.top / "adapter"))
    for path in (folder / "model.safetensors", adapter / "adapter_model.safetensors"):
        path.unlink()
    torch.save({"x": Evil(str(vstore.top / "was-run"))}, folder / "pytorch_model.bin")
    torch.save({"x": Evil(str(vstore.top / "was-run"))}, adapter / "adapter_model.bin")
    said = vstore.bad(13, "init", "--model", "./clip")
    assert "pytorch_model.bin" in said and said.endswith("vstore model convert ./clip")
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "./adapter")
    assert "adapter_model.bin" in said and said.endswith("vstore model convert ./adapter")
    assert not (vstore.top / "was-run").exists()


def test_a_pickle_beside_safetensors_is_not_opened(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    adapter = Path(shutil.copytree(zoo.adapter("clip"), vstore.top / "adapter"))
    for place in (folder / "pytorch_model.bin", adapter / "adapter_model.bin", adapter / "training_args.bin"):
        torch.save({"x": Evil(str(vstore.top / "was-run"))}, place)
    vstore.good("init", "--model", "./clip", "--adapter", "./adapter")
    assert not (vstore.top / "was-run").exists()


def test_code_in_a_model_folder_is_not_run(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    trap = f"import os; os.mkdir({str(vstore.top / 'was-run')!r})\nclass A: pass\n"
    for name in ("modeling_evil.py", "tokenization_evil.py", "image_processing_evil.py"):
        (folder / name).write_text(trap)
    for name, key in (
        ("config.json", {"AutoConfig": "modeling_evil.A", "AutoModel": "modeling_evil.A"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["tokenization_evil.A", "tokenization_evil.A"]}),
        ("preprocessor_config.json", {"AutoImageProcessor": "image_processing_evil.A"}),
    ):
        value = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**value, "auto_map": key}))
    (folder / "chat_template.jinja").write_text("{{ raise_exception('rendered') }}")
    vstore.good("sync", "pictures", "--model", "./clip")
    vstore.good("search", "a red car")
    assert not (vstore.top / "was-run").exists()


CODE = """
import os, torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
os.makedirs({trace!r}, exist_ok=True)

class OwnConfig(PretrainedConfig):
    model_type = "own"
    def __init__(self, hidden_size=12, **more):
        super().__init__(**more)
        self.hidden_size = hidden_size

class OwnModel(PreTrainedModel):
    config_class = OwnConfig
    def __init__(self, config):
        super().__init__(config)
        self.layer = torch.nn.Linear(3, config.hidden_size)
        self.post_init()
    def forward(self, pixel_values):
        return BaseModelOutputWithPooling(pooler_output=self.layer(pixel_values.flatten(2)[:, :, ::50].mean(2)))
"""


def test_a_models_own_code_runs_only_where_it_is_trusted_and_is_part_of_the_space(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers.dynamic_module_utils

    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(vstore.top / "modules"))
    folder = vstore.top / "own"
    folder.mkdir()
    trace = vstore.top / "was-run"
    (folder / "own.py").write_text(CODE.replace("{trace!r}", repr(str(trace))))
    auto = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "hidden_size": 12, "auto_map": auto}))
    save_file({"layer.weight": torch.randn(12, 3), "layer.bias": torch.randn(12)}, folder / "model.safetensors")
    shutil.copy(zoo["clip"] / "preprocessor_config.json", folder)
    assert "--trust-remote-code" in vstore.bad(13, "init", "--model", "./own")
    assert not trace.exists()
    assert vstore.json("sync", "pictures", "--model", "./own", "--trust-remote-code")["embedded"] == 4
    assert trace.exists()
    detail = vstore.json("model", "show", "own")
    assert (detail["dim"], detail["place"]["trust_remote_code"], len(detail["recipe"]["code"])) == (12, True, 1)
    with (folder / "own.py").open("a") as file:
        file.write("# another line")
    put(vstore.top / "pictures", {"9.png": 9})
    assert "its Python code has changed" in vstore.bad(13, "sync")


# A command that embeds nothing


def test_a_command_that_embeds_nothing_imports_neither_torch_nor_transformers(vstore: Shell, zoo: Zoo) -> None:
    vstore.good("sync", "pictures", "--model", zoo["clip"])
    vstore.good("search", "a red car")
    (vstore.top / "pictures/0.png").rename(vstore.top / "pictures/z.png")
    code = (
        "import sys, vstore_cli.main as m\n"
        "codes = [m.run(line.split('|')) for line in sys.argv[1:]]\n"
        "loaded = sorted({'torch', 'transformers', 'peft'} & set(sys.modules))\n"
        "print(codes, loaded, file=sys.stderr)"
    )
    lines = ["sync", "status", "search|./pictures/1.png", "search|a red car", "model|list", "model|show|clip"]
    lines += [
        "snapshot|list",
        "snapshot|diff|v1|v2",
        "rollback|v1",
        "undo",
        "model|use|clip",
        "stats",
        "check",
        "--help",
    ]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ran = subprocess.run([sys.executable, "-c", code, *lines], env=env, capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines()[-1] == f"{[0] * len(lines)} []", ran.stderr


def test_a_model_command_is_a_method_of_the_store() -> None:
    from vstore.store import Store

    for name in ("list", "show", "add", "use", "drop"):
        assert callable(getattr(Store, f"model_{name}"))
    assert Repository


# What a model sees, and what it is asked


def test_init_says_what_max_side_costs_and_show_has_both_numbers(vstore: Shell, zoo: Zoo) -> None:
    code, _, said = vstore("init", "--model", zoo["clip"], "--max-side", "40")
    assert code == 0
    assert (
        "pictures are shrunk to 40 pixels" in said
        and f"vstore model add sharp --model {zoo['clip']} --max-side 48\n" in said
    )
    assert "pictures are shrunk to 40 pixels on the longer side; the model sees up to 32 x 32" in vstore.good(
        "model", "show", "clip"
    )
    shown = vstore.json("model", "show", "clip")
    assert (shown["max_side"], shown["model_side"]) == (40, 32)
    added = vstore.json("model", "add", "whole", "--model", zoo["clip"], "--max-side", "48")
    assert added["notes"] == []


def test_a_preset_and_an_instruction_from_init_to_a_search(vstore: Shell, zoo: Zoo) -> None:
    words = ("--preset", "vlm2vec", "--query-prompt", "Find this:", "--max-side", "64")
    vstore.good("init", "--model", zoo["qwen2_vl"], *words, "--name", "v")
    assert vstore.json("sync", "pictures")["embedded"] == 4
    assert len(vstore.json("search", "a red car", "-k", "2")["hits"]) == 2
    place = vstore.json("model", "show", "v")["place"]
    assert (place["preset"], place["query_prompt"]) == ("vlm2vec", "Find this:")
    assert "is for models of the type qwen3_vl" in vstore.bad(
        2, "model", "add", "w", "--model", zoo["qwen2_vl"], "--preset", "qwen3-vl-embedding"
    )
    assert "choose one of: qwen3-vl-embedding, gme, vlm2vec" in vstore.bad(
        2, "model", "add", "w", "--model", zoo["qwen2_vl"], "--preset", "x"
    )


def test_a_space_is_shown_in_lines_that_can_be_read(vstore: Shell, zoo: Zoo) -> None:
    vstore.good("init", "--adapter", zoo.adapter("clip"), "--name", "one")
    shown = vstore.good("model", "show", "one")
    assert "    config:\n" in shown and "\n      vision_config:\n" in shown and "        hidden_size: " in shown
    assert max(map(len, shown.splitlines())) < 160
    assert "{" not in shown


def test_a_folder_that_cannot_become_a_store_is_told_before_the_model_is_loaded(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vstore.repository.model_space.make", None)
    (vstore.top / "full").mkdir()
    (vstore.top / "full" / "notes.txt").write_text("words")
    assert "is not a store, and holds 'notes.txt'" in vstore.bad(2, "init", "--store", "full", "--model", zoo["clip"])
    said = vstore.bad(2, "init", "--store", "new/store", "--model", zoo["clip"])
    assert said.endswith(f"make it first: mkdir -p {vstore.top}/new")
