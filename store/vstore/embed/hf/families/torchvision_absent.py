"""The import of timm where torchvision is not installed.

timm imports torchvision at its top: for training, for data sets, and for preparations that vstore does itself. These
names are there while timm is imported, and no longer. Whatever uses one of them is told that torchvision is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_TOP = "torchvision"
_MODULES = {
    f"{_TOP}{inner}" for inner in ("", ".datasets", ".ops", ".ops.misc", ".transforms", ".transforms.functional")
}


class _Absent(type):
    """A class of torchvision that is not there: timm derives from some, and asks others for their members."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return f"{cls.__name__}.{name}"

    def __call__(cls, *_: Any, **__: Any) -> Any:
        raise ImportError(f"{cls.__module__}.{cls.__name__} needs {_TOP}, which is not installed", name=_TOP)


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        inner = f"{self.__name__}.{name}"
        if inner in _MODULES:
            return import_module(inner)
        return _Absent(name, (), {"__module__": self.__name__})


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname in _MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


@contextmanager
def torchvision_absent() -> Iterator[None]:
    """Let timm be imported; where torchvision is installed, nothing changes."""
    if _TOP in sys.modules or find_spec(_TOP) is not None:
        yield
        return
    finder = _Finder()
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in _MODULES:
            sys.modules.pop(name, None)
