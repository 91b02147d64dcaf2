"""Turns what a program searches for into operands: words, paths, keys, pictures of Pillow, vectors. Pure."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.search.hit import Hit
from vstore.search.operand import Operand

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats

# One thing to search for. Any: a picture of Pillow, or a vector: a 1-D array, or a list of numbers.
Wanted: TypeAlias = "Operand | Hit | str | os.PathLike[str] | os.PathLike[bytes] | bytes | Any"

_PICTURE = ("./", "../", "/", "file://")  # a word that begins so is a picture, as on the command line
_STEP = "give a text, a path, a key, a hit, a picture of Pillow, a vector, an Operand, or a list of these"


def operands_of(wanted: Wanted | Iterable[Wanted], key_size: int) -> list[Operand]:
    """List the operands of a query.

    A text is taken as one that a person typed; hex digits of a key are the key. All else has the weight 1.

    key_size: bytes of the store's keys.
    Raises:   UsageError for nothing, and for what cannot be searched for.
    """
    if _is_one(wanted):
        return [_operand(wanted, key_size)]
    given = list(cast("Iterable[Wanted]", wanted))
    if not given:
        raise UsageError("nothing to search for", "name a picture: vstore search ./picture.jpg")
    return [_operand(one, key_size) for one in given]


def key_of(given: object, size: int) -> bytes:
    """Read a key. size: its bytes in this store. Raises: UsageError."""
    if isinstance(given, str):
        if not _is_hex(given, size):
            raise UsageError(f"{_brief(given)} is no key", f"a key of this store has {2 * size} hex digits")
        return bytes.fromhex(given)
    if not isinstance(given, (bytes, bytearray, memoryview)):
        raise UsageError(f"{_brief(given)} is no key", f"a key of this store has {size} bytes")
    if len(given) != size:
        raise UsageError(
            f"{_brief(given)} is no key: it has {counted(len(given), 'byte')}, and keys of this store have {size}",
            "for a path, give os.fsdecode(it); for the bytes of a picture, PIL.Image.open(io.BytesIO(it))",
        )
    return bytes(given)


def unit_vector(given: object) -> Floats:
    """Read a vector, and bring it to norm 1. Returns: float32 (dim,). Raises: UsageError."""
    import numpy as np

    try:
        numbers = np.asarray(given)
    except Exception as err:  # of torch, a tensor on a GPU, or one that is being trained
        reason = " ".join(str(err).split())[:200]
        raise _no_vector(f"cannot be read ({type(err).__name__}: {reason})") from err
    if numbers.ndim != 1 or not numbers.size:
        raise _no_vector(f"has the shape {numbers.shape}", "give one with a single axis: of several, row by row")
    if numbers.dtype.kind not in "iuf":
        raise _no_vector(f"has values of the type {numbers.dtype}")
    exact = numbers.astype(np.float64)
    if not np.isfinite(exact).all():
        raise _no_vector("has a value that is not finite")
    largest = np.abs(exact).max()
    if largest == 0:
        raise _no_vector("is zero, and leads nowhere")
    exact /= largest  # the squares of very large or small numbers are none
    unit: Floats = (exact / np.linalg.norm(exact)).astype(np.float32)
    return unit


def is_picture(given: object) -> bool:
    """Tell whether something is a picture of Pillow. Loads nothing: who has one has loaded Pillow."""
    # Another thread may be in the middle of loading it: nobody has a picture of it then.
    kind = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return kind is not None and isinstance(given, kind)


def _is_one(wanted: object) -> bool:
    """Tell what is one thing to search for, or nothing that can be, from a list of such things."""
    if isinstance(wanted, (str, bytes, bytearray, memoryview, os.PathLike, Mapping)) or is_picture(wanted):
        return True
    if hasattr(wanted, "_fields") and isinstance(wanted, tuple):  # an Operand or a Hit; of others, none is a list
        return True
    return _is_vector(wanted) or not isinstance(wanted, Iterable)


def _is_vector(given: object) -> bool:
    if hasattr(given, "__array__"):
        return True
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        return False
    from numbers import Real

    return all(isinstance(number, Real) for number in given)


def _operand(wanted: object, key_size: int) -> Operand:
    if isinstance(wanted, Operand):
        return wanted
    if isinstance(wanted, Hit):
        return Operand(1.0, key=wanted.key)
    if isinstance(wanted, str):
        return _word(wanted, key_size)
    if isinstance(wanted, os.PathLike):
        return Operand(1.0, image=wanted)
    if isinstance(wanted, (bytes, bytearray, memoryview)):
        return Operand(1.0, key=key_of(wanted, key_size))
    if is_picture(wanted):
        return Operand(1.0, picture=wanted)  # type: ignore[arg-type]  # `is_picture` is no TypeGuard: PIL is not loaded
    if _is_vector(wanted):
        return Operand(1.0, vector=wanted)
    raise UsageError(f"{_brief(wanted)} is nothing that can be searched for", _STEP)


def _word(word: str, key_size: int) -> Operand:
    if not word:
        raise UsageError("a word to search for is empty", _STEP)
    if _is_hex(word, key_size):
        return Operand(1.0, key=bytes.fromhex(word))
    if word.startswith("~/"):
        raise UsageError(f"{word} begins with ~, which a shell expands", "give Path(…).expanduser()")
    if word.startswith(_PICTURE):
        return Operand(1.0, image=word)
    return Operand(1.0, text=word, typed=True)


def _is_hex(word: str, size: int) -> bool:
    return len(word) == 2 * size and re.fullmatch("[0-9a-fA-F]+", word) is not None


def _no_vector(why: str, step: str = "give a 1-D array of finite numbers that are not all 0") -> UsageError:
    return UsageError(f"a vector to search for {why}", step)


def _brief(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 100 else f"{text[:100]}…"
