"""Folders of models and adapters as people have them: taken where that is right, else told apart and named."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from support.adapters import rewrite
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.source.checkpoints import checkpoints_in
from vstore.embed.hf.source.quantised import original_of

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 605157884\n"


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def checkpoint(adapter: Path, to: Path, best: str | None = None) -> Path:
    """An adapter with what transformers' Trainer saves beside it. None of the pickles can be read."""
    folder = copied(adapter, to)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_0.pth", "training_args.bin", "scaler.pt"):
        (folder / name).write_bytes(b"no pickle")
    (folder / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": best, "global_step": 1}))
    (folder / "global_step1095").mkdir()
    (folder / "global_step1095/mp_rank_00_model_states.pt").write_bytes(b"no pickle")
    return folder


def changed_config(folder: Path, name: str = "config.json", **values: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


# Taken as they are


def test_a_checkpoint_of_a_trainer_is_its_adapter(vstore: Shell, zoo: Zoo) -> None:
    checkpoint(zoo.adapter("clip"), vstore.top / "checkpoint-1095")
    # A trainer saves the tokenizer and the processor with it.
    for path in (*zoo["clip"].glob("*token*"), zoo["clip"] / "preprocessor_config.json"):
        if path.exists():
            shutil.copy(path, vstore.top / "checkpoint-1095")
    made = vstore.json("init", "--adapter", "checkpoint-1095")
    plain = vstore.json("init", "--store", "other", "--adapter", zoo.adapter("clip"))
    assert made["space"] == plain["space"], "what lies beside the adapter has no part in its vectors"


def test_a_model_that_was_trained_whole_is_a_model(vstore: Shell, zoo: Zoo) -> None:
    checkpoint(zoo["clip"], vstore.top / "checkpoint-500")
    made = vstore.json("init", "--model", "checkpoint-500")
    assert made["space"] == vstore.json("init", "--store", "other", "--model", zoo["clip"])["space"]


def test_an_adapter_with_the_config_of_its_base_is_an_adapter(vstore: Shell, zoo: Zoo) -> None:
    folder = copied(zoo.adapter("clip"), vstore.top / "adapter")
    shutil.copy(zoo["clip"] / "config.json", folder)
    vstore.good("init", "--adapter", "adapter")
    said = vstore.bad(13, "init", "--store", "other", "--model", "adapter")
    assert said.endswith("name it with --adapter: vstore --store other init --name adapter --adapter adapter")


# Named in place of what was meant: each error ends with the whole command, and that command works


def followed(vstore: Shell, said: str) -> Any:
    """Run the command at the end of an error."""
    import shlex

    return vstore.json(*shlex.split(said[said.rindex("vstore init ") :])[1:])


def test_the_folder_of_a_run_names_the_newest_checkpoint_by_its_number(vstore: Shell, zoo: Zoo) -> None:
    for step in ("9", "1095", "100"):
        checkpoint(zoo.adapter("clip"), vstore.top / f"run/checkpoint-{step}")
    (vstore.top / "run/checkpoint-2000").mkdir()  # holds no adapter: its run was ended
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "run", "--compute", "fp32")
    assert "holds the checkpoints checkpoint-9, checkpoint-100, checkpoint-1095" in said
    assert f"vstore init --name run --model {zoo['clip']} --adapter run/checkpoint-1095 --compute fp32" in said
    assert followed(vstore, said)["space_name"] == "run"


def test_the_folder_of_a_run_names_the_checkpoint_that_its_trainer_found_best(vstore: Shell, zoo: Zoo) -> None:
    for step in (100, 200, 300):
        checkpoint(zoo.adapter("clip"), vstore.top / f"run/checkpoint-{step}", best="/root/output/v0/checkpoint-200")
    said = vstore.bad(13, "init", "--adapter", "run")
    assert "checkpoint-300 is the newest, and checkpoint-200 was the best one" in said
    assert said.endswith("vstore init --name run --adapter run/checkpoint-200")


def test_a_best_checkpoint_that_was_deleted_is_not_named(zoo: Zoo, tmp_path: Path) -> None:
    checkpoint(zoo.adapter("clip"), tmp_path / "checkpoint-300", best="/root/output/checkpoint-200")
    found = checkpoints_in(tmp_path)
    assert found is not None and found.best is None and found.newest.name == "checkpoint-300"


def test_the_folder_around_the_runs_names_a_checkpoint_of_the_latest_run(vstore: Shell, zoo: Zoo) -> None:
    old = checkpoint(zoo.adapter("clip"), vstore.top / "out/v0-20250101-101010/checkpoint-900")
    checkpoint(zoo.adapter("clip"), vstore.top / "out/v1-20250201-101010/checkpoint-30")
    os.utime(old, (1, 1))
    said = vstore.bad(13, "init", "--adapter", "out")
    assert said.endswith("--adapter out/v1-20250201-101010/checkpoint-30")


def test_checkpoints_of_a_model_named_as_an_adapter(vstore: Shell, zoo: Zoo) -> None:
    checkpoint(zoo["clip"], vstore.top / "run/checkpoint-7")
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "run")
    assert said.endswith("vstore init --name run --model run/checkpoint-7")


def test_an_adapter_that_was_saved_under_its_name(vstore: Shell, zoo: Zoo) -> None:
    copied(zoo.adapter("clip"), vstore.top / "out/my lora")
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "./out")
    assert "./out is a folder around an adapter, my lora" in said
    assert followed(vstore, said)["space_name"] == "my-lora"


def test_several_adapters_in_one_folder(vstore: Shell, zoo: Zoo) -> None:
    for name in ("b", "a"):
        copied(zoo.adapter("clip"), vstore.top / "out" / name)
    said = vstore.bad(13, "init", "--adapter", "out")
    assert "holds 2 folders of models: a, b" in said and said.endswith("--adapter out/a")


def test_model_add_ends_with_its_own_command(vstore: Shell, zoo: Zoo) -> None:
    vstore.good("init")
    copied(zoo.adapter("clip"), vstore.top / "out/inner")
    said = vstore.bad(13, "model", "add", "lora-v12", "--model", zoo["clip"], "--adapter", "out")
    assert said.endswith(f"vstore model add lora-v12 --model {zoo['clip']} --adapter out/inner")


def test_a_folder_with_a_model_and_an_adapter(vstore: Shell, zoo: Zoo) -> None:
    folder = copied(zoo["clip"], vstore.top / "both")
    for path in zoo.adapter("clip").glob("adapter_*"):
        shutil.copy(path, folder)
    said = vstore.bad(13, "init", "--model", "both")
    assert "holds a model and an adapter in one folder" in said
    command = said.partition("folder of its own: ")[2].partition("; then")[0]
    assert os.system(command) == 0
    assert vstore.json("init", "--model", "both")["space_name"] == "both"
    vstore.good("model", "add", "with", "--model", "both", "--adapter", "both-adapter")


def test_the_cache_folder_of_a_repository(vstore: Shell, zoo: Zoo) -> None:
    copied(zoo["clip"], vstore.top / "models--somebody--clip-b/snapshots" / ("a" * 40))
    said = vstore.bad(13, "init", "--model", "models--somebody--clip-b")
    assert said.endswith("vstore init --name clip-b --model somebody/clip-b")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_an_archive(vstore: Shell, zoo: Zoo, ending: str) -> None:
    copied(zoo.adapter("clip"), vstore.top / "v11")
    shutil.make_archive(str(vstore.top / "v11"), {".zip": "zip", ".tar.gz": "gztar"}[ending], vstore.top, "v11")
    shutil.rmtree(vstore.top / "v11")
    said = vstore.bad(13, "init", "--adapter", f"v11{ending}")
    assert f"v11{ending} is an archive" in said
    command = said.partition("name its folder: ")[2]
    if ending == ".zip" and shutil.which("unzip") is None:
        zipfile.ZipFile("v11.zip").extractall("v11")
    else:
        assert os.system(command + " >/dev/null") == 0
    inner = "v11/v11" if ending == ".zip" else "v11"
    vstore.good("init", "--adapter", inner)


def test_a_file_in_place_of_its_folder(vstore: Shell, zoo: Zoo) -> None:
    copied(zoo.adapter("clip"), vstore.top / "v11")
    copied(zoo["clip"], vstore.top / "base")
    said = vstore.bad(13, "init", "--model", "base", "--adapter", "v11/adapter_model.safetensors")
    assert said.endswith("--model base --adapter v11")
    said = vstore.bad(13, "init", "--model", "base/model.safetensors")
    assert said.endswith("vstore init --name base --model base")
    (vstore.top / "q4.gguf").write_bytes(b"GGUF")
    assert "weights for llama.cpp" in vstore.bad(13, "init", "--model", "q4.gguf")


# Not whole


def test_a_clone_without_its_large_files(vstore: Shell, zoo: Zoo) -> None:
    folder = copied(zoo["clip"], vstore.top / "clip b")
    (folder / "model.safetensors").write_text(POINTER)
    said = vstore.bad(13, "init", "--model", "clip b")
    assert "model.safetensors is a pointer of Git LFS" in said
    assert f"cd '{folder}' && git lfs install && git lfs pull" in said
    shutil.copy(zoo["clip"] / "model.safetensors", folder)
    (folder / "tokenizer.json").write_text(POINTER)
    assert "tokenizer.json is a pointer" in vstore.bad(13, "init", "--model", "clip b")
    (folder / "tokenizer_config.json").write_text(POINTER)
    assert "tokenizer.json, tokenizer_config.json are pointers" in vstore.bad(13, "init", "--model", "clip b")
    (folder / "config.json").write_text(POINTER)
    assert "config.json is a pointer of Git LFS" in vstore.bad(13, "init", "--model", "clip b")


def test_a_file_that_is_cut_short_says_by_how_much(vstore: Shell, zoo: Zoo) -> None:
    folder = copied(zoo["clip"], vstore.top / "clip")
    size = (folder / "model.safetensors").stat().st_size
    os.truncate(folder / "model.safetensors", size - 1)
    (folder / "model.safetensors.incomplete").touch()
    said = vstore.bad(13, "init", "--model", "clip")
    assert f"cut short: it has {size - 1} of {size} bytes" in said
    assert "a download is not finished: model.safetensors.incomplete" in said
    for content, words in ((b"", "it has 0 bytes"), (b"<!DOCTYPE html><html>", "not a safetensors file")):
        (folder / "model.safetensors").write_bytes(content)
        assert words in vstore.bad(13, "init", "--model", "clip")


def test_files_that_the_index_names_and_that_are_not_here(vstore: Shell, zoo: Zoo) -> None:
    folder = copied(zoo["clip"], vstore.top / "clip")
    names = [f"model-{n:05}-of-00003.safetensors" for n in (1, 2, 3)]
    (folder / "model.safetensors").rename(folder / names[1])
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": dict(zip("abc", names, strict=True))})
    )
    hidden = folder / ".cache/huggingface/download"
    hidden.mkdir(parents=True)
    (hidden / "abc.incomplete").touch()
    said = vstore.bad(13, "init", "--model", "clip")
    assert f"of 3 files listed in its index 2 are missing: {names[0]}, {names[2]}" in said
    assert "a download is not finished: abc.incomplete" in said
    assert f"hf download OWNER/NAME {names[0]} {names[2]} --force-download --local-dir {folder}" in said


def test_of_many_missing_files_those_that_are_here_are_not_fetched_again(vstore: Shell, zoo: Zoo) -> None:
    folder = copied(zoo["clip"], vstore.top / "clip")
    names = [f"model-{n:05}-of-00012.safetensors" for n in range(1, 13)]
    (folder / "model.safetensors").rename(folder / names[1])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {name: name for name in names}}))
    said = vstore.bad(13, "init", "--model", "clip")
    assert said.endswith(f"hf download OWNER/NAME --include 'model-000*' --local-dir {folder}")


def test_an_adapter_without_its_configuration(vstore: Shell, zoo: Zoo) -> None:
    folder = copied(zoo.adapter("clip"), vstore.top / "v11")
    (folder / "adapter_config.json").unlink()
    assert "copy adapter_config.json" in vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "v11")


# Quantised


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False}, "bitsandbytes, 4 bits"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True}, "bitsandbytes, 8 bits"),
        ({"quant_method": "gptq", "bits": 4}, "GPTQ, 4 bits"),
        ({"quant_method": "awq", "bits": 4}, "AWQ, 4 bits"),
        ({"quant_method": "fp8"}, "FP8"),
    ],
)
def test_a_quantised_model_says_how_and_names_the_original(
    vstore: Shell, zoo: Zoo, config: dict[str, Any], words: str
) -> None:
    folder = changed_config(copied(zoo["clip"], vstore.top / "clip-AWQ"), quantization_config=config)
    (folder / "model.safetensors").unlink()  # it is told before its weights are looked at
    assert f"is quantised ({words})" in vstore.bad(13, "init", "--model", "clip-AWQ")
    copied(zoo["clip"], vstore.top / "clip")
    assert followed(vstore, vstore.bad(13, "init", "--model", "clip-AWQ"))["space_name"] == "clip"


def test_an_adapter_over_a_quantised_base_names_the_original(vstore: Shell, zoo: Zoo) -> None:
    copied(zoo.adapter("clip"), vstore.top / "lora")
    changed_config(
        vstore.top / "lora",
        "adapter_config.json",
        base_model_name_or_path="unsloth/Qwen2-VL-2B-Instruct-unsloth-bnb-4bit",
    )
    said = vstore.bad(13, "init", "--adapter", "lora")
    assert "was trained on unsloth/Qwen2-VL-2B-Instruct-unsloth-bnb-4bit, which is quantised" in said
    assert said.endswith("vstore init --name lora --model unsloth/Qwen2-VL-2B-Instruct --adapter lora")


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("unsloth/Qwen2-VL-2B-Instruct-bnb-4bit", "unsloth/Qwen2-VL-2B-Instruct"),
        ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("Qwen/Qwen2-VL-7B-Instruct-GPTQ-Int4", "Qwen/Qwen2-VL-7B-Instruct"),
        ("Qwen/Qwen3-VL-8B-Instruct-FP8", "Qwen/Qwen3-VL-8B-Instruct"),
        ("RedHatAI/Qwen2.5-VL-7B-Instruct-quantized.w4a16", "RedHatAI/Qwen2.5-VL-7B-Instruct"),
        ("openai/clip-vit-base-patch32", None),
        ("someone/awq", None),
    ],
)
def test_the_original_by_its_name(name: str, original: str | None) -> None:
    assert original_of(name) == original


# The base that an adapter names


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("/root/models/my-base", "--model BASE"),
        ("C:\\models\\base", "--model BASE"),
        ("/root/.cache/modelscope/hub/Qwen/Qwen2___5-VL-3B-Instruct", "--model Qwen/Qwen2.5-VL-3B-Instruct"),
        ("/mnt/modelscope/hub/models/Qwen/Qwen2-VL-2B-Instruct", "--model Qwen/Qwen2-VL-2B-Instruct"),
        (f"/h/hub/models--a--b-c/snapshots/{'f' * 40}", f"--model a/b-c --revision {'f' * 40}"),
    ],
)
def test_a_base_that_was_a_folder_of_another_machine(vstore: Shell, zoo: Zoo, base: str, words: str) -> None:
    rewrite(zoo.adapter("clip"), vstore.top / "lora", base_model_name_or_path=base)
    said = vstore.bad(13, "init", "--adapter", "lora")
    assert "a folder of another machine" in said
    assert all(f"--{option}" in said for option in words.removeprefix("--").split(" --"))
    assert "vstore init --name lora --model" in said and "--adapter lora" in said


def test_an_index_beside_the_weights_of_an_adapter_changes_nothing(vstore: Shell, zoo: Zoo) -> None:
    folder = copied(zoo.adapter("clip"), vstore.top / "lora")
    save_file(load_file(folder / "adapter_model.safetensors"), folder / "other.safetensors")
    vstore.good("init", "--adapter", "lora")


def test_weights_that_the_configuration_names_elsewhere_are_refused(vstore: Shell, zoo: Zoo) -> None:
    """transformers reads the file of that word, whatever lies beside it; no digest covers it."""
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "transformers_weights": "other.safetensors"}))
    shutil.copy(folder / "model.safetensors", folder / "other.safetensors")
    assert "names a file of weights of its own ('other.safetensors')" in vstore.bad(13, "init", "--model", "./clip")


@pytest.mark.parametrize("names", [None, [], 5, {"a": 5}])
def test_an_index_that_says_nothing_is_told(vstore: Shell, zoo: Zoo, names: object) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "clip"))
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    said = vstore.bad(13, "init", "--model", "./clip")
    assert "does not say which file holds which weight" in said
    assert f"hf download OWNER/NAME model.safetensors.index.json --force-download --local-dir {folder}" in said
