"""`vstore search --interactive`: many lines, one store, one model."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.lines import COMMAND, Line, Ran, environment
from support.signalled import HEEDING, wait_for, waiting_in

from vstore_cli.interactive import LONGEST, completions, words_of


@pytest.fixture
def home(line: Line) -> Line:
    line.put({f"pictures/{number}.png": number for number in range(6)})
    line.put({"pictures/two words.png": 7, os.fsdecode(b"pictures/\xff.png"): 8})
    line("sync", "pictures", "-q")
    return line


def said(home: Line, lines: str | bytes, *words: str) -> Ran:
    """Send lines to the command, all at once."""
    done = subprocess.run(
        [*COMMAND, "search", "--interactive", *words],
        cwd=home.home,
        env=environment(),
        input=lines if isinstance(lines, bytes) else lines.encode(),
        capture_output=True,
    )
    return Ran(done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode())


def in_a_shell(home: Line, streams: str) -> Ran:
    """Send the command one line after the other without end, with some streams of a shell's making."""
    words = ["bash", "-c", f'yes ./pictures/0.png | "$@" {streams}; exit ${{PIPESTATUS[1]}}', "bash"]
    done = subprocess.run(
        [*words, *COMMAND, "search", "--interactive"],
        cwd=home.home,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("typed", "text", "found"),
    [
        ("./pictures/t", "./pictures/t", ["./pictures/two\\ words.png"]),
        ("-k 5 pictures/two\\ w", "w", ["words.png"]),
        ("pictures/two\\", "pictures/two\\", ["pictures/two\\ words.png"]),
        ('"pictures/two w', "w", ['words.png"']),
        ("'pictures/t", "'pictures/t", ["'pictures/two words.png'"]),
        ('pictures/"two w', "w", ['words.png"']),
        ("pic", "pic", ["pictures/"]),
        ("'pic", "'pic", ["'pictures/"]),
        ("pictures/it", "pictures/it", ["pictures/it\\'s\\ \\#1.png"]),
        ("'pictures/it", "'pictures/it", []),
        ("~/two", "~/two", ["{home}/two\\ words.png"]),
        ("pictures/none", "pictures/none", []),
    ],
)
def test_a_name_is_completed_as_the_line_is_read(
    home: Line, typed: str, text: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.put({"pictures/it's #1.png": 9, "pictures/two\nlines": 10})
    monkeypatch.setenv("HOME", str(home.home / "pictures"))
    monkeypatch.chdir(home.home)
    assert completions(typed, text) == [one.format(home=home.home / "pictures") for one in found]
    for one in found:
        if one.endswith("png"):
            (*_, word) = words_of(typed[: len(typed) - len(text)] + one.format(home=home.home / "pictures"))
            assert os.path.exists(word)


def test_a_full_disk_ends_it_with_one_error(home: Line) -> None:
    ran = in_a_shell(home, "> /dev/full")
    assert ran.code == 1
    assert ran.err.count("Error: ") == 1
    assert "No space left on device" in ran.err


def test_without_an_input_there_is_nothing_to_answer(home: Line) -> None:
    ran = in_a_shell(home, "<&-")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


class Talk:
    """The command as another program keeps it: it is sent a line, and its answer is read before the next."""

    def __init__(self, home: Line, *words: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "search", "--interactive", "--json", *words],
            cwd=home.home,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, line: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(60)


@pytest.fixture
def talk(home: Line) -> Iterator[Talk]:
    talk = Talk(home)
    yield talk
    talk.process.kill()
    if talk.process.stdin is not None:
        talk.process.stdin.close()
    talk.process.__exit__(None, None, None)


def keys(document: Any) -> list[str]:
    return [hit["key"] for hit in document["hits"]]


def test_each_line_is_answered_as_its_own_command_would(home: Line) -> None:
    mixed = "./pictures/0.png + 0.5:./pictures/1.png - ./pictures/2.png"
    ran = said(home, f"./pictures/0.png -k 3\n{mixed}\n'./pictures/two words.png'\n")
    alone = [
        home("search", "./pictures/0.png", "-k", "3"),
        home("search", *mixed.split()),
        home("search", "./pictures/two words.png"),
    ]
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "".join(one.out for one in alone)


def test_a_program_gets_each_answer_before_it_sends_the_next_line(talk: Talk, home: Line) -> None:
    first = talk("./pictures/0.png -k 1")
    assert first == home("search", "./pictures/0.png", "-k", "1", "--json").json
    assert keys(talk("--image pictures/1.png -k 1")) != keys(first)
    assert talk.end() == 0


BAD = {
    "./no.png": "failure",
    "": "usage",
    "'./pictures/0.png": "usage",
    "./pictures/0.png --at v99": "no_such_snapshot",
    "./pictures/0.png --nothing": "usage",
    "./pictures/0.png -k many": "usage",
    "./pictures/0.png -k 0": "usage",
    "./pictures/0.png +": "usage",
    "./pictures/0.png --json": "usage",
    "a cat": "model",
    "./pictures/\0.png": "usage",
    "x" * (LONGEST + 1): "usage",
    "x" * (3 * LONGEST): "usage",
}


def test_a_line_that_fails_gets_its_error_and_the_next_one_its_answer(talk: Talk) -> None:
    for line, code in BAD.items():
        error = talk(line)["error"]
        assert list(error) == ["code", "exit", "message", "next"]
        assert error["code"] == code or (code, error["code"]) == ("failure", "usage"), (line[:50], error)
        assert error["next"], line[:50]
        assert len(keys(talk("./pictures/0.png -k 2"))) == 2
    assert talk.end() == 1


def test_errors_for_people_do_not_end_it(home: Line) -> None:
    ran = said(home, "./no.png\n\n./pictures/0.png -k 1\n")
    assert ran.code == 1
    assert ran.err.startswith("Error: ")
    assert "no.png" in ran.err
    assert ran.out == "1.000  pictures/0.png\n"


def test_the_longest_line_is_read(talk: Talk) -> None:
    line = "./pictures/0.png -k 1"
    assert keys(talk(line + " " * (LONGEST - len(line))))


def test_a_snapshot_that_another_process_writes_is_seen_by_the_next_line(talk: Talk, home: Line) -> None:
    assert talk("./pictures/0.png")["snapshot"] == "v1"
    home.put({"pictures/new.png": 90})
    home("sync", "-q")
    found = talk("./pictures/new.png -k 1")
    assert (found["snapshot"], found["hits"][0]["paths"]) == ("v2", ["pictures/new.png"])
    assert talk("./pictures/0.png --at v1")["snapshot"] == "v1"


def test_options_of_the_command_hold_for_lines_without_them(home: Line) -> None:
    ran = said(home, "./pictures/0.png\n./pictures/0.png -k 1\n./pictures/0.png\n", "-k", "2", "--json")
    assert [len(json.loads(line)["hits"]) for line in ran.lines] == [2, 1, 2]


@pytest.mark.parametrize(("option", "end"), [("-l", "\n"), ("-0", "\0")])
def test_paths_end_with_an_empty_one_after_each_answer_and_each_error(option: str, end: str, home: Line) -> None:
    ran = said(home, "./pictures/0.png -k 1\n./no.png\n\n'./pictures/two words.png' -k 1\n", option)
    assert ran.out.split(end) == ["pictures/0.png", "", "", "", "pictures/two words.png", "", ""]
    assert ran.code == 1


def test_exit_ends_it_and_in_quotes_it_is_a_text(home: Line) -> None:
    ran = said(home, "./pictures/0.png -k 1\n'exit'\n  exit\n./pictures/1.png\n", "--json")
    first, second = map(json.loads, ran.lines)
    assert first["hits"]
    assert "'exit'" in second["error"]["message"]


def test_names_of_any_bytes_and_lines_of_windows_are_read(home: Line) -> None:
    ran = said(home, b"./pictures/\xff.png -k 1\r\n", "--json")
    assert json.loads(ran.lines[0])["hits"][0]["score"] == 1
    assert ran.code == 0


def test_words_beside_it_are_refused(home: Line) -> None:
    for words in (["./pictures/0.png"], ["--image", "pictures/0.png"]):
        error = home("search", "--interactive", *words, "--json", code=2).error
        assert "--interactive" in error["message"]


def test_no_store_ends_it_at_once(line: Line) -> None:
    assert line("search", "--interactive", "--json", code=10).error["code"] == "no_store"


class Terminal:
    """The command at a terminal. What it shows may be read in the middle of a character."""

    def __init__(self, home: Path, script: str) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            words = [COMMAND[0], "-c", HEEDING + script, "search", "--interactive", "-k", "1"]
            os.execve(words[0], words, environment(TERM="dumb"))
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def shows(self, text: str, times: int = 1) -> None:
        until = time.monotonic() + 60
        while self.text.count(text) < times:
            assert time.monotonic() < until, self.text
            if select.select([self._fd], [], [], 0.1)[0]:
                self.text += self._decoder.decode(os.read(self._fd, 4096)).replace("\r", "")

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def ends(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(home: Line) -> Iterator[Terminal]:
    # The first query waits, as it does while a model is loaded.
    found = Terminal(home.home, waiting_in("vstore.search.search:read_terms"))
    yield found
    found.close()


def test_ctrl_c_cancels_a_query_and_a_line_and_ctrl_d_ends(terminal: Terminal, home: Line) -> None:
    terminal.shows("exit, or Ctrl-D, ends.")
    terminal.shows("search> ")
    terminal.type("./pictures/0.png\n")
    wait_for((home.home / "reached").exists)
    terminal.type("\x03")
    terminal.shows("Cancelled.")
    terminal.shows("search> ", 2)
    terminal.type("./pictures/1.png")
    terminal.shows("1.png")
    terminal.type("\x03")
    terminal.shows("search> ", 3)
    (home.home / "go").touch()  # what was cancelled goes on: the next query waits for it
    terminal.type("./pictures/2.png\n")
    terminal.shows("1.000  pictures/2.png")
    assert "1.000  pictures/0.png" not in terminal.text
    assert "1.000  pictures/1.png" not in terminal.text
    terminal.shows("search> ", 4)
    terminal.type("\x04")
    assert terminal.ends() == 0


# The kernel gives Ctrl-C to another thread, as Python may see it too late to end the wait for a key.
LATE = """
import signal
from vstore_cli import interactive
plain = interactive.Lines.every
def every(self):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    yield from plain(self)
interactive.Lines.every = every
from vstore_cli.main import main
main()
"""
PLAIN = "from vstore_cli.main import main\nmain()"
READS_TEXT = "from vstore.models import show\nshow.reads_text = lambda recipe: True\n" + PLAIN
# Ctrl-C comes after a line was typed, before its search begins; and again while the first one is answered.
BETWEEN = """
import os, signal
from vstore_cli import interactive
plain, say = interactive.Lines.every, interactive.click.echo
def every(self):
    for line in plain(self):
        os.kill(os.getpid(), signal.SIGINT)
        yield line
def echo(message=None, **more):
    if "Cancelled." in str(message):
        os.kill(os.getpid(), signal.SIGINT)
    say(message, **more)
interactive.Lines.every, interactive.click.echo = every, echo
from vstore_cli.main import main
main()
"""


@pytest.fixture
def at_a_terminal(home: Line) -> Iterator[Callable[[str], Terminal]]:
    started: list[Terminal] = []

    def start(script: str) -> Terminal:
        started.append(Terminal(home.home, script))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_ctrl_c_that_comes_just_before_the_wait_for_a_key_is_not_lost(
    at_a_terminal: Callable[[str], Terminal],
) -> None:
    terminal = at_a_terminal(LATE)
    terminal.shows("search> ")
    for times in (1, 2, 3):
        terminal.type(f"text {times}")
        terminal.shows(f"text {times}")
        terminal.type("\x03")
        terminal.shows("search> ", times + 1)
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.shows("Error: interrupted")
    assert terminal.ends() == 130


def test_ctrl_c_between_two_steps_ends_what_comes_next_and_not_the_command(
    at_a_terminal: Callable[[str], Terminal],
) -> None:
    terminal = at_a_terminal(BETWEEN)
    terminal.shows("search> ")
    for times in (1, 2):
        terminal.type("./pictures/0.png\n")
        terminal.shows("Cancelled.", times)
        terminal.shows("search> ", 1 + times)  # the second Ctrl-C cancels the line that was not begun
    assert "1.000" not in terminal.text
    terminal.type("\x04")
    assert terminal.ends() == 0


def test_help_says_what_can_be_typed_and_offers_no_words_where_none_are_read(
    at_a_terminal: Callable[[str], Terminal], home: Line
) -> None:
    terminal = at_a_terminal(PLAIN)
    terminal.shows("search> ")
    assert "Type ./picture.jpg, as after" in terminal.text and "words" not in terminal.text
    terminal.type(" help\n")
    terminal.shows("options of this line alone")
    terminal.shows("search> ", 2)
    assert "a text" not in terminal.text and "Error" not in terminal.text
    terminal.type("'help'\n")
    terminal.shows("search> ", 3)
    assert "Error: " in terminal.text, "it is a text, which this space does not read"
    assert "help" in json.loads(said(home, "help\n", "--json").out)["error"]["message"], "of a program it is a text"


def test_words_are_offered_where_they_are_read(at_a_terminal: Callable[[str], Terminal]) -> None:
    terminal = at_a_terminal(READS_TEXT)
    terminal.shows("search> ")
    assert "Type ./picture.jpg or words, as after" in terminal.text
    terminal.type("help\n")
    terminal.shows("exit, or Ctrl-D", 2)
    assert '"help"' in terminal.text


def test_a_request_to_terminate_ends_it_at_the_prompt_and_amid_a_query(terminal: Terminal, home: Line) -> None:
    terminal.shows("search> ")
    terminal.type("./pictures/0.png\n")
    wait_for((home.home / "reached").exists)
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.shows("Error: interrupted")
    assert terminal.ends() == 130


def test_ctrl_c_ends_it_where_a_program_sends_the_lines(talk: Talk) -> None:
    assert talk("./pictures/0.png -k 1")
    talk.process.send_signal(signal.SIGTERM)
    assert talk.process.wait(60) == 130
