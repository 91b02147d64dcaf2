"""Rows at the foot of a terminal: they change in place, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pyte
import pytest

from vstore_cli.progress.faces import Rows
from vstore_cli.progress.screen import Screen
from vstore_cli.terminal.outlets import send


class Emulated:
    """A screen whose output an emulator shows. columns: of the terminal, which may change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.columns = 40
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self._shown = pyte.Screen(40, 10)
        self._shown.set_mode(pyte.modes.LNM)
        self._stream = pyte.ByteStream(self._shown)
        self.screen = Screen(self._write)
        self.rows = Rows(self._write)
        size = lambda fd: os.terminal_size((self.columns, 10))  # noqa: E731
        monkeypatch.setattr("vstore_cli.progress.screen.os.get_terminal_size", size)

    def sent(self) -> bytes:
        data = os.read(self._read, 65536)
        self._stream.feed(data)
        return data

    @property
    def lines(self) -> list[str]:
        with contextlib.suppress(BlockingIOError):
            self.sent()
        return [line.rstrip() for line in self._shown.display if line.strip()]

    def typed(self, text: str) -> None:
        """Echo what a person types, as a terminal does."""
        self._stream.feed(text.encode())

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulated]:
    found = Emulated(monkeypatch)
    yield found
    found.close()


def test_rows_take_the_place_of_those_before(emulated: Emulated) -> None:
    emulated.screen.draw(["embedding 1 of 2 files", "a long name of a file.jpg"])
    assert emulated.lines == ["embedding 1 of 2 files", "a long name of a file.jpg"]
    emulated.screen.draw(["embedding 2 of 2", "3 failed", "b.jpg"])
    assert emulated.lines == ["embedding 2 of 2", "3 failed", "b.jpg"]
    emulated.screen.draw(["done"])
    assert emulated.lines == ["done"]
    emulated.screen.clear()
    assert emulated.lines == []


def test_a_line_stands_above_the_rows(emulated: Emulated) -> None:
    emulated.screen.write("first")
    emulated.screen.draw(["embedding", "a.jpg"])
    emulated.screen.write("second")
    assert emulated.lines == ["first", "second", "embedding", "a.jpg"]
    emulated.screen.clear()
    emulated.screen.write("third")
    assert emulated.lines == ["first", "second", "third"]


def test_what_is_typed_leaves_no_row_behind(emulated: Emulated) -> None:
    """Behind a row of nearly full width it would begin another one."""
    emulated.screen.draw(["embedding 12,345 of 29,104 files  42%", "x" * 39])
    assert len(emulated.lines) == 2
    emulated.typed("^C^C")
    emulated.screen.draw(["embedding 12,346 of 29,104 files  42%", "y" * 39])
    assert emulated.lines == ["embedding 12,346 of 29,104 files  42%", "y" * 39]


def test_the_same_rows_are_not_sent_again(emulated: Emulated) -> None:
    emulated.screen.draw(["embedding"])
    assert emulated.sent()
    emulated.screen.draw(["embedding"])
    with pytest.raises(BlockingIOError):
        emulated.sent()


def test_rows_that_a_narrower_terminal_folded_are_taken_away_whole(emulated: Emulated) -> None:
    emulated.screen.draw(["x" * 39, "y" * 21])
    emulated.sent()
    emulated.columns = 20
    emulated.screen.draw(["embedding"])
    assert emulated.sent().startswith(b"\r\x1b[3A"), "of the four rows into which the two are folded"


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    send(write, b"nobody reads this")
    os.close(write)


def test_a_line_amid_the_rows_is_broken_between_words(emulated: Emulated) -> None:
    emulated.rows.say("Stopping after this batch; finished work is saved. Press Ctrl-C again to stop at once.")
    emulated.rows.say("Corrupt data: 3 extraneous bytes", "p/a long name.jpg")
    assert emulated.lines == [
        "Stopping after this batch; finished work",
        "  is saved. Press Ctrl-C again to stop",
        "  at once.",
        "p/a long name.jpg: Corrupt data: 3",
        "  extraneous bytes",
    ]
