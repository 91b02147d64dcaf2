"""Each command is one method of Store that takes the same arguments."""

from __future__ import annotations

import inspect

import click
import pytest
from support.lines import found

from vstore.store import Store
from vstore_cli.main import HELP, all_commands, vstore
from vstore_cli.models import MODEL_WORDS

SHOWING = {"as_json", "quiet", "paths_only", "null"}  # how a report is shown is the command line's own affair
METHODS = {"import": "import_index"}  # `import` is a word of Python's own
ELSEWHERE = {"sync": set(MODEL_WORDS)}  # where a sync makes the store, these go to Store.init
OTHERWISE = {
    "search": {"words": "operands", "images": "operands"},
    "export": {"words": "operands"},
}
ONLY_IN_PYTHON = {
    "init": {"folder", "recipe", "note"},  # the folder is what --store names; a recipe has no words
    "doctor": {"folder"},
    "model_add": {"note"},
    "sync": {"progress", "stop"},
    "status": {"progress"},
    "dupes": {"progress"},
    "import_index": {"progress", "stop", "recipe"},
    "export": {"operands"},
    "check": {"progress", "recipe"},
    "repair": {"folder", "load_embedder", "progress"},  # the folder is what --store names
}


def commands() -> list[tuple[str, ...]]:
    return [words for words in all_commands() if words and not isinstance(found(words), click.Group)]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_is_a_method_with_the_same_arguments(words: tuple[str, ...]) -> None:
    name = METHODS.get("_".join(words), "_".join(words))
    method = getattr(Store, name)
    taken = [param for param in inspect.signature(method).parameters if param != "self"]
    wanted = {
        OTHERWISE.get(name, {}).get(str(param.name), str(param.name))
        for param in found(words).params
        if param.name not in SHOWING | ELSEWHERE.get(name, set())
    }
    assert wanted | ONLY_IN_PYTHON.get(name, set()) == set(taken)
    assert inspect.getdoc(method)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_defaults_are_the_same_in_both(words: tuple[str, ...]) -> None:
    name = METHODS.get("_".join(words), "_".join(words))
    parameters = inspect.signature(getattr(Store, name)).parameters
    theirs = {key: value.default for key, value in parameters.items() if value.default is not inspect.Parameter.empty}
    required = [param for param in found(words).params if param.required]
    # click keeps a command's help option as the first context asks for it.
    above = click.Context(vstore, help_option_names=HELP)
    ctx = found(words).make_context(words[-1], ["given"] * len(required), parent=above)
    left_out = {param.name for param in required} | SHOWING | OTHERWISE.get(name, {}).keys()
    left_out |= ELSEWHERE.get(name, set())
    mine = {key: value for key, value in ctx.params.items() if key not in left_out}
    assert mine == {key: value for key, value in theirs.items() if key not in ONLY_IN_PYTHON.get(name, ())}
