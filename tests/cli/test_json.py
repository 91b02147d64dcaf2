"""--json, everywhere: one document on one line on stdout, all else on stderr."""

from __future__ import annotations

import json
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
    ("model", "recommend"),
    ("model", "drop"),
    ("model", "serve"),
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
