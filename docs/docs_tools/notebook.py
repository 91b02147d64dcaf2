"""Notebooks of examples/: their code run in order, and the outputs that they show brought up to date.

`python -m docs_tools.notebook [NOTEBOOK]...` runs the cells of the notebooks and writes what they give now into them.
With `--check` it changes nothing, and exits 1 where a notebook shows something else.

A notebook runs in a folder of its own, a copy of examples/, in a process of its own. No Jupyter is needed: the last
expression of a cell is shown as its text and, where it has one, as its HTML. What has HTML is not compared: that holds
pictures.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs_tools.console import HOME, TOP, Differs, steady

Cell = dict[str, Any]
Notebook = dict[str, Any]


def notebooks() -> list[Path]:
    """List the notebooks of examples/."""
    return sorted((TOP / "examples").rglob("*.ipynb"))


def refreshed(before: Notebook, folder: str = ".") -> Notebook:
    """Run a notebook of a folder of examples/, in a copy of it. Returns: it as it would be.

    Raises: Differs if a cell fails.
    """
    with tempfile.TemporaryDirectory(prefix="notebook-") as made:
        top = Path(made).resolve()
        shutil.copytree(TOP / "examples", top / "examples")
        outputs = _outputs(before, top / "examples" / folder, top)
    after: Notebook = json.loads(json.dumps(before))
    for cell, (number, found) in zip(_code(after), enumerate(outputs, 1), strict=True):
        if not _is_same(cell["outputs"], found):
            cell["outputs"] = found
        cell["execution_count"] = number
    return after


def written(notebook: Notebook) -> str:
    """Write a notebook as Jupyter does."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _code(notebook: Notebook) -> list[Cell]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _outputs(notebook: Notebook, at: Path, top: Path) -> list[list[Cell]]:
    """Run the cells. Returns: the outputs of each."""
    sources = ["".join(cell["source"]) for cell in _code(notebook)]
    done = subprocess.run(
        [sys.executable, "-m", "docs_tools.notebook", "--run"],
        cwd=at,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("VSTORE", "PYTHON"))},
            "PYTHONPATH": os.pathsep.join(str(TOP / name) for name in ("store", "cli", "docs")),
            "PYTHONWARNINGS": "ignore",
            "HF_HUB_OFFLINE": "1",
            "TMPDIR": str(top),
        },
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Differs(f"a cell fails:\n{done.stderr}")
    outputs: list[list[Cell]] = json.loads(done.stdout.replace(str(top), HOME))
    return outputs


def _is_same(shown: list[Cell], found: list[Cell]) -> bool:
    """Tell whether the texts of outputs are the same, but for times and the like."""
    return steady(_texts(shown)) == steady(_texts(found)) and list(map(_kinds, shown)) == list(map(_kinds, found))


def _texts(outputs: list[Cell]) -> list[str]:
    shown = [one.get("text") or one["data"]["text/plain"] for one in outputs if "text/html" not in one.get("data", {})]
    return "".join(map("".join, shown)).split("\n")


def _kinds(output: Cell) -> tuple[str, list[str]]:
    return output["output_type"], sorted(output.get("data", {}))


def _run(sources: list[str]) -> Iterator[list[Cell]]:
    """Run cells one after the other, as one program. Yields: the outputs of each."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(sources, 1):
        tree = ast.parse(source, f"cell {number}")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        said = io.StringIO()
        value = None
        with contextlib.redirect_stdout(said):
            exec(compile(tree, f"cell {number}", "exec"), names)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
        outputs: list[Cell] = []
        if said.getvalue():
            outputs.append({"name": "stdout", "output_type": "stream", "text": _lines(said.getvalue())})
        if value is not None:
            data = {"text/plain": _lines(repr(value))}
            if hasattr(value, "_repr_html_"):
                data = {"text/html": _lines(value._repr_html_()), **data}
            outputs.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
        yield outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring the outputs of the notebooks up to date.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="all of examples/ by default")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a notebook differs")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        json.dump(list(_run(json.load(sys.stdin))), sys.stdout)
        return 0
    code = 0
    for path in [path.resolve() for path in options.notebooks] or notebooks():
        name = path.relative_to(TOP)
        try:
            before = json.loads(path.read_text())
            after = refreshed(before, str(path.parent.relative_to(TOP / "examples")))
        except Differs as err:
            print(f"{name}: {err}", file=sys.stderr)
            code = 1
            continue
        if before == after:
            print(f"{name}: up to date")
        elif options.check:
            print(f"{name}: shows other output than its cells give; run `make docs-output`", file=sys.stderr)
            code = 1
        else:
            path.write_text(written(after))
            print(f"{name}: brought up to date")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
