"""The patterns of an adapter's configuration, evaluated on the names that it was trained with. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from vstore.embed.hf.adapters.inconsistent import Inconsistent


class Ranks(NamedTuple):
    """The ranks and alphas of modules that differ from the adapter's own.

    rank:  module -> rank.
    alpha: module -> alpha.
    """

    rank: dict[str, int]
    alpha: dict[str, float]


def ranks(config: Mapping[str, Any], modules: Mapping[str, str]) -> Ranks:
    """Evaluate rank_pattern and alpha_pattern.

    modules: module -> the name that it was trained with.
    Raises:  Inconsistent if an entry of a pattern matches no module: it would be ignored, and the vectors wrong.
    """
    found: list[dict[str, Any]] = []
    for word in ("rank_pattern", "alpha_pattern"):
        pattern: Mapping[str, Any] = config.get(word) or {}
        entries = {module: _entry(pattern, trained) for module, trained in modules.items()} if pattern else {}
        unused = pattern.keys() - set(entries.values())
        if unused:
            entry = min(unused)
            raise Inconsistent(
                f"its {word} has the entry {entry!r}, and no module that it has weights for has such a name",
                f"if the entry is misspelt, correct it in adapter_config.json only if training had it so; if training "
                f"had it as it stands, it met nothing then either: take it out of {word}",
            )
        found.append({module: pattern[entry] for module, entry in entries.items() if entry is not None})
    return Ranks(*found)


def exact(names: Iterable[str]) -> str:
    """Write a regular expression that matches these names and no others."""
    return "|".join(re.escape(name) for name in sorted(names)) or r"(?!)"


def exact_entry(name: str) -> str:
    """Write an entry of a pattern that matches this whole name alone: peft lets entries match the end of a name."""
    return r"(?<!.)" + re.escape(name)


def is_saved(entries: Sequence[str], module: str) -> bool:
    """Tell whether a trained module is one of modules_to_save, or is below one."""
    return any(re.match(rf"(^|.*\.){entry}($|\..*)", module) for entry in entries)


def _entry(pattern: Mapping[str, Any], trained: str) -> str | None:
    """Find the entry that peft would take for a module; it lets an entry match the end of a name."""
    return next((entry for entry in pattern if re.match(rf"(.*\.)?({entry})$", trained)), None)
