"""`vstore model convert`: pickled weights become safetensors, and a pickle that wants more does nothing."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.shell import Shell
from support.small_disk import fill, small_disk
from support.zoo import Zoo

from vstore import ModelError, Store
from vstore.embed.hf.source import unpickle
from vstore.progress import Silent


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/vstore/models"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert in this process: another one takes seconds to begin, and does the same."""
    monkeypatch.setattr(
        unpickle,
        "_apart_from_here",
        lambda source, target: json.loads(json.dumps(unpickle._answer(source, target, []))),
    )


class Told(Silent):
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def stage(self, name: str, total: int | None) -> None:
        self.told.append((name, total))

    def advance(self, n: int = 1) -> None:
        self.told.append(n)


class Evil:
    """Unpickling it leaves a folder behind."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.path,))


def pickled(folder: Path, to: Path, name: str = "pytorch_model.bin", **how: Any) -> Path:
    """A copy of a model with its weights as one pickle."""
    shutil.copytree(folder, to)
    (weights,) = to.glob("*model.safetensors")
    torch.save(load_file(weights), to / name, **how)
    weights.unlink()
    return to


@pytest.mark.parametrize("zipped", [True, False])
def test_a_model_as_a_pickle_becomes_the_same_space(vstore: Shell, zoo: Zoo, cache: Path, zipped: bool) -> None:
    pickled(zoo["clip"], vstore.top / "old clip", _use_new_zipfile_serialization=zipped)
    said = vstore.bad(13, "init", "--model", "./old clip")
    assert said.endswith("vstore model convert './old clip'")
    made = vstore.json("model", "convert", "./old clip")
    place = Path(made["output"])
    assert place.parent == cache and place.name.startswith("old-clip-")
    assert (made["adapter"], made["known"], made["files"][0]["source"]) == (False, False, "pytorch_model.bin")
    assert [path.suffix for path in place.glob("*model*")] == [".safetensors"], "the pickle is not copied"
    before, after = load_file(zoo["clip"] / "model.safetensors"), load_file(place / "model.safetensors")
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert (
        vstore.json("init", "--model", place)["space"]
        == vstore.json("init", "--store", "b", "--model", zoo["clip"])["space"]
    )


@pytest.mark.usefixtures("here")
def test_a_second_time_it_is_found(vstore: Shell, zoo: Zoo, cache: Path) -> None:
    pickled(zoo["clip"], vstore.top / "old")
    first = vstore.json("model", "convert", "old")
    second = vstore.json("model", "convert", "old")
    assert (second["known"], second["output"], second["files"]) == (True, first["output"], first["files"])
    os.truncate(Path(first["output"]) / "model.safetensors", 100)
    said = vstore.bad(13, "model", "convert", "old")
    assert f"rm -r {first['output']}" in said
    assert [path.name for path in cache.iterdir()] == [Path(first["output"]).name]


@pytest.mark.usefixtures("here")
def test_another_configuration_is_another_conversion(vstore: Shell, zoo: Zoo) -> None:
    """Equal weights with another lora_alpha are another adapter."""
    folder = pickled(zoo.adapter("clip"), vstore.top / "v11", "adapter_model.bin")
    first = vstore.json("model", "convert", "v11")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 64}))
    second = vstore.json("model", "convert", "v11")
    assert not second["known"] and second["output"] != first["output"]
    assert json.loads((Path(second["output"]) / "adapter_config.json").read_text())["lora_alpha"] == 64


@pytest.mark.usefixtures("here")
def test_what_another_run_has_just_made_is_found(vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.models import convert

    pickled(zoo["clip"], vstore.top / "old")
    plain = convert.copy_others

    def slower(folder: Path, made: Path) -> None:
        monkeypatch.setattr(convert, "copy_others", plain)
        vstore.json("model", "convert", "old")
        plain(folder, made)

    monkeypatch.setattr(convert, "copy_others", slower)
    assert vstore.json("model", "convert", "old")["known"]


@pytest.mark.usefixtures("here")
def test_safetensors_that_hold_no_model_are_no_reason_to_stop(vstore: Shell, zoo: Zoo) -> None:
    folder = pickled(zoo["clip"], vstore.top / "old")
    shutil.copy(zoo["clip"] / "model.safetensors", folder / "training_extra.safetensors")
    assert vstore.bad(13, "init", "--model", "old").endswith("vstore model convert old")
    assert vstore.json("model", "convert", "old")["files"][0]["source"] == "pytorch_model.bin"
    said = vstore.bad(2, "model", "convert", zoo.adapter("clip"))
    assert said.endswith(f"use it as it is: --adapter {zoo.adapter('clip')}")


@pytest.mark.usefixtures("here")
def test_the_digests_of_the_source_are_recorded_and_the_next_command_works(vstore: Shell, zoo: Zoo) -> None:
    import hashlib

    folder = pickled(zoo["clip"], vstore.top / "old")
    said = vstore.good("model", "convert", "old", "--output", "new")
    digest = hashlib.sha256((folder / "pytorch_model.bin").read_bytes()).hexdigest()
    assert digest in said and "Trusted: torch's reader" in said
    record = json.loads((vstore.top / "new/vstore-converted.json").read_text())
    assert record["files"][0]["sha256"] == digest and record["source"] == "old"
    assert f"vstore init --model {vstore.top}/new" in said
    vstore.good("sync", "pictures", "--model", "new")


@pytest.mark.usefixtures("here")
def test_an_adapter_as_a_pickle(vstore: Shell, zoo: Zoo) -> None:
    pickled(zoo.adapter("clip"), vstore.top / "v11", "adapter_model.bin")
    (vstore.top / "v11/optimizer.pt").write_bytes(b"no pickle")
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "v11")
    assert said.endswith("vstore model convert v11")
    made = vstore.json("model", "convert", "v11")
    assert made["adapter"] and not (Path(made["output"]) / "optimizer.pt").exists()
    assert f"--adapter {made['output']}" in vstore.good("model", "convert", "v11")
    one = vstore.json("init", "--model", zoo["clip"], "--adapter", made["output"])
    assert one["space"] == vstore.json("init", "--store", "b", "--adapter", zoo.adapter("clip"))["space"]


@pytest.mark.usefixtures("here")
def test_shards_keep_their_names_and_get_an_index(vstore: Shell, zoo: Zoo) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "old"))
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, index = sorted(weights), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({name: weights[name] for name in part}, folder / file)
        index.update(dict.fromkeys(part, file))
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    new = Path(vstore.json("model", "convert", "old", "--output", "new")["output"])
    assert sorted(path.name for path in new.glob("*.safetensors")) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert not (new / "pytorch_model.bin.index.json").exists()
    assert vstore.json("sync", "pictures", "--model", "new")["embedded"] == 4
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    said = vstore.bad(13, "model", "convert", "old", "--output", "other")
    assert "pytorch_model-00002-of-00002.bin" in said
    assert not (vstore.top / "other").exists()


@pytest.mark.usefixtures("here")
def test_tied_weights_wrapped_weights_and_other_values(tmp_path: Path) -> None:
    shared = torch.arange(12, dtype=torch.bfloat16).reshape(3, 4)
    inner = OrderedDict({"module.a": shared, "module.b": shared, "module.t": shared.T, "module.row": shared[1]})
    (tmp_path / "old").mkdir()
    torch.save({"epoch": 3, "state_dict": {**inner, "module.step": 7}}, tmp_path / "old/open_clip_pytorch_model.bin")
    notes: list[str] = []
    told = Told()
    made = Store.model_convert(str(tmp_path / "old"), output=tmp_path / "new", note=notes.append, progress=told)
    assert told.told == [("converting the weights", 1), 1]
    found = load_file(tmp_path / "new/open_clip_model.safetensors")
    assert sorted(found) == ["a", "b", "row", "t"]
    for name, value in found.items():
        assert torch.equal(value, inner[f"module.{name}"])
    assert made.files[0].tensors == 4
    assert notes[-1] == "left out, as they are no tensors: step"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("what", ["model", "adapter"])
def test_the_folder_of_a_training_run_names_one_checkpoint(vstore: Shell, zoo: Zoo, what: str) -> None:
    source = zoo["clip"] if what == "model" else zoo.adapter("clip")
    name = "pytorch_model.bin" if what == "model" else "adapter_model.bin"
    for step in (500, 1095):
        folder = pickled(source, vstore.top / f"run/checkpoint-{step}", name)
        for state in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "sampler.bin"):
            torch.save({"state": {0: torch.zeros(3)}}, folder / state)
    said = vstore.bad(13, "model", "convert", "run", "--output", "new")
    assert "is the folder of a training run, and holds the checkpoints checkpoint-500, checkpoint-1095" in said
    assert said.endswith("name one of them, the newest for example: vstore model convert run/checkpoint-1095")
    assert not (vstore.top / "new").exists()
    made = vstore.json("model", "convert", "run/checkpoint-1095", "--output", "new")
    assert [file["source"] for file in made["files"]] == [name]
    options = ["--model", "new"] if what == "model" else ["--model", zoo["clip"], "--adapter", "new"]
    vstore.good("init", *options)
    for state in ("optimizer.pt", "scheduler.pt", "sampler.bin"):
        assert not (vstore.top / "new" / state).exists()


@pytest.mark.usefixtures("here")
def test_a_model_beside_its_checkpoints_is_converted_alone(vstore: Shell, zoo: Zoo) -> None:
    """A trainer saves the model of the end beside the checkpoints: they are other models."""
    pickled(zoo["clip"], vstore.top / "run")
    pickled(zoo["clip"], vstore.top / "run/checkpoint-4")
    shutil.copytree(zoo["clip"], vstore.top / "run/checkpoint-5")
    made = vstore.json("model", "convert", "run", "--output", "new")
    assert [file["target"] for file in made["files"]] == ["model.safetensors"]
    assert not [path for path in (vstore.top / "new").rglob("*") if path.is_dir()]


def test_what_was_meant_by_a_folder_without_pickles(vstore: Shell, zoo: Zoo) -> None:
    for step in (5, 6):
        shutil.copytree(zoo.adapter("clip"), vstore.top / f"run/checkpoint-{step}")
    said = vstore.bad(2, "model", "convert", "run")
    assert said.endswith("its weights are safetensors already: use it as --adapter run/checkpoint-6")
    pickled(zoo["clip"], vstore.top / "outer/inner")
    said = vstore.bad(13, "model", "convert", "outer")
    assert said.endswith("name the inner folder: vstore model convert outer/inner")
    (vstore.top / "states").mkdir()
    torch.save({"state": torch.zeros(3)}, vstore.top / "states/optimizer.bin")
    torch.save({"state": torch.zeros(3)}, vstore.top / "states/sampler.bin")
    assert "states holds no weights" in vstore.bad(13, "model", "convert", "states")
    assert vstore.bad(13, "model", "convert", "stats").endswith("hf://OWNER/NAME/FOLDER for a folder in it")


@pytest.mark.usefixtures("here")
def test_the_parts_of_a_model_with_modules_are_converted_too(vstore: Shell, zoo: Zoo) -> None:
    pickled(zoo["clip"], vstore.top / "old/0_CLIPModel")
    (vstore.top / "old/modules.json").write_text("[]")
    made = vstore.json("model", "convert", "old", "--output", "new")
    assert [file["target"] for file in made["files"]] == ["0_CLIPModel/model.safetensors"]


# Pickles that want more


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_does_nothing_and_is_named(vstore: Shell, zoo: Zoo, cache: Path, zipped: bool) -> None:
    folder = pickled(zoo["clip"], vstore.top / "old")
    torch.save({"x": Evil(vstore.top / "was-run")}, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    said = vstore.bad(13, "model", "convert", "old")
    assert "holds more than weights: to read it is to run posix.mkdir." in said
    assert not (vstore.top / "was-run").exists()
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("here")
def test_torchs_reader_alone_refuses_it_too(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    torch.save({"x": Evil(tmp_path / "was-run")}, tmp_path / "old/pytorch_model.bin")
    with pytest.raises(ModelError, match=r"posix\.mkdir"):
        Store.model_convert(str(tmp_path / "old"), output=tmp_path / "new")
    assert sorted(os.listdir(tmp_path)) == ["old"]


def test_the_process_itself_refuses_what_its_reader_lets_through(tmp_path: Path) -> None:
    """With a reader that has a hole: the hook is what stands then."""
    source = tmp_path / "pytorch_model.bin"
    torch.save({"x": Evil(tmp_path / "was-run")}, source)
    code = (
        "import torch; load = torch.load; "
        "torch.load = lambda *a, **k: load(*a, **{**k, 'weights_only': False}); "
        "from vstore.embed.hf.source.unpickle import serve; serve()"
    )
    job = json.dumps({"source": str(source), "target": str(tmp_path / "t.safetensors")})
    done = subprocess.run([sys.executable, "-c", code], input=job.encode(), capture_output=True, check=True)
    assert json.loads(done.stdout)["wanted"] == ["os.mkdir"]
    assert not (tmp_path / "was-run").exists()


def test_the_process_has_no_secrets_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    code = "import os, json; print(json.dumps({'error': str(dict(os.environ)), 'wanted': []}))"
    monkeypatch.setattr(unpickle, "command", lambda _: [sys.executable, "-c", code])
    with pytest.raises(ModelError) as caught:
        unpickle.convert(tmp_path / "a.bin", tmp_path / "b")
    assert "PATH" in caught.value.message and "hf_secret" not in caught.value.message


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be converted"),
        (b"no pickle at all", "cannot be converted"),
        (pickle.dumps([1, 2]), "cannot be converted"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"),
    ],
)
def test_what_is_no_file_of_weights(vstore: Shell, zoo: Zoo, content: bytes, words: str) -> None:
    folder = pickled(zoo["clip"], vstore.top / "old")
    (folder / "pytorch_model.bin").write_bytes(content)
    assert words in vstore.bad(13, "model", "convert", "old", "--output", "new")
    assert sorted(os.listdir(vstore.top)) == ["old", "pictures"]


@pytest.mark.usefixtures("here")
def test_a_cut_off_pickle_and_a_program(vstore: Shell, zoo: Zoo) -> None:
    folder = pickled(zoo["clip"], vstore.top / "old")
    os.truncate(folder / "pytorch_model.bin", 20_000)
    assert "cannot be converted" in vstore.bad(13, "model", "convert", "old", "--output", "new")
    (folder / "pytorch_model.bin").unlink()
    torch.save([torch.zeros(2)], folder / "pytorch_model.bin")
    assert "it holds a list" in vstore.bad(13, "model", "convert", "old", "--output", "new")
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as file:
        file.writestr("archive/constants.pkl", b"")
        file.writestr("archive/data.pkl", b"")
        file.writestr("archive/version", b"3\n")
        file.writestr("archive/code/a.py", b"")
    assert "TorchScript" in vstore.bad(13, "model", "convert", "old", "--output", "new")
    assert not (vstore.top / "new").exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"__metadata__": torch.zeros(3), "a": torch.ones(2)}, "it holds a tensor named __metadata__"),
        ({"a": torch.eye(3).to_sparse()}, "cannot be converted"),
        ({1: torch.zeros(2)}, "it holds a dict, and no tensors with names"),
        ({"a\udce8": torch.zeros(2)}, "cannot be converted"),
        ({"a": 5}, "it holds no tensors"),
    ],
)
def test_what_safetensors_cannot_hold(vstore: Shell, zoo: Zoo, content: object, words: str) -> None:
    folder = pickled(zoo["clip"], vstore.top / "old")
    torch.save(content, folder / "pytorch_model.bin")
    said = vstore.bad(13, "model", "convert", "old", "--output", "new")
    assert words in said and "_Unfit" not in said
    assert sorted(os.listdir(vstore.top)) == ["old", "pictures"]


# Bad places and broken runs


def test_places_that_cannot_be_written(vstore: Shell, zoo: Zoo) -> None:
    pickled(zoo["clip"], vstore.top / "old")
    assert "already exists" in vstore.bad(2, "model", "convert", "old", "--output", "old")
    assert "there is no folder" in vstore.bad(2, "model", "convert", "old", "--output", "no/where")
    assert "safetensors already" in vstore.bad(2, "model", "convert", zoo["clip"], "--output", "new")
    assert "holds no weights" in vstore.bad(13, "model", "convert", "pictures", "--output", "new")
    said = vstore.bad(2, "model", "convert", "old", "--output", "n\udce8w")
    assert "is not valid UTF-8" in said and said.endswith("name another --output")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("seen", [True, False])
def test_a_full_disk_leaves_nothing(vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, seen: bool) -> None:
    """seen: before anything is written; else another program fills the disk meanwhile."""
    pickled(zoo["clip"], vstore.top / "old")
    if not seen:
        monkeypatch.setattr("vstore.models.convert.require_room", lambda top, size: None)
    with small_disk("8m") as disk:
        fill(disk, 100_000)
        said = vstore.bad(1, "model", "convert", "old", "--output", disk / "new")
        assert "free some space" in said
        assert os.listdir(disk) == ["filler"]


def test_a_killed_run_leaves_what_cannot_be_mistaken_and_goes_with_the_next(
    vstore: Shell, zoo: Zoo, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled(zoo["clip"], vstore.top / "old")
    code = (
        "import time, vstore.models.convert as convert; from vstore import Store; "
        "convert.convert = lambda *a: time.sleep(60); Store.model_convert('old', cache='cache')"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        for _ in range(3600):
            if cache.is_dir() and list(cache.glob(".tmp-convert-*/config.json")):
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    (left,) = cache.iterdir()
    assert left.name.startswith(".tmp-convert-")
    made = vstore.json("model", "convert", "old")
    assert [path.name for path in cache.iterdir()] == [Path(made["output"]).name]
