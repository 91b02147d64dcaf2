"""The library is told what it is told: it neither reads nor sets variables of the environment of its process."""

from __future__ import annotations

import ast
from pathlib import Path

import vstore

LIBRARY = Path(vstore.__file__).parent
NAMES = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
ITS_SUBJECT = {"doctor/machine.py"}  # says what the environment would make of a run


def uses(source: str) -> list[int]:
    """The lines that touch the environment, by os.NAME or by a NAME imported from os."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in NAMES:
            if isinstance(node.value, ast.Name) and node.value.id == "os":
                found.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            found += [node.lineno for name in node.names if name.name in NAMES]
    return found


def test_no_module_of_the_library_touches_the_environment() -> None:
    files = sorted(LIBRARY.rglob("*.py"))
    assert len(files) > 50
    touching = {str(file.relative_to(LIBRARY)): lines for file in files if (lines := uses(file.read_text()))}
    assert touching.keys() == ITS_SUBJECT, touching


def test_a_use_is_found_whatever_its_form() -> None:
    for source in ("import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ"):
        assert uses(source), source
    assert not uses("import os\nos.path.join('a')\nself.environ")
