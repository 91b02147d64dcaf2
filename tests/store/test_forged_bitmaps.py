"""Bitmaps in `cache/` that a stranger wrote, with a right checksum and as many rows as the snapshot has pictures."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from support.folders import put
from support.forge import Forge, digest

from vstore import Operand, Store
from vstore.errors import Damage
from vstore_cli.main import run


def test_a_row_that_the_snapshot_does_not_hold_is_in_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"pictures/a.png": 1, "pictures/b.png": 2, "pictures/c.png": 3})
    assert run(["sync", "pictures", "-q"]) == 0
    (tmp_path / "pictures/c.png").unlink()
    assert run(["sync", "-q"]) == 0
    forge = Forge(tmp_path / ".vstore")
    (listed,) = forge.state["segments"].values()
    names = digest("\n".join(name for name, *_ in listed.values()).encode()).hex()
    refused = 0
    for rows in combinations(range(3), 2):
        forge.cache(
            f"rows-{forge.state['snapshots']['v2']['id'][:32]}-{names[:32]}", bytes([sum(1 << r for r in rows)])
        )
        with Store(".vstore") as store:
            try:
                hits = store.search([Operand(1.0, b"pictures/a.png")], k=3).hits
            except Damage as err:
                assert "marks pictures that v2 does not hold" in err.message
                refused += 1
            else:
                assert [hit.paths for hit in hits] == [(b"pictures/a.png",), (b"pictures/b.png",)]
    assert refused == 2


@pytest.mark.parametrize("bits", [0b000, 0b001, 0b111, 0b1011, 0b10000011], ids=bin)
def test_a_bitmap_that_marks_other_than_the_pictures_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    """Too few rows, too many, or as many with some behind the end of the segment."""
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"pictures/a.png": 1, "pictures/b.png": 2, "pictures/c.png": 3})
    assert run(["sync", "pictures", "-q"]) == 0
    (tmp_path / "pictures/c.png").unlink()
    assert run(["sync", "-q"]) == 0
    forge = Forge(tmp_path / ".vstore")
    (listed,) = forge.state["segments"].values()
    names = digest("\n".join(name for name, *_ in listed.values()).encode()).hex()
    name = f"rows-{forge.state['snapshots']['v2']['id'][:32]}-{names[:32]}"
    forge.cache(name, bytes([bits]))
    with Store(".vstore") as store:
        hits = store.search([Operand(1.0, b"pictures/a.png")], k=3).hits
        assert [hit.paths for hit in hits] == [(b"pictures/a.png",), (b"pictures/b.png",)]
