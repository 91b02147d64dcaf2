"""Models from the hub: what is fetched, what an earlier download is good for, and what each refusal says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import shlex
import shutil
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support.fake_hub import FakeHub, fake_hub
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.source.hub_files import pickled_files, small_files, weight_files
from vstore.embed.hf.source.hub_name import HubName, hub_name

MORE = {
    "README.md": b"#",
    "pytorch_model.bin": b"a pickle",
    "model.fp16.safetensors": b"x" * 5000,
    "onnx/model.onnx": b"x",
    "onnx/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"x" * 9000,
    "tf_model.h5": b"x",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache", monkeypatch) as hub:
        yield hub


def sharded(folder: Path, to: Path) -> Path:
    """A copy of a model in two weight files, with an index."""
    from safetensors.torch import save_file

    shutil.copytree(folder, to)
    weights = load_file(to / "model.safetensors")
    (to / "model.safetensors").unlink()
    names, index = sorted(weights), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: weights[name] for name in part}, to / file, {"format": "pt"})
        index.update(dict.fromkeys(part, file))
    (to / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return to


# What is fetched


def test_a_model_is_fetched_once_and_no_more_of_it_than_is_needed(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    commit = hub.put("somebody/clip", zoo["clip"], more=MORE)
    made = vstore.json("init", "--model", "somebody/clip")
    assert not hub.files_asked() & (MORE.keys() - {"README.md"}), "pickles, variants and other programs' files stay"
    assert {"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"} <= hub.files_asked()
    assert vstore.json("model", "show", "clip")["place"]["revision"] == commit
    assert made["space"] == vstore.json("init", "--store", "b", "--model", zoo["clip"])["space"]
    hub.asked.clear()
    vstore.good("sync", "pictures")
    vstore.good("search", "a red car")
    vstore.good("init", "--store", "c", "--model", "somebody/clip")
    assert hub.asked == [], "an earlier download needs no network"


def test_of_several_weight_files_those_of_the_index_are_fetched(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("somebody/big", sharded(zoo["clip"], vstore.top / "big"), more={"model-00003-of-00003.safetensors": b"old"})
    vstore.good("sync", "pictures", "--model", "somebody/big")
    weights = {name for name in hub.files_asked() if name.endswith(".safetensors")}
    assert weights == {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}


def test_files_of_the_index_that_the_repository_lacks(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    folder = sharded(zoo["clip"], vstore.top / "big")
    (folder / "model-00002-of-00002.safetensors").unlink()
    hub.put("somebody/big", folder)
    said = vstore.bad(13, "init", "--model", "somebody/big")
    assert "its index lists missing files: model-00002-of-00002.safetensors" in said
    assert not (vstore.top / ".vstore").exists()


def test_an_adapter_with_its_base_from_the_hub(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    base = hub.put("somebody/clip", zoo["clip"])
    adapter = Path(shutil.copytree(zoo.adapter("clip"), vstore.top / "lora"))
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "somebody/clip"}))
    commit = hub.put(
        "somebody/lora", adapter, more={"optimizer.pt": b"x", "checkpoint-9/adapter_model.safetensors": b"x"}
    )
    vstore.good("sync", "pictures", "--adapter", "somebody/lora")
    place = vstore.json("model", "show", "lora")["place"]
    assert (place["revision"], place["adapter_revision"]) == (base, commit)
    assert "checkpoint-9/adapter_model.safetensors" not in hub.files_asked()


def test_a_quantised_model_is_told_before_its_weights_are_fetched(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "q"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "quantization_config": {"quant_method": "awq", "bits": 4}})
    )
    hub.put("somebody/clip-AWQ", folder)
    said = vstore.bad(13, "init", "--model", "somebody/clip-AWQ")
    assert said.endswith("vstore init --name clip --model somebody/clip")
    assert "model.safetensors" not in hub.files_asked()


@pytest.mark.parametrize(
    ("config", "values", "weights", "why"),
    [
        ("config.json", {"model_type": "blip"}, "model.safetensors", "writes texts about pictures"),
        (
            "open_clip_config.json",
            {"model_cfg": {"multimodal_cfg": {"width": 8}, "text_cfg": {}}},
            "open_clip_model.safetensors",
            "its configuration says multimodal_cfg",
        ),
    ],
    ids=["BLIP", "CoCa"],
)
def test_a_model_that_no_space_can_have_is_told_before_its_weights_are_fetched(
    vstore: Shell, hub: FakeHub, config: str, values: dict[str, object], weights: str, why: str
) -> None:
    folder = vstore.top / "files"
    folder.mkdir()
    (folder / config).write_text(json.dumps(values))
    (folder / weights).write_bytes(bytes(64))
    hub.put("somebody/odd", folder)
    assert why in vstore.bad(13, "init", "--model", "somebody/odd")
    assert config in hub.files_asked() and weights not in hub.files_asked()


def test_an_adapter_named_as_a_model_costs_no_download(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("somebody/lora", zoo.adapter("clip"))
    assert vstore.bad(13, "init", "--model", "somebody/lora").endswith("--adapter somebody/lora")
    assert "adapter_model.safetensors" not in hub.files_asked()


def test_a_folder_in_a_repository(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("somebody/many", zoo["clip"], at="clips/small/", more={"config.json": b"{}", "model.safetensors": b"x"})
    made = vstore.json("init", "--model", "hf://somebody/many/clips/small")
    assert made["space_name"] == "small"
    assert made["space"] == vstore.json("init", "--store", "b", "--model", zoo["clip"])["space"]
    assert "model.safetensors" not in hub.files_asked()
    hub.asked.clear()
    vstore.good("sync", "pictures")
    assert hub.asked == []
    said = vstore.bad(13, "init", "--store", "c", "--model", "hf://somebody/many/nowhere")
    assert "holds no files in nowhere/" in said


def test_pickled_weights_of_a_repository_are_converted(
    vstore: Shell, zoo: Zoo, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setenv("XDG_CACHE_HOME", str(vstore.top / "xdg"))
    folder = Path(shutil.copytree(zoo["clip"], vstore.top / "old"))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    commit = hub.put("somebody/old", folder, more={"tf_model.h5": b"x", "training_args.bin": b"x"})
    said = vstore.bad(13, "init", "--model", "somebody/old")
    assert said.endswith("vstore model convert somebody/old")
    assert "pytorch_model.bin" not in hub.files_asked()
    made = vstore.json("model", "convert", "somebody/old")
    assert made["commit"] == commit and "training_args.bin" not in hub.files_asked()
    vstore.good("sync", "pictures", "--model", made["output"])
    hub.put("somebody/new", zoo["clip"], more={"pytorch_model.bin": b"x"})
    assert vstore.bad(2, "model", "convert", "somebody/new").endswith("--model somebody/new")
    hub.put("somebody/lora", zoo.adapter("clip"), more={"adapter_model.bin": b"x"})
    assert vstore.bad(2, "model", "convert", "somebody/lora").endswith("--adapter somebody/lora")


# An earlier download


def partial(vstore: Shell, zoo: Zoo, hub: FakeHub, *kept: str) -> str:
    """A cache that another program left with a few of the files."""
    commit = hub.put("somebody/clip", zoo["clip"])
    place = vstore.top / "cache/models--somebody--clip"
    (place / "snapshots" / commit).mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs/main").write_text(commit)
    for name in kept:
        shutil.copy(zoo["clip"] / name, place / "snapshots" / commit)
    return commit


VISION = ("config.json", "model.safetensors", "preprocessor_config.json")


def test_a_download_without_the_text_side_is_completed(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    partial(vstore, zoo, hub, *VISION)
    made = vstore.json("init", "--model", "somebody/clip")
    assert made["space"] == vstore.json("init", "--store", "b", "--model", zoo["clip"])["space"]
    assert "tokenizer.json" in hub.files_asked() and "model.safetensors" not in hub.files_asked()


def test_without_the_network_the_missing_text_side_is_said_aloud(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    partial(vstore, zoo, hub, *VISION)
    code, _, err = vstore("init", "--model", "somebody/clip", "--offline")
    assert code == 0 and "no text side: search by words is not possible" in err
    assert hub.asked == []
    hub.refuse = (503, {})
    report = vstore.json("model", "add", "other", "--model", "somebody/clip", "--max-side", "64")
    assert any("no text side" in note for note in report["notes"])


def test_a_model_that_reads_no_texts_is_not_blamed_for_it(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("somebody/dino", zoo["dinov2"])
    code, _, err = vstore("init", "--model", "somebody/dino")
    assert code == 0 and "text side" not in err
    hub.asked.clear()
    vstore.good("init", "--store", "b", "--model", "somebody/dino")
    assert hub.asked == [], "no tokenizer is waited for"


def test_a_sync_takes_the_commit_that_its_space_was_made_of(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    first = hub.put("somebody/clip", zoo["clip"])
    vstore.good("init", "--model", "somebody/clip")
    hub.commit("somebody/clip", {"config.json": b"{}"})  # what main means tomorrow is another matter
    vstore.good("sync", "pictures", "--offline")
    shutil.rmtree(vstore.top / "cache")
    assert "nothing is downloaded" in vstore.bad(13, "search", "a red car", "--offline")
    hub.fetched.clear()
    vstore.good("search", "a red car")
    assert "model.safetensors" in hub.fetched
    assert vstore.json("model", "show", "clip")["place"]["revision"] == first


def test_branches_tags_and_commits(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    first = hub.put("somebody/clip", zoo["clip"], branch="v1")
    hub.commit("somebody/clip", {"config.json": b"{}"})
    vstore.good("init", "--model", "somebody/clip", "--revision", "v1")
    assert vstore.json("model", "show", "clip")["place"]["revision"] == first
    vstore.good("init", "--store", "b", "--model", "somebody/clip", "--revision", first)
    said = vstore.bad(13, "init", "--store", "c", "--model", "somebody/clip", "--revision", "v9")
    assert "has no revision 'v9'" in said and f"{hub.endpoint}/somebody/clip/tree/main" in said


def test_offline_downloads_nothing(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("somebody/clip", zoo["clip"])
    said = vstore.bad(13, "init", "--model", "somebody/clip", "--offline")
    assert "--offline or HF_HUB_OFFLINE" in said and "hf download somebody/clip" in said
    assert hub.asked == []
    vstore.good("init", "--model", "somebody/clip")
    vstore.good("sync", "pictures", "--offline")
    vstore.good("search", "a red car", "--offline")
    vstore.good("model", "add", "other", "--model", "somebody/clip", "--max-side", "64", "--offline")


def test_the_clients_own_variable_does_the_same(
    vstore: Shell, zoo: Zoo, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put("somebody/clip", zoo["clip"])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "--offline or HF_HUB_OFFLINE" in vstore.bad(13, "init", "--model", "somebody/clip")
    assert hub.asked == []


# What goes wrong


def hf(said: str) -> None:
    """Run the command of the hub's client in an error, with the client itself."""
    from huggingface_hub.cli.hf import app

    program, *words = shlex.split(re.search(r"hf download [^,;]*", said)[0])  # type: ignore[index]
    assert program == "hf"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        app(words, standalone_mode=False)


@pytest.mark.parametrize("name", ["somebody/clip", "hf://somebody/clip/clips/small"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_damaged_file_of_a_download_comes_again_by_the_command_that_is_named(
    vstore: Shell, zoo: Zoo, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, name: str, elsewhere: bool
) -> None:
    """elsewhere: the download lies in another cache than the one in use, and is named by its folder."""
    inner = "clips/small/" if name.startswith("hf://") else ""
    commit = hub.put("somebody/clip", zoo["clip"], at=inner)
    good = vstore.json("init", "--model", name)["space"]
    hub.commit("somebody/clip", {"config.json": b"{}"})
    folder = vstore.top / "cache/models--somebody--clip/snapshots" / commit / inner
    if elsewhere:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(vstore.top / "other"))
    for file in ("model.safetensors", "config.json"):
        os.truncate(folder / file, 100)
        said = vstore.bad(13, "init", "--store", "b", "--model", folder if elsewhere else name)
        assert file in said
        hf(said)
    assert vstore.json("init", "--store", "b", "--model", folder if elsewhere else name)["space"] == good


def test_a_damaged_file_of_a_local_download_comes_again_by_the_command_that_is_named(
    vstore: Shell, zoo: Zoo, hub: FakeHub
) -> None:
    commit = hub.put("somebody/clip", sharded(zoo["clip"], vstore.top / "big"))
    hf(f"hf download somebody/clip --revision {commit} --local-dir 'my clip'")
    hub.commit("somebody/clip", {"config.json": b"{}"})
    os.truncate("my clip/model-00002-of-00002.safetensors", 100)
    said = vstore.bad(13, "init", "--model", "my clip")
    assert f"model-00002-of-00002.safetensors --force-download --revision {commit} --local-dir '" in said
    hf(said.replace("write its name on the hub for OWNER/NAME: ", "").replace("OWNER/NAME", "somebody/clip"))
    vstore.good("init", "--model", "my clip")


def test_what_is_downloaded_elsewhere_can_be_named(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("somebody/many", zoo["clip"], at="clips/small/", more={"config.json": b"{}", "model.safetensors": b"x"})
    for name in ("hf://somebody/many/clips/small", "hf://somebody/many"):
        said = vstore.bad(13, "init", "--model", name, "--offline")
        hf(said)
    said = vstore.bad(13, "init", "--model", "hf://somebody/many/clips/small", "--offline")
    vstore.good("init", "--model", said.rpartition(" ")[2])


def test_the_folders_of_a_repository_without_a_model_are_named(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    files = {f"{at}/{path.name}": path.read_bytes() for at in ("z/b", "a/c/d") for path in zoo["clip"].iterdir()}
    hub.commit("somebody/many", {"README.md": b"#", "z/b/c/adapter_config.json": b"{}", **files}, branch="v1")
    for name, some, step in (
        ("somebody/many", "z/b, a/c/d", "vstore init --name b --model hf://somebody/many/z/b --revision v1"),
        ("hf://somebody/many/a", "c/d", "vstore init --name d --model hf://somebody/many/a/c/d --revision v1"),
    ):
        said = vstore.bad(13, "init", "--model", name, "--revision", "v1")
        assert (
            f"{name} holds no model on the hub: there is no configuration in it; these folders have one: {some}" in said
        )
        assert said.endswith(step)
    assert not hub.files_asked()
    said = vstore.bad(13, "init", "--model", zoo["clip"], "--adapter", "somebody/many", "--adapter-revision", "v1")
    assert said.endswith("--adapter hf://somebody/many/z/b/c --adapter-revision v1")
    hub.commit("somebody/none", {"README.md": b"#", "weights.gguf": b"x"})
    said = vstore.bad(13, "init", "--model", "somebody/none")
    assert said.endswith("name a repository of a model")


@contextlib.contextmanager
def stderr_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Put a terminal in the place of standard error. Yields: gives all that was written there, once it is over."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    before = os.dup(2)
    found: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # the other side was closed
            while data := os.read(ours, 65536):
                found.append(data)

    reader = threading.Thread(target=read)
    os.dup2(theirs, 2)
    os.close(theirs)
    reader.start()

    def all_of_it() -> str:
        reader.join()
        return b"".join(found).decode()

    with open(2, "w", closefd=False) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        try:
            yield all_of_it
        finally:
            os.dup2(before, 2)
            os.close(before)
    reader.join()
    os.close(ours)


def test_a_download_has_one_bar_on_a_terminal(
    vstore: Shell, zoo: Zoo, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    monkeypatch.setattr("vstore.embed.hf.source.hub._WORTH_A_NOTE", 50_000)
    monkeypatch.setenv("TERM", "xterm")
    hub.put("somebody/clip", zoo["clip"])
    enable_progress_bars()  # the tests' own setting would hide it
    try:
        with stderr_on_a_terminal(monkeypatch) as written:
            assert vstore("init", "--model", "somebody/clip", "--progress", "bar")[0] == 0
    finally:
        disable_progress_bars()
    text = written()
    assert "downloading somebody/clip (" in text.splitlines()[0]
    for words in ("Fetching", "Reconstruct", "Downloading", "Download complete"):
        assert words not in text


def test_a_download_has_no_bar_in_a_log(vstore: Shell, zoo: Zoo, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    monkeypatch.setattr("vstore.embed.hf.source.hub._WORTH_A_NOTE", 50_000)
    hub.put("somebody/clip", zoo["clip"])
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    enable_progress_bars()  # the tests' own setting would hide it
    try:
        assert vstore("init", "--model", "somebody/clip")[0] == 0
    finally:
        disable_progress_bars()
    text = screen.getvalue()
    assert "downloading somebody/clip (" in text.splitlines()[0]
    for words in ("somebody/clip: ", "Fetching", "Reconstruct", "Downloading", "Download complete"):
        assert words not in text


def test_a_repository_without_weights_is_told(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    files = {path.name: path.read_bytes() for path in zoo["clip"].iterdir() if path.suffix == ".json"}
    hub.commit("somebody/empty", {**files, "model.gguf": b"x"})
    said = vstore.bad(13, "init", "--model", "somebody/empty")
    assert "the repository somebody/empty holds no weights that vstore reads" in said and "hf download" not in said


@pytest.mark.parametrize(
    ("status", "headers", "words", "step"),
    [
        (
            403,
            {"X-Error-Code": "GatedRepo"},
            "is gated",
            "accept it at {endpoint}/somebody/clip, log in with: hf auth login",
        ),
        (401, {"X-Error-Code": "GatedRepo"}, "is gated", "hf auth login"),
        (401, {}, "there is no model somebody/clip on the hub", "{endpoint}/somebody/clip; for a private one"),
        (404, {"X-Error-Code": "RepoNotFound"}, "there is no model somebody/clip on the hub", "check the name"),
        (403, {}, "that you may not read it (403)", "hf auth login"),
        (429, {"Retry-After": "7"}, "too much was asked of it (429)", "wait 7 seconds"),
        (503, {}, "with trouble of its own (503)", "run the command again later"),
    ],
)
def test_what_the_hub_refuses(
    vstore: Shell, zoo: Zoo, hub: FakeHub, status: int, headers: dict[str, str], words: str, step: str
) -> None:
    hub.put("somebody/clip", zoo["clip"])
    hub.refuse = (status, headers)
    said = vstore.bad(13, "init", "--model", "somebody/clip")
    assert words in said and step.format(endpoint=hub.endpoint) in said
    assert not (vstore.top / ".vstore").exists()


def test_a_hub_that_cannot_be_reached(vstore: Shell, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    said = vstore.bad(13, "init", "--model", "somebody/clip")
    assert "could not be fetched from the hub (http://127.0.0.1:9)" in said
    assert "HTTPS_PROXY" in said and "hf download somebody/clip" in said


def test_a_proxy_is_asked(vstore: Shell, zoo: Zoo, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own: it asks the proxy for the whole address."""
    from huggingface_hub import close_session, constants

    hub.put("somebody/clip", zoo["clip"])
    monkeypatch.setenv("HTTP_PROXY", hub.endpoint)
    monkeypatch.setenv("http_proxy", hub.endpoint)
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.example")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://hub.example/{repo_id}/resolve/{revision}/{filename}"
    )
    close_session()
    try:
        vstore.good("init", "--model", "somebody/clip")
    finally:
        close_session()
    assert hub.asked


def test_a_download_goes_on_after_a_broken_connection(
    vstore: Shell, zoo: Zoo, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # what is kept of a broken connection
    hub.put("somebody/clip", zoo["clip"])
    hub.break_after = 50_000
    vstore.good("init", "--model", "somebody/clip")
    size = (zoo["clip"] / "model.safetensors").stat().st_size
    assert hub.break_after is None, "it was broken"
    assert hub.fetched["model.safetensors"] == size, "no byte was fetched twice"


def test_files_that_come_short_are_told_and_whole_ones_are_kept(vstore: Shell, zoo: Zoo, hub: FakeHub) -> None:
    hub.put("somebody/clip", zoo["clip"])
    hub.lie = 3
    said = vstore.bad(13, "init", "--model", "somebody/clip")
    assert "the download of somebody/clip is not whole: file should be of size" in said
    assert "run the command again" in said
    assert not (vstore.top / ".vstore").exists()
    hub.lie = 0
    vstore.good("init", "--model", "somebody/clip")


def test_a_disk_without_room_for_the_download(
    vstore: Shell, zoo: Zoo, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.small_disk import small_disk

    hub.put("somebody/clip", zoo["clip"])
    with small_disk("200k") as disk:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(disk))
        room = type("Room", (), {"disk_usage": lambda path: type("Usage", (), {"free": 1 << 40})})
        for blind in (None, "vstore.embed.hf.source.hub.shutil", "shutil.disk_usage"):  # we see it, the client, nobody
            if blind is not None:
                monkeypatch.setattr(blind, room if blind.endswith("shutil") else room.disk_usage)
            said = vstore.bad(1, "init", "--model", "somebody/clip")
            assert f"there is no room in {disk} for somebody/clip" in said and "HF_HUB_CACHE=DIR" in said
        assert not list(disk.rglob("snapshots/*/model.safetensors"))
    assert not (vstore.top / ".vstore").exists()


# Names


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a/b", HubName("a/b", "")),
        ("hf://a/b", HubName("a/b", "")),
        ("hf://a/b/c/d/", HubName("a/b", "c/d")),
        ("a/b/c", None),
        ("a", None),
        ("./a", None),
        ("a/", None),
        ("hf://a", None),
        ("hf://a/b/../c", None),
        ("~/a", None),
    ],
)
def test_names_on_the_hub(name: str, found: HubName | None) -> None:
    assert hub_name(name) == found


def test_the_choice_of_files() -> None:
    parts = ["modules.json", "0_CLIP/config.json", "0_CLIP/model.safetensors", "1_Pooling/config.json"]
    assert small_files([*parts, "deep/er/config.json", "code.py"], code=False) == [
        "0_CLIP/config.json",
        "1_Pooling/config.json",
        "modules.json",
    ]
    assert small_files(["config.json", "x/own.py"], code=True) == ["config.json", "x/own.py"]
    both = ["config.json", "model.safetensors", "model.safetensors.index.json", "a-1.safetensors"]
    assert weight_files(both, "model", ["a-1.safetensors"]) == ["model.safetensors"]
    open_clip = ["config.json", "open_clip_config.json", "open_clip_model.safetensors", "pytorch_model.bin"]
    assert weight_files(open_clip, "model", []) == ["open_clip_model.safetensors"]
    assert pickled_files(["optimizer.pt", "pytorch_model-00001-of-00002.bin", "pytorch_model.bin"]) == [
        "pytorch_model.bin"
    ]
