"""`vstore import`, `vstore export` and `vstore check --reembed` as people type them."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.lines import Line
from support.old_indexes import OldIndex

from vstore.embed.builtin import DEFAULT_RECIPE, BuiltinEmbedder
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation


@pytest.fixture
def old(line: Line) -> OldIndex:
    return OldIndex(line.home)


TRIPLE = ("--faiss", "old.faiss", "--embeddings", "old.npy", "--metadata", "old.json", "--root", "pictures")


def test_an_import_makes_the_store_and_says_what_it_did(old: OldIndex, line: Line) -> None:
    (old.pictures / "p04.png").unlink()
    old.put({"p05.png": 40}, newer=True)
    old.put({"a/p06.png": 41, "b/p06.png": 42})
    (old.pictures / "p06.png").unlink()
    ran = line("import", *TRIPLE)
    assert ran.lines[0] == "12 rows of 8 numbers from old.npy"
    assert "  9  matched" in ran.lines
    assert "  row 6 ../o00_images/p06.png: 2 files match it: pictures/a/p06.png, pictures/b/p06.png" in ran.lines
    assert "Made the store .vstore" in ran.lines
    assert "  row 4 ../o00_images/p04.png: no file under --root has this name" in ran.lines
    assert "  row 5 ../o00_images/p05.png: it is newer than the index" in ran.lines
    assert "Wrote snapshot v1; it is current." in ran.lines
    assert ran.lines[-1].endswith("vstore import --resume i2")
    assert line.current() == "v1"


def test_a_table_says_why_rows_wait(old: OldIndex, line: Line) -> None:
    for name in ("p03.png", "p04.png", "p06.png", "p07.png"):
        (old.pictures / name).unlink()
    old.put({"p05.png": 40}, newer=True)
    old.put({"a/p06.png": 41, "phone/p07.png": 42})
    old.write([*old.paths[:8], "../o00_images/a/p06.png", *old.paths[9:]])
    ran = line("import", *TRIPLE)
    at = ran.lines.index("waiting for their pictures:")
    table = [" ".join(row.split()) for row in ran.lines[at + 1 : at + 6]]
    assert table == [
        "rows why first",
        "1 only files elsewhere have the name ../o00_images/p07.png (pictures/phone/p07.png?)",
        "1 the files of the name are those of other rows ../o00_images/p06.png",
        "1 the file is newer than the index ../o00_images/p05.png",
        "2 no file has the name ../o00_images/p03.png, ../o00_images/p04.png",
    ]
    again = line("import", "--resume", "i2", "-n").lines
    assert again[again.index("waiting for their pictures:") + 1 :][:5] == ran.lines[at + 1 : at + 6]
    value = line("import", "--resume", "i2", "-n", "--json").json["waiting"]
    reasons = [("name_only", 1), ("taken_file", 1), ("newer", 1), ("no_file", 2)]
    assert [(some["why"], some["rows"]) for some in value] == reasons


def test_a_dry_run_leaves_nothing_behind(old: OldIndex, line: Line) -> None:
    before = sorted(os.listdir())
    ran = line("import", *TRIPLE, "-n")
    assert ran.lines[-1].startswith(
        "An import would make the store .vstore, and add 12 vectors (12 unchanged, 0 normal"
    )
    assert sorted(os.listdir()) == before


def test_a_refused_import_leaves_nothing_behind(old: OldIndex, line: Line) -> None:
    before = sorted(os.listdir())
    old.write([f"../x/{i}.png" for i in range(12)])
    error = line("import", *TRIPLE, "--json", code=5).error
    assert error["code"] == "import_refused"
    assert sorted(os.listdir()) == before


def test_the_report_comes_as_json_and_as_a_file(old: OldIndex, line: Line) -> None:
    (old.pictures / "p04.png").unlink()
    value = line("import", *TRIPLE, "--report", "report.json", "--json").json
    assert (value["matched"], value["missing"], value["created_store"]) == (11, 1, True)
    assert json.loads(Path("report.json").read_text())["import"]["missing"] == 1


def test_paths_cannot_break_the_terminal(old: OldIndex, line: Line) -> None:
    old.write(["../o00/\x1b[31mred\n.png", "../o00/" + "x" * 4000, *old.paths[2:]])
    ran = line("import", *TRIPLE)
    assert "\x1b" not in ran.out
    assert max(map(len, ran.lines)) < 400


def test_what_waits_is_joined_and_a_sync_names_it(old: OldIndex, line: Line) -> None:
    (old.pictures / "p04.png").unlink()
    line("import", *TRIPLE, "-q")
    old.put({"back/p04.png": 4})
    ran = line("status", "-q")
    assert any(text.endswith("vstore import --resume i2 --by-name") for text in ran.lines)
    assert line("status", "--json").json["candidates"] == [
        {
            "import_id": "i2",
            "old": {"path": "../o00_images/p04.png"},
            "path": "pictures/back/p04.png",
            "by": "name",
            "file": str(old.pictures / "back/p04.png"),
        }
    ]
    value = line("import", "--resume", "i2", "--json").json
    assert (value["added"], value["near"], value["missing"]) == (0, 1, 1)
    value = line("import", "--resume", "i2", "--by-name", "--json").json
    assert (value["added"], value["by_name"]) == (1, 1)


def test_an_import_needs_a_store_to_go_on_with(line: Line) -> None:
    assert "no store" in line("import", "--resume", "i2", code=2).err


def test_an_import_of_an_unknown_model_is_refused(old: OldIndex, line: Line) -> None:
    line("import", *TRIPLE, "--model", "no-such-model", code=13)
    assert not line.store.exists()


def test_an_export_is_imported_again_with_the_same_id(old: OldIndex, line: Line) -> None:
    line("import", *TRIPLE, "-q")
    ran = line("export", "out")
    assert ran.out.startswith("Wrote 12 pictures of v1 to out (")
    assert sorted(os.listdir("out")) == [
        "embeddings.npy",
        "index.faiss",
        "metadata.json",
        "pictures.jsonl",
        "vstore.json",
    ]
    again = line("--store", "again", "import", "--faiss", "out/index.faiss", "--json").json
    assert again["id"] == line("snapshot", "list", "--json").json[0]["id"]


def test_links_of_a_search_are_made(pictures: Line) -> None:
    ran = pictures("export", "links", "./pictures/a.png", "--format", "links", "-k", "2")
    assert ran.out == "Made 2 links in links\n"
    assert min(os.listdir("links")) == "0001_1.000_a.png"
    assert "add what to look for" in pictures("export", "more", "--format", "links", code=2).err


def test_the_pictures_of_a_search_are_exported_with_their_scores(pictures: Line) -> None:
    ran = pictures("export", "like.csv", "./pictures/a.png", "--format", "csv", "-k", "2")
    assert re.fullmatch(r"Wrote (\d paths, )?2 pictures of v1 to like\.csv \(.*\)\n", ran.out)
    head, first, *_ = Path("like.csv").read_text().splitlines()
    assert head.split(",")[:4] == ["score", "path", "file", "key"]
    assert first.startswith("1.0,pictures/a.png,")
    value = pictures("export", "like.jsonl", "./pictures/a.png", "--format", "jsonl", "-k", "2", "--json").json
    assert (value["images"], value["format"]) == (2, "jsonl")
    refused = pictures("export", "more", "./pictures/a.png", "--format", "npz", code=2).err
    assert "the format npz takes no search" in refused


@pytest.mark.parametrize("format", ["npz", "parquet", "jsonl", "csv", "clip-retrieval"])
def test_the_other_forms_are_written(pictures: Line, format: str) -> None:
    value = pictures("export", "out", "--format", format, "--json").json
    assert (value["images"], value["paths"], value["format"]) == (3, 3, format)
    assert Path("out").exists()


def _declare(old: OldIndex, upright: bool) -> None:
    """Write the three files as the built-in embedder makes them of these pictures."""
    embedder = BuiltinEmbedder(DEFAULT_RECIPE)
    preparation = Preparation(upright=upright)
    prepared = [prepare((old.pictures / name).read_bytes(), preparation)[0] for name in old.names]
    old.write(rows=np.asarray(embedder.embed_images(prepared)))


def test_a_claimed_space_is_verified(old: OldIndex, line: Line) -> None:
    _declare(old, upright=True)
    assert "(claimed)" in line("import", *TRIPLE, "--model", "builtin-1").lines[-1]
    ran = line("check", "--reembed", "8", "-q")
    assert "Re-embedded 8 pictures: 8 match (8 required)" in ran.lines
    assert "The space builtin-1 is verified." in ran.lines


def test_a_space_that_does_not_fit_gets_a_table(old: OldIndex, line: Line) -> None:
    line("import", *TRIPLE, "-q")
    assert "without a model" in line("check", "--reembed", "4", code=13).err
    shutil.rmtree(line.store)
    rows = np.random.default_rng(3).standard_normal((12, int(DEFAULT_RECIPE["dim"])))
    old.write(rows=rows / np.linalg.norm(rows, axis=1, keepdims=True))
    line("import", *TRIPLE, "--model", "builtin-1", "-q")
    ran = line("check", "--reembed", "4", "-q", code=13)
    assert any("exif-ignored" in text and "pictures were not turned" in text for text in ran.lines)
    assert "stays claimed" in ran.err
    assert line("check", "--reembed", "4", "--json", code=13).json["reembed"]["fits"] is False


def test_columns_kept_as_fields_are_named_and_what_does_not_fit(old: OldIndex, line: Line) -> None:
    said = [{"path": path, "caption": "one", "stars": 3, "box": {"x": 1}} for path in old.paths]
    said[2]["caption"] = "x" * 70_000
    said[3]["\x1b[31m" + "n" * 300] = "red"
    old.json.write_text(json.dumps(said))
    ran = line("import", *TRIPLE)
    assert "2 columns kept as fields: caption, stars" in ran.lines
    assert "not kept as a field: box, objects (12 values, the first of entry 0)" in ran.lines
    assert "not kept as a field: caption, text of more than 65,536 bytes (1 value, the first of entry 2)" in ran.lines
    hostile = next(row for row in ran.lines if "red" not in row and "nnn" in row)
    assert hostile.startswith(r"not kept as a field: \x1b[31mnnn") and len(hostile) < 400
    again = line("import", *TRIPLE, "--field", "stars", "-n")
    assert "1 column would be kept as a field: stars" in again.lines
    assert not any("field" in row for row in line("import", *TRIPLE, "--no-fields").lines)
    assert "no column 'sars'" in line("import", *TRIPLE, "--field", "sars", code=2).err


def test_a_file_with_nearly_the_name_is_named(old: OldIndex, line: Line) -> None:
    (old.pictures / "p03.png").rename(old.pictures / "p03.gif")
    ran = line("import", *TRIPLE, "-n")
    told = "  row 3 ../o00_images/p03.png: a file has its name with another extension: pictures/p03.gif"
    assert told in ran.lines
    table = [" ".join(row.split()) for row in ran.lines]
    assert "1 a file has nearly the name ../o00_images/p03.png (pictures/p03.gif?)" in table


def test_fields_that_wait_with_their_rows_are_not_called_kept(old: OldIndex, line: Line) -> None:
    (old.pictures / "p03.png").unlink()
    said = [{"path": path} for path in old.paths]
    said[3]["caption"] = "one"
    old.json.write_text(json.dumps(said))
    assert not any("field" in row for row in line("import", *TRIPLE).lines)
    assert not any("field" in row for row in line("import", "--resume", "i2").lines)
    old.put({"p03.png": 3})
    assert "1 column kept as a field: caption" in line("import", "--resume", "i2").lines


def test_the_store_above_a_folder_that_holds_none_is_used_and_said(
    old: OldIndex, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line("init", "--store", old.pictures / ".vstore")
    empty = line.home / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    said = f"Store: {old.pictures}/.vstore\n"
    words = ["import", "--faiss", old.faiss, "--metadata", old.json, "--root", old.pictures]
    dry = line(*words, "-n")
    assert "Store:" not in dry.err  # it writes nothing
    assert dry.lines[-1].startswith("An import would add 12 vectors")
    assert line(*words).err.startswith(said)
    assert list(empty.iterdir()) == []
