"""--json, everywhere: one document on one line on stdout, all else on stderr."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from support.lines import Line, environment, found, process

from vstore.store import Store
from vstore_cli.help import all_commands

# Each command, in an order in which all of them succeed.
COMMANDS = [
    ["init", "--store", "another"],
    ["sync", "-m", "second"],
    ["sync"],
    ["status"],
    ["search", "./pictures/a.png", "-k", "1"],
    ["dupes"],
    ["ls"],
    ["ls", "-R", "--long"],
    ["ls", "--failed"],
    ["find", "*.png"],
    ["show", "pictures/a.png"],
    ["snapshot", "list"],
    ["snapshot", "show"],
    ["snapshot", "diff", "v1"],
    ["snapshot", "tag", "v1", "first"],
    ["snapshot", "export", "v1", "out.jsonl"],
    ["snapshot", "untag", "first"],
    ["export", "out.npz", "--format", "npz"],
    ["model", "list"],
    ["model", "show", "builtin-2"],
    ["model", "use", "builtin-2"],
    ["rollback", "v1", "--hold"],
    ["rollback", "--release"],
    ["undo"],
    ["redo"],
    ["log"],
    ["check", "--read-data"],
    ["stats"],
    ["facts"],
    ["facts", "--fill", "--pixels"],
    ["fields", "set", "label=cat", "pictures/a.png"],
    ["fields", "list"],
    ["fields", "export", "out-fields.csv"],
    ["fields", "unset", "label", "pictures/a.png"],
    ["fields", "import", "out-fields.csv"],
    ["fields", "carry", "v1"],
    ["fields", "prune"],
    ["decide", "different", "pictures/a.png", "pictures/b.png"],
    ["decisions"],
    ["root", "list"],
    ["root", "rename", "pictures", "photos"],
    ["root", "remove", "photos", "--dry-run"],
    ["root", "remove", "photos"],
    ["undo"],
    ["repair", "--dry-run"],
    ["repair"],
    ["migrate"],
    ["snapshot", "forget", "v2", "--dry-run"],
    ["gc", "--dry-run"],
    ["gc"],
    ["index", "build"],
    ["index", "status"],
    ["index", "drop"],
    ["completion", "fish"],
    ["config", "list"],
    ["config", "path"],
]

GROUPS = {words[0] for words in all_commands() if words and isinstance(found(words), click.Group)}
# They want an old index, this machine, or a second model: tests/store/test_format.py looks at what they print.
ELSEWHERE = {
    ("import",),
    ("doctor",),
    ("model", "add"),
    ("model", "allow"),
    ("model", "convert"),
    ("model", "diff"),
    ("model", "recommend"),
    ("model", "drop"),
    ("model", "serve"),
    ("serve",),  # tests/docs/test_json.py looks at what it prints
    ("trust",),
    ("watch",),  # it prints more than one document: tests/cli/test_watch.py
}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for entry in value.values():
            yield from texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from texts(entry)
    elif isinstance(value, str):
        yield value


def test_every_command_prints_one_document_on_one_line_and_nothing_else(pictures: Line) -> None:
    pictures.put({"pictures/new.png": 8})
    for words in COMMANDS:
        ran = pictures(*words, "--json")
        assert isinstance(ran.json, (dict, list)), words
        assert ran.err == "", words
        for text in texts(ran.json):
            if re.match(r"\d{4}-\d\d-\d\d", text):
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), "times are ISO 8601, UTC"


def test_the_list_of_commands_above_is_whole() -> None:
    leaves = {words for words in all_commands() if words and words not in {(group,) for group in GROUPS}}
    assert {tuple(words[: 2 if words[0] in GROUPS else 1]) for words in COMMANDS} | ELSEWHERE == leaves


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "second", "last"])
def test_json_may_stand_anywhere_after_its_command(place: int, pictures: Line) -> None:
    words = ["v1", "current"]
    words.insert(place, "--json")
    assert pictures("snapshot", "diff", *words).json["before"] == "v1"
    assert pictures("snapshot", "diff", *["v9" if word == "v1" else word for word in words], code=1).error["exit"] == 1


def test_the_locale_changes_no_document(line: Line) -> None:
    line.put({"pictures/é.png": 1})
    line("sync", "pictures", "-q")
    for locale in (
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8"},
    ):
        ran = process("search", "./pictures/é.png", "--json", cwd=line.home, env=environment(**locale))
        assert ran.json["hits"][0]["paths"] == ["pictures/é.png"]
        ran = process("snapshot", "diff", "v1", "v9", "--json", cwd=line.home, env=environment(**locale))
        assert ran.error["exit"] == 1


def test_a_document_says_the_same_as_the_method(pictures: Line) -> None:
    with Store(pictures.store) as store:
        rows = [row.to_json() for row in store.snapshot_list()]
    assert pictures("snapshot", "list", "--json").json == json.loads(json.dumps(rows))
    assert Path(pictures("stats", "--json").json["store"]) == pictures.store


def test_a_label_that_is_not_utf8_is_in_base64_wherever_it_stands(line: Line) -> None:
    odd, other = os.fsdecode(b"odd\xff"), os.fsdecode(b"odder\xfe")
    line.put({f"{odd}/a.png": 8, f"{odd}/inner/b.png": 9})
    written = {name: base64.b64encode(os.fsencode(name)).decode() for name in (odd, other)}
    line("sync", odd, "--exclude", "*.gif")
    row = next(row for row in line("root", "list", "--json").json if row["label"] == "odd\ufffd")
    assert row["label_b64"] == written[odd]
    assert base64.b64decode(row["place_b64"]) == os.fsencode(line.home / odd)
    roots = line("stats", "--json").json["roots"]
    assert [root.get("label_b64") for root in roots] == [written[odd]]
    assert base64.b64decode(roots[0]["place_b64"]) == os.fsencode(line.home / odd)
    shown = line("snapshot", "show", "--json").json
    assert (shown["roots"]["odd\ufffd"], shown["roots_b64"]) == (2, {written[odd]: 2})
    kept = [row for row in line("config", "list", "--json").json["options"] if row["origin"] == "kept"]
    assert {row["where_b64"] for row in kept} == {written[odd]}
    renamed = line("root", "rename", odd, other, "--json").json
    assert (renamed["old_b64"], renamed["label_b64"]) == (written[odd], written[other])
    assert next(row for row in line("root", "list", "--json").json if row["earlier"])["earlier_b64"] == [written[odd]]
    (line.home / odd).rename(line.home / "elsewhere")
    moved = line("sync", "elsewhere", "--as", other, "--json").json
    assert moved["moved"] == {"odder\ufffd": str(line.home / "elsewhere")}
    place = base64.b64encode(os.fsencode(line.home / "elsewhere")).decode()
    assert moved["moved_b64"] == {written[other]: place}
    gone = line("root", "remove", other, "--json").json
    assert gone["label_b64"] == written[other]


def test_a_folder_taken_in_by_a_wider_one_has_its_odd_label_in_base64(line: Line) -> None:
    odd = os.fsdecode(b"wide/odd\xff")
    line.put({f"{odd}/a.png": 8})
    line("sync", odd)
    absorbed = line("sync", "wide", "--json").json
    names = [base64.b64encode(name).decode() for name in (b"odd\xff", b"wide/odd\xff")]
    assert (absorbed["absorbed"], absorbed["absorbed_b64"]) == ({"odd\ufffd": "wide/odd\ufffd"}, dict([names]))


def test_the_path_of_a_store_that_is_not_utf8_is_in_base64(line: Line) -> None:
    line.put({"pictures/a.png": 8})
    store = os.fsdecode(b"store\xff")
    for words in (["init"], ["sync", "pictures"], ["stats"]):
        document = line("--store", store, *words, "--json").json
        assert base64.b64decode(document["store_b64"]) == os.fsencode(line.home / store)
    out = line("--store", store, "export", os.fsdecode(b"out\xff.jsonl"), "--format", "jsonl", "--json").json
    assert base64.b64decode(out["out_b64"]).endswith(b"out\xff.jsonl")
