"""Spaces whose model lies in other files than it was made with: they go on without a word, or are refused by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.moved_model import World
from support.recut import annotated, copied, one_bit, resharded, with_json
from support.zoo import Zoo

from vstore.embed.probe_texts import TEXTS
from vstore.embed.probes import PROBES
from vstore.errors import ModelError, UsageError
from vstore.repository import proof
from vstore.repository.identities import space_of
from vstore.repository.repository import Repository
from vstore.search.query import Operand

EVERY = [*PROBES, *TEXTS]
TEXT = [Operand(1.0, None, "a red car")]


@pytest.fixture
def world(tmp_path: Path, zoo: Zoo) -> World:
    return World(tmp_path, zoo["clip"], zoo.adapter("clip"))


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The probes that were embedded, run by run."""
    runs: list[list[str]] = []
    plain = proof.embed_probes

    def noted(embedder: Any, names: list[str]) -> Any:
        runs.append(names)
        return plain(embedder, names)

    monkeypatch.setattr(proof, "embed_probes", noted)
    return runs


def change_everything_idle(folder: Path) -> None:
    resharded(folder)
    with_json(folder, "config.json", use_cache=True, id2label={"0": "cat"})
    with_json(folder, "tokenizer_config.json", chat_template="{{ messages }}")
    with_json(folder, "preprocessor_config.json", processor_class="Any")


# A space gets its identity


def test_a_new_space_has_an_identity(world: World) -> None:
    assert len(world.space.identity) == 64
    before = world.space
    world.sync()
    assert world.space == before
    assert world.store.check().ok


def test_an_old_space_gets_its_identity_with_its_first_sync_that_embeds(world: World, proved: list[list[str]]) -> None:
    wanted = world.space.identity
    world.sync()
    world.forget()
    proved.clear()
    world.store.sync([world.top / "pictures"], device="cpu")
    assert (world.space.identity, proved) == ("", []), "a run without news loads no model"
    world.sync()
    assert world.space.identity == wanted
    assert proved == [EVERY], "all of them, not the one in turn"
    assert [line.op for line in world.store.log()][1] == "verify"
    world.sync()
    assert len(proved[1]) == 1
    assert world.store.undo().current == "v2", "an undo passes over it"
    assert world.space.identity == wanted


def test_a_search_notes_no_identity(world: World) -> None:
    world.sync()
    world.forget()
    before = sorted(os.listdir(world.folder / "refs"))
    world.store.search(TEXT, device="cpu")
    assert sorted(os.listdir(world.folder / "refs")) == before


def test_a_store_of_format_1_holds_no_identity(tmp_path: Path, zoo: Zoo) -> None:
    world = World(tmp_path, zoo["clip"], format=1)
    world.sync()
    assert (world.repo.format, world.space.identity) == (1, "")
    world.store.model_add("one", device="cpu", **world.words)
    assert world.space.identity == ""


def test_an_identity_is_noted_only_of_the_original_files(world: World) -> None:
    world.sync()
    wanted = world.space.identity
    resharded(world.model)
    world.sync()
    assert world.space.identity == wanted
    world.forget()
    with pytest.raises(ModelError, match="its weights have changed"):
        world.sync()
    assert world.space.identity == ""


def test_a_space_is_known_by_its_recipe_before_its_identity(world: World, zoo: Zoo) -> None:
    world.store.model_add("two", model=str(zoo["dinov2"]), device="cpu")
    wanted = world.space.identity
    repo = world.repo
    with repo.committing("test"):
        repo.publish("verify", {"spaces": {repo.space("two").id: {"identity": wanted}}}, about="test")
    for name in ("one", "two"):
        found = space_of(repo, repo.recipe(repo.space(name).id), lambda recipe: wanted)
        assert found is not None and found.name == name


def test_a_model_without_an_identity_is_no_space_without_one(world: World, zoo: Zoo) -> None:
    """That of a plug-in has none, and an older space has none yet."""
    world.store.model_add("two", model=str(zoo["dinov2"]), device="cpu")
    world.forget()
    repo = world.repo
    assert repo.space("two").identity
    assert space_of(repo, {"family": "of a plug-in", "dim": 24}, lambda recipe: "") is None


def test_probes_that_disagree_leave_no_identity(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.embed.hf.families import dual

    world.forget()
    plain = dual.DualEncoder.prepare
    shifted = lambda self, picture: {n: v * 1.5 + 0.3 for n, v in plain(self, picture).items()}  # noqa: E731
    monkeypatch.setattr(dual.DualEncoder, "prepare", shifted)
    with pytest.raises(ModelError):
        world.sync()
    assert world.space.identity == ""


# Other files of the same model


def test_a_model_that_was_cut_and_annotated_otherwise_goes_on_without_a_word(
    world: World, proved: list[list[str]]
) -> None:
    world.sync()
    change_everything_idle(world.model)
    proved.clear()
    report = world.sync()
    assert report.embedded == 1
    assert proved == [EVERY]
    world.sync()
    assert len(proved[1]) == 1, "they are proved once"
    first = world.store.search(TEXT, device="cpu")
    for path in (world.folder / "cache").glob("text-*"):
        path.unlink()
    assert world.store.search(TEXT, device="cpu") == first
    assert len(world.store.model_list()) == 1


def test_all_probes_are_proved_for_other_files_that_another_command_read(
    world: World, proved: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests that are remembered say that files were read, not that they were proved."""
    monkeypatch.setattr("vstore.embed.hf.digests._SETTLED_NS", 0)
    world.sync()
    annotated(world.model)
    with pytest.raises(UsageError, match="already has a space"):
        world.store.model_add("two", device="cpu", **world.words)
    proved.clear()
    world.sync()
    assert proved == [EVERY]


def test_files_that_drift_are_refused_however_equal_they_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.embed.hf.families import dual

    world.sync()
    resharded(world.model)
    plain = dual.DualEncoder.prepare
    shifted = lambda self, picture: {n: v * 1.5 + 0.3 for n, v in plain(self, picture).items()}  # noqa: E731
    monkeypatch.setattr(dual.DualEncoder, "prepare", shifted)
    with pytest.raises(ModelError, match="does not give the vectors"):
        world.sync()


def test_a_copy_of_a_model_is_its_space(world: World) -> None:
    world.sync()
    copy = copied(world.model, world.top / "copy")
    change_everything_idle(copy)
    words = {**world.words, "model": str(copy)}
    with pytest.raises(UsageError, match="this model already has a space: 'one'"):
        world.store.model_add("two", device="cpu", **words)
    before = world.space
    added = world.store.model_add("one", device="cpu", **words)
    assert (added.known, added.space) == (True, before.id)
    assert world.space.place["model"] == str(copy)
    assert world.space.identity == before.identity
    shutil.rmtree(world.model)
    assert world.sync().embedded == 1
    assert len(world.store.model_list()) == 1
    assert world.store.check().ok


def test_a_copy_that_drifts_is_a_space_of_its_own_and_known_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.embed.hf.families import dual

    copy = copied(world.model, world.top / "copy")
    resharded(copy)
    plain = dual.DualEncoder.prepare
    shifted = lambda self, picture: {n: v * 1.5 + 0.3 for n, v in plain(self, picture).items()}  # noqa: E731
    monkeypatch.setattr(dual.DualEncoder, "prepare", shifted)
    words = {**world.words, "model": str(copy)}
    added = world.store.model_add("now", device="cpu", **words)
    assert not added.known
    assert len({space.identity for space in world.repo.state.spaces.values()}) == 2
    assert world.store.model_add("now", device="cpu", **world.words).known


def test_a_sample_is_embedded_again_with_other_files(world: World) -> None:
    world.sync(3)
    change_everything_idle(world.model)
    found = world.store.check(reembed=3, device="cpu").reembed
    assert found.fits and found.best == "as-declared"
    copy = copied(world.model, world.top / "copy")
    resharded_again = annotated_shards(copy)
    found = world.store.check(reembed=3, device="cpu", **{**world.words, "model": str(resharded_again)}).reembed
    assert (found.fits, found.next, found.space) == (True, "", world.space.id)


def annotated_shards(folder: Path) -> Path:
    from safetensors.torch import load_file, save_file

    for path in folder.glob("model-*.safetensors"):
        save_file(load_file(path), path, {"format": "pt", "more": "words"})
    return folder


def test_a_model_in_several_processes_goes_on_with_other_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.sync()
    change_everything_idle(world.model)
    monkeypatch.setattr("vstore.embed.hf.devices.all_devices", lambda settings: ["cpu", "cpu"])
    assert world.sync(3).embedded == 3


def test_a_model_in_several_processes_gets_its_identity(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = world.space.identity
    world.forget()
    monkeypatch.setattr("vstore.embed.hf.devices.all_devices", lambda settings: ["cpu", "cpu"])
    world.sync(3)
    assert world.space.identity == wanted


# Another model


def test_another_model_is_refused_by_what_differs(world: World) -> None:
    world.sync()
    resharded(world.model)
    with_json(world.model, "config.json", vision_config={"hidden_act": "gelu"})
    with pytest.raises(ModelError) as caught:
        world.sync()
    said = str(caught.value)
    assert "its config.json has changed: vision_config.hidden_act: quick_gelu -> gelu" in said
    assert "weights" not in said, "its tensors are the same"
    assert f"vstore model add NAME --model {world.model} --adapter {world.adapter} --compute fp32" in said
    assert "--same-as" not in said, "it is surely another model"


def test_one_bit_of_a_weight_is_another_model(world: World) -> None:
    world.sync()
    one_bit(world.model)
    with pytest.raises(ModelError, match="its weights have changed") as caught:
        world.sync()
    assert f"vstore model add --same-as one --model {world.model} --adapter {world.adapter}" in caught.value.next_step


def test_one_bit_of_an_adapter_is_another_model(world: World) -> None:
    world.sync()
    assert world.adapter is not None
    one_bit(world.adapter, "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"the adapter .* is not what the space was made with: the adapter's weights"):
        world.sync()


def test_a_tokenizer_of_another_model_is_refused(world: World) -> None:
    from support.recut import another_word

    world.sync()
    another_word(world.model)
    for run in (world.sync, lambda: world.store.search(TEXT, device="cpu")):
        with pytest.raises(ModelError, match="its tokenizer has changed"):
            run()


# Beside other commands


@contextmanager
def held(folder: Path, lock: str, seconds: float) -> Iterator[None]:
    """Another process that holds a lock of the store for a while."""
    code = (
        "import sys,time;from pathlib import Path;from vstore.disk.lock import Lock\n"
        "with Lock(Path(sys.argv[1]),sys.argv[2]) as lock:\n"
        " lock.acquire(0.0,'test');print('held',flush=True);time.sleep(float(sys.argv[3]))"
    )
    words = [sys.executable, "-c", code, str(folder / "locks"), lock, str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_an_identity_waits_for_a_command_that_commits(world: World) -> None:
    wanted = world.space.identity
    world.forget()
    with held(world.folder, "commit", 3):
        world.sync()
    assert world.space.identity == wanted


def test_an_identity_that_cannot_be_noted_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.disk.lock import Lock

    wanted = world.space.identity
    world.forget()
    monkeypatch.setattr("vstore.repository.repository.COMMIT_WAIT", 0.2)
    plain = Repository.committing
    tried: list[str] = []

    @contextmanager
    def contested(self: Repository, command: str) -> Iterator[None]:
        tried.append(command)
        if command != "verify":
            with plain(self, command):
                yield
            return
        other = Lock(self.layout.locks, "commit")
        with other:
            other.acquire(0.0, "test")
            with plain(self, command):
                yield

    monkeypatch.setattr(Repository, "committing", contested)
    assert world.sync().snapshot == "v1"
    assert "verify" in tried
    assert world.space.identity == ""
    monkeypatch.setattr(Repository, "committing", plain)
    world.sync()
    assert world.space.identity == wanted


def test_a_space_that_another_command_dropped_meanwhile_does_not_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.embed.hf.digests import Digests
    from vstore.repository import identities

    world.store.model_add("two", device="cpu", model=str(world.model))
    repo = world.repo
    space = repo.space("two")
    with repo.committing("test"):
        repo.publish("verify", {"spaces": {space.id: {"identity": None}}}, about="test")
    world.store.model_drop("two")
    identities.note_identity(repo, space, Digests())
    assert [one.name for one in world.repo.state.spaces.values()] == ["one"]
    assert world.store.check().ok
