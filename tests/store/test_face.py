"""The public face: `import vstore` exports what the methods of Store take, return and raise, and costs nothing."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vstore

PLAIN = {"str", "int", "bool", "float", "bytes", "None", "Any", "list", "tuple", "dict", "Mapping", "Sequence"}
PYTHONS = {
    "Callable", "Iterator", "Literal", "Unpack", "Path", "Event", "threading", "Store", "type", "BaseException",
    "datetime", "Iterable", "Image", "BinaryIO",
}  # fmt: skip
ALIASES = {"AnyPath", "AnyPicture", "Recipe", "Wanted"}  # other names for Python's own types
ALIASES |= {"Rows", "Floats"}  # and for arrays of numpy
# An error of the name on the right for callers; the rest is for our messages.
WITHIN = {"OtherWords": "ModelError", "Unfound": "ModelError"}


def methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    # `Store.view` and `Store.previews` alone make these.
    made = (vstore.View, vstore.Previews)
    opened = [(name, value) for kind in made for name, value in vars(kind).items() if name != "__init__"]
    for name, value in [*(item for kind in vstore.Store.__mro__[:-1] for item in vars(kind).items()), *opened]:
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(function) and (not name.startswith("_") or name == "__init__"):
            yield name, function


def names_in(annotation: object) -> set[str]:
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "", str(getattr(annotation, "__forward_arg__", annotation)))
    return set(re.findall(r"[A-Za-z_]\w*", text)) - PLAIN - PYTHONS - ALIASES


@pytest.mark.parametrize(("name", "method"), list(methods()))
def test_what_a_method_takes_and_returns_is_exported(name: str, method: Callable[..., Any]) -> None:
    found = set()
    for annotation in inspect.get_annotations(method).values():
        found |= names_in(annotation)
    assert found <= set(vstore.__all__), name


def test_what_the_methods_of_other_types_take_and_return_is_exported() -> None:
    others = {"pandas", "DataFrame", "pyarrow", "Table", "Json", "Self", "slice"}
    for name in vstore.__all__:
        kind = getattr(vstore, name)
        if not isinstance(kind, type) or name in ("Store", "View", "Previews"):
            continue
        for method, value in vars(kind).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if inspect.isfunction(function) and not method.startswith("_"):
                found = set().union(*map(names_in, inspect.get_annotations(function).values()), set())
                assert found <= {*vstore.__all__, *others}, f"{name}.{method}"


def reports() -> Iterator[type]:
    for name in vstore.__all__:
        kind = getattr(vstore, name)
        if isinstance(kind, type) and hasattr(kind, "_fields"):
            yield kind


@pytest.mark.parametrize("report", list(reports()))
def test_what_a_report_holds_is_exported(report: type) -> None:
    for field in report._fields:  # type: ignore[attr-defined]
        assert names_in(report.__annotations__[field]) <= set(vstore.__all__), field


def test_every_error_is_exported() -> None:
    for module in pkgutil.walk_packages(vstore.__path__, "vstore."):
        importlib.import_module(module.name)
    found: set[type] = set()
    left = [vstore.VstoreError]
    while left:
        kind = left.pop()
        found.add(kind)
        left += kind.__subclasses__()
    ours = {kind.__name__ for kind in found if kind.__module__.startswith("vstore.")}
    assert {name for name in ours if not name.startswith("_")} <= {*vstore.__all__, *WITHIN}
    assert {kind.__name__: kind.__base__.__name__ for kind in found if kind.__name__ in WITHIN} == WITHIN
    raised = {name for name in vstore.__all__ if isinstance(getattr(vstore, name), type)}
    assert ours >= {name for name in raised if issubclass(getattr(vstore, name), Exception)}


def test_what_a_docstring_says_is_raised_is_an_error_of_the_face() -> None:
    for name, method in methods():
        text = inspect.getdoc(method) or ""
        for said in re.findall(r"Raises: +(.*?)(?:\n\n|$)", text, re.DOTALL):
            classes = set(re.findall(r"\b[A-Z][a-z]+[A-Z]?\w+\b", said))
            assert classes, name
            assert classes <= set(vstore.__all__), name


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(vstore.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {(name.name, node.module) for node in imports for name in node.names} == set(vstore._HOME_OF.items())
    assert vstore.__all__ == ["__version__", *vstore._HOME_OF]


def test_each_name_is_the_one_that_its_module_defines() -> None:
    for name, home in vstore._HOME_OF.items():
        kind = getattr(vstore, name)
        assert kind.__module__ == home, name
        assert inspect.getdoc(kind), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vstore.nothing  # type: ignore[attr-defined]
    assert set(vstore.__all__) <= set(dir(vstore))


def test_importing_the_face_loads_no_other_module() -> None:
    code = "import vstore, sys; print(sorted(name for name in sys.modules if name.startswith('vstore')))"
    path = str(Path(vstore.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], cwd=path, capture_output=True, text=True, check=True)
    assert done.stdout == "['vstore', 'vstore._version']\n"


def test_a_store_says_where_it_is(tmp_path: Path) -> None:
    vstore.Store.init(tmp_path / "index")
    with vstore.Store(tmp_path / "index") as store:
        assert repr(store) == f"Store({str(tmp_path / 'index')!r})"


@pytest.mark.parametrize("report", list(reports()))
def test_a_report_does_not_flood_a_notebook(report: type) -> None:
    many: list[Any] = []
    for field in report._fields:  # type: ignore[attr-defined]
        text = str(report.__annotations__[field])
        if "Mapping" in text or "dict" in text:
            many.append({str(n): (str(n).encode(),) for n in range(10_000)})
        elif "tuple" in text or "list" in text:
            many.append(tuple(str(n).encode() for n in range(10_000)))
        else:
            many.append("x")
    text = repr(report(*many))
    assert text.startswith(f"{report.__name__}(")
    assert len(text) < 2_000


def test_a_short_report_is_shown_in_full() -> None:
    hit = vstore.Hit(b"key", 0.5, (b"a",), (b"/a", None))
    shown = "Hit(key=b'key', score=0.5, paths=(b'a',), files=(b'/a', None), flat=False, unnamed=(), chance=None"
    assert repr(hit) == f"{shown}, collapsed=())"
    found = vstore.SearchReport("v1", (hit,) * 1234)
    hits = f"({hit!r}, {hit!r}, … 1,234 in all)"
    assert repr(found) == (
        f"SearchReport(snapshot='v1', hits={hits}, flat_query=False, notes=(), least=None, alike=None, "
        "approximate=False, recall_at_10=None)"
    )
    assert repr(vstore.SnapshotDetail._make([None, "t", "m", dict.fromkeys("abcdef", 1), 7])).endswith(
        "roots={'a': 1, 'b': 1, … 6 in all}, fields=7)"
    )
