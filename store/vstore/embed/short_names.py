"""The short names of models: words of `--model` that stand for a recommended model, as its authors use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from vstore.embed.hf.source.missing import nearest_folder, numbers
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.model_words import BUILTIN, Words
from vstore.embed.recommended import BY_NAME, RecommendedModel
from vstore.errors import ModelError

_SHORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # neither a path, nor a hub id, nor FAMILY:REST of a plug-in


def with_full_name(words: Words, note: Callable[[str], None] = lambda text: None) -> Words:
    """Replace a short name by the hub id, the commit and the preset that it stands for. A folder of that name wins.

    note:   receives a line about the model that was taken.
    Raises: ModelError for a short name that no model has.
    """
    name = words.model
    if name is None or name == BUILTIN or not _SHORT.fullmatch(name):
        return words
    row = BY_NAME.get(name)
    if Path(name).exists():
        if row is not None:
            note(f"{name} is taken as the folder here; the recommended model is --model {row.model}")
        return words
    if row is None:
        raise _unknown(words, name)
    revision = words.revision or row.revision
    preset = words.preset if words.preset is not None or words.prompt is not None else row.preset
    with_preset = f", --preset {preset}" if preset != words.preset else ""
    note(f"{name} stands for {row.model} at {revision} ({row.licence}){with_preset}")
    return words._replace(model=row.model, revision=revision, preset=preset)


def _unknown(words: Words, name: str) -> ModelError:
    message = f"there is no model folder {name}, and no recommended model has that short name"
    here = nearest_folder(name, "model")
    if here is not None:
        return OtherWords(message, "the folder of the nearest name", model=here).completed(words)
    alike = _alike(name)
    if alike is not None:
        return OtherWords(message, "the recommended model of the nearest name", model=alike.name).completed(words)
    return ModelError(
        message,
        "check the path, write a hub id as OWNER/NAME, or take a short name of: vstore model recommend",
    )


def _alike(name: str) -> RecommendedModel | None:
    """Find the recommended model that a misspelt name, or the last part of a hub id, may mean.

    With other numbers a name is that of another model, such as dinov3-base.
    """
    from difflib import get_close_matches

    low = name.lower()
    begun = [one for one in BY_NAME if one.startswith(f"{low}-") or low.startswith(f"{one}-")]
    if len(begun) == 1:
        return BY_NAME[begun[0]]
    names = {**{row.model.rpartition("/")[2].lower(): row for row in BY_NAME.values()}, **BY_NAME}
    fitting = [one for one in names if numbers(one) == numbers(name)]
    found = get_close_matches(low, fitting, n=1, cutoff=0.75)
    return names[found[0]] if found else None
