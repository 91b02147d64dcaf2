"""A second reader, which knows FORMAT.md alone, says of every store what vstore says."""

from __future__ import annotations

import ast
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from support.builder import Builder, unit_vectors
from support.kinds import add_facts
from support.two_readers import by_the_reader, by_vstore

from vstore.format.facts import BYTES, Fact
from vstore.format.hashing import HASHES, store_hash
from vstore.repository.decisions import Choice, decide, decisions_of
from vstore.repository.fields import fields_of, set_fields

DATA = Path(__file__).parent / "data"
SUPPORT = Path(__file__).parents[1] / "support"
STORES = [
    path.parent.relative_to(DATA).as_posix() for path in sorted(DATA.glob("*/*/FORMAT"))
]  # one of each format, and of each hash


def test_the_reader_uses_public_tools_alone() -> None:
    imported: set[str] = set()
    for name in ("independent_reader.py", "independent_bytes.py"):
        for node in ast.walk(ast.parse((SUPPORT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    assert {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names} == {
        "xxhash",
        "support.independent_bytes",
    }


@pytest.mark.parametrize("store", STORES)
def test_both_say_the_same_of_the_stores_of_every_format(store: str) -> None:
    found = by_vstore(DATA / store)
    assert found == by_the_reader(DATA / store)
    assert found["aliases"] and all(found["rows"].values())


@pytest.mark.parametrize("hash", HASHES)
def test_both_say_the_same_of_trees_of_several_levels(tmp_path: Path, hash: str) -> None:
    builder = Builder(tmp_path / ".vstore", hash=hash)
    repo, digest = builder.repo, store_hash(hash).digest
    keys = [digest(b"%d" % number) for number in range(3000)]
    builder.add_segment(keys, unit_vectors(len(keys)))
    builder.add_snapshot({b"r/%03d/%d.png" % (number % 37, number): key for number, key in enumerate(keys)})
    set_fields(repo, {(key, "title"): f"number {number}" for number, key in enumerate(keys)})
    set_fields(repo, {(keys[7], "long"): "x" * 60_000, (keys[8], "long"): "y" * 60_000, (keys[9], "title"): None})
    decide(repo, [Choice("same", some) for some in pairwise(keys)])
    add_facts(repo, [Fact(key, 1, {BYTES: number}) for number, key in enumerate(keys)])
    current = repo.snapshot("current")
    for tree in (repo.tree(current), fields_of(repo, current), decisions_of(repo)):
        assert max(level for _, level in tree.pages()) >= 1
    found = by_vstore(tmp_path / ".vstore")
    assert found == by_the_reader(tmp_path / ".vstore")
    assert (len(found["fields"]["v3"]), len(found["decisions"]), len(found["facts"])) == (3001, 2999, 3000)


@pytest.mark.parametrize("folder", ["FORMAT", "refs", "packs", "segments", "journal", "indexes"])
def test_the_reader_would_see_a_byte_that_is_another(tmp_path: Path, folder: str) -> None:
    shutil.copytree(DATA / "format-2/store", tmp_path / "store")
    path = tmp_path / "store" / folder
    path = max(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else path
    before = by_the_reader(tmp_path / "store")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if folder == "journal":  # a frame that does not prove itself is passed over
        assert by_the_reader(tmp_path / "store")["journals"] != before["journals"]
    else:
        with pytest.raises((AssertionError, ValueError, KeyError)):
            by_the_reader(tmp_path / "store")
