"""The page of options: complete, and the one place that lists the variables."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from docs_tools.console import TOP
from docs_tools.options import PAGE, commands_of, written

from vstore_cli.main import vstore
from vstore_cli.settings.options import dashed, every_command, options_of, variables
from vstore_cli.settings.variables import OF_OTHERS, OWN

SOURCES = [path for room in ("cli/vstore_cli", "store/vstore") for path in (TOP / room).rglob("*.py")]
TEXTS = [*(path for path in (TOP / "docs").rglob("*.md") if "_build" not in path.parts), *TOP.glob("*.md"), *SOURCES]


def test_its_tables_are_those_of_the_commands() -> None:
    assert written(PAGE.read_text()) == PAGE.read_text(), "run `make docs-output`"


def test_every_option_stands_in_one_table() -> None:
    rows = re.findall(r"^\| `(-[\w-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(map(dashed, commands_of()))


def read_variables() -> Iterator[str]:
    """The variables that the code reads or sets."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if ast.unparse(node.func.value) == "os.environ" and isinstance(node.args[0], ast.Constant):
                    yield str(node.args[0].value)
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                if isinstance(node.slice, ast.Constant):
                    yield str(node.slice.value)
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "constants" and node.attr.isupper():
                yield node.attr if node.attr.startswith("HF_") else f"HF_{node.attr}"


def test_every_variable_that_the_code_reads_is_listed() -> None:
    read = set(read_variables())
    assert {"VSTORE_DIR", "XDG_CONFIG_HOME", "HF_HUB_CACHE"} <= read
    of_shells = {"COMP_LINE", "COMP_WORD"}  # they speak with vstore by these
    assert read <= OWN.keys() | OF_OTHERS.keys() | of_shells


@pytest.mark.parametrize("path", TEXTS, ids=[str(path.relative_to(TOP)) for path in TEXTS])
def test_no_text_names_a_variable_that_means_nothing(path: object) -> None:
    names = set(re.findall(r"\bVSTORE_[A-Z_]*[A-Z]\b", path.read_text()))  # type: ignore[attr-defined]
    known = {
        variable
        for words, command in every_command(vstore)
        for name in options_of(command)
        for variable in variables(words, name)
    }
    of_tests = {"VSTORE_REAL_PICTURES", "VSTORE_FORGED", "VSTORE_EVERY", "VSTORE_EXAMPLES", "VSTORE_LOCAL"}
    assert names <= known | OWN.keys() | of_tests


@pytest.mark.parametrize("name", list(OWN))
def test_what_reads_a_variable_says_where_all_are_listed(name: str) -> None:
    assert f"| `{name}` |" in PAGE.read_text()
