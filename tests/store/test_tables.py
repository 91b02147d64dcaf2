"""Reports as tables of Arrow and data frames of pandas."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.folders import ENVIRONMENT, World, put

from vstore import DupesReport, FindReport, Hit, LsReport, MissingPackage, SearchReport, Store
from vstore.tables import to_arrow, to_pandas

ODD = b"pictures/caf\xe9.png"
ALL: dict[str, Callable[[Store], Any]] = {
    "search": lambda store: store.search("1.png", k=9),
    "ls": lambda store: store.ls(),
    "ls, long": lambda store: store.ls(recursive=True, long=True),
    "ls, failed": lambda store: store.ls(failed=True),
    "find": lambda store: store.find_pictures("*.png", long=True),
    "dupes": lambda store: store.dupes(),
    "dupes, near": lambda store: store.dupes(near=0.001),
}
COLUMNS = {
    "search": "key score path file paths flat chance collapsed",
    "ls": "path file key unnamed paths kind reason bytes format width height taken modified",
    "find": "path file key unnamed paths kind reason bytes format width height taken modified",
    "dupes": "group key score path file trouble tier burst part best",
}


@pytest.fixture
def filled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    put(world.pictures, {"1.png": 1, "sub/2.png": 2, "sub/again.png": 2, "broken.png": b"\x89PNG\r\n\x1a\n"})
    put(world.pictures, {"é.png": 3})
    world.sync()
    monkeypatch.chdir(world.pictures)
    return world


@pytest.mark.parametrize("kind", ALL)
def test_a_report_becomes_a_table_with_the_columns_of_its_page(filled: World, kind: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    table = ALL[kind](filled.store).to_arrow()
    assert isinstance(table, arrow.Table)
    assert table.column_names == COLUMNS[kind.partition(",")[0]].split()
    assert table.num_rows == {"search": 3, "ls": 1, "ls, failed": 1, "dupes": 2, "dupes, near": 3}.get(kind, 4)


@pytest.mark.parametrize("kind", ALL)
def test_a_data_frame_has_the_rows_of_the_table(filled: World, kind: str) -> None:
    pandas = pytest.importorskip("pandas", reason="data frames need vstore-index[pandas]")
    report = ALL[kind](filled.store)
    frame, table = report.to_pandas(), report.to_arrow()
    assert list(frame.columns) == table.column_names

    def plain(value: Any) -> Any:
        return list(value) if isinstance(value, list) else None if pandas.isna(value) else value

    rows = [{name: plain(value) for name, value in row.items()} for row in frame.to_dict("records")]
    assert rows == table.to_pylist()


def test_the_rows_of_a_search_are_its_hits(filled: World) -> None:
    pytest.importorskip("pyarrow")
    report = filled.store.search("1.png", k=9)
    rows = report.to_arrow().to_pylist()
    assert [row["key"] for row in rows] == [hit.key.hex() for hit in report.hits]
    assert rows[0] == {
        "key": filled.key(1),
        "score": 1.0,
        "path": "pictures/1.png",
        "file": str(filled.pictures / "1.png"),
        "paths": ["pictures/1.png"],
        "flat": False,
        "chance": None,
        "collapsed": 0,
    }


def test_the_rows_of_duplicates_are_their_paths(filled: World) -> None:
    pytest.importorskip("pyarrow")
    (filled.pictures / "sub/again.png").unlink()
    rows = filled.store.dupes().to_arrow().to_pylist()
    assert [(row["group"], row["key"], row["path"]) for row in rows] == [
        (0, filled.key(2), "pictures/sub/2.png"),
        (0, filled.key(2), "pictures/sub/again.png"),
    ]
    assert [row["trouble"] for row in rows] == [None, "No such file or directory"]
    assert [(row["tier"], row["burst"], row["part"]) for row in rows] == [("bytes", False, 0)] * 2


def test_names_that_are_not_utf8_have_a_column_of_their_bytes() -> None:
    pytest.importorskip("pyarrow")
    hits = Hit(b"k" * 16, 0.5, (ODD, b"a"), (None, None)), Hit(b"l" * 16, 0.4, (b"b",), (b"/b",))
    table = SearchReport("v1", hits).to_arrow()
    assert table.column_names == [
        "key",
        "score",
        "path",
        "path_b64",
        "file",
        "paths",
        "paths_b64",
        "flat",
        "chance",
        "collapsed",
    ]
    one, other = table.to_pylist()
    assert (one["path"], base64.b64decode(one["path_b64"])) == ("pictures/caf\ufffd.png", ODD)
    assert one["paths_b64"][1] is None
    assert (other["path"], other["path_b64"]) == ("b", None)


def test_an_empty_table_has_the_types_of_a_full_one(filled: World) -> None:
    pytest.importorskip("pyarrow")
    full, empty = filled.store.search("1.png").to_arrow(), SearchReport("v1", ()).to_arrow()
    assert empty.schema == full.schema
    assert empty.num_rows == 0
    assert (
        filled.store.ls(recursive=True).to_arrow().schema
        == filled.store.ls(recursive=True, long=True).to_arrow().schema
    )


def test_an_empty_data_frame_has_the_types_of_a_full_one(filled: World) -> None:
    pytest.importorskip("pandas", reason="data frames need vstore-index[pandas]")
    full, empty = filled.store.search("1.png").to_pandas(), SearchReport("v1", ()).to_pandas()
    assert dict(empty.dtypes) == dict(full.dtypes)


@pytest.mark.parametrize(("module", "make"), [("pyarrow", to_arrow), ("pandas", to_pandas)])
def test_a_missing_package_is_named_with_its_extra(
    module: str, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = {"pyarrow": "parquet"}.get(module, module)
    with pytest.raises(MissingPackage, match=rf"pip install 'vstore-index\[{extra}\]'"):
        make({"a": "int"}, [])


def test_a_report_loads_neither_before_it_is_asked_for_a_table(filled: World) -> None:
    code = (
        "import sys; from vstore import Store; store = Store(sys.argv[1])\n"
        "store.ls(recursive=True), list(store.ls().entries), store.dupes()\n"
        "print(sorted({'pandas', 'pyarrow', 'numpy'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(filled.folder)], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_methods_stand_on_all_reports_that_are_tables() -> None:
    for report in (SearchReport, LsReport, FindReport, DupesReport):
        assert {"to_arrow", "to_pandas"} <= set(dir(report))


def test_a_list_of_reports_is_a_data_frame_in_one_line(filled: World) -> None:
    pandas = pytest.importorskip("pandas", reason="data frames need vstore-index[pandas]")
    frame = pandas.DataFrame(filled.store.snapshot_list())
    assert list(frame.columns)[:2] == ["snapshot", "id"]
    assert list(frame["images"]) == [3]
