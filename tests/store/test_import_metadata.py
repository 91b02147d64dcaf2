"""The shapes in which people write the list of pictures of an index."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest

from vstore.errors import UsageError
from vstore.importing.listing import Entry, Listing
from vstore.importing.metadata import read_metadata
from vstore.importing.order import positions

PATHS = ["../old/a.png", "../old/b c.png", "../old/ü,d.png"]
WANTED = [path.encode() for path in PATHS]


def read(tmp_path: Path, content: Any, name: str = "m.json", **options: Any) -> Listing:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_metadata(path, options.pop("rows", 3), **options)


def paths(listing: Listing) -> list[bytes]:
    return [entry.path for entry in listing.entries]


@pytest.mark.parametrize(
    "value",
    [
        PATHS,
        [{"path": path} for path in PATHS],
        [{"file": path, "width": 3} for path in PATHS],
        [{"filename": path} for path in PATHS],
        [{"image_path": path, "caption": "words"} for path in PATHS],
        [{"Image_Path": path} for path in PATHS],
        {"image_paths": PATHS, "model": "clip", "dim": 8},
        {"paths": PATHS},
        {"model": "x", "images": [{"file": path} for path in PATHS]},
        {"files": PATHS, "total": 3},
        {"metadata": [{"path": path} for path in PATHS], "version": 1},
        {"0": PATHS[0], "1": PATHS[1], "2": PATHS[2]},
        {"metadata": {"0": PATHS[0], "1": PATHS[1], "2": PATHS[2]}},
        {"0": {"path": PATHS[0]}, "1": {"path": PATHS[1]}, "2": {"path": PATHS[2]}},
        {path: row for row, path in enumerate(PATHS)},
        {"path": {"0": PATHS[0], "1": PATHS[1], "2": PATHS[2]}, "size": {"0": 1, "1": 2, "2": 3}},
    ],
)
def test_json_is_read_in_the_shapes_that_people_write(tmp_path: Path, value: Any) -> None:
    listing = read(tmp_path, value)
    assert paths(listing) == WANTED
    assert positions(listing, 3, None, None)[0] == [0, 1, 2]


def test_rows_of_an_object_count_and_not_its_order(tmp_path: Path) -> None:
    listing = read(tmp_path, {"2": PATHS[2], "0": PATHS[0], "1": PATHS[1]})
    assert positions(listing, 3, None, None)[0] == [2, 0, 1]
    listing = read(tmp_path, {PATHS[1]: 1, PATHS[0]: 0, PATHS[2]: 2})
    assert positions(listing, 3, None, None)[0] == [1, 0, 2]


@pytest.mark.parametrize("value", [{"0": "a", "1": "b", "7": "c"}, {"0": "a", "1": "b", "01": "c"}])
def test_rows_of_an_object_must_be_those_of_the_vectors(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UsageError, match="numbers"):
        positions(read(tmp_path, value), 3, None, None)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_json_lines_are_read(tmp_path: Path, end: bytes) -> None:
    data = end.join(json.dumps({"path": path}).encode() for path in PATHS) + end
    assert paths(read(tmp_path, data, "m.jsonl")) == WANTED
    assert paths(read(tmp_path, data, "m.json")) == WANTED
    assert paths(read(tmp_path, end.join(json.dumps(path).encode() for path in PATHS), "m.jsonl")) == WANTED


@pytest.mark.parametrize("name", ["m.csv", "m.tsv"])
@pytest.mark.parametrize("head", [["path"], ["id", "image_path", "label"]])
def test_tables_with_a_head_are_read(tmp_path: Path, name: str, head: list[str]) -> None:
    with (tmp_path / name).open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if name.endswith("tsv") else ",")
        writer.writerow(head)
        writer.writerows([[path] if len(head) == 1 else [str(n), path, "x"] for n, path in enumerate(PATHS)])
    assert paths(read_metadata(tmp_path / name, 3)) == WANTED


def test_a_table_of_one_column_without_a_head_is_read(tmp_path: Path) -> None:
    listing = read(tmp_path, b"../old/a.png\n../old/b.png\n", "m.csv", rows=2)
    assert paths(listing) == [b"../old/a.png", b"../old/b.png"]


def test_a_table_with_semicolons_is_read(tmp_path: Path) -> None:
    assert paths(read(tmp_path, b"path;size\na,b.png;3\n", "m.csv", rows=1)) == [b"a,b.png"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_text_file_of_paths_is_read(tmp_path: Path, end: bytes) -> None:
    assert paths(read(tmp_path, end.join(WANTED) + end, "m.txt")) == WANTED


@pytest.mark.parametrize("code", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("name", ["m.txt", "m.csv", "m.json", "m.jsonl"])
def test_lists_with_a_mark_of_their_encoding_are_read(tmp_path: Path, code: str, name: str) -> None:
    """Shells of Windows write UTF-16 with CRLF."""
    text = {
        "m.txt": "\r\n".join(PATHS) + "\r\n \r\n",
        "m.csv": "path;n\r\n" + "".join(f"{path};1\r\n" for path in PATHS),
        "m.json": json.dumps(PATHS, ensure_ascii=False),
        "m.jsonl": "\r\n".join(json.dumps({"path": path}, ensure_ascii=False) for path in PATHS),
    }[name]
    assert paths(read(tmp_path, text.encode(code), name)) == WANTED


def test_a_blank_line_within_a_text_file_is_refused(tmp_path: Path) -> None:
    for blank in (b"", b" ", b"\r"):
        with pytest.raises(UsageError, match="line 2 is blank"):
            read(tmp_path, b"a\n" + blank + b"\nb\n", "m.txt")


def test_parquet_is_read(tmp_path: Path) -> None:
    pq.write_table(pyarrow.table({"image_path": PATHS, "size": [1, 2, 3]}), tmp_path / "m.parquet")
    listing = read_metadata(tmp_path / "m.parquet", 3)
    assert listing.entries == [Entry(path, size) for path, size in zip(WANTED, (1, 2, 3), strict=True)]


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a valid Parquet file"):
        read(tmp_path, b"PAR?", "m.parquet")


def test_sizes_and_dates_are_taken_along(tmp_path: Path) -> None:
    listing = read(tmp_path, [{"path": "a", "size": 5, "mtime": 1700000000.5}], rows=1)
    assert listing.entries == [Entry(b"a", 5, 1700000000.5)]
    for said in (1700000000000, "1700000000", "2023-11-14T22:13:20+00:00", 1700000000000000000):
        assert read(tmp_path, [{"path": "a", "modified": said}], rows=1).entries[0].mtime == 1700000000
    for said in (None, "soon", float("inf"), True):
        assert read(tmp_path, [{"path": "a", "modified": said}], rows=1).entries[0].mtime is None


def test_of_several_lists_the_one_with_the_right_length_is_meant(tmp_path: Path) -> None:
    assert paths(read(tmp_path, {"files": ["x", "y"], "image_paths": PATHS})) == WANTED
    assert paths(read(tmp_path, {"image_paths": ["x", "y"], "files": PATHS})) == WANTED


def test_several_lists_of_the_right_length_are_a_question(tmp_path: Path) -> None:
    value = {"image_paths": PATHS, "files": ["x", "y", "z"]}
    with pytest.raises(UsageError, match="--path-field"):
        read(tmp_path, value)
    assert paths(read(tmp_path, value, path_field="files")) == [b"x", b"y", b"z"]


def test_a_field_can_be_named(tmp_path: Path) -> None:
    assert paths(read(tmp_path, [{"where": path} for path in PATHS], path_field="where")) == WANTED
    assert paths(read(tmp_path, b"where,path\na,b\n", "m.csv", rows=1, path_field="where")) == [b"a"]


def test_how_a_list_was_read_is_said(tmp_path: Path) -> None:
    notes = read(tmp_path, {"images": [{"file": path} for path in PATHS]}).notes
    assert notes == ("the pictures are those of 'images'", "their paths are those of 'file'")


def test_numbers_that_contradict_the_order_are_a_question(tmp_path: Path) -> None:
    listing = read(tmp_path, [{"index": n, "path": path} for n, path in zip((2, 0, 1), PATHS, strict=True)])
    with pytest.raises(UsageError, match="--rows-by index"):
        positions(listing, 3, None, None)
    assert positions(listing, 3, None, "index")[0] == [2, 0, 1]
    assert positions(listing, 3, None, "order")[0] == [0, 1, 2]
    with pytest.raises(UsageError, match="no numbers"):
        positions(listing, 3, None, "row")


def test_numbers_of_a_database_do_not_count_as_rows(tmp_path: Path) -> None:
    listing = read(tmp_path, [{"id": n, "path": path} for n, path in zip((9, 4, 7), PATHS, strict=True)])
    assert positions(listing, 3, None, None)[0] == [0, 1, 2]
    assert positions(listing, 3, np.array([7, 9, 4]), None)[0] == [1, 2, 0]


@pytest.mark.parametrize(
    ("content", "name", "match"),
    [
        (b"", "m.json", "not JSON"),
        (b"nonsense", "m.json", "not JSON"),
        (b"[" * 100_000, "m.json", "nested too deep|not JSON"),
        (b'{"a": 1}\n{"a"', "m.jsonl", "line 2"),
        (b"\xff\xfe[]", "m.json", "UTF-8"),
        (b"[1, 2, 3]", "m.json", "entry 0"),
        (b'["a", {"path": "b"}, "c"]', "m.json", "entry 1"),
        (b'[{"caption": "x"}]', "m.json", "no field has a known name for a path: 'caption'"),
        (b'[{"path": 3}]', "m.json", "not text"),
        (b'[{"path": "a"}, {"file": "b"}]', "m.json", "entry 1"),
        (b'{"settings": {}, "things": ["a"]}', "m.json", "'settings', 'things'"),
        (b'"a.png"', "m.json", "a str instead of a list"),
        (b"a,b\n1,2\n", "m.csv", "'a', 'b'"),
        (b"path,b\n1\n", "m.csv", "row 2"),
        (b'path\n"a\n', "m.csv", "not a valid CSV file"),
        (b"", "m.csv", "empty"),
    ],
)
def test_what_is_no_list_of_pictures_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, name: str, match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        read(tmp_path, content, name)
