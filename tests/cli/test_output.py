"""Values as people and programs see them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from vstore_cli import output


class Named(NamedTuple):
    """A report that is a sequence, too."""

    value: Any

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value}


def test_a_report_is_one_document_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.echo_json(Named("two\nlines"))
    assert capsys.readouterr().out == '{"value": "two\\nlines"}\n'
    output.echo_json([Named(1), Named(2)])
    assert capsys.readouterr().out == '[{"value": 1}, {"value": 2}]\n'
    output.echo_json([])
    assert capsys.readouterr().out == "[]\n"


def test_a_document_is_utf8_whatever_it_holds(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    output.echo_json(Named("é " + os.fsdecode(b"\xff")))
    assert json.loads(capsysbinary.readouterr().out.decode()) == {"value": "é \ufffd"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"a/b.jpg", "a/b.jpg"),
        ("Crémieux ünï.jpg", "Crémieux ünï.jpg"),
        (b"two\nlines", "two\\nlines"),
        (b"\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        (b"\xff\xfe.jpg", "\\xff\\xfe.jpg"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("\x85\xa0", "\\x85\\xa0"),
    ],
)
def test_a_name_cannot_act_on_the_terminal(path: bytes | str, expected: str) -> None:
    assert output.shown(path) == expected


def test_a_path_is_shown_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    here = os.fsencode(tmp_path)
    assert output.openable(here + b"/a/x.jpg") == b"x.jpg"
    assert output.openable(here + b"/x.jpg") == b"../x.jpg"
    assert output.openable(b"/x") == b"/x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (9.8 * 1024, "9.8 KiB"), (3 << 40, "3072.0 GiB")],
)
def test_sizes(value: int, expected: str) -> None:
    assert output.size(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.0004, "0 s"),
        (0.013, "0.013 s"),
        (0.284, "0.28 s"),
        (3.62, "3.6 s"),
        (9.96, "10 s"),
        (89.6, "90 s"),
        (600, "10 min"),
        (7200, "2.0 h"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert output.duration(seconds) == expected


def test_counts() -> None:
    assert output.count(1, "picture") == "1 picture"
    assert output.count(0, "picture") == "0 pictures"
    assert output.count(29104, "picture") == "29,104 pictures"
    assert output.count(1, "copy", "copies") == "1 copy"
    assert output.count(2, "copy", "copies") == "2 copies"


def test_times_go_by_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert output.local("sync of 2026-11-23T23:02:39Z (v2)") == "sync of 2026-11-24 01:02:39 (v2)"
        assert output.local("2026-99-99T99:99:99Z") == "2026-99-99T99:99:99Z"
        assert output.local("v12 at noon") == "v12 at noon"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_columns_stand_below_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([["name", "n", ""], ["a", "1", "x"], ["longer", "100", ""]], right=(1,))
    assert capsys.readouterr().out == "name      n\na         1  x\nlonger  100\n"
    output.table([])
    assert capsys.readouterr().out == ""


def test_json_holds_nothing_that_steers_a_terminal(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    words = "a\x1b[2J\x7f\x9b2J\u202eb\u2066c\u2028é"
    output.echo_json(Named(words))
    out = capsysbinary.readouterr().out.decode()
    assert out.rstrip("\n").isprintable() and "é" in out
    assert words in json.loads(out).values()
