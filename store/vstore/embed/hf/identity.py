"""The identity of a model: the sha256 of all that decides its vectors, however its files are cut and annotated.

A space is named by its recipe, which holds the digests of files. Two recipes with one identity have equal vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.embed.hf import adapters
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.effective import config_values, processor_values, tokenizer_values
from vstore.embed.hf.source.model_folder import ModelFolder, canonical_config, weight_digests
from vstore.embed.hf.tensor_names import adapter_names, canonical_names
from vstore.embed.hf.text import tokenizer_digests
from vstore.errors import ModelError
from vstore.format.canonical import canonical

if TYPE_CHECKING:
    from vstore.format.recipes import Recipe

_RULE = 1  # raised when another document is made of the same model
# Parts of a recipe that stand in it as files have them: their effective values count.
_FILES = frozenset(["weights", "config", "processor", "text", "adapter"])


class Known(NamedTuple):
    """The record that a store has of the model of a space.

    recipe:   of the space.
    identity: of the space; empty if it is not known.
    name:     of the space; None where there is no space yet.
    """

    recipe: Recipe
    identity: str = ""
    name: str | None = None


class Difference(NamedTuple):
    """A difference between a recipe and the files of a model.

    about:       for people: what has changed, or the whole sentence if it is sure.
    is_sure:     vectors depend on it; else the files are others, which may hold the same.
    is_adapters: it is one of the adapter.
    """

    about: str
    is_sure: bool = False
    is_adapters: bool = False


def identity_of(recipe: Recipe, folder: ModelFolder, adapter: ModelFolder | None, digests: Digests) -> str:
    """Compute the identity of a recipe with the model in these folders, in hex. Raises: ModelError, OSError."""
    return _hash(_document(recipe, folder, adapter, digests))


def is_variation(recipe: Recipe, other: Recipe) -> bool:
    """Tell whether a recipe has the files of another one: all of them, or all but the adapter's."""
    same = all(recipe.get(name) == other.get(name) for name in ("weights", "config", "code"))
    tokenizers = [(one.get("text") or {}).get("tokenizer") for one in (recipe, other)]
    return same and tokenizers[0] == tokenizers[1] and recipe.get("adapter") in (None, other.get("adapter"))


def differences(recipe: Recipe, folder: ModelFolder, adapter: ModelFolder | None, digests: Digests) -> list[Difference]:
    """Compare a recipe with the files of a model, part by part. Raises: ModelError, OSError."""
    found = []
    if weight_digests(folder, digests) != recipe["weights"]:
        found.append(Difference("its weights"))
    if canonical_config(folder.config) != recipe["config"]:
        changes = _changes(config_values(recipe["config"]), config_values(folder.config))
        found += [Difference(f"its config.json has changed: {text}", is_sure=True) for text in changes]
    text = recipe.get("text")
    if text is not None and tokenizer_digests(folder, digests) != text["tokenizer"]:
        found.append(Difference("its tokenizer"))
    if adapter is not None:
        before, now = recipe["adapter"], adapters.describe(adapter, digests)
        if now["weights"] != before["weights"]:
            found.append(Difference("the adapter's weights", is_adapters=True))
        found += [
            Difference(f"its adapter_config.json has changed: {text}", is_sure=True, is_adapters=True)
            for text in _changes(before["config"], now["config"])
        ]
    return found


def clear_differences(
    known: Known, folder: ModelFolder, adapter: ModelFolder | None, *, digests: Digests
) -> list[Difference]:
    """List what makes files another model than a space's, without parts that hold the same in other files.

    Raises: ModelError, OSError.
    """
    found = differences(known.recipe, folder, adapter, digests)
    sure = [one for one in found if one.is_sure]
    if not sure or not known.identity:
        return found
    document = _document(known.recipe, folder, adapter, digests)
    document["config"] = config_values(known.recipe["config"])
    if document["adapter"] is not None:
        document["adapter"]["config"] = known.recipe["adapter"]["config"]
    return sure if _hash(document) == known.identity else found


def told(found: Sequence[Difference]) -> str:
    """Say what makes files another model. Of files that may hold the same, one at least does not."""
    unsure = [one.about for one in found if not one.is_sure]
    said = [f"{' or '.join(unsure)} {'has' if unsure == ['its tokenizer'] else 'have'} changed"] if unsure else []
    return "; ".join([*said, *(one.about for one in found if one.is_sure)])


def _document(recipe: Recipe, folder: ModelFolder, adapter: ModelFolder | None, digests: Digests) -> dict[str, Any]:
    found: dict[str, Any] = {name: value for name, value in recipe.items() if name not in _FILES}
    text = recipe.get("text")
    if text is not None:
        text = {**text, "tokenizer": _tokenizer(folder, digests)}
    described = adapter and adapters.describe(adapter, digests)
    if adapter is not None and described is not None:
        described = {name: value for name, value in described.items() if name != "weights"}
        path = adapter.path / "adapter_model.safetensors"
        described["tensors"] = _tensors([path], adapter_names, digests)
    return {
        **found,
        "identity": _RULE,
        "tensors": _tensors(folder.weights(), lambda names: canonical_names(folder.model_type, names), digests),
        "config": config_values(folder.config),
        "processor": processor_values(recipe.get("processor") or {}),
        "text": text,
        "adapter": described,
    }


def _tensors(paths: Iterable[Path], named: Any, digests: Digests) -> str:
    """Compute the digest of all tensors of some files: canonical name, dtype, shape, bytes."""
    tensors: dict[str, list[object]] = {}
    for path in paths:
        own = digests.tensors(path)
        if own is None:
            raise ModelError(f"{path} is not a valid safetensors file", "copy or download it again")
        tensors |= own
    names: Mapping[str, str] = named(tensors)
    return _hash(sorted([name, *tensors[key]] for key, name in names.items()))


def _tokenizer(folder: ModelFolder, digests: Digests) -> Any:
    """Describe a tokenizer by what decides the ids of a text, else by its files."""
    effective = tokenizer_values(folder.path)
    if effective is None:
        return tokenizer_digests(folder, digests)
    names = ("added_tokens.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
    pieces = [folder.path / name for name in names]
    return _hash([effective, sorted(digests.of(path) for path in pieces if path.is_file())])


def processor_changes(recipe: Recipe, other: Recipe) -> list[str]:
    """List the values of a recipe's processor that another recipe has otherwise, for people."""
    before, now = (processor_values(one.get("processor") or {}) for one in (recipe, other))
    return _changes(before, now)


def _changes(before: Mapping[str, Any], now: Mapping[str, Any], above: str = "") -> list[str]:
    """List the differences of two configurations, for people."""
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found += _changes(old, new, f"{above}{name}.")
        else:
            found.append(f"{above}{name}: {_short(old)} -> {_short(new)}")
    return found


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _hash(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
