"""Embedders of other packages: the example that the documentation points to is one, and keeps to what all keep to."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.edited import edited
from support.embedder_suite import check_embedder, check_loads_again
from support.folders import packs_by_age, put

from vstore.embed.load import load_embedder
from vstore.embed.model_words import Settings, Words
from vstore.embed.plugins import describe_by_plugin, plugins
from vstore.errors import ModelError
from vstore.format.recipes import space_id
from vstore.search.query import Operand
from vstore.store import Store

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plugin"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example as pip leaves it: its module, its metadata, its entry points."""
    site = tmp_path / "site"
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = site / f"vstore_thumbnail-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    shutil.copy(EXAMPLE / "vstore_thumbnail.py", site)
    monkeypatch.syspath_prepend(str(site))
    return site


def test_the_example_keeps_to_what_every_embedder_keeps_to(installed: Path) -> None:
    assert plugins() == ["thumbnail"]
    recipe = describe_by_plugin(Words("thumbnail:4"))
    assert recipe is not None
    embedder = load_embedder(recipe, Words("thumbnail:4"), Settings())
    check_embedder(embedder)
    check_loads_again(embedder)
    other = describe_by_plugin(Words("thumbnail:5"))
    assert other is not None
    assert space_id(other) != space_id(recipe)


@pytest.mark.parametrize("recipe", [{"family": "other", "dim": 4}, {"family": "odd"}, {"family": "odd", "dim": "4"}])
def test_a_recipe_without_its_family_or_its_dim_is_refused(recipe: dict[str, Any], monkeypatch: Any) -> None:
    plugin = SimpleNamespace(describe=lambda words: recipe)
    monkeypatch.setattr("vstore.embed.plugins.find_plugin", lambda family: plugin)
    with pytest.raises(ModelError, match="the recipe of the plug-in 'odd' lacks its family or its dim"):
        describe_by_plugin(Words("odd:4"))


def test_a_store_of_a_plugin_is_a_store_like_any(installed: Path, tmp_path: Path) -> None:
    put(tmp_path / "pictures", {f"{i}.png": i for i in range(3)})
    made = Store.init(tmp_path / ".vstore", model="thumbnail:4")
    assert made.space_name == "thumbnail-4"
    with Store(tmp_path / ".vstore") as store:
        assert store.sync([tmp_path / "pictures"]).embedded == 3
        hits = store.search([Operand(1.0, str(tmp_path / "pictures/1.png").encode())]).hits
        assert hits[0].paths == (b"pictures/1.png",)
        assert store.model_show("thumbnail-4").made_with["numpy"]
        with pytest.raises(ModelError, match="does not read text"):
            store.search([Operand(1.0, None, "a red car")])


@pytest.mark.parametrize("declared", [True, False])
def test_a_plugin_declares_that_an_edit_of_metadata_changes_no_vector(
    installed: Path, tmp_path: Path, declared: bool
) -> None:
    if not declared:
        code = (installed / "vstore_thumbnail.py").read_text()
        (installed / "vstore_thumbnail.py").write_text(code.replace("sees_pixels_alone", "something_else"))
        sys.modules.pop("vstore_thumbnail", None)
    put(tmp_path / "pictures", {"1.png": 1})
    Store.init(tmp_path / ".vstore", model="thumbnail:4")
    with Store(tmp_path / ".vstore") as store:
        store.sync([tmp_path / "pictures"])
        put(tmp_path / "pictures", {"1.png": edited(1)})
        report = store.sync()
    sys.modules.pop("vstore_thumbnail", None)
    assert (report.same_pixels, report.embedded) == ((1, 0) if declared else (0, 1))


def test_a_store_whose_plugin_is_gone_says_what_is_missing(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "pictures", {"1.png": 1})
    Store.init(tmp_path / ".vstore", model="thumbnail:4")
    shutil.rmtree(installed)
    with Store(tmp_path / ".vstore") as store, pytest.raises(ModelError, match="no embedder of the family 'thumbnail'"):
        store.sync([tmp_path / "pictures"])


def test_a_plugin_that_cannot_be_loaded_is_named(installed: Path, tmp_path: Path) -> None:
    (installed / "vstore_thumbnail.py").write_text("raise ImportError('no such library')")
    sys.modules.pop("vstore_thumbnail", None)
    with pytest.raises(
        ModelError, match="the plug-in 'thumbnail' of vstore-thumbnail cannot be loaded: no such library"
    ):
        Store.init(tmp_path / ".vstore", model="thumbnail:4")
    assert not (tmp_path / ".vstore").exists()


def test_what_a_plugin_stumbles_over_is_a_fault_of_the_model(installed: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="thumbnail:wide cannot be used: ValueError"):
        Store.init(tmp_path / ".vstore", model="thumbnail:wide")


def test_a_name_without_a_plugin_is_a_folder_or_a_hub_id(tmp_path: Path) -> None:
    assert describe_by_plugin(Words("nobody:4")) is None
    assert describe_by_plugin(Words("pictures")) is None


@pytest.mark.parametrize("harm", ["gone", "flipped"])
def test_lost_probes_are_reported_by_check_and_made_again_by_model_add(
    installed: Path, tmp_path: Path, harm: str
) -> None:
    put(tmp_path / "pictures", {f"{i}.png": i for i in range(3)})
    Store.init(tmp_path / ".vstore", model="thumbnail:4")
    with Store(tmp_path / ".vstore") as store:
        store.sync([tmp_path / "pictures"])
        first = store._repo.layout.packs / packs_by_age(store._repo)[0].name  # it holds the recipe and the probes
    if harm == "gone":
        first.unlink()
    else:
        data = bytearray(first.read_bytes())
        data[12:-200] = bytes(len(data) - 212)
        first.write_bytes(data)
    report = Store.repair(tmp_path / ".vstore")
    assert report.degraded == ()
    assert any("model add" in line for line in report.left), report.left
    with Store(tmp_path / ".vstore") as store:
        found = store.check()
        assert found.ok and any("recipe" in note for note in found.notes)  # the log knows that both are lost
        store.gc()
        put(tmp_path / "pictures", {"3.png": 3})
        with pytest.raises(ModelError, match="recipe"):
            store.sync()
        assert store.model_add("thumbnail-4", model="thumbnail:4").known
    with Store(tmp_path / ".vstore") as store:
        found = store.check(read_data=True)
        assert found.ok, found.problems
        store.gc()
        put(tmp_path / "pictures", {"4.png": 4})
        assert store.sync().embedded == 2
