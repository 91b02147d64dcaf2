"""The keys of an adapter's weights, read apart: module, part of the adapter, tensor. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# What wrappers put in front: peft, data parallel training, torch.compile, FSDP.
_WRAPPERS = re.compile(r"(?:base_model\.model\.|module\.|_orig_mod\.|_fsdp_wrapped_module\.)")
_PART = re.compile(r"(?P<module>.+?)\.(?P<part>lora_[A-Za-z]\w*|hada_\w+|lokr_\w+|ia3_l)(?:\.(?P<rest>.+))?")
_SAVED = re.compile(r"(?P<module>.+?)\.modules_to_save\.(?P<rest>.+)")


class Key(NamedTuple):
    """One tensor of an adapter.

    module: its module, by the name that it was trained with.
    part:   the adapter's part, such as `lora_A`; empty for a tensor of the module itself.
    tensor: `weight`, `bias`, or empty for a part that is a bare parameter.
    """

    module: str
    part: str
    tensor: str


def read_keys(names: Iterable[str]) -> dict[str, Key]:
    """Read the keys of a weight file: name in the file -> key. The adapter's own name is left out.

    Raises: ValueError if the file holds several adapters, or two of its names are one key.
    """
    found: dict[str, Key] = {}
    adapters: set[str] = set()
    for name in names:
        key, adapter = _read(_WRAPPERS.sub("", name))
        found[name] = key
        adapters.add(adapter)
    named = adapters - {""}
    if len(named) > 1:
        raise ValueError(f"its weights belong to several adapters: {', '.join(sorted(named)[:5])}")
    twice = len(found) - len(set(found.values()))
    if twice:
        raise ValueError(f"{twice} of its weights {'stands' if twice == 1 else 'stand'} twice")
    return found


def _read(name: str) -> tuple[Key, str]:
    """Read one key. Returns: the key, and the adapter's name in it, or an empty one."""
    part = _PART.fullmatch(name)
    if part:
        adapter, tensor = _tensor(part["rest"] or "")
        return Key(part["module"], part["part"], tensor), adapter
    saved = _SAVED.fullmatch(name)
    if saved:  # as a state dict has it; peft itself leaves the wrapper's name out
        adapter, _, rest = saved["rest"].partition(".")
        module, _, tensor = f"{saved['module']}.{rest}".rpartition(".")
        return Key(module, "", tensor), adapter
    module, _, tensor = name.replace(".base_layer.", ".").replace(".original_module.", ".").rpartition(".")
    return Key(module, "", tensor), ""


def _tensor(rest: str) -> tuple[str, str]:
    """Part `NAME.weight`, each of which may be absent. Returns: the adapter's name, the tensor."""
    before, _, last = rest.rpartition(".")
    return (before, last) if last in ("weight", "bias") else (rest, "")
