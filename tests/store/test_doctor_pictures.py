"""Doctor on the packages of picture formats and of tables."""

from __future__ import annotations

import pytest

from vstore.doctor import installation, installed, run
from vstore.doctor.report import Finding


def test_it_names_each_format_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "version_of", lambda name: "1.2")
    (finding,) = [installation.pictures()]
    assert (finding.name, finding.state) == ("pictures", "ok")
    assert finding.what == (
        "pillow 1.2, HEIC by pillow-heif 1.2, RAW by rawpy 1.2, "
        "JPEG XL by pillow-jxl-plugin 1.2 and imagecodecs 1.2, deep TIFF by tifffile 1.2 and imagecodecs 1.2"
    )


def test_one_command_installs_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "version_of", lambda name: None if name in ("rawpy", "imagecodecs") else "1.2")
    finding = installation.pictures()
    assert finding.state == "note"
    assert finding.what == "pillow 1.2, HEIC by pillow-heif 1.2; RAW, JPEG XL and deep TIFF cannot be read"
    assert finding.fix == "pip install 'vstore-index[raw,jxl,tiff]'"
    monkeypatch.setattr(installed, "version_of", lambda name: None if name == "pillow-heif" else "1.2")
    assert installation.pictures().fix == "pip install 'vstore-index[heic]'"
    assert installation.pictures().what.endswith("; HEIC cannot be read")


def test_it_names_the_packages_of_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "version_of", lambda name: "1.2")
    finding = installation.tables()
    assert (finding.name, finding.state, finding.what) == ("tables", "ok", "pyarrow 1.2, pandas 1.2")
    monkeypatch.setattr(installed, "version_of", lambda name: None if name == "pandas" else "1.2")
    finding = installation.tables()
    assert (finding.state, finding.what) == ("note", "pyarrow 1.2; data frames cannot be read or made")
    assert finding.fix == "pip install 'vstore-index[pandas]'"
    monkeypatch.setattr(installed, "version_of", lambda name: None)
    assert installation.tables().what == "Parquet files and tables of Arrow and data frames cannot be read or made"
    assert installation.tables().fix == "pip install 'vstore-index[parquet,pandas]'"


def test_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("core", "models", "devices", "hub_cache"):
        monkeypatch.setattr(run, name, lambda *_: [])
    for name in ("python", "faiss"):
        monkeypatch.setattr(run, name, lambda name=name: Finding(name, "ok", ""))
    monkeypatch.setattr(installed, "is_there", lambda name: False)
    assert [one.name for one in run.doctor().findings] == ["python", "faiss", "pictures", "watching", "page", "tables"]
