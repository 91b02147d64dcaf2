"""`vstore model recommend`: readable on any terminal, and the same for programs."""

from __future__ import annotations

import json

import pytest

from vstore import Store
from vstore_cli.main import run


def test_the_table_fits_a_narrow_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "recommend"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for row in Store.model_recommend():
        (at,) = [number for number, line in enumerate(lines) if line.split()[0] == row.name]
        assert all(text in lines[at] for text in (row.purpose, row.licence, f"{row.dim:,}"))
        if row.revision is not None:
            assert lines[at + 1] == f"  {row.model}@{row.revision}"


def test_programs_get_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "recommend", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [row.to_json() for row in Store.model_recommend()]
