"""The adapter_config.json of an adapter, read and checked: peft takes any value, and fails much later or not at all."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vstore.embed.hf.source.json_file import read_json
from vstore.errors import ModelError

_DEPTH = 20  # most lists and objects within one another; peft writes three
_SHOWN = 60  # letters of a value that a message shows


def read_adapter_config(name: str, path: Path) -> dict[str, Any]:
    """Read the adapter_config.json of a folder.

    name:   of the adapter, as the user wrote it.
    Raises: ModelError for a file that is no configuration, or a field with a value that it cannot have.
    """
    config = read_json(path / "adapter_config.json")
    for field, value in config.items():
        why = _why_not(field, value)
        if why is None and field in ("lora_alpha", "alpha") and value == 0 and not config.get("alpha_pattern"):
            why = "that would multiply all of its weights by 0"
        if why is not None:
            raise ModelError(
                f"the adapter_config.json of the adapter {name} says {field}: {_shown(value)}, and {why}",
                f"correct {field} there, as the adapter was trained, or copy or download the adapter again",
            )
    return config


def _why_not(field: str, value: Any) -> str | None:
    """Tell what a field's value should be, if it is not that; None if it is."""
    if _depth(value) > _DEPTH:
        return f"no field nests more than {_DEPTH} deep"
    if not _is_finite(value):
        return "a number there is to be finite"
    if value is None or field not in _FIELDS:
        return None
    wanted, holds = _FIELDS[field]
    if not holds(value):
        return f"it is to be {wanted}"
    entries = _expressions(field, value)
    wrong = next((entry for entry in entries if not _is_expression(entry)), None)
    return None if wrong is None else f"{_shown(wrong)} is not a valid regular expression"


def _shown(value: Any) -> str:
    """Write a value as the file has it, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "[…]"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _depth(value: Any) -> int:
    """Count how deep lists and objects are within one another, up to one more than is allowed."""
    level, depth = [value], 0
    while depth <= _DEPTH and (level := [one for one in level if isinstance(one, list | dict)]):
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _expressions(field: str, value: Any) -> list[str]:
    """List the regular expressions in a value. A list of targets holds names, which are compared letter by letter."""
    if field in ("target_modules", "exclude_modules", "feedforward_modules"):
        return [value] if isinstance(value, str) else []
    if field in ("rank_pattern", "alpha_pattern", "modules_to_save"):
        return list(value)
    return []


def _is_expression(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_whole(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 1 << 31


def _is_rank(value: Any) -> bool:
    return _is_whole(value, 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _is_target(value: Any) -> bool:
    return _is_text(value) or _is_names(value)


def _is_layers(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, list) and all(map(_is_whole, value)))


def _is_pattern(value: Any, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(value) and all(map(holds, value.values()))


_Kind = tuple[str, Callable[[Any], bool]]
_BOOL: _Kind = ("true or false", _is_bool)
_TEXT: _Kind = ("a text", _is_text)
_OBJECT: _Kind = ("an object, in braces", _is_object)
_NUMBER: _Kind = ("a number", _is_number)
_SHARE: _Kind = ("a number from 0 to 1", _is_share)
_TARGETS: _Kind = ("a list of names, or a text", _is_target)
_BEGINNING: _Kind = ("true, false or a text", lambda value: _is_bool(value) or _is_text(value))
# What each field may be, besides null. Fields that are refused whatever they say are not among them.
_FIELDS: dict[str, _Kind] = {
    **dict.fromkeys(("peft_type", "task_type", "peft_version", "base_model_name_or_path", "revision"), _TEXT),
    **dict.fromkeys(("inference_mode", "fan_in_fan_out", "use_rslora", "use_dora", "lora_bias"), _BOOL),
    **dict.fromkeys(("ensure_weight_tying", "init_ia3_weights"), _BOOL),
    **dict.fromkeys(("use_effective_conv2d", "decompose_both", "rank_dropout_scale"), _BOOL),
    **dict.fromkeys(("auto_mapping", "loftq_config", "eva_config", "corda_config", "lora_ga_config"), _OBJECT),
    **dict.fromkeys(("lora_dropout", "rank_dropout", "module_dropout"), _SHARE),
    **dict.fromkeys(("target_modules", "exclude_modules", "feedforward_modules", "layers_pattern"), _TARGETS),
    **dict.fromkeys(("lora_alpha", "alpha"), _NUMBER),
    **dict.fromkeys(("init_lora_weights", "init_weights"), _BEGINNING),
    "r": ("a whole number from 1", _is_rank),
    "decompose_factor": ("-1 or a whole number from 1", lambda value: value == -1 or _is_rank(value)),
    "bias": ('"none", "all" or "lora_only"', lambda value: value in ("none", "all", "lora_only")),
    "modules_to_save": ("a list of names", _is_names),
    "layers_to_transform": ("a whole number from 0, or a list of such", _is_layers),
    "rank_pattern": ("an object of whole numbers from 1", lambda value: _is_pattern(value, _is_rank)),
    "alpha_pattern": ("an object of numbers", lambda value: _is_pattern(value, _is_number)),
}
