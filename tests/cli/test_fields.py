"""`vstore fields`: what it prints, its exit codes, and what completes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.lines import Line

from vstore_cli.completion.answer import completions
from vstore_cli.main import vstore


def offered(line: str) -> list[str]:
    """The values that complete a command line."""
    lines = completions(vstore, "fish", line, line.rpartition(" ")[2])
    return [one.partition(",")[2].partition("\t")[0] if one.startswith("plain,") else one for one in lines]


@pytest.fixture
def labelled(line: Line) -> Line:
    line.put({"pictures/a.png": 1, "pictures/b.png": 2, "pictures/c.png": 3})
    line("sync", "pictures/", "-q")
    line("fields", "set", "label=cat", "note=x=y", "pictures/a.png", "pictures/b.png")
    return line


def test_set_says_what_it_did_and_undo_takes_it_back(labelled: Line) -> None:
    ran = labelled("fields", "set", "--type", "int", "stars=5", "pictures/a.png", "-m", "mine")
    assert ran.lines == ["Set 1 field of 1 picture.", "v3 is current. Go back with: vstore undo"]
    assert labelled("snapshot", "list", "--json").json[0]["message"] == "mine"
    assert labelled("show", "pictures/a.png", "--json").json["fields"] == {"label": "cat", "note": "x=y", "stars": 5}
    labelled("undo")
    assert "stars" not in labelled("show", "pictures/a.png", "--json").json["fields"]


def test_setting_what_is_so_changes_nothing(labelled: Line) -> None:
    assert labelled("fields", "set", "label=cat", "pictures/a.png").lines == [
        "Nothing changed: the fields are as they were. v2 is current."
    ]


def test_a_dry_run_changes_nothing(labelled: Line) -> None:
    assert labelled("fields", "set", "label=dog", "pictures/a.png", "-n").lines == [
        "Would replace 1 field of 1 picture."
    ]
    assert labelled("fields", "unset", "label", "--all-pictures", "-n").lines == [
        "Would take away 2 fields of 2 pictures."
    ]
    assert labelled.current() == "v2"


def test_unset_takes_names_first_and_then_pictures(labelled: Line) -> None:
    labelled("fields", "unset", "label", "note", "pictures/a.png")
    assert labelled("fields", "list", "--json").json == [
        {"name": "label", "pictures": 1, "types": {"text": 1}},
        {"name": "note", "pictures": 1, "types": {"text": 1}},
    ]
    labelled("fields", "unset", "label", "--all-pictures")
    assert labelled("fields", "list").lines == ["field  pictures  type", "note          1  text"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "label=cat"], "to set a field takes its value and a picture"),
        (["set", "pictures/a.png"], "no field is named"),
        (["set", "a=1", "a=2", "pictures/a.png"], "the field 'a' is given twice"),
        (["set", "=1", "pictures/a.png"], "the name of a field has 0 bytes"),
        (["set", "--type", "int", "a=x", "pictures/a.png"], "'x' is no whole number"),
        (["set", "--type", "float", "a=nan", "pictures/a.png"], "a field cannot be nan"),
        (["set", "--type", "bool", "a=maybe", "pictures/a.png"], "'maybe' is neither true nor false"),
        (["set", "--type", "date", "a=soon", "pictures/a.png"], "'soon' is no time"),
        (["set", "--type", "list", "a=[1]", "pictures/a.png"], "a list of a field holds texts alone"),
        (["set", "label=cat", "pictures/none.png"], "pictures/none.png"),
        (["unset", "lable", "pictures/a.png"], "no picture of the snapshot has a field 'lable'"),
        (["unset", "label"], "no picture is named to take 'label' from"),
        (["unset", "label", "pictures/a.png", "--all-pictures"], "no picture of the snapshot has a field 'pictures/a"),
        (["export", "x.txt"], "the format of x.txt is not known by its name"),
        (["export", "--json"], "--json and the fields cannot both go to standard output"),
        (["import", "none.csv"], "none.csv cannot be read"),
        (["import", "pictures", "--format", "csv"], "pictures is no file"),
    ],
)
def test_wrong_words_are_refused(labelled: Line, words: list[str], said: str) -> None:
    assert said in labelled("fields", *words, code=2).err
    assert labelled.current() == "v2"


def test_a_mistyped_field_is_guessed(labelled: Line) -> None:
    assert "did you mean label?" in labelled("fields", "unset", "lable", "pictures/a.png", code=2).err


def test_an_import_says_what_it_left_out_and_exits_with_3(labelled: Line) -> None:
    (labelled.home / "x.csv").write_text("path,label\npictures/c.png,dog\nnone.png,dog\npictures/c.png,cow\n")
    ran = labelled("fields", "import", "x.csv", code=3)
    assert ran.lines[:2] == ["Read 3 rows by path.", "Set 1 field of 1 picture."]
    assert ran.err.splitlines() == [
        "Left out of label: 1 value, other values than those of an earlier row of the same picture, the first in row 4",
        "1 row has no picture of the snapshot; the first is row 3: none.png",
    ]
    assert (
        labelled("fields", "import", "x.csv", "--by", "lable", code=2)
        .err.splitlines()[1]
        .startswith("  did you mean: vstore fields import x.csv --by label;")
    )


def test_a_file_without_rows_names_no_column(labelled: Line) -> None:
    (labelled.home / "x.csv").write_text("path,label\n")
    assert labelled("fields", "import", "x.csv").lines[0] == "Read 0 rows."


def test_an_export_goes_to_standard_output(labelled: Line, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    out = labelled("fields", "export", "--format", "csv").out
    assert out.splitlines()[0] == "key,path,label,note"
    assert len(out.splitlines()) == 3
    labelled("fields", "export", "x.jsonl")
    assert "already exists" in labelled("fields", "export", "x.jsonl", code=2).err
    assert Path("x.jsonl").read_text().count("\n") == 2


def test_show_writes_values_as_a_csv_does(labelled: Line) -> None:
    for kind, word in (("list", "l=red,grün"), ("bool", "b=yes"), ("date", "d=2026-11-30T18:20:00+01:00")):
        labelled("fields", "set", "--type", kind, word, "pictures/c.png")
    shown = [line for line in labelled("show", "pictures/c.png").lines if line.startswith("field")]
    assert [line.split(maxsplit=2)[2] for line in shown] == ["true", "2026-11-30T17:20:00Z", '["red", "grün"]']
    assert 'true,2026-11-30T17:20:00Z,"[""red"", ""grün""]"' in labelled("fields", "export", "--format", "csv").out


def test_changes_are_refused_while_syncing_is_held(labelled: Line) -> None:
    labelled("rollback", "v1", "--hold")
    (labelled.home / "x.csv").write_text("path,label\npictures/c.png,dog\n")
    assert "held" in labelled("fields", "set", "label=dog", "pictures/a.png", code=5).err
    assert "held" in labelled("fields", "import", "x.csv", code=5).err


def test_snapshots_and_the_log_say_what_changed(labelled: Line) -> None:
    labelled("fields", "set", "label=dog", "pictures/b.png", "pictures/c.png")
    labelled("fields", "unset", "note", "pictures/a.png")
    assert ["fields", "4"] in [row.split() for row in labelled("snapshot", "show").lines]
    assert labelled("snapshot", "diff", "v2").lines == [
        "v2 -> v4: the same pictures under the same paths",
        "field label: 1 added, 1 changed",
        "field note: 1 removed",
    ]
    assert labelled("snapshot", "diff", "v2", "--only", "added").lines == ["v2 -> v4: no such difference"]
    found = labelled("snapshot", "diff", "v2", "--json").json["fields"]
    assert found == [
        {"name": "label", "added": 1, "changed": 1, "removed": 0},
        {"name": "note", "added": 0, "changed": 0, "removed": 1},
    ]
    assert [row["about"] for row in labelled("log", "--json").json[:2]] == [
        "v4: 1 field removed",
        "v3: 1 field set, 1 field replaced",
    ]


def test_names_of_fields_are_completed(labelled: Line) -> None:
    assert offered("vstore fields set la") == ["label=", "file,"]
    assert offered("vstore fields unset la") == ["label", "file,"]
    assert offered("vstore fields list v") == ["v2", "v1"]
