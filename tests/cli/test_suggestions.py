"""A command that a message suggests can be typed as it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.lines import TOP, Line, found

from vstore_cli.help import all_commands
from vstore_cli.main import COMMANDS, vstore
from vstore_cli.suggestions import typed, typed_fields

SOURCES = sorted((TOP / "store" / "vstore").rglob("*.py")) + sorted((TOP / "cli" / "vstore_cli").rglob("*.py"))
COMMAND = re.compile(rf"\bvstore (?:--store \S+ )?((?:{'|'.join(COMMANDS)})\b(?: [a-z]+)?)([^;,)`\n]*)")


def texts(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """List the texts of a source, each with its node; X stands for what is put into one. Docstrings are left out."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
            yield node, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | alone:
            yield node, node.value


def command_of(words: str) -> click.Command | None:
    """Find the command that words name."""
    ctx = click.Context(vstore)
    command = vstore.get_command(ctx, words.split()[0])
    if isinstance(command, click.Group):
        below = command.get_command(ctx, words.split()[-1])
        assert below is not None, words
        return below
    return command


def suggested() -> list[tuple[str, str, str]]:
    """List the commands of all messages: the place in the sources, the words of the command, and what follows."""
    return [
        (f"{path.name}:{getattr(node, 'lineno', 0)}", match[1], match[2])
        for path in SOURCES
        for node, text in texts(ast.parse(path.read_text()))
        for match in COMMAND.finditer(text)
        if not re.search(r"(of|vstore) $", text[: match.start()])  # "of vstore export" is no command to type
    ]


def test_the_messages_suggest_commands() -> None:
    assert len(suggested()) > 80


@pytest.mark.parametrize(("place", "words", "rest"), suggested())
def test_a_suggested_command_has_the_options_that_it_is_given(place: str, words: str, rest: str) -> None:
    command = command_of(words)
    assert command is not None, place
    known = {name for param in command.params for name in param.opts} | {"--store", "--trust", "--help"}
    assert set(re.findall(r"--[a-z][a-z-]*", rest)) <= known, place


def test_what_follows_a_colon_is_a_command() -> None:
    """`COMMAND` passes over what is none, so a wrong word would be printed as it stands, and without the store."""
    said = [
        (path.name, match[1])
        for path in SOURCES
        for _, text in texts(ast.parse(path.read_text()))
        for match in re.finditer(r": vstore ([a-z]+)", text)
    ]
    assert len(said) > 60
    # "vstore makes it again" is a sentence.
    assert [one for one in said if one[1] not in COMMANDS and not one[1].endswith("s")] == []


# The commands of the verbs: what stands in a verb's folder is said by them alone.
VERBS = {
    "sync": ("sync", "status"),
    "importing": ("import",),
    "repair": ("repair",),
    "check": ("check",),
    "search": ("search", "dupes", "export", "model diff"),
    "versions": ("rollback", "undo", "snapshot tag", "snapshot untag", "snapshot forget", "snapshot list"),
    "export": ("export",),
    "models": ("model add", "model use", "model drop", "model convert", "model serve"),
    "gc": ("gc",),
}
EMBEDDING = ("init", "sync", "search", "export", "check", "repair", "model add", "model serve")
WAITING = ("sync", "import", "repair", "migrate", "gc", "facts", "model drop")  # they take the lock `ingest`
ELSEWHERE = {"--upgrade", "--force-download", "--cache-dir", "--local-dir"}  # of pip and hf, put into their commands


def options_of(words: str) -> set[str]:
    command = command_of(words)
    assert command is not None
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("path", [path for path in SOURCES if "vstore_cli" not in path.parts], ids=lambda p: p.name)
def test_an_option_that_a_message_names_is_one_of_a_command_that_says_it(path: Path) -> None:
    verb = path.relative_to(TOP / "store" / "vstore").parts[0]
    every = (" ".join(words) for words in all_commands() if words and not isinstance(found(words), click.Group))
    known = set().union(*map(options_of, VERBS.get(verb, every))) | {"--store", "--trust", "--help"} | ELSEWHERE
    for node, text in texts(ast.parse(path.read_text())):
        prose = re.sub(
            r"\b(pip|hf) [^;,)]*", "", COMMAND.sub("", re.sub(r"var\(--[a-z-]+\)|--[a-z-]+:#", "", text))
        )  # CSS
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]\b", prose))
        assert named <= known, f"{path.name}:{getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize(("option", "commands"), [("--device", EMBEDDING), ("--wait", WAITING)])
def test_what_all_of_several_commands_may_say_is_an_option_of_each(option: str, commands: tuple[str, ...]) -> None:
    assert [words for words in commands if option not in options_of(words)] == []


@pytest.mark.parametrize("path", [path for path in SOURCES if "vstore_cli" in path.parts], ids=lambda path: path.name)
def test_a_line_with_a_command_is_printed_by_say(path: Path) -> None:
    """`click.echo` prints it as it stands, without the store that this command line named."""
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "click.echo" and path.name != "output.py":
            assert not any(COMMAND.search(text) for _, text in texts(call)), ast.unparse(call)
            assert not re.search(r"\.(next|fix|next_step)\b", ast.unparse(call)), ast.unparse(call)


def given(**what: object) -> click.Context:
    ctx = click.Context(vstore)
    ctx.obj = what
    return ctx


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("run: vstore repair", "run: vstore --store 'a b' repair --offline"),
        ("vstore undo brings it back", "vstore --store 'a b' undo brings it back"),
        ("(vstore model add NAME --model M)", "(vstore --store 'a b' model add --offline NAME --model M)"),
        (
            "run: vstore model add N --model M, then vstore sync --space N; or vstore gc",
            "run: vstore --store 'a b' model add --offline N --model M, then vstore --store 'a b' sync --offline "
            "--space N; or vstore --store 'a b' gc",
        ),
        ("see: vstore sync --help", "see: vstore sync --help"),
        ("take a short name of: vstore model recommend", "take a short name of: vstore model recommend"),
        ("make one with: vstore init --store DIR", "make one with: vstore init --offline --store DIR"),
        ("this vstore reads up to 2, and vstore indexes more", "this vstore reads up to 2, and vstore indexes more"),
        ("its folder is /home/vstore sync/x", "its folder is /home/vstore sync/x"),
        ("--prompt 'vstore sync'", "--prompt 'vstore sync'"),
    ],
)
def test_a_command_gets_the_store_and_offline(text: str, whole: str) -> None:
    with given(store="a b", offline=True):
        assert typed(text) == whole
    with given(offline=False):
        assert typed(text) == text
    assert typed(text) == text


def test_messages_of_a_report_are_completed_and_other_texts_are_not() -> None:
    report = {"problems": [{"next": "vstore repair", "path": "vstore repair"}], "notes": ["vstore gc"], "label": "gc"}
    with given(store="s"):
        assert typed_fields(report) == {
            "problems": [{"next": "vstore --store s repair", "path": "vstore repair"}],
            "notes": ["vstore --store s gc"],
            "label": "gc",
        }


def test_an_error_names_the_store_that_the_command_named(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    said = line("sync", "--offline", "--store", "there", code=10).err
    assert "vstore --store there sync --offline FOLDER" in said
    asked = line("--store", "there", "model", "list", "--json", code=10).error
    assert "vstore --store there init," in asked["next"]
    line("--store", "there", "sync", "pictures", "-q")
    said = line("--store=there", "search", "a red car", code=13).err
    assert "vstore --store there model add NAME --model MODEL" in said
    assert "vstore init --store DIR --model MODEL" in said


def test_an_error_names_a_store_that_was_found_by_the_path_of_a_picture(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    line("sync", "pictures", "-q", "--store", "pictures/.vstore")
    said = line("search", "./pictures/a.png", "words", code=13).err
    assert f"vstore --store {line.home}/pictures/.vstore model add NAME --model MODEL" in said
    assert "--store" not in line("--store", "pictures", "snapshot", "list").err


def test_a_report_names_the_store_too(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    line("sync", "pictures", "-q", "--store", "there")
    said = line("rollback", "v1", "--hold", "--store", "there").out
    assert said.endswith("until: vstore --store there rollback --release\n")


def test_an_empty_store_has_no_folder_to_fill_a_space_from(line: Line) -> None:
    line("init", "--name", "first")
    said = line("model", "add", "second", "--model", "builtin", code=2).err
    assert "sync it with: vstore sync FOLDER --space first\n" in said
    line.put({"pictures/a.png": 1})
    line("sync", "pictures", "-q")
    said = line("model", "add", "second", "--model", "builtin", code=2).err
    assert "sync it with: vstore sync --space first\n" in said
