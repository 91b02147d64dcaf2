"""`vstore doctor`: what is whole is said to be, what is broken comes with its fix, and nothing broken takes it down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.lines import environment
from support.quick_doctor import quick
from support.tiny import save_dinov2
from support.zoo import Zoo

from vstore.doctor import installed
from vstore.doctor.report import Finding
from vstore.doctor.run import doctor
from vstore.doctor.trial import try_adapter
from vstore.embed.hf import adapters
from vstore.errors import ModelError
from vstore.format.entries import Space
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore_cli.main import run

__all__ = ["quick"]


def found(report: Any, name: str) -> Finding:
    (one,) = [finding for finding in report.findings if finding.name == name]
    return one


def package(top: Path, name: str, body: str, version: str = "0.1") -> Path:
    """An installed package, as pip leaves it: a module and its metadata."""
    (top / name).mkdir(parents=True)
    (top / name / "__init__.py").write_text(body)
    info = top / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return top


def test_the_package_of_somebody_else_is_noticed(
    tmp_path: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [finding for finding in doctor(None).findings if finding.name == "namesake"]
    monkeypatch.syspath_prepend(str(package(tmp_path, "vstore", "", "0.3")))
    finding = found(doctor(None), "namesake")
    assert finding.state == "trouble"
    assert "vstore 0.3 is somebody else's package; this one is called vstore-index" in finding.what
    assert "pip uninstall -y vstore" in finding.fix


def test_what_is_installed_here_fits_together(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    names = {finding["name"]: finding["state"] for finding in report["findings"]}
    assert (code, report["ok"]) == (0, True)
    assert names["torch"] == names["models"] == names["faiss"] == "ok"


def test_what_lies_in_the_folder_it_is_run_in_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a folder of pictures from elsewhere."""
    for name in ("json", "faiss", "torch"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    for probe in ("faiss", "torch"):
        answer, error = installed.ask(probe)
        assert answer is not None and "version" in answer, error
    assert not (tmp_path / "ran").exists()


def test_a_torchvision_that_does_not_fit_is_named_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]
) -> None:
    del quick["torchvision"]
    package(tmp_path, "torchvision", "raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    report = doctor()
    finding = found(report, "torchvision")
    assert not report.ok
    assert (finding.state, finding.fix) == ("trouble", "pip uninstall -y torchvision")
    assert "operator torchvision::nms does not exist" in finding.what


def test_a_package_that_takes_its_process_down_does_not_take_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]
) -> None:
    del quick["torchvision"]
    package(tmp_path, "torchvision", "import os; os.kill(os.getpid(), 11)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "died of signal 11" in found(doctor(), "torchvision").what


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("__version__ = '0.21.2'\n", "peft"),
        ("raise ImportError('it needs torch >= 99')\n", "it needs torch >= 99"),
    ],
    ids=["nothing in it", "not importable"],
)
def test_an_adapter_is_tried_not_only_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any], body: str, said: str
) -> None:
    del quick["adapters"]
    package(tmp_path, "peft", body, "0.21.2")
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = found(doctor(), "adapters")
    assert finding.state == "trouble" and said in finding.what
    assert finding.fix.startswith("pip install --force-reinstall") and "'peft" in finding.fix


def test_trying_an_adapter_does_what_init_does_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peft about transformers
        assert try_adapter()["dim"] == 8
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("vstore.embed.hf.adapters.effect_of", lambda on, off, pictures: adapters.Effect.NONE)
    with warnings.catch_warnings(), pytest.raises(ModelError, match="changes nothing"):
        warnings.simplefilter("ignore")
        try_adapter()


def write_metadata(top: Path, *requirements: str) -> None:
    """The metadata that pip leaves of vstore itself."""
    info = top / "vstore_index-9.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: vstore-index", "Version: 9"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {line}" for line in requirements)]) + "\n")


def test_the_packages_of_the_core_are_those_of_the_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]
) -> None:
    wanted = ["numpy<3,>=2", "pillow", 'torch>=2.9; extra == "model"', "tomli; python_version < '3'"]
    write_metadata(tmp_path, *wanted)
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = found(doctor(), "packages")
    assert finding.state == "ok"
    assert finding.what.startswith("numpy ") and "pillow" in finding.what and "torch" not in finding.what


def test_a_package_of_the_core_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]
) -> None:
    write_metadata(tmp_path, "numpy", "left-pad-for-vectors>=1")
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = found(doctor(), "packages")
    assert (finding.state, finding.what) == ("trouble", "left-pad-for-vectors missing")


def test_a_vstore_that_pip_does_not_know_is_no_trouble(monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]) -> None:
    monkeypatch.setattr(installed, "DISTRIBUTION", "vstore-that-nobody-installed")
    report = doctor()
    assert report.ok and found(report, "packages").state == "note"


def test_two_packages_of_faiss_over_one_another_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]
) -> None:
    info = tmp_path / "faiss_gpu-1.15.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faiss-gpu\nVersion: 1.15.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = found(doctor(), "faiss")
    assert finding.state == "trouble"
    assert "pip uninstall -y faiss-cpu faiss-gpu;" in finding.fix


@pytest.mark.parametrize(
    ("options", "gpus", "said"),
    [
        (["OPTIMIZE", "AVX2"], 0, "1.15.1 for the CPU (faiss-cpu)"),
        (["OPTIMIZE", "GPU", "NVIDIA"], 1, "1.15.1 for GPUs, classic, which finds 1 GPU (faiss-cpu)"),
        (["GPU", "NVIDIA"], 0, "1.15.1 for GPUs, classic, which finds 0 GPUs (faiss-cpu)"),
        (["GPU", "CUVS"], 2, "1.15.1 for GPUs, with cuVS, which finds 2 GPUs (faiss-cpu)"),
    ],
)
def test_the_kind_of_faiss_is_named(quick: dict[str, Any], options: list[str], gpus: int, said: str) -> None:
    quick["faiss"] = {"version": "1.15.1", "gpus": gpus, "options": options}
    assert found(doctor(), "faiss").what == said


def test_a_gpu_that_torch_does_not_see_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    finding = found(doctor(), "device")
    assert finding.state == "trouble"
    assert "built for the CPU alone" in finding.what


def test_the_gpus_that_a_sync_takes_are_said(quick: dict[str, Any]) -> None:
    quick["torch"] = {**quick["torch"], "devices": ["NVIDIA H100"]}
    assert found(doctor(), "device").what == "cuda: NVIDIA H100; --device auto uses it"
    quick["torch"] = {**quick["torch"], "devices": ["NVIDIA H100", "NVIDIA L4"]}
    assert found(doctor(), "device").what == (
        "cuda: NVIDIA H100, NVIDIA L4; --device auto uses all of them for a sync, each in a worker process, and the "
        "first one for everything else"
    )


def test_without_torch_the_store_works_and_it_is_said(monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]) -> None:
    plain = installed.is_there
    monkeypatch.setattr(installed, "is_there", lambda name: name != "torch" and plain(name))
    report = doctor()
    assert report.ok
    assert found(report, "models").fix == "pip install 'vstore-index[model]'"


def test_a_space_whose_model_is_gone_is_named(tmp_path: Path, zoo: Zoo, quick: dict[str, Any]) -> None:
    model = Path(shutil.copytree(zoo["dinov2"], tmp_path / "dino"))
    Store.init(tmp_path / ".vstore", model=str(model), device="cpu", name="dino")
    assert found(Store.doctor(tmp_path / ".vstore"), "space dino").state == "ok"
    model.rename(tmp_path / "elsewhere")
    finding = found(Store.doctor(tmp_path / ".vstore"), "space dino")
    assert (finding.state, finding.fix) == ("trouble", "vstore model add dino --model DIR --compute fp32")


def test_a_space_whose_adapter_is_gone_is_named(tmp_path: Path, zoo: Zoo, quick: dict[str, Any]) -> None:
    adapter = Path(shutil.copytree(zoo.adapter("clip"), tmp_path / "lora"))
    Store.init(tmp_path / ".vstore", adapter=str(adapter), device="cpu", name="lora")
    shutil.rmtree(adapter)
    finding = found(Store.doctor(tmp_path / ".vstore"), "space lora")
    assert finding.state == "trouble" and f"its adapter is no longer at {adapter}" in finding.what


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
        (lambda folder: save_dinov2(folder, seed=7), "its weights have changed"),
        (
            lambda folder: (folder / "config.json").write_text(
                (folder / "config.json").read_text().replace('"gelu"', '"relu"')
            ),
            "hidden_act: gelu -> relu",
        ),
    ],
    ids=["gone", "other weights", "other config"],
)
def test_a_space_whose_files_have_changed_is_named(
    tmp_path: Path, zoo: Zoo, quick: dict[str, Any], harm: Callable[[Path], object], said: str
) -> None:
    model = Path(shutil.copytree(zoo["dinov2"], tmp_path / "dino"))
    Store.init(tmp_path / ".vstore", model=str(model), device="cpu", name="dino")
    harm(model)
    report = Store.doctor(tmp_path / ".vstore")
    finding = found(report, "space dino")
    assert finding.state == "trouble" and said in finding.what and finding.what.endswith("stay searchable")
    assert finding.fix and not report.ok


@pytest.mark.parametrize(
    ("base", "library", "fix"),
    [
        ("clip-lora", "peft", "pip install 'vstore-index[model]'"),
        ("clip-lora", "transformers", "pip install 'vstore-index[model]'"),
        ("open-clip", "ftfy", "pip install 'vstore-index[model]'"),
        ("open-clip-own", "open_clip_torch", "pip install --no-deps 'open_clip_torch>=3.2' 'timm>=1.0.22'"),
        ("timm", "timm", "pip install --no-deps 'timm>=1.0.22'"),
    ],
)
def test_a_library_that_a_space_needs_is_named(
    tmp_path: Path, zoo: Zoo, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch, base: str, library: str, fix: str
) -> None:
    Store.init(tmp_path / ".vstore", adapter=str(zoo.adapter("clip")), device="cpu", name="one")
    if base != "clip-lora":  # what is asked for depends on the family alone
        plain = Repository.recipe
        monkeypatch.setattr(Repository, "recipe", lambda self, id: {**plain(self, id), "family": base})
    version = installed.version_of
    monkeypatch.setattr(installed, "version_of", lambda name: None if name == library else version(name) or "1")
    finding = found(Store.doctor(tmp_path / ".vstore"), "space one")
    assert (finding.state, finding.what) == ("trouble", f"its model needs {library}, which is not installed")
    assert finding.fix == fix


def test_a_space_of_a_plugin_that_is_not_installed_is_named(
    tmp_path: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.init(tmp_path / ".vstore", recipe={"family": "toy", "name": "toy", "dim": 8})
    finding = found(Store.doctor(tmp_path / ".vstore"), "space toy")
    assert finding.state == "trouble" and "the family 'toy'" in finding.what
    monkeypatch.setattr("vstore.doctor.space_model.plugins", lambda: ["toy"])
    assert found(Store.doctor(tmp_path / ".vstore"), "space toy").state == "ok"


def test_the_spaces_are_looked_at_without_torch(tmp_path: Path, zoo: Zoo) -> None:
    Store.init(tmp_path / ".vstore", adapter=str(zoo.adapter("clip")), device="cpu", name="one")
    code = (
        "import sys; from pathlib import Path; from vstore.doctor.spaces import store; "
        "from vstore.embed.consent import Consent; "
        f"found = store(Path({str(tmp_path / '.vstore')!r}), Consent.of_user()); "
        "assert found[-1].state == 'ok', found; print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_model_of_the_hub_that_is_not_downloaded_is_no_trouble(
    tmp_path: Path, zoo: Zoo, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.init(tmp_path / ".vstore", model=str(zoo["dinov2"]), device="cpu", name="dino")
    plain = Space.from_json
    place = {"model": "somebody/dino", "revision": "0" * 40}
    monkeypatch.setattr(Space, "from_json", lambda *args: plain(*args)._replace(place=place))
    finding = found(Store.doctor(tmp_path / ".vstore"), "space dino")
    assert (finding.state, finding.fix) == ("note", "vstore model allow dino")
    with Store(tmp_path / ".vstore") as store:
        store.model_allow()
    report = Store.doctor(tmp_path / ".vstore")
    finding = found(report, "space dino")
    assert finding.state == "note" and finding.what.endswith("the next run that needs it downloads it"), finding
    assert report.ok


def test_each_finding_is_told_as_soon_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Finding] = []
    before: list[str] = []

    def watching() -> Finding:
        before.extend(one.name for one in told)
        return Finding("watch", "ok", "there")

    monkeypatch.setattr("vstore.doctor.run.watching", watching)
    report = Store.doctor(found=told.append)
    assert tuple(told) == report.findings
    assert "python" in before and before == [one.name for one in told[: len(before)]], "before a later check ran"
