"""Importing costs nothing, and a command loads only what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.lines import Line, environment

import vstore

HEAVY = {
    "numpy", "faiss", "torch", "transformers", "peft", "PIL", "tqdm", "rich", "lmdb", "pathspec",
    "importlib.metadata", "multiprocessing", "_hashlib", "numpy.ma",
}  # fmt: skip


# Light modules that cost each command a little: the words of callers are for type checkers alone, the rest for few.
TYPES = {f"vstore.{room}.typed_words" for room in ("disk", "embed", "format", "search", "sync")}
RARE = {*TYPES, "signal", "subprocess", "shlex", "vstore.format.rest_entry", "vstore.format.run_entry"}

# What names that are mistyped need, and folders elsewhere, and models that are run.
MISTYPED = {"vstore.near_files", "vstore.repository.near_paths", "vstore.disk.named_places"}
RUN = {"vstore.embed.embedder", "vstore.embed.load", "vstore.embed.careful", "vstore.embed.text_cache", "queue"}
OF_OTHERS = {"vstore_cli.query", "vstore_cli.models", "vstore_cli.units", "vstore.repository.embedders"}


MODELS = {"vstore.embed.model_words", "vstore.format.recipes", "vstore.format.manifest"}
FOLDERS = {"vstore.repository.acquaintance", "vstore.pictures.scan_options", "vstore.disk.named_places"}


def loaded(code: str, cwd: Path, among: set[str] = HEAVY) -> set[str]:
    """The heavy modules, or others, that a fresh Python has loaded after some code."""
    code += "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment(), capture_output=True, text=True, check=True
    )
    return among & set(json.loads(done.stderr.splitlines()[-1]))


def command(*words: str) -> str:
    return f"from vstore_cli.main import run\nassert run({list(words)!r}) == 0"


@pytest.mark.parametrize("module", ["vstore", "vstore_cli.main", "vstore.store", "vstore.search", "vstore.testing"])
def test_an_import_loads_nothing_heavy(module: str, tmp_path: Path) -> None:
    assert loaded(f"import {module}", tmp_path) == set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["sync", "--help"], ["search", "-h"]], ids=" ".join)
def test_help_loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    assert loaded(command(*words), tmp_path) == set()


@pytest.mark.parametrize(
    "words",
    [
        ["snapshot", "list"],
        ["snapshot", "list", "--json"],
        ["log"],
        ["snapshot", "show", "v1"],
        ["snapshot", "diff", "v1"],
        ["snapshot", "tag", "v1", "x"],
        ["rollback", "v1"],
        ["rollback", "v1", "--hold"],
        ["dupes"],
        ["ls"],
        ["ls", "-R", "--new-since", "v1"],
        ["find", "*.png"],
        ["find", "*.png", "--all"],
    ],
    ids=" ".join,
)
def test_what_only_looks_at_snapshots_loads_nothing_heavy(words: list[str], pictures: Line) -> None:
    assert loaded(command(*words), pictures.home) == set()


@pytest.mark.parametrize("words", [["log"], ["snapshot", "list"], ["rollback", "v1"]], ids=" ".join)
def test_what_only_looks_at_snapshots_loads_nothing_rare(words: list[str], pictures: Line) -> None:
    assert loaded(command(*words), pictures.home, RARE | MODELS | FOLDERS) == set()


@pytest.mark.parametrize("words", [["log"], ["snapshot", "list"], ["rollback", "v1"]], ids=" ".join)
def test_what_only_looks_at_snapshots_loads_nothing_of_other_commands(words: list[str], pictures: Line) -> None:
    assert loaded(command(*words), pictures.home, OF_OTHERS) == set()


@pytest.mark.parametrize("words", [["log"], ["snapshot", "list"]], ids=" ".join)
def test_what_names_no_snapshot_and_suggests_nothing_loads_neither_part(words: list[str], pictures: Line) -> None:
    unused = {"vstore.repository.names", "vstore.format.relabelling", "vstore_cli.suggestions"}
    assert loaded(command(*words), pictures.home, unused) == set()


def test_the_other_process_of_a_scan_loads_little(tmp_path: Path) -> None:
    unused = {"pathlib", "vstore.disk", "vstore.format", "vstore.repository", "vstore.where"}
    assert loaded("import vstore.pictures.shared_scan", tmp_path, HEAVY | unused) == set()


def test_nothing_is_collected_while_modules_are_loaded(tmp_path: Path) -> None:
    code = (
        "import gc, vstore_cli.loading\nbefore = gc.get_stats()\n"
        "import vstore_cli.main, vstore_cli.commands.snapshot, vstore.store\nassert gc.get_stats() == before"
    )
    assert loaded(code, tmp_path) == set()


def test_help_loads_neither_tables_nor_suggestions(tmp_path: Path) -> None:
    unused = {"vstore_cli.terminal.fitting", "vstore_cli.terminal.wrapping", "vstore_cli.suggestions"}
    assert loaded(command("--help"), tmp_path, unused) == set()


@pytest.mark.parametrize("words", [["search", "./pictures/a.png"], ["sync"], ["status"]], ids=" ".join)
def test_what_goes_well_loads_nothing_for_mistyped_names(words: list[str], pictures: Line) -> None:
    assert loaded(command(*words), pictures.home, MISTYPED) == set()


@pytest.mark.parametrize("words", [["sync"], ["status"]], ids=" ".join)
def test_what_changes_nothing_loads_no_notes_on_changes(words: list[str], pictures: Line) -> None:
    assert loaded(command(*words), pictures.home, {"vstore.sync.emptied_notes", "vstore.sync.moved_roots"}) == set()


def test_a_search_by_a_known_picture_loads_nothing_that_runs_models(pictures: Line) -> None:
    assert loaded(command("search", "./pictures/a.png"), pictures.home, RUN) == set()


@pytest.mark.parametrize(
    "words",
    [["search", "./pictures/a.png"], ["sync"], ["status"], ["log"], ["snapshot", "list"], ["ls"], ["rollback", "v1"]],
    ids=" ".join,
)
def test_quick_commands_define_named_tuples_quickly(words: list[str], pictures: Line) -> None:
    store = Path(vstore.__file__).parent
    slow = {
        ".".join(["vstore", *file.relative_to(store).with_suffix("").parts])
        for file in store.rglob("*.py")
        if re.search(r"^from typing import .*\bNamedTuple\b", file.read_text(), re.MULTILINE)
    }
    assert len(slow) > 50
    assert loaded(command(*words), pictures.home, slow) == set()


@pytest.mark.parametrize("words", [["log"], ["snapshot", "list"]], ids=" ".join)
def test_what_writes_nothing_loads_no_locks(words: list[str], pictures: Line) -> None:
    assert loaded(command(*words), pictures.home, {"fcntl", "mmap"}) == set()


@pytest.mark.parametrize(
    "words", [["search", "./pictures/a.png"], ["ls"], ["find", "*"], ["dupes"], ["sync"]], ids=" ".join
)
def test_what_asks_for_no_facts_loads_no_sqlite(words: list[str], pictures: Line) -> None:
    assert loaded(command(*words), pictures.home, {"sqlite3", "vstore.where.expression"}) == set()


def test_undo_and_redo_load_nothing_heavy(pictures: Line) -> None:
    pictures("snapshot", "tag", "v1", "x")
    assert loaded(command("undo"), pictures.home) == set()
    assert loaded(command("redo"), pictures.home) == set()


@pytest.mark.parametrize("words", [["ls"], ["find", "*"], ["snapshot", "list"], ["rollback", "v1"]], ids=" ".join)
def test_what_asks_for_nothing_past_loads_no_history(words: list[str], pictures: Line) -> None:
    assert loaded(command(*words), pictures.home, {"vstore.format.history", "vstore.format.log_lines"}) == set()


def test_a_sync_without_news_loads_neither_numpy_nor_faiss_nor_a_decoder(pictures: Line) -> None:
    assert loaded(command("sync"), pictures.home) <= {"lmdb", "_hashlib"}  # of prepared pixels
    assert loaded(command("status"), pictures.home) <= {"lmdb"}


def test_a_sync_without_news_loads_nothing_rare(pictures: Line) -> None:
    interrupted_by = {"signal"}  # of Ctrl-C
    quoting = {"shlex"}  # the command that goes on with it
    reading = {"vstore.format.run_entry"}
    writing = {"vstore.disk.user_config", "vstore.repository.snapshots", "vstore.repository.looks"}
    assert loaded(command("sync"), pictures.home, RARE | writing) <= interrupted_by | quoting | reading
    assert loaded(command("status"), pictures.home, RARE) <= reading


def test_a_picture_is_shown_and_listed_at_length_without_numpy(pictures: Line) -> None:
    assert loaded(command("show", "pictures/a.png", "--no-neighbours"), pictures.home) == set()
    assert loaded(command("ls", "-R", "--long"), pictures.home) <= {"lmdb"}


def test_a_search_by_a_known_picture_loads_no_decoder_and_no_model(pictures: Line) -> None:
    found = loaded(command("search", "./pictures/a.png"), pictures.home)
    assert not found & {"PIL", "torch", "transformers", "peft", "tqdm", "numpy.ma"}
