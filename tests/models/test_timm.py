"""Models in timm's layout have the vectors of timm itself, without torchvision, which timm asks for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.arrays import read_npz
from support.embedder_suite import check_embedder
from support.embedders import embedder, probes, recipe_of
from support.sides import run_side
from support.timm_side import KINDS
from support.zoo import Zoo

from vstore.embed.hf.families.timm_model import timm_module
from vstore.errors import ModelError
from vstore.format.recipes import space_id


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models with timm's vectors of the probes."""
    top = tmp_path_factory.mktemp("timm")
    run_side("timm_side", top)
    return top


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_have_the_vectors_of_timm(models: Path, kind: str) -> None:
    wanted = read_npz(models / f"{kind}.npz")
    made = embedder(models / kind)
    some = list(probes().values())
    pixels = np.stack([made.prepare(picture)["pixel_values"] for picture in some])
    assert np.abs(pixels - wanted["pixels"]).max() < 1e-6
    assert np.abs(wanted["pictures"] @ wanted["pictures"].T - 1).max() > 1e-3, "pictures that look alike prove nothing"
    for size in (1, 3):
        made.limits.batch_size = size
        assert np.abs(made.embed_images(some) - wanted["pictures"]).max() < 1e-5
        assert np.abs(made.embed_images(some[::-1])[::-1] - wanted["pictures"]).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_to_what_every_embedder_keeps_to(models: Path, kind: str) -> None:
    check_embedder(embedder(models / kind))


def test_bf16_is_a_class_of_the_same_space(models: Path) -> None:
    some = list(probes().values())
    full, half = embedder(models / "vit"), embedder(models / "vit", compute="bf16")
    assert space_id(full.recipe) == space_id(half.recipe)
    assert {str(value.dtype) for value in half.model.parameters()} == {"torch.bfloat16"}
    assert 0.99 < (full.embed_images(some) * half.embed_images(some)).sum(1).min() < 1 - 1e-7


def test_the_version_of_timm_is_recorded_with_each_proof(models: Path) -> None:
    assert embedder(models / "vit").environment["timm"] == timm_module().__version__


def test_what_stood_in_for_torchvision_is_gone_after_the_import() -> None:
    """Else transformers would take another image backend, and a later import of torchvision would find nothing."""
    code = (
        "import sys\n"
        "from vstore.embed.hf.families.timm_model import timm_module\n"
        "timm = timm_module()\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'torchvision']\n"
        "try:\n"
        "    import torchvision\n"
        "    raise SystemExit('there is a torchvision')\n"
        "except ModuleNotFoundError:\n"
        "    pass\n"
        "try:\n"
        "    timm.data.create_transform(224)\n"
        "except ImportError as err:\n"
        "    assert 'torchvision, which is not installed' in str(err), err\n"
        "else:\n"
        "    raise SystemExit('a preparation without torchvision')\n"
        "import transformers\n"
        "assert not transformers.utils.is_torchvision_available()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_an_installed_torchvision_is_left_to_timm(tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("here = True\n")
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from vstore.embed.hf.families.torchvision_absent import torchvision_absent\n"
        "with torchvision_absent():\n"
        "    import torchvision\n"
        "assert torchvision.here and 'torchvision' in sys.modules\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


# The files


def changed(models: Path, to: Path, change: Callable[[dict[str, Any]], None], kind: str = "vit") -> Path:
    """Copy a model, and change its configuration."""
    shutil.copytree(models / kind, to)
    config = json.loads((to / "config.json").read_text())
    change(config)
    (to / "config.json").write_text(json.dumps(config))
    return to


def reweighted(models: Path, to: Path, change: Callable[[dict[str, Any]], None], kind: str = "vit") -> Path:
    """Copy a model, and change its weights."""
    shutil.copytree(models / kind, to)
    weights = load_file(to / "model.safetensors")
    change(weights)
    save_file(weights, to / "model.safetensors")
    return to


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda weights: weights.pop("blocks.1.mlp.fc2.bias"), "Missing key"),
        (lambda weights: weights.pop("cls_token"), "Missing key"),
        (lambda weights: weights.update(extra=torch.ones(3)), "Unexpected key"),
        (lambda weights: weights.update({"norm.weight": torch.ones(31)}), "size mismatch"),
    ],
)
def test_weights_that_do_not_fit_are_refused(models: Path, tmp_path: Path, change: Any, why: str) -> None:
    with pytest.raises(ModelError, match=f"the weights of .* are not those of the model vit_tiny_patch16_224.*{why}"):
        embedder(reweighted(models, tmp_path / "m", change))


def test_a_half_downloaded_model_is_refused(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "vit", tmp_path / "m"))
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="is cut short"):
        embedder(folder)


def test_pickled_weights_are_refused_though_timm_would_read_them(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "vit", tmp_path / "m"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only as pickles"):
        recipe_of(folder)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda config: config.update(architecture="vit_of_tomorrow"), "does not know"),
        (lambda config: config.update(architecture="naflexvit_base_patch16_gap"), "pictures of any size"),
        (lambda config: config["pretrained_cfg"].update(crop_mode="corner"), "preparation of pictures"),
        (lambda config: config["pretrained_cfg"].update(interpolation="random"), "preparation of pictures"),
        (lambda config: config["pretrained_cfg"].update(std=[0, 1, 1]), "preparation of pictures"),
        (lambda config: config["model_args"].update(in_chans=4), "4 channels"),
        (lambda config: config["model_args"].update(global_pool=""), "no vector for a picture"),
    ],
)
def test_what_vstore_cannot_compute_is_refused(models: Path, tmp_path: Path, change: Any, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        recipe_of(changed(models, tmp_path / "m", change))


@pytest.mark.parametrize("change", [lambda config: config.pop("pretrained_cfg"), lambda c: c.update(model_args=3)])
def test_a_damaged_configuration_is_refused(models: Path, tmp_path: Path, change: Any) -> None:
    with pytest.raises(ModelError):
        embedder(changed(models, tmp_path / "m", change))


def test_what_decides_a_vector_decides_the_space(models: Path, tmp_path: Path) -> None:
    plain = space_id(recipe_of(models / "vit"))
    changes: list[Callable[[dict[str, Any]], None]] = [
        lambda config: config["pretrained_cfg"].update(mean=[0.4, 0.5, 0.5]),
        lambda config: config["pretrained_cfg"].update(interpolation="bilinear"),
        lambda config: config["pretrained_cfg"].update(crop_pct=1.0),
        lambda config: config["model_args"].update(global_pool="avg"),
    ]
    found = {space_id(recipe_of(changed(models, tmp_path / str(n), change))) for n, change in enumerate(changes)}
    assert len(found - {plain}) == len(changes)


def test_without_timm_the_whole_command_is_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModelError, match="the model needs timm") as caught:
        recipe_of(models / "vit")
    assert "pip install --no-deps 'timm>=1.0.22'" in caught.value.next_step


@pytest.mark.parametrize(("version", "fits"), [("1.0.20", False), ("1.0.22", True), ("1.1.0.dev0", True)])
def test_a_timm_that_is_too_old_is_refused(
    models: Path, monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    monkeypatch.setattr(timm_module(), "__version__", version)
    if fits:
        assert recipe_of(models / "vit")["dim"] == 32
        return
    with pytest.raises(ModelError, match=r"timm 1\.0\.20 is too old") as caught:
        recipe_of(models / "vit")
    assert "pip install --no-deps 'timm>=1.0.22' --upgrade" in caught.value.next_step


def test_an_adapter_is_refused(models: Path, zoo: Zoo) -> None:
    with pytest.raises(ModelError, match="an adapter cannot be put on"):
        recipe_of(models / "vit", zoo.adapter("clip"))
