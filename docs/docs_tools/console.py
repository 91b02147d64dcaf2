"""Console blocks of the documentation: run in order, compared with what they show, and brought up to date.

`python -m docs_tools.console [PAGE]...` runs the blocks of the pages and writes what the commands print now into them.
With `--check` it changes nothing, and exits 1 where a page shows something else.

A page runs in a folder of its own that holds `examples/`. Comments above a block direct it:

    <!-- not run: REASON -->        the block below is shown, and not run
    <!-- not compared: REASON -->   it runs, and its output is not compared
    <!-- exit: 5 -->                the last command of the block below exits with 5
    <!-- file: NAME -->             the block below is a file; it is written, and not run
    <!-- output -->                 the block below is the output of the Python block above
    <!-- run: COMMAND -->           a command that the page does not show; no block need follow
    <!-- needs: MODULE ... -->      the page runs only where these modules are installed
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
RUNNABLE = ("console", "python")
SHELLS = ("sh", "bash", "shell", "shell-session", "py", "pycon")  # written as console or python instead
HOME = "/home/ada"  # stands for the folder in which a page runs

# Whatever differs from run to run: moments, durations, ids and sizes that depend on a moment.
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)?(e-\d+)? (s|min|h|pictures a second)\b"), "<duration>"),
    (re.compile(r"\b\d+(\.\d+)? (B|bytes|KiB|MiB)\b"), "<size>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<name>"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "<id>"),  # a model gives another one with another version of torch
    (re.compile(r" {2,}"), "  "),  # columns are as wide as what varies
)
_DIRECTIVE = re.compile(r"<!-- (not run|not compared|exit|file|output|run|needs)(?:: (.*?))? -->", re.DOTALL)


class Differs(Exception):
    """A command failed, or printed something else than the page shows."""


@dataclass(frozen=True)
class Step:
    """One command, and the lines that the page shows below it."""

    command: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block, or a hidden command, with its directives.

    at:   line of the page on which the code begins, counted from 0.
    """

    language: str
    lines: tuple[str, ...]
    at: int
    directives: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        return self.language in RUNNABLE and not {"not run", "file"} & self.directives.keys()

    def steps(self) -> Iterator[Step]:
        """Yield the commands of a console block. A command goes on below a backslash at the end of a line."""
        command: list[str] = []
        shown: list[str] = []
        for line in self.lines:
            if command and command[-1].endswith("\\") and not shown:
                command.append(line)
            elif line.startswith("$ "):
                if command:
                    yield Step("\n".join(command), tuple(shown))
                command, shown = [line.removeprefix("$ ")], []
            elif command:
                shown.append(line)
            else:
                raise Differs(f"line {self.at + 1}: a console block begins with `$ `, not with {line!r}")
        if command:
            yield Step("\n".join(command), tuple(shown))


def blocks(text: str) -> list[Block]:
    """Take the blocks out of a page, and its hidden commands as blocks of the language `run`."""
    found: list[Block] = []
    lines = text.split("\n")
    directives: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("<!-- "):
            end = at
            while "-->" not in lines[end]:
                end += 1
            comment = _DIRECTIVE.fullmatch("\n".join(lines[at : end + 1]))
            if comment and comment[1] in ("run", "needs"):
                found.append(Block(comment[1], tuple((comment[2] or "").split("\n")), at))
            elif comment:
                directives[comment[1]] = comment[2] or ""
            at = end + 1
            continue
        fence = re.fullmatch(r"(`{3,})(\S*)( .*)?", line)
        if fence:
            end = at + 1
            while lines[end] != fence[1]:
                end += 1
            found.append(Block(fence[2], tuple(lines[at + 1 : end]), at + 1, directives))
            at = end
        if line.strip():
            directives = {}
        at += 1
    return found


def pages() -> list[Path]:
    """List the pages whose blocks are run: README and all of docs/."""
    return [TOP / "README.md", *sorted(path for path in (TOP / "docs").rglob("*.md") if "_build" not in path.parts)]


def missing(page: Path) -> list[str]:
    """List the modules that the page needs and that are not installed."""
    needed = [
        name for block in blocks(page.read_text()) if block.language == "needs" for name in block.lines[0].split()
    ]
    return [name for name in needed if find_spec(name) is None]


def steady(lines: Sequence[str]) -> list[str]:
    """Replace what differs from run to run by names."""
    found = [line.rstrip() for line in lines]
    for pattern, name in _VARIES:
        found = [pattern.sub(name, line) for line in found]
    return found


# A command that takes long says so every half minute; a slow machine prints what the pages show all the same.
VSTORE = "from vstore_cli.progress import faces; faces.EVERY *= 1e9; from vstore_cli.main import main; main()"


class Session:
    """A folder as a clone has it, with `vstore` on the path, in which commands run one after the other."""

    def __init__(self, top: Path) -> None:
        self.top = self.at = top
        shutil.copytree(TOP / "examples", top / "examples")
        bin = top / ".bin"
        bin.mkdir()
        for name, words in (("vstore", f' -c "{VSTORE}"'), ("python", "")):
            (bin / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
            (bin / name).chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VSTORE", "PYTHON"))}
        self._env = kept | {
            "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(str(TOP / name) for name in ("store", "cli")),
            "PYTHONWARNINGS": "ignore",
            "COLUMNS": "100",
            "HF_HUB_OFFLINE": "1",
            "TESTS": str(TOP / "tests"),
            "LC_ALL": "C.UTF-8",
        }

    def run(self, command: str, expect: int = 0) -> list[str]:
        """Run one command where the last one ended. Raises: Differs if it exits with another code."""
        # A shell for each command, so that each one must exit as expected; the next one begins where this one ends.
        done = subprocess.run(
            ["sh", "-c", f'{command}\nstatus=$?\nprintf "\\n%s" "$(pwd)"\nexit $status'],
            cwd=self.at,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        *printed, where = done.stdout.decode(errors="replace").split("\n")
        if done.returncode != expect:
            raise Differs(f"`{command}` exits with {done.returncode}, not {expect}:\n" + "\n".join(printed))
        self.at = Path(where)
        if printed and not printed[-1]:
            printed.pop()
        return [line.replace(str(self.top), HOME) for line in printed]


def run_page(text: str, session: Session) -> str:
    """Run the blocks of a page. Returns: the page with what they print now; unchanged where only times differ."""
    lines = text.split("\n")
    replaced: list[tuple[int, int, list[str]]] = []
    printed: list[str] = []
    for block in blocks(text):
        if block.language == "run":
            session.run("\n".join(block.lines))
        elif "file" in block.directives:
            target = session.at / block.directives["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(block.lines) + "\n")
        elif "output" in block.directives:
            if steady(printed) != steady(block.lines):
                replaced.append((block.at, block.at + len(block.lines), printed))
        elif block.runs and block.language == "python":
            (session.top / ".bin" / "page.py").write_text("\n".join(block.lines) + "\n")
            printed = session.run(f"python '{session.top}/.bin/page.py'")
        elif block.runs:
            now = list(_run_console(block, session))
            if now != list(block.lines):
                replaced.append((block.at, block.at + len(block.lines), now))
    for begin, end, new in reversed(replaced):
        lines[begin:end] = new
    return "\n".join(lines)


def _run_console(block: Block, session: Session) -> Iterator[str]:
    """Run the commands of a block. Yields: the lines of the block as they are now."""
    steps = list(block.steps())
    for number, step in enumerate(steps, 1):
        expect = int(block.directives.get("exit", 0)) if number == len(steps) else 0
        printed = session.run(step.command, expect)
        yield from f"$ {step.command}".split("\n")
        keep = "not compared" in block.directives or steady(printed) == steady(step.shown)
        yield from step.shown if keep else printed


def refresh(page: Path) -> tuple[str, str]:
    """Run a page in a new folder. Returns: its text as it is, and as it would be."""
    text = page.read_text()
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        return text, run_page(text, Session(Path(folder).resolve()))


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring the console blocks of the documentation up to date.")
    parser.add_argument("pages", nargs="*", type=Path, help="README.md and all of docs/ by default")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a page differs")
    options = parser.parse_args()
    code = 0
    for page in [path.resolve() for path in options.pages] or pages():
        name = page.relative_to(TOP)
        lacking = missing(page)
        if lacking:
            print(f"{name}: left out, as {', '.join(lacking)} is not installed")
            continue
        if not any(block.runs for block in blocks(page.read_text())):
            continue
        try:
            before, after = refresh(page)
        except Differs as err:
            print(f"{name}: {err}", file=sys.stderr)
            code = 1
            continue
        if before == after:
            print(f"{name}: up to date")
        elif options.check:
            print(f"{name}: shows other output than the commands print; run `make docs-output`", file=sys.stderr)
            code = 1
        else:
            page.write_text(after)
            print(f"{name}: brought up to date")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
