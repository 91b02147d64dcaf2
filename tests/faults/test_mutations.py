"""The tests see it when a guard is taken out: the source is changed in one place, and a test file must fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mutations import MUTATIONS, Mutation

TOP = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_a_mutation_changes_one_place_of_the_source_and_names_a_test_file(mutation: Mutation) -> None:
    source = (TOP / "store" / "vstore" / mutation.file).read_text()
    assert source.count(mutation.old) == 1
    assert (TOP / "tests" / mutation.test).exists()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the source and the tests."""
    folder = tmp_path_factory.mktemp("mutated")
    for name in ("store", "cli", "tests", "docs", "examples"):
        shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOP / "pyproject.toml", folder)
    yield folder
    shutil.rmtree(folder)


def outcome(folder: Path, test: str, only: str) -> int:
    """Run a test file of the copy. Returns: the exit code of pytest."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"tests/{test}"]
    words += ["-k", only] if only else []
    paths = os.pathsep.join(str(folder / name) for name in ("store", "cli", "tests", "docs"))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=False).returncode


@pytest.mark.long
@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_a_mutation_is_seen(copy: Path, mutation: Mutation) -> None:
    file = copy / "store" / "vstore" / mutation.file
    source = file.read_text()
    file.write_text(source.replace(mutation.old, mutation.new))
    try:
        assert outcome(copy, mutation.test, mutation.only) == 1, f"no test of {mutation.test} sees it"
    finally:
        file.write_text(source)


@pytest.mark.long
@pytest.mark.parametrize("test", sorted({(one.test, one.only) for one in MUTATIONS}), ids=" ".join)
def test_without_a_mutation_the_tests_pass(copy: Path, test: tuple[str, str]) -> None:
    assert outcome(copy, *test) == 0
