"""The recipes for vector databases, run as the page has them, where their packages are installed."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs_tools.console import TOP
from support.old_indexes import OldIndex, states

from vstore.store import Store

PAGE = (TOP / "docs/howto/vector-databases.md").read_text()
RECIPES = dict(re.findall(r"^## (\w+)\n.*?^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def sqlite(old: OldIndex) -> None:
    with sqlite3.connect(old.top / "old.sqlite") as connection:
        connection.execute("CREATE TABLE pictures (path TEXT, vector BLOB)")
        rows = [(path, row.astype("<f4").tobytes()) for path, row in zip(old.paths, old.rows, strict=True)]
        connection.executemany("INSERT INTO pictures VALUES (?, ?)", rows)
    connection.close()


def lance(old: OldIndex) -> None:
    lancedb = pytest.importorskip("lancedb")
    rows = [{"path": path, "vector": row} for path, row in zip(old.paths, old.rows, strict=True)]
    lancedb.connect(str(old.top / "old.lancedb")).create_table("pictures", rows)


def chroma(old: OldIndex) -> None:
    pytest.importorskip("chromadb")
    made = """
import chromadb, json, sys
paths, rows = json.load(open("old.json")), json.load(open("rows.json"))
pictures = chromadb.PersistentClient("old.chroma").create_collection("pictures")
pictures.add(ids=[str(n) for n in range(len(paths))], embeddings=rows, metadatas=[{"path": path} for path in paths])
"""
    _make(old, made)


def qdrant(old: OldIndex) -> None:
    pytest.importorskip("qdrant_client")
    made = """
import json
from qdrant_client import QdrantClient, models
paths, rows = json.load(open("old.json")), json.load(open("rows.json"))
client = QdrantClient(path="old.qdrant")
client.create_collection("pictures", models.VectorParams(size=len(rows[0]), distance=models.Distance.COSINE))
both = enumerate(zip(paths, rows))
client.upsert("pictures", [models.PointStruct(id=n, vector=row, payload={"path": path}) for n, (path, row) in both])
client.close()
"""
    _make(old, made)


def _make(old: OldIndex, program: str) -> None:
    """Make a database in a process of its own: it keeps files open, and warns."""
    (old.top / "rows.json").write_text(json.dumps(old.rows.tolist()))
    subprocess.run([sys.executable, "-c", program], cwd=old.top, check=True)


MAKERS: dict[str, Callable[[OldIndex], Any]] = {"SQLite": sqlite, "LanceDB": lance, "Chroma": chroma, "Qdrant": qdrant}


def test_each_database_of_the_page_has_a_test() -> None:
    assert RECIPES.keys() == MAKERS.keys()


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.filterwarnings("ignore")  # of the databases
def test_a_recipe_writes_what_an_import_takes(tmp_path: Path, name: str) -> None:
    old = OldIndex(tmp_path)
    MAKERS[name](old)
    subprocess.run([sys.executable, "-c", RECIPES[name]], cwd=tmp_path, check=True)
    report = Store.import_new(tmp_path / "store", embeddings=tmp_path / "old.parquet", root=old.pictures)
    assert states(report) == {"matched": 12}
    old.folder = tmp_path / "store"
    stored = old.stored()
    assert all(np.abs(stored[old.key(i)] - old.rows[i]).max() < 1e-3 for i in range(12))
