"""Faults of a model: errors of other people's code over its files, or over libraries that do not fit together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from vstore.errors import ModelError, VstoreError

DOCTOR = "see what is installed and fits together with: vstore doctor"


def reason(err: BaseException) -> str:
    """Shorten the message of an error to one line: 1 to 300 characters."""
    return " ".join(str(err).split())[:300] or type(err).__name__


def said(err: BaseException) -> str:
    """Say in one line what an error says, with its kind: 1 to 400 characters."""
    there = getattr(err, "kind", None)  # of an error in a worker process
    return there if isinstance(there, str) else f"{type(err).__name__}: {reason(err)}"


def is_about_a_file(err: BaseException) -> bool:
    """Tell whether an error is about a file that was being read: only then may the file be at fault."""
    if type(err).__name__ == "SafetensorError":  # by its name: safetensors may be missing
        return True
    return isinstance(err, (OSError, UnicodeDecodeError, json.JSONDecodeError))


@contextmanager
def faults_of(model: str) -> Iterator[None]:
    """Turn the errors of other people's code over a model into ModelError: the model is at fault, not vstore."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as err:
        _blame_torchvision(err)
        if isinstance(err, VstoreError):
            raise
        copy = f"its files may be damaged, or belong to different models: copy or download it again; or {DOCTOR}"
        raise ModelError(
            f"the model {model} cannot be used: {type(err).__name__}: {reason(err)}",
            copy if is_about_a_file(err) else DOCTOR,
        ) from err


def _blame_torchvision(err: BaseException) -> None:
    """Look for a torchvision that cannot be imported behind an error: transformers imports it where it is installed.

    Raises: ModelError if it is at fault.
    """
    from importlib.util import find_spec

    behind: BaseException | None = err
    while behind is not None and "torchvision" not in str(behind):
        behind = behind.__cause__ or behind.__context__
    if behind is None or find_spec("torchvision") is None:
        return
    try:
        import_module("torchvision")
    except Exception as broken:
        raise ModelError(
            f"the torchvision that is installed cannot be imported ({said(broken)}), as it does not fit the installed "
            "torch; transformers imports it for most models",
            "vstore does not need it: pip uninstall -y torchvision",
        ) from err
