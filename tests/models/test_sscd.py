"""The plug-in for copy detection: a TorchScript file, run on the user's word alone, and never another one."""

from __future__ import annotations

import shutil
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.embedder_suite import check_embedder, pictures
from support.embedders import probes
from support.stores import put
from support.tiny import seeded

from vstore import ModelError, Store
from vstore.embed.load import load_embedder
from vstore.embed.model_words import Settings, Words
from vstore.embed.plugins import describe_by_plugin
from vstore.format.recipes import space_id

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plugin-sscd"


class Net(torch.nn.Module):
    """Gives vectors of any norm, as SSCD does."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 12, 16, 16)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.patches(pixels)).mean([2, 3]) * 3.0


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay the example out as pip does."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"vstore_sscd-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text("[vstore.embedders]\nsscd = vstore_sscd\n")
    shutil.copy(EXAMPLE / "vstore_sscd.py", tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    sys.modules.pop("vstore_sscd", None)


@pytest.fixture
def net() -> Net:
    with seeded(3):
        return Net().eval()


@pytest.fixture
def file(tmp_path: Path, net: Net) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(net).save(str(tmp_path / "sscd.torchscript.pt"))
    return tmp_path / "sscd.torchscript.pt"


def words(file: Path, resize: str = "", trusted: bool = True) -> Words:
    return Words(f"sscd:{resize}{file}", trust_remote_code=trusted or None)


def made(said: Words) -> Any:
    recipe = describe_by_plugin(said)
    assert recipe is not None
    return load_embedder(recipe, said, Settings("cpu"))


def reference(net: Net, picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Resize, to numbers, normalise: by torch, without the plug-in."""
    pixels = torch.from_numpy(np.array(picture.resize(size, Image.Resampling.BILINEAR))).permute(2, 0, 1)[None].float()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        row = net((pixels / 255 - mean[:, None, None]) / std[:, None, None])[0].double()
    return (row / row.norm()).numpy()


def test_a_squashed_picture_has_the_vector_of_the_model(file: Path, net: Net) -> None:
    some = list(probes().values())
    wanted = np.stack([reference(net, picture, (320, 320)) for picture in some])
    assert np.abs(made(words(file)).embed_images(some) - wanted).max() < 1e-5
    assert np.abs(wanted @ wanted.T - 1).max() > 1e-3


def test_a_picture_that_keeps_its_shape_has_the_vector_of_the_model(file: Path, net: Net) -> None:
    sizes = {(300, 200): (432, 288), (200, 301): (288, 433), (50, 50): (288, 288)}
    some = [probes()["landscape"].resize(size) for size in sizes]
    wanted = np.stack([reference(net, one, size) for one, size in zip(some, sizes.values(), strict=True)])
    assert np.abs(made(words(file, "small_288:")).embed_images(some) - wanted).max() < 1e-5


def test_keeps_to_what_every_embedder_keeps_to(file: Path) -> None:
    check_embedder(made(words(file)))
    some = [one for one in pictures() if max(one.size) <= 4 * min(one.size)]
    check_embedder(made(words(file, "small_288:")), some=some)


def test_a_picture_too_long_to_keep_its_shape_is_one_failure(file: Path) -> None:
    good = probes()["landscape"]
    rows = made(words(file, "small_288:")).embed_images([good, Image.new("RGB", (512, 20)), good])
    assert np.isnan(rows[1]).all()
    assert np.isfinite(rows[[0, 2]]).all()


def test_the_preparation_and_the_file_decide_the_space(file: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(file, tmp_path / "copy.pt"))
    one, same, other = (describe_by_plugin(said) for said in (words(file), words(copy), words(file, "small_288:")))
    assert one is not None and same is not None and other is not None
    assert space_id(one) == space_id(same) != space_id(other)


def test_it_is_not_run_without_the_users_word(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.jit, "load", None)
    with pytest.raises(ModelError, match="holds a program") as caught:
        describe_by_plugin(words(file, trusted=False))
    assert "add --trust-remote-code" in caught.value.next_step


def test_another_file_is_not_run(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = describe_by_plugin(words(file))
    assert recipe is not None
    file.write_bytes(file.read_bytes() + b"\0")
    monkeypatch.setattr(torch.jit, "load", None)
    with pytest.raises(ModelError, match="is not the file that the space was made with, and is not run"):
        load_embedder(recipe, words(file), Settings("cpu"))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pickle.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ModelError, match="is no TorchScript file"):
        describe_by_plugin(words(tmp_path / "pickle.pt"))
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        describe_by_plugin(words(tmp_path / "none.pt"))
    with pytest.raises(ModelError, match="depends on the folder you are in"):
        describe_by_plugin(Words("sscd:here.pt", trust_remote_code=True))


def test_a_store_of_copies(file: Path, tmp_path: Path) -> None:
    put(tmp_path / "pictures", {"1.png": 1, "2.png": 2})
    shutil.copy(tmp_path / "pictures" / "1.png", tmp_path / "pictures" / "copy.png")
    Store.init(tmp_path / ".vstore", model=f"sscd:{file}", trust_remote_code=True, device="cpu")
    with Store(tmp_path / ".vstore") as store:
        assert store.sync([tmp_path / "pictures"], device="cpu").embedded == 2
        assert store.model_show("sscd.torchscript.pt").made_with["torch"] == torch.__version__
