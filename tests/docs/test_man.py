"""Man pages are those of today's commands, and are installed with the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from docs_tools.console import TOP
from docs_tools.man import context, escaped, man_pages, page

from vstore_cli.help import all_commands

KEPT = {path.name: path.read_text() for path in (TOP / "docs/man").iterdir()}


def test_every_command_has_a_page_and_every_page_is_up_to_date() -> None:
    made = man_pages()
    assert KEPT.keys() == made.keys() == {"-".join(("vstore", *words)) + ".1" for words in all_commands()}
    assert [name for name in made if made[name] != KEPT[name]] == [], "run `make docs-output`"


@pytest.mark.parametrize("words", list(all_commands()), ids=" ".join)
def test_a_page_has_every_option_of_its_command(words: tuple[str, ...]) -> None:
    text = page(words)
    for param in context(words).command.params:
        if isinstance(param, click.Option) and not param.hidden:
            assert all(escaped(name) in text for name in (*param.opts, *param.secondary_opts))
    assert "\b" not in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("name", sorted(KEPT))
def test_groff_has_nothing_to_say_against_a_page(name: str) -> None:
    words = ["groff", "-man", "-ww", "-Tutf8", str(TOP / "docs/man" / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\n") > 10


@pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling is not installed")
def test_a_wheel_installs_the_pages_and_the_format(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(words, cwd=TOP, env={**os.environ, "PYTHONWARNINGS": "ignore"}, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("vstore_index-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in KEPT:
        assert sum(path.endswith(f".data/data/share/man/man1/{name}") for path in names) == 1
    assert "vstore/FORMAT.md" in names
    assert not [path for path in names if path.startswith(("docs", "tests"))]
