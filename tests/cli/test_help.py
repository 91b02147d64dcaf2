"""Every command explains itself."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest
from support.lines import Line, environment, found

from vstore.embed.hf.families import FAMILIES, family_class
from vstore_cli.help import all_commands, help_text
from vstore_cli.main import COMMANDS, HELP, WIDTH

WORDS = list(all_commands())
GROUPS = [words for words in WORDS if isinstance(found(words), click.Group)]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_help_says_what_the_command_does_and_gives_an_example(words: tuple[str, ...], line: Line) -> None:
    text = line(*words, "--help").out
    assert text == line(*words, "-h").out
    assert text.startswith(f"Usage: {' '.join(('vstore', *words))} ")
    assert re.fullmatch(r"  [A-Z].*\.", text.split("\n\n")[1], re.DOTALL)
    example = text.partition("\n  Example:\n")[2]
    assert example.startswith(f"    {' '.join(('vstore', *words))}")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_the_help_that_readme_shows_is_that_of_a_wide_terminal(
    words: tuple[str, ...], line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = help_text(*words)
    assert shown + "\n" == line(*words, "--help").out
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert all(option in shown for option in HELP)


@pytest.mark.parametrize("words", [words for words in WORDS if words not in GROUPS], ids=" ".join)
def test_every_command_has_json_and_a_help_for_each_option(words: tuple[str, ...]) -> None:
    options = [param for param in found(words).params if isinstance(param, click.Option)]
    assert "--json" in {name for option in options for name in option.opts}
    assert all(option.help and option.help.endswith((".", ")")) for option in options)


@pytest.mark.parametrize("words", [words for words in GROUPS if words], ids=" ".join)
def test_the_list_of_a_group_is_not_cut_off(words: tuple[str, ...], line: Line) -> None:
    assert "..." not in line(*words, "--help").out.partition("Commands:")[2]


def test_the_help_of_pooling_names_each_pooling() -> None:
    poolings = {word for family in FAMILIES for word in family_class(family).poolings}
    for words in (("init",), ("sync",), ("model", "add"), ("check",)):
        (option,) = (param for param in found(words).params if param.name == "pooling")
        assert isinstance(option, click.Option) and option.help is not None
        assert [word for word in sorted(poolings) if not re.search(rf"(?<![\w-]){word}(?![\w-])", option.help)] == []


def test_the_examples_are_command_lines_that_parse(line: Line) -> None:
    """Options and operands of each example are such as the command takes."""
    for words in WORDS:
        example = help_text(*words).partition("Example:\n")[2].partition("\n\n")[0]
        for text in example.splitlines():
            tokens = [token.strip("\"'") for token in re.findall(r"\"[^\"]*\"|\S+", text)]
            assert tokens[0] == "vstore"
            command, rest = found(()), tokens[1:]
            ctx = click.Context(command, info_name="vstore", help_option_names=HELP)
            while isinstance(command, click.Group):
                below = command.get_command(ctx, rest[0])
                assert below is not None, text
                command, rest = below, rest[1:]
            command.make_context(command.name, list(rest), parent=ctx)


def test_the_list_of_commands_names_each_once_with_what_it_does(line: Line) -> None:
    text = line("--help").out
    for name, (_, words) in COMMANDS.items():
        assert len(re.findall(rf"^  {name} +{re.escape(words)}$", text, re.MULTILINE)) == 1


@pytest.mark.parametrize("words", [(), ("snapshot",)], ids=" ".join)
def test_a_group_without_a_command_shows_its_help_and_exits_2(words: tuple[str, ...], line: Line) -> None:
    ran = line(*words, code=2)
    assert ran.out == ""
    assert ran.err == line(*words, "--help").out


def test_the_version_is_said(line: Line) -> None:
    assert re.fullmatch(r"vstore \d+\.\d+\.\d+\n", line("--version").out)


def test_python_dash_m_is_the_command_too(line: Line) -> None:
    done = subprocess.run([sys.executable, "-m", "vstore_cli", "log", "-h"], env=environment(), capture_output=True)
    assert done.stdout.decode() == line("log", "-h").out
