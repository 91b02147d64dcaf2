"""Each command is one method of Store that takes the same arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import click
import pytest
from support.lines import found

import vstore
from vstore import Store
from vstore.disk.owner import User
from vstore.embed.model_words import Words
from vstore.importing.old_index import Named
from vstore.importing.options import ImportOptions
from vstore.search.search import search
from vstore.sync.options import Options
from vstore.versions.policy import Policy
from vstore.watch.options import WatchOptions
from vstore_cli.help import all_commands
from vstore_cli.main import HELP
from vstore_cli.main import vstore as group
from vstore_cli.models import MODEL_WORDS

# The library reads neither the environment nor the user's file of options, and knows no shell and no browser.
WITHOUT_METHOD = {("completion",), ("config", "list"), ("config", "path"), ("serve",)}
# How a report is shown, or asked for, is the command line's own affair.
SHOWING = {"as_json", "quiet", "progress_as", "paths_only", "null", "interactive", "html", "opens"}
METHODS = {"import": "import_index", "find": "find_pictures"}  # `import` is Python's own; `Store.find` finds a store
ELSEWHERE = {
    "sync": set(MODEL_WORDS),  # where a sync makes the store, these go to Store.sync_new
    "dupes": {"plan", "apply", "link", "restore", "wait"},  # to Store.dupes_plan, dupes_apply, dupes_restore
}
OTHERWISE = {
    "search": {"words": "operands", "images": "operands"},
    "export": {"words": "operands"},
    "fields_set": {"words": "values"},
    "fields_export": {"file": "out"},
}
USER = set(vstore.UserWords.__annotations__)  # the command line takes them from the environment, and from --trust
ONLY_IN_PYTHON = {
    "init": {"folder", "recipe", "note", "progress", *USER},  # the folder is what --store names; a recipe has no words
    "doctor": {"folder", "found", *USER},
    "trust": {"config"},
    "model_add": {"note", "progress"},
    "model_diff": {"progress", "stop"},
    "model_convert": {"cache", "note", "progress"},
    "model_serve": {"ready", "stop", "progress"},
    "sync": {"progress", "stop"},
    "watch": {"progress", "stop"},
    "status": {"progress"},
    "facts": {"progress", "stop"},
    "fields_set": {"pictures"},
    "fields_unset": {"pictures"},
    "fields_import": {"progress", "stop"},
    "fields_export": {"progress"},
    "dupes": {"progress"},
    "index_build": {"progress", "stop"},
    "search": {"progress"},
    "snapshot_export": {"progress"},
    **{move: {"newest"} for move in ("rollback", "undo", "redo")},  # a command line has seen no state
    "gc": {"progress"},
    "migrate": {"progress"},
    "import_index": {"progress", "stop", "recipe"},
    "export": {"operands", "progress"},
    "check": {"progress", "recipe"},
    "repair": {"folder", "load_embedder", "progress", *USER},  # the folder is what --store names
}


def commands() -> list[tuple[str, ...]]:
    return [
        words
        for words in all_commands()
        if words and not isinstance(found(words), click.Group) and words not in WITHOUT_METHOD
    ]


def defaults_of(method: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a method with their defaults; those that it must be given have inspect.Parameter.empty."""
    parameters = dict(inspect.signature(method).parameters)
    parameters.pop("self", None)
    taken = {name: one.default for name, one in parameters.items() if one.kind is not one.VAR_KEYWORD}
    for one in parameters.values():
        if one.kind is one.VAR_KEYWORD:
            kind = re.fullmatch(r"Unpack\[(\w+)\]", one.annotation)
            assert kind is not None, one.annotation
            declared = getattr(vstore, kind[1])
            taken |= {name: DEFAULTS[name] for name in declared.__annotations__}
    return taken


# Where the defaults of the options stand that a TypedDict declares.
DEFAULTS: dict[str, Any] = {
    **WatchOptions._field_defaults,
    **Options._field_defaults,
    **User._field_defaults,
    **dict.fromkeys(Named._fields),
    **ImportOptions._field_defaults,
    **{name: default for name, default in Words._field_defaults.items() if name in MODEL_WORDS},
    **{f"keep_{name}": default for name, default in Policy._field_defaults.items()},
    **{name: one.default for name, one in inspect.signature(search).parameters.items() if one.default is not one.empty},
}


@pytest.mark.parametrize(
    ("words", "records"),
    [
        (vstore.SyncWords, (Options,)),
        (vstore.WatchWords, (WatchOptions,)),
        (vstore.ImportWords, (ImportOptions, Named, Words)),
        (vstore.ModelWords, (Words,)),
        (vstore.UserWords, (User,)),
    ],
)
def test_the_record_of_an_operation_holds_the_words_of_its_callers(words: type, records: tuple[Any, ...]) -> None:
    fields = {name for record in records for name in record._fields}
    internal = {"named", "place", "dry_run", "leave_out"}
    assert fields - internal == set(words.__annotations__)


def test_the_first_sync_takes_the_words_of_a_sync_and_of_a_model() -> None:
    assert set(vstore.FirstSyncWords.__annotations__) == {*vstore.SyncWords.__annotations__, *MODEL_WORDS}
    assert set(MODEL_WORDS) == set(vstore.ModelWords.__annotations__)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_is_a_method_with_the_same_arguments(words: tuple[str, ...]) -> None:
    name = METHODS.get("_".join(words), "_".join(words))
    method = getattr(Store, name)
    taken = defaults_of(method)
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
    taken = defaults_of(getattr(Store, name))
    theirs = {key: value for key, value in taken.items() if value is not inspect.Parameter.empty}
    required = [param for param in found(words).params if param.required]
    # click keeps a command's help option as the first context asks for it.
    above = click.Context(group, help_option_names=HELP)
    ctx = found(words).make_context(words[-1], ["given"] * len(required), parent=above)
    left_out = {param.name for param in required} | SHOWING | OTHERWISE.get(name, {}).keys()
    left_out |= ELSEWHERE.get(name, set())
    mine = {key: value for key, value in ctx.params.items() if key not in left_out}
    assert mine == {key: value for key, value in theirs.items() if key not in ONLY_IN_PYTHON.get(name, ())}
