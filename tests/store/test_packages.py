"""Optional packages: how they are imported, and what an error says where one is missing."""

from __future__ import annotations

import sys
import tomllib
import types
from pathlib import Path

import pytest

from vstore import packages
from vstore.errors import MissingPackage, ModelError
from vstore.packages import FAISS, HEIC, PARQUET, PEFT, TORCH, Package

ALL = [value for value in vars(packages).values() if isinstance(value, Package)]


def test_each_package_is_in_an_extra_that_exists() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["name"] == "vstore-index"
    for package in ALL:
        assert set(package.extras) <= project["optional-dependencies"].keys()


@pytest.mark.parametrize("package", ALL, ids=lambda package: package.module)
def test_a_package_that_is_missing_says_how_to_get_it(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package.module, None)
    with pytest.raises(package.error) as caught:
        package.load()
    assert caught.value.message.startswith(f"{package.why} (ModuleNotFoundError: ")
    assert package.pip in caught.value.next_step


def test_what_an_uninstalled_twin_left_behind_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", types.ModuleType("faiss"))
    with pytest.raises(MissingPackage, match="faiss cannot be used"):
        FAISS.load()


def test_a_package_that_breaks_while_it_is_imported_is_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("raise RuntimeError('libcudart.so.12:\\n cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"it is needed \(RuntimeError: libcudart.so.12: cannot open\)"):
        Package("broken_package", ("model",), "it is needed", error=ModelError).load()


def test_only_packages_of_models_send_to_doctor() -> None:
    assert PEFT.fix == TORCH.fix == "install it with: pip install 'vstore-index[model]', then see: vstore doctor"
    assert PARQUET.fix == "install it with: pip install 'vstore-index[parquet]'"
    assert FAISS.fix == "install one of: pip install 'vstore-index[cpu]' or 'vstore-index[gpu]', never both"
    assert HEIC.pip == "pip install 'vstore-index[heic]'"
