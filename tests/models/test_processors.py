"""The preparation of pictures, in any form that a folder says it in: as transformers does it, or it is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from support.embedders import embedder, probes, recipe_of
from support.model_store import change_json
from support.reference import unit
from support.zoo import Zoo

from vstore.errors import ModelError

CONFIG = "preprocessor_config.json"
SQUARE = {"height": 32, "width": 32}


def changed(zoo: Zoo, to: Path, name: str, values: dict[str, Any], without: tuple[str, ...] = ()) -> Path:
    folder = Path(shutil.copytree(zoo[name], to))
    old = {key: value for key, value in json.loads((folder / CONFIG).read_text()).items() if key not in without}
    (folder / CONFIG).write_text(json.dumps({**old, **values}))
    return folder


def direct(folder: Path) -> np.ndarray:
    """Vectors of the probes, by transformers alone."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    with torch.inference_mode():
        for picture in probes().values():
            inputs = processor(images=picture, return_tensors="pt")
            if hasattr(model, "get_image_features"):
                found.append(unit(model.get_image_features(**inputs).pooler_output[0]))
            else:
                found.append(unit(model(**inputs).last_hidden_state[0, 0]))
    return np.stack(found)


def assert_right(folder: Path) -> None:
    found = embedder(folder).embed_images(list(probes().values()))
    assert np.abs(found - direct(folder)).max() < 1e-5


FORMS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {  # models, values
    "size is a number": (("clip", "dinov2"), {"size": 40}),
    "size is two numbers": (("clip", "siglip", "vit"), {"size": [32, 32]}),
    "size is an edge": (("clip", "dinov2"), {"size": {"shortest_edge": 36}}),
    "size is not square": (("clip", "dinov2"), {"size": {"height": 40, "width": 36}}),
    "crop is a number": (("clip", "dinov2"), {"crop_size": 32}),
    "no crop": (("clip", "dinov2"), {"do_center_crop": False, "size": SQUARE}),
    "no resize, a crop": (("clip", "dinov2"), {"do_resize": False}),
    "mean of one half": (("clip", "vit"), {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}),
    "mean is a number": (("clip", "siglip"), {"image_mean": 0.4, "image_std": 0.3}),
    "nothing is normalised": (("clip", "siglip"), {"do_normalize": False}),
    "another scale": (("siglip", "vit"), {"rescale_factor": 1 / 127.5}),
    "nearest": (("clip", "siglip", "dinov2"), {"resample": 0}),
    "lanczos": (("clip", "siglip", "dinov2"), {"resample": 1}),
    "bilinear": (("clip", "siglip", "dinov2"), {"resample": 2}),
    "bicubic": (("siglip", "vit"), {"resample": 3}),
    "an older name": (("clip",), {"image_processor_type": None, "feature_extractor_type": "CLIPFeatureExtractor"}),
    "the name for torchvision": (("clip",), {"image_processor_type": "CLIPImageProcessorFast"}),
}


@pytest.mark.parametrize(("form", "name"), [(form, name) for form, (names, _) in FORMS.items() for name in names])
def test_every_form_of_a_preparation_is_that_of_transformers(zoo: Zoo, tmp_path: Path, form: str, name: str) -> None:
    assert_right(changed(zoo, tmp_path / "m", name, FORMS[form][1]))


@pytest.mark.parametrize("name", ["clip", "siglip", "naflex", "dinov2"])
def test_a_preparation_within_processor_config_is_the_same(zoo: Zoo, tmp_path: Path, name: str) -> None:
    """As processors of transformers 5 are saved."""
    folder = Path(shutil.copytree(zoo[name], tmp_path / "m"))
    inner = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": inner}))
    assert recipe_of(folder)["processor"] == recipe_of(zoo[name])["processor"]
    assert_right(folder)


ODD: dict[str, tuple[str, dict[str, Any], str]] = {  # model, values, what is said
    "each picture of its own size": ("dinov2", {"do_center_crop": False}, "a size of its own"),
    "shortest edge alone": ("siglip", {"size": {"shortest_edge": 32}}, "a size of its own"),
    "no resize, no crop": ("vit", {"do_resize": False}, "a size of its own"),
    "another model's size": ("siglip", {"size": {"height": 48, "width": 48}}, "48 x 48 pixels, and its model takes 32"),
    "another crop": ("clip", {"crop_size": 40}, "40 x 40 pixels, and its model takes 32 x 32"),
    "not square": ("vit", {"size": {"height": 32, "width": 40}}, "40 x 32 pixels, and its model takes 32 x 32"),
    "longest edge": ("clip", {"size": {"longest_edge": 32}}, "is not valid"),
}


@pytest.mark.parametrize("case", ODD)
def test_a_preparation_that_no_batch_or_model_takes_is_refused(zoo: Zoo, tmp_path: Path, case: str) -> None:
    name, values, why = ODD[case]
    with pytest.raises(ModelError, match=why):
        recipe_of(changed(zoo, tmp_path / "m", name, values))


@pytest.mark.parametrize("name", ["siglip", "vit"])
def test_a_preparation_without_a_size_is_that_of_another_model(zoo: Zoo, tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="224 x 224 pixels, and its model takes 32 x 32") as caught:
        recipe_of(changed(zoo, tmp_path / "m", name, {}, without=("size",)))
    assert "preprocessor_config.json of this very model" in caught.value.next_step


@pytest.mark.parametrize("name", ["clip", "qwen2_vl"])
def test_a_preparation_of_videos_alone_is_none(zoo: Zoo, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(zoo[name], tmp_path / "m"))
    (folder / CONFIG).rename(folder / "video_preprocessor_config.json")
    with pytest.raises(ModelError, match="does not say how pictures are prepared"):
        recipe_of(folder)


def _half(folder: Path, dtype: torch.dtype) -> None:
    with_dtype = transformers.AutoModel.from_pretrained(folder, dtype=dtype)
    with_dtype.save_pretrained(folder)


def _renamed(folder: Path) -> None:
    _half(folder, torch.bfloat16)
    config = json.loads((folder / "config.json").read_text())
    config["torch_dtype"] = config.pop("dtype")
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("name", ["clip", "siglip", "dinov2"])
@pytest.mark.parametrize(
    "store", [lambda it: _half(it, torch.float16), lambda it: _half(it, torch.bfloat16), _renamed], ids=str
)
def test_weights_of_half_width_are_computed_in_fp32(
    zoo: Zoo, tmp_path: Path, name: str, store: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(zoo[name], tmp_path / "m"))
    store(folder)
    assert_right(folder)
    change_json(folder, "config.json", dtype="float64")
    assert_right(folder)


@pytest.mark.parametrize(
    "name", ["clip_vision", "clip_classifier", "siglip_vision", "clip_projected", "altclip_vision"]
)
def test_a_tower_alone_takes_its_own_size(zoo: Zoo, tmp_path: Path, name: str) -> None:
    size = {"size": {"height": 48, "width": 48}, "crop_size": {"height": 48, "width": 48}}
    with pytest.raises(ModelError, match="48 x 48 pixels, and its model takes 32 x 32"):
        recipe_of(changed(zoo, tmp_path / "m", name, size))
