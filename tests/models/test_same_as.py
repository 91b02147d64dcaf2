"""`model add --same-as`: a model in other files is proved to be that of a space whose own files are gone."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from support.folders import put
from support.moved_model import World
from support.recut import WEIGHTS, copied, one_bit, resharded, with_json, with_weights
from support.zoo import Zoo

from vstore.errors import MigrationNeeded, ModelError, UsageError
from vstore.store import Store
from vstore_cli.main import run


@pytest.fixture
def world(tmp_path: Path, zoo: Zoo) -> World:
    """A space from before there were identities, whose model was cut otherwise since."""
    found = World(tmp_path, zoo["clip"], zoo.adapter("clip"))
    found.sync(40)
    found.forget()
    resharded(found.model)
    return found


def same(world: World, same_as: str = "one", **words: Any) -> Any:
    return world.store.model_add(same_as=same_as, device="cpu", **{**world.words, **words})


def test_the_same_model_is_proved_and_its_space_goes_on(world: World, zoo: Zoo) -> None:
    with pytest.raises(ModelError, match="its weights have changed") as caught:
        world.sync()
    command = f"vstore model add --same-as one --model {world.model} --adapter {world.adapter} --compute fp32"
    assert caught.value.next_step.endswith(command)
    before = world.space
    report = same(world)
    assert (report.space, report.space_name, report.known) == (before.id, "one", True)
    assert report.notes[0].startswith("19 probes agree; the worst is off by ")
    assert report.notes[1].startswith("32 stored pictures agree; the least cosine is ")
    assert float(report.notes[1].split()[-1]) >= 0.99999
    assert world.sync().embedded == 2
    assert world.space._replace(identity="") == before
    assert world.space.identity == World(world.top / "other", zoo["clip"], zoo.adapter("clip")).space.identity
    assert world.store.check().ok


def test_a_merged_adapter_is_proved_and_known_again(tmp_path: Path, zoo: Zoo) -> None:
    import peft
    import transformers

    world = World(tmp_path, zoo["clip"], zoo.adapter("clip"))
    world.sync(33)
    base = transformers.CLIPModel.from_pretrained(zoo["clip"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        merged = peft.PeftModel.from_pretrained(base, str(zoo.adapter("clip"))).merge_and_unload()
    folder = copied(zoo["clip"], tmp_path / "merged")
    merged.save_pretrained(folder)
    shutil.rmtree(world.model)
    assert world.adapter is not None
    shutil.rmtree(world.adapter)
    same(world, model=str(folder), adapter=None)
    assert world.space.place == {"model": str(folder), "compute": "fp32"}
    assert world.sync().embedded == 1
    assert world.store.search(_picture(world), k=1).hits[0].paths == (b"pictures/1.png",)
    with pytest.raises(UsageError, match="already has a space"):
        world.store.model_add("two", model=str(folder), device="cpu")
    resharded(folder)
    assert world.sync().embedded == 1


def _picture(world: World) -> Any:
    import os

    from vstore.search.query import Operand

    return [Operand(1.0, os.fsencode(world.top / "pictures/1.png"))]


def test_another_model_is_refused_with_figures(world: World) -> None:
    before = world.space
    other = copied(world.model, world.top / "other")
    for path in other.glob("model-*.safetensors"):
        with_weights(other, lambda weights: {k: v * 1.3 for k, v in weights.items()}, path.name)
    with pytest.raises(ModelError, match=r"the probe '[a-z-]+' is off by [0-9.e-]+ \(allowed: 0.0001\)") as caught:
        same(world, model=str(other))
    assert caught.value.exit_code == 13
    assert world.space == before


def test_values_that_differ_are_told_though_the_vectors_agree(world: World) -> None:
    with_json(world.model, "config.json", vision_config={"written_by": "another program"})
    report = same(world)
    assert report.notes[2:] == ("its config.json has changed: vision_config.written_by: none -> another program",)
    assert world.sync().embedded == 1


def test_pictures_that_disagree_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.repository import sampling

    plain = sampling.cosines
    monkeypatch.setattr(
        "vstore.models.same_proof.cosines",
        lambda *args: [one - 0.001 * (at == 3) for at, one in enumerate(plain(*args))],
    )
    before = world.space
    with pytest.raises(ModelError, match=r"1 of 32 stored pictures, .* below 0.9999 .*\(the least: 0.99"):
        same(world)
    assert world.space == before


@pytest.mark.parametrize("part", ["prove_pictures", "prove_probes"])
def test_a_vector_that_is_no_number_is_not_the_same(world: World, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    from vstore.models import same_proof

    if part == "prove_pictures":
        cosines = same_proof.cosines
        monkeypatch.setattr(
            same_proof, "cosines", lambda *args: [np.nan if at == 3 else one for at, one in enumerate(cosines(*args))]
        )
    else:
        embed = same_proof.embed_probes
        monkeypatch.setattr(same_proof, "embed_probes", lambda *args: {**embed(*args), "deep": np.full(24, np.nan)})
    before = world.space
    with pytest.raises(ModelError, match="is not that of the space 'one'"):
        same(world)
    assert world.space == before


def test_a_space_that_was_dropped_meanwhile_does_not_come_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.models import same as module

    plain = module.prove_pictures

    def slow(*args: Any, **words: Any) -> str:
        repo = world.repo
        with repo.committing("test"):
            repo.publish("model drop", {"spaces": {repo.space("one").id: None}}, about="one")
        return plain(*args, **words)

    monkeypatch.setattr(module, "prove_pictures", slow)
    with pytest.raises(UsageError, match="no space"):
        same(world)
    assert not world.repo.state.spaces


def test_the_compute_of_the_space_stays(tmp_path: Path, zoo: Zoo) -> None:
    world = World(tmp_path, zoo["dinov2"], compute="bf16")
    world.sync(3)
    world.forget()
    resharded(world.model)
    del world.words["compute"]
    assert same(world).known
    assert world.space.place["compute"] == "bf16"


def test_vectors_of_another_space_prove_nothing(world: World, zoo: Zoo) -> None:
    world.store.model_add("two", model=str(zoo["clip"]), device="cpu")
    with pytest.raises(ModelError, match="the space 'two' has no vectors yet"):
        same(world, "two", adapter=None)


def test_vectors_that_are_not_the_models_are_refused(world: World, tmp_path: Path) -> None:
    """The probes agree, but the stored vectors are those of other pictures."""
    for number in range(40):
        (world.top / "pictures" / f"{number}.png").unlink()
    put(world.top / "pictures", {f"{number}.png": number + 100 for number in range(40)})
    with pytest.raises(ModelError, match=r"only 0 of the pictures of the space 'one' can be read .* and 32 are"):
        same(world)


def test_fewer_pictures_than_32_are_all_proved(tmp_path: Path, zoo: Zoo) -> None:
    world = World(tmp_path, zoo["dinov2"])
    world.sync(5)
    world.forget()
    resharded(world.model)
    said = same(world).notes[1]
    assert said.startswith("5 stored pictures agree, and the space has no more: 32 would prove more; the least cosine")
    world.forget()
    (world.top / "pictures/3.png").unlink()
    with pytest.raises(ModelError, match=r"only 4 of the pictures of the space 'one' can be read .* and 5 are needed"):
        same(world)


def test_pictures_of_older_snapshots_count_where_the_current_one_has_few(tmp_path: Path, zoo: Zoo) -> None:
    world = World(tmp_path, zoo["dinov2"])
    world.sync(40)
    (world.top / "pictures").rename(world.top / "away")
    put(world.top / "pictures", {"0.png": 0})
    world.store.sync([world.top / "pictures"], device="cpu", allow_mass_delete=True)
    shutil.copytree(world.top / "away", world.top / "pictures", dirs_exist_ok=True)
    current = world.repo.state.current_snapshot
    assert current is not None and current.images == 1
    world.forget()
    resharded(world.model)
    assert same(world).notes[1].startswith("32 stored pictures agree; ")


def test_a_space_without_vectors_has_nothing_to_prove_a_model_by(tmp_path: Path, zoo: Zoo) -> None:
    world = World(tmp_path, zoo["clip"])
    with pytest.raises(ModelError, match="has no vectors yet") as caught:
        same(world)
    own = f"vstore model add NEWNAME --model {world.model} --compute fp32"
    assert caught.value.next_step == f"add the model as a space of its own: {own}"


def test_an_empty_snapshot_proves_no_model(tmp_path: Path, zoo: Zoo) -> None:
    world = World(tmp_path, zoo["dinov2"])
    world.sync(2)
    for path in (world.top / "pictures").iterdir():
        path.unlink()
    world.store.sync([world.top / "pictures"], device="cpu", allow_mass_delete=True)
    with pytest.raises(ModelError, match=r"only 0 of the pictures of the space 'one' can be read .* and 2 are needed"):
        same(world)
    world.store.snapshot_forget(["v1"])
    assert [row.images for row in world.store.snapshot_list()] == [0]
    with pytest.raises(ModelError, match="has no vectors yet"):
        same(world)


def test_a_space_without_a_probe_of_its_text_side_cannot_be_proved(world: World) -> None:
    repo = world.repo
    with repo.committing("test"):
        repo.publish("verify", {"spaces": {world.space.id: {"probes": None}}}, about="test")
    with pytest.raises(ModelError, match="no probe of its text side") as caught:
        same(world)
    own = f"vstore model add NEWNAME --model {world.model} --adapter {world.adapter} --compute fp32"
    assert caught.value.next_step == f"add the model as a space of its own: {own}"


@pytest.mark.parametrize("pictures", [31, 32])
def test_a_space_without_probes_and_texts_is_proved_by_32_pictures(tmp_path: Path, zoo: Zoo, pictures: int) -> None:
    world = World(tmp_path, zoo["dinov2"])
    world.sync(pictures)
    repo = world.repo
    with repo.committing("test"):
        repo.publish("verify", {"spaces": {world.space.id: {"probes": None, "identity": None}}}, about="test")
    resharded(world.model)
    if pictures < 32:
        with pytest.raises(ModelError, match="has no probes, and 31 pictures, which prove too little"):
            same(world)
        return
    assert same(world).notes[0] == "the space has no probes"
    one_bit(world.model, "model-00001-of-00003.safetensors")
    with pytest.raises(ModelError, match="its weights have changed"):
        world.sync()


# The text side


def rarely(folder: Path) -> str:
    """Give two words that no probe has each other's ids. Returns: the file."""
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    words = value["model"]["vocab"]
    words["~"], words["^"] = words["^"], words["~"]
    path.write_text(json.dumps(value))
    return path.name


def cut_on_the_left(folder: Path) -> str:
    with_json(folder, "tokenizer_config.json", truncation_side="left")
    return "tokenizer_config.json"


def with_another_map(folder: Path) -> str:
    (folder / "special_tokens_map.json").write_text('{"eos_token": "z"}')
    return "special_tokens_map.json"


@pytest.mark.parametrize("change", [rarely, cut_on_the_left, with_another_map])
@pytest.mark.parametrize("identified", [False, True])
def test_another_tokenizer_is_refused_and_named(world: World, change: Any, identified: bool) -> None:
    if identified:
        same(world)
        with_json(world.model, "config.json", vision_config={"written_by": "another program"})
    name = change(world.model)
    before = world.space
    with pytest.raises(ModelError, match=rf"its tokenizer is another one \({name} is not the space's\)") as caught:
        same(world)
    assert caught.value.exit_code == 13
    assert f"into {world.model}, without others" in caught.value.next_step
    own = f"vstore model add NEWNAME --model {world.model} --adapter {world.adapter} --compute fp32"
    assert caught.value.next_step.endswith(own)
    assert world.space == before


def test_a_tokenizer_that_lacks_a_file_is_refused(world: World) -> None:
    (world.model / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match=r"another one \(1 of the space's files of a tokenizer is not there\)"):
        same(world)


def test_a_tokenizer_with_another_chat_template_is_the_same(world: World) -> None:
    """The identity of the space is known, and says so."""
    same(world)
    with_json(world.model, "tokenizer_config.json", chat_template="none")
    assert same(world).known


def test_a_text_side_with_other_weights_is_refused(world: World) -> None:
    """The tokenizer is the space's, and no picture sees the difference."""
    for path in sorted(world.model.glob("model-*.safetensors")):
        with_weights(
            world.model, lambda all: {k: v * 1.2 if "text_model" in k else v for k, v in all.items()}, path.name
        )
    with pytest.raises(ModelError, match=r"the probe 'text[a-z-]*' is off by [0-9.e-]+ \(allowed: 0.0001\)"):
        same(world)


def test_another_preparation_in_the_folder_is_told(world: World) -> None:
    with_json(world.model, "preprocessor_config.json", image_mean=[0.1, 0.2, 0.3])
    notes = same(world).notes
    assert len(notes) == 3
    assert "prepare pictures otherwise (image_mean: [0.48145466, 0.4578275, 0.40821073] -> [0.1, 0.2, 0.3])" in notes[2]
    assert notes[2].endswith("they are prepared as the space records it")
    assert world.sync().embedded == 1


def test_probes_are_held_to_the_same_cosine_on_another_device(
    tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync would allow 5e-3 there; a proof has pictures of 1e-4, and texts that no picture proves."""
    from vstore.embed.hf.transformer import TransformerEmbedder

    world = World(tmp_path, zoo["clip"])
    world.sync(3)
    world.forget()
    resharded(world.model)
    plain, environment = TransformerEmbedder.embed_texts, TransformerEmbedder.environment
    assert isinstance(environment, property) and environment.fget is not None
    get = environment.fget

    def shifted(self: Any, texts: Any) -> Any:
        found = plain(self, texts)
        found[:, 0] += 0.03
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    monkeypatch.setattr(TransformerEmbedder, "embed_texts", shifted)
    monkeypatch.setattr(TransformerEmbedder, "environment", property(lambda self: {**get(self), "device": "gpu (x)"}))
    with pytest.raises(ModelError, match=r"the probe 'text[a-z-]*' is off by .*embedded elsewhere \(device .* -> gpu"):
        same(world)


def test_what_is_no_question_of_files_is_refused(world: World, zoo: Zoo) -> None:
    for words, said in (
        ({"max_side": 256}, "--max-side is a word of the space 'one' already"),
        ({"pooling": "cls"}, "--pooling is a word of the space"),
        ({"model": str(zoo["siglip"]), "adapter": None}, "its family is siglip, not clip"),
        ({"model": str(zoo["metaclip_2"]), "adapter": None}, "its model_type is metaclip_2, not clip"),
        ({"model": None, "adapter": None}, "no model was named"),
        ({"model": str(world.top / "nowhere")}, "there is no model folder"),
        ({"same_as": "two"}, "no space 'two'"),
        ({"name": "two"}, "the space keeps its name 'one'"),
    ):
        with pytest.raises((UsageError, ModelError), match=said):
            world.store.model_add(**{"same_as": "one", **world.words, **words}, device="cpu")
    assert world.store.model_add("one", same_as="one", device="cpu", **world.words).known


def test_a_model_of_another_space_is_refused(world: World) -> None:
    copy = copied(world.model, world.top / "copy")
    with_json(copy, "config.json", use_cache=True)
    world.store.model_add("two", model=str(copy), adapter=str(world.adapter), device="cpu")
    with pytest.raises(UsageError, match="this model already has a space: 'two'"):
        same(world, model=str(copy))


def test_an_adapter_for_a_space_without_one_is_refused(tmp_path: Path, zoo: Zoo) -> None:
    world = World(tmp_path, zoo["clip"])
    world.sync(3)
    with pytest.raises(UsageError, match="the space 'one' has no adapter"):
        same(world, adapter=str(zoo.adapter("clip")))


def test_the_built_in_embedder_has_no_files(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    store = Store(tmp_path / ".vstore")
    with pytest.raises(UsageError, match="is not that of a model in files"):
        store.model_add(same_as="builtin-2", model="x", device="cpu")


def test_a_store_of_format_1_is_migrated_first(tmp_path: Path, zoo: Zoo) -> None:
    world = World(tmp_path, zoo["dinov2"], format=1)
    world.sync(3)
    with pytest.raises(MigrationNeeded, match="format 2"):
        same(world)


def test_a_model_that_cannot_be_loaded_changes_nothing(world: World) -> None:
    path = next(world.model.glob("model-00001*"))
    save_file(dict(list(load_file(path).items())[1:]), path, {"format": "pt"})
    before = world.space
    with pytest.raises(ModelError, match="has no weights for 1 parameter"):
        same(world)
    assert world.space == before
    assert not (world.model / WEIGHTS).exists()


def test_the_command_says_what_was_proved(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.top)
    words = ["model", "add", "--same-as", "one", "--model", str(world.model), "--adapter", str(world.adapter)]
    assert run([*words, "--device", "cpu", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["space_name"], report["known"], len(report["notes"])) == ("one", True, 2)
    assert run([*words, "--device", "cpu"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "The model of the space one is the same; its place is updated."
    assert said[1].startswith("  19 probes agree")
    assert run(["model", "add", "--model", str(world.model)]) == 2
    assert "the space has no name" in capsys.readouterr().err
