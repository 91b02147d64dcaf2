"""Doctor on the packages of picture formats."""

from __future__ import annotations

import pytest

from vstore.doctor import installation, installed


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
