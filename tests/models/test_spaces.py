"""Spaces: recipe, probes, the proof before a run embeds; and all that is not part of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from support.adapters import rewrite
from support.embedders import embedder, recipe_of
from support.folders import put
from support.model_store import World, change_json, change_weight, proved, settle
from support.zoo import Zoo

from vstore.embed.hf.digests import Digests
from vstore.embed.model_words import Settings, Words
from vstore.embed.probe_texts import TEXTS
from vstore.embed.probes import PROBES
from vstore.errors import ModelError, Refused, UsageError
from vstore.format.recipes import space_id
from vstore.repository import spaces
from vstore.store import Store


@pytest.fixture
def world(tmp_path: Path, zoo: Zoo) -> World:
    return World(tmp_path, zoo["clip"], zoo.adapter("clip"))


# What a space is


def test_a_model_under_another_name_is_the_same_space(zoo: Zoo, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(zoo["clip"], tmp_path / "another name"))
    (copy / "model.safetensors").rename(copy / "part.safetensors")
    names = dict.fromkeys(load_file(copy / "part.safetensors"), "part.safetensors")
    (copy / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    (copy / "left over.safetensors").write_bytes(b"which nobody reads")
    assert embedder(copy).embed_images([]).shape == (0, 24)
    adapter = Path(shutil.copytree(zoo.adapter("clip"), tmp_path / "v12"))
    assert space_id(recipe_of(copy, adapter)) == space_id(recipe_of(zoo["clip"], zoo.adapter("clip")))


def test_where_and_how_fast_a_model_runs_is_no_part_of_its_space(zoo: Zoo) -> None:
    one = embedder(zoo["clip"], batch_size=1)
    other = embedder(zoo["clip"], compute="bf16", batch_size=8)
    assert space_id(one.recipe) == space_id(other.recipe)


@pytest.mark.parametrize(
    ("field", "value"), [("base_model_name_or_path", "/elsewhere"), ("revision", "abc"), ("peft_version", "0.1")]
)
def test_what_an_adapter_says_of_its_origin_is_no_part_of_its_space(
    zoo: Zoo, tmp_path: Path, field: str, value: str
) -> None:
    other = rewrite(zoo.adapter("clip"), tmp_path / "a", **{field: value})
    assert space_id(recipe_of(zoo["clip"], other)) == space_id(recipe_of(zoo["clip"], zoo.adapter("clip")))


def change_vision(folder: Path, **values: Any) -> None:
    vision = json.loads((folder / "config.json").read_text())["vision_config"]
    change_json(folder, "config.json", vision_config={**vision, **values})


CHANGES: dict[str, Any] = {
    "a weight": lambda folder: change_weight(folder),
    "the activation": lambda folder: change_vision(folder, hidden_act="gelu"),
    "the mean": lambda folder: change_json(folder, "preprocessor_config.json", image_mean=[0.1, 0.1, 0.1]),
    "the size": lambda folder: change_json(folder, "preprocessor_config.json", size={"shortest_edge": 40}),
    "the resampling": lambda folder: change_json(folder, "preprocessor_config.json", resample=2),
    "the crop": lambda folder: change_json(
        folder, "preprocessor_config.json", do_center_crop=False, size={"height": 32, "width": 32}
    ),
    "the tokenizer": lambda folder: change_json(folder, "tokenizer_config.json", model_max_length=5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_a_vector_changes_the_space(zoo: Zoo, tmp_path: Path, change: str) -> None:
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    before = space_id(recipe_of(folder))
    CHANGES[change](folder)
    assert space_id(recipe_of(folder)) != before


def test_words_that_change_a_vector_change_the_space(zoo: Zoo) -> None:
    qwen = zoo["qwen2_vl"]
    recipes = [
        recipe_of(qwen),
        recipe_of(qwen, max_side=256),
        recipe_of(qwen, prompt="describe"),
        recipe_of(qwen, pooling="mean"),
        recipe_of(qwen, zoo.adapter("qwen2_vl")),
        recipe_of(qwen, zoo.adapter("qwen2_vl", "dora")),
    ]
    assert len({space_id(recipe) for recipe in recipes}) == len(recipes)


def test_the_pixel_budget_is_part_of_the_space(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["qwen2_vl"], tmp_path / "q"))
    change_json(folder, "preprocessor_config.json", size={"shortest_edge": 3136, "longest_edge": 50000})
    assert space_id(recipe_of(folder)) != space_id(recipe_of(zoo["qwen2_vl"]))


def test_recipes_hold_what_format_says_of_them(zoo: Zoo) -> None:
    import vstore

    text = (Path(vstore.__file__).parents[1] / "FORMAT.md").read_text(encoding="utf-8")
    table = text.partition("| field | in recipes of models |")[2].partition("\n\n")[0]
    said = {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    found: set[str] = set()
    for name in ("clip", "naflex", "dinov3", "qwen3_vl"):
        words = {"preset": "qwen3-vl-embedding"} if name == "qwen3_vl" else {}
        recipe = recipe_of(zoo[name], zoo.adapter("clip") if name == "clip" else None, **words)
        assert recipe.keys() <= said | {"dim", "prepare"}, name
        found |= recipe.keys()
    assert said - found == {"code", "computed_by"}


# Digests by stat


def test_weights_are_read_once_and_then_known_by_their_stat(zoo: Zoo, tmp_path: Path, monkeypatch: Any) -> None:
    settle(tmp_path, monkeypatch)
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    cache = tmp_path / "cache"
    cache.mkdir()
    first = Digests(cache)
    digest = first.of(folder / "model.safetensors")
    first.keep()
    again = Digests(cache)
    assert (again.of(folder / "model.safetensors"), again.read, first.read) == (digest, 0, 1)
    time.sleep(0.02)
    change_weight(folder)
    changed = Digests(cache)
    assert changed.of(folder / "model.safetensors") != digest
    assert changed.read == 1


def test_a_young_stat_is_not_believed(tmp_path: Path) -> None:
    """A file may be written twice within one tick of the clock: its stat proves nothing until it has aged."""
    path = tmp_path / "w"
    path.write_bytes(b"a")
    digests = Digests()
    assert digests.of(path) == digests.of(path)
    assert digests.read == 2


def test_a_damaged_cache_of_digests_is_not_believed(zoo: Zoo, tmp_path: Path, monkeypatch: Any) -> None:
    settle(tmp_path, monkeypatch)
    path = tmp_path / "w"
    path.write_bytes(b"weights")
    digests = Digests(tmp_path)
    digest = digests.of(path)
    digests.keep()
    cache = tmp_path / "model-files"
    cache.write_bytes(cache.read_bytes().replace(digest.encode(), b"0" * 64))
    assert Digests(tmp_path).of(path) == digest


# The proof before a run embeds


def test_one_probe_in_turn_is_proved_before_each_run_that_embeds(world: World, monkeypatch: Any) -> None:
    settle(world.folder, monkeypatch)
    runs = proved(monkeypatch)
    world.sync()
    assert runs == [[*PROBES, *TEXTS]], "all of them the first time"
    runs.clear()
    count = len(PROBES) + len(TEXTS)
    for i in range(10, 10 + count):
        put(world.pictures, {f"{i}.png": i})
        world.sync()
    assert [len(run) for run in runs] == [1] * count
    assert {run[0] for run in runs} == {*PROBES, *TEXTS}


def test_a_run_that_embeds_nothing_loads_nothing(world: World, monkeypatch: Any) -> None:
    world.sync()
    runs = proved(monkeypatch)
    monkeypatch.setattr("vstore.repository.spaces.load_embedder", None)
    assert world.sync().embedded == 0
    (world.pictures / "0.png").rename(world.pictures / "z.png")
    assert world.sync().renamed == 1
    assert world.store.status([world.pictures]).to_embed == 0
    assert runs == []


def test_all_probes_are_proved_when_a_library_changed(world: World, monkeypatch: Any) -> None:
    settle(world.folder, monkeypatch)
    world.sync()
    runs = proved(monkeypatch)
    import transformers

    monkeypatch.setattr(transformers, "__version__", "5.99.0")
    put(world.pictures, {"10.png": 10})
    world.sync()
    assert runs == [[*PROBES, *TEXTS]]


def test_drift_stops_a_sync_before_its_first_batch_and_says_what_changed(world: World, monkeypatch: Any) -> None:
    import transformers

    from vstore.embed.hf.families import dual

    world.sync()
    plain = dual.DualEncoder.prepare

    def shifted(self: Any, picture: Any) -> Any:
        return {name: value * 1.5 + 0.3 for name, value in plain(self, picture).items()}

    monkeypatch.setattr(dual.DualEncoder, "prepare", shifted)
    monkeypatch.setattr(transformers, "__version__", "5.99.0")
    put(world.pictures, {"10.png": 10})
    with pytest.raises(ModelError, match=r"transformers 5\.23\.0 -> 5\.99\.0") as caught:
        world.sync()
    assert caught.value.exit_code == 13
    assert "model add" in caught.value.next_step
    assert world.repo.state.current == "v1"
    assert sum(ref.rows for ref in world.repo.state.segments(next(iter(world.repo.state.spaces)))) == 5
    # What it gives now, of the same files, is a space of its own.
    place = world.store.model_show("one").place
    added = world.store.model_add("now", model=place["model"], adapter=place["adapter"], device="cpu")
    assert not added.known
    assert added.notes == ("the same files give other vectors now: this is a new space",)
    assert world.sync(space="now").embedded == 6


def test_a_lost_adapter_is_drift(world: World, monkeypatch: Any) -> None:
    from vstore.embed.hf.adapters import layers

    world.sync()

    def forget(model: Any) -> None:
        for name, layer in layers._layers(model):
            model.set_submodule(name, layer.get_base_layer())

    monkeypatch.setattr("vstore.embed.hf.adapters.placing.merge", forget)
    put(world.pictures, {"10.png": 10})
    with pytest.raises(ModelError, match="nothing that vstore records"):
        world.sync()


# Files that are others, or gone


def test_a_model_whose_files_changed_is_refused(tmp_path: Path, zoo: Zoo) -> None:
    copy = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    world = World(tmp_path, copy)
    change_weight(copy)
    with pytest.raises(ModelError, match="is not what the space was made with") as caught:
        world.sync()
    assert caught.value.exit_code == 13
    assert world.repo.state.current is None


def test_a_model_that_moved_is_found_again_when_it_is_said_where(tmp_path: Path, zoo: Zoo) -> None:
    copy = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    world = World(tmp_path, copy)
    world.sync()
    copy.rename(tmp_path / "moved")
    put(world.pictures, {"10.png": 10})
    with pytest.raises(ModelError, match=f"the model of the space 'one' is no longer at {copy}") as caught:
        world.sync()
    assert "vstore model add one --model DIR --compute fp32" in caught.value.next_step
    added = world.store.model_add("one", model=str(tmp_path / "moved"), device="cpu")
    assert added.known
    assert world.sync().embedded == 1
    assert len(world.repo.state.spaces) == 1


def test_a_model_that_moved_is_computed_as_before(tmp_path: Path, zoo: Zoo) -> None:
    copy = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    Store.init(tmp_path / ".vstore", model=str(copy), compute="bf16", device="cpu", name="one")
    store = Store(tmp_path / ".vstore")
    copy.rename(tmp_path / "moved")
    store.model_add("one", model=str(tmp_path / "moved"), device="cpu")
    assert store.model_show("one").place["compute"] == "bf16"
    store.model_add("one", model=str(tmp_path / "moved"), compute="fp32", device="cpu")
    assert store.model_show("one").place["compute"] == "fp32"


def test_a_moved_model_named_without_its_adapter_is_told(tmp_path: Path, zoo: Zoo) -> None:
    adapter = str(zoo.adapter("clip"))
    Store.init(tmp_path / ".vstore", model=str(zoo["clip"]), adapter=adapter, device="cpu", name="one")
    store = Store(tmp_path / ".vstore")
    with pytest.raises(UsageError, match=f"has the adapter {adapter}, and none was named") as caught:
        store.model_add("one", model=str(zoo["clip"]), device="cpu")
    command = caught.value.next_step.removeprefix("if its model has moved: ").partition(";")[0]
    assert command == f"vstore model add one --model {zoo['clip']} --adapter {adapter} --compute fp32"


# A model upgrade as a snapshot


def test_an_upgrade_leaves_the_old_version_current_until_it_is_whole(world: World, zoo: Zoo) -> None:
    world.sync()
    added = world.store.model_add("two", adapter=str(zoo.adapter("clip", "dora")), device="cpu")
    assert f"--model {zoo['clip']}" in added.inherited
    assert world.repo.state.current == "v1"
    with pytest.raises(ModelError, match="5 of the 5 pictures have no vector"):
        world.store.model_use("two")
    report = world.sync(space="two")
    assert (report.embedded, report.snapshot, report.space_name) == (5, "v2", "two")
    hits = world.store.search([_picture(world, "1.png")], k=1).hits
    assert hits[0].paths == (b"pictures/1.png",)
    assert world.store.rollback("v1").current == "v1"
    assert world.store.search([_picture(world, "1.png")], k=1, at="v2").snapshot == "v2"


def _picture(world: World, name: str) -> Any:
    from vstore.search.query import Operand

    return Operand(1.0, os.fsencode(world.pictures / name))


def test_an_interrupted_upgrade_goes_on_where_it_was(world: World, zoo: Zoo) -> None:
    import threading

    world.sync()
    world.store.model_add("two", adapter=str(zoo.adapter("clip", "dora")), device="cpu")
    put(world.pictures, {f"{i}.png": i for i in range(5, 160)})
    world.sync()
    stop = threading.Event()

    class Stopper:
        def stage(self, name: str, total: int | None) -> None:
            self.embedding, self.done = name == "embedding", 0

        def note(self, text: str) -> None: ...

        def close(self) -> None: ...

        def advance(self, n: int = 1) -> None:
            self.done += n
            if self.embedding and self.done > 20:
                stop.set()

    first = world.sync(space="two", progress=Stopper(), stop=stop)
    assert first.interrupted and first.snapshot is None
    assert 0 < first.embedded < 160
    assert world.repo.state.current == "v2"
    second = world.sync(space="two")
    assert second.embedded == 160 - first.embedded
    assert (second.snapshot, second.space_name) == ("v3", "two")


def test_a_model_can_be_used_again_without_embedding(world: World, zoo: Zoo) -> None:
    world.sync()
    world.store.model_add("two", adapter=str(zoo.adapter("clip", "dora")), device="cpu")
    world.sync(space="two")
    used = world.store.model_use("one", message="back")
    assert (used.snapshot, world.repo.state.current) == ("v3", "v3")
    assert world.repo.snapshot("v3").id == world.repo.snapshot("v1").id, "equal states have equal ids"
    assert world.store.model_use("one").snapshot is None
    assert world.store.undo().current == "v2"
    assert world.store.check().ok


def test_a_space_is_dropped_only_when_no_kept_snapshot_needs_it(world: World, zoo: Zoo) -> None:
    world.sync()
    world.store.model_add("two", adapter=str(zoo.adapter("clip", "dora")), device="cpu")
    with pytest.raises(Refused, match="needed by 1 snapshot: v1"):
        world.store.model_drop("one")
    assert world.store.model_drop("two", dry_run=True).dry_run
    assert len(world.store.model_list()) == 2
    assert world.store.model_drop("two").rows == 0
    assert [row.space_name for row in world.store.model_list()] == ["one"]
    assert world.store.check().ok
    with pytest.raises(UsageError, match="no space 'two'"):
        world.store.model_show("two")


def test_two_spaces_do_not_share_a_name(world: World, zoo: Zoo) -> None:
    with pytest.raises(UsageError, match="the space 'one' has another model: they differ in adapter"):
        world.store.model_add("one", adapter=str(zoo.adapter("clip", "dora")), device="cpu")
    with pytest.raises(UsageError, match="already has a space: 'one'"):
        world.store.model_add("two", model=str(zoo["clip"]), adapter=str(zoo.adapter("clip")), device="cpu")
    with pytest.raises(UsageError, match="'v12' is how a snapshot is called"):
        world.store.model_add("v12", model=str(zoo["clip"]), device="cpu")
    with pytest.raises(UsageError, match="already means the space 'one', whose id begins so"):
        world.store.model_add(world.store.model_list()[0].space[:6], model=str(zoo["clip"]), device="cpu")


def test_a_repair_embeds_again_with_the_model_of_the_space(world: World) -> None:
    world.sync()
    before = world.store.search([_picture(world, "1.png")], k=5)
    (segment,) = (world.folder / "segments").iterdir()
    segment.unlink()
    (left,) = Store.repair(world.folder, device="cuda:7").left
    assert left.startswith(
        "5 pictures of the space one without a vector: its model cannot be used (this machine has no"
    )
    assert left.endswith("repair again; or remove what has no vector from the snapshots with: vstore repair --no-embed")
    report = Store.repair(world.folder, device="cpu", offline=True)
    assert report.embedded == 5
    with Store(world.folder) as store:
        assert store.check().ok
        after = store.search([_picture(world, "1.png")], k=5)
    assert [hit.paths for hit in after.hits] == [hit.paths for hit in before.hits]


# Texts


def test_a_text_loads_the_model_once_and_is_known_then(world: World, monkeypatch: Any) -> None:
    from vstore.search.query import Operand

    world.sync()
    first = world.store.search([Operand(1.0, None, "a red car")], k=5, device="cpu")
    monkeypatch.setattr("vstore.repository.spaces.load_embedder", None)
    assert world.store.search([Operand(1.0, None, "a red car")], k=5) == first
    mixed = [Operand(1.0, None, "a red car"), Operand(-0.5, os.fsencode(world.pictures / "1.png"))]
    assert len(world.store.search(mixed, k=5).hits) == 5


def test_a_text_is_known_by_its_space_too(world: World, zoo: Zoo) -> None:
    from vstore.search.query import Operand

    world.sync()
    query = [Operand(1.0, None, "a red car")]
    one = world.store.search(query, k=5, device="cpu")
    world.store.model_add("two", adapter=str(zoo.adapter("clip", "dora")), device="cpu")
    world.sync(space="two")
    two = world.store.search(query, k=5, device="cpu")
    assert world.store.search(query, k=5, at="v1") == one
    for path in (world.folder / "cache").glob("text-*"):
        path.unlink()
    assert world.store.search(query, k=5, device="cpu") == two, "what was kept is what is computed"


def test_each_operand_is_normalised_then_weighted_and_the_sum_normalised(world: World) -> None:
    from vstore.embed.consent import Consent
    from vstore.search.query import Operand

    world.sync()
    made = spaces.load(world.repo, world.repo.space("one"), Settings("cpu", consent=Consent.of_user()))
    text = made.embed_texts(["a red car"])[0].astype(np.float64)
    score = {hit.key: hit.score for hit in world.store.search([Operand(1.0, None, "a red car")], k=9).hits}
    image = {hit.key: hit.score for hit in world.store.search([_picture(world, "2.png")], k=9).hits}
    both = world.store.search([Operand(2.0, None, "a red car"), _picture(world, "2.png")._replace(weight=-0.5)], k=9)
    key = world.repo.hash.digest((world.pictures / "2.png").read_bytes())
    cosine = score[key]
    norm = float(np.sqrt(4 + 0.25 - 2 * cosine))
    assert abs(np.linalg.norm(text) - 1) < 1e-6
    for hit in both.hits:
        assert abs(hit.score - (2 * score[hit.key] - 0.5 * image[hit.key]) / norm) < 2e-3


def test_words_fill_up_from_older_ones() -> None:
    assert Words(adapter="b").over(Words("m", "a", prompt="p")) == Words("m", "b", prompt="p")
    assert Words.from_json(Words("m", compute="bf16").to_json()) == Words("m", compute="bf16")
