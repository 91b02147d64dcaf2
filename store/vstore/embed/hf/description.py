"""The description of a model: its recipe, worked out from its files."""

from __future__ import annotations

from typing import Any

from vstore.embed.hf import adapter as adapters
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.family import Family
from vstore.embed.hf.source.find import find_adapter, find_model
from vstore.embed.hf.source.model_folder import ModelFolder, canonical_config, weight_digests
from vstore.embed.model_words import Words
from vstore.errors import ModelError
from vstore.pictures.formats import MAX_SIDE, prepare_recipe

COMPUTES = ("fp32", "bf16")


def describe(words: Words, digests: Digests) -> tuple[dict[str, Any], Words]:
    """Work out the recipe of a model and its adapter from their files; nothing is loaded.

    Returns: the recipe, and the words by which exactly this model is found again.
    Raises:  ModelError.
    """
    from vstore.embed.hf.families import family_of

    adapter = find_adapter(words.adapter, words.adapter_revision) if words.adapter else None
    _refuse_idle_revision("--adapter-revision", words.adapter_revision, adapter)
    said = words.revision
    if words.model is None:
        assert adapter is not None
        words = _with_base_of(adapter, words)
    assert words.model is not None
    if words.compute not in (None, *COMPUTES):
        raise ModelError(f"unknown compute {words.compute!r}", f"choose one of: {', '.join(COMPUTES)}")
    trusted = words.trust_remote_code or False
    folder = find_model(words.model, words.revision, code=trusted)
    _refuse_idle_revision("--revision", said, folder)
    cls = family_of(folder, trust_code=trusted)
    pooling = words.pooling or cls.poolings[0]
    _refuse_unfit(folder, cls, words, pooling)
    try:
        own = cls.describe(folder, words, digests)
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise ModelError(
            f"the configuration of {folder.name} is not valid: {err!r}", "copy or download the model again"
        ) from err
    recipe: dict[str, Any] = {
        "family": cls.name,
        "version": 1,
        "model_type": folder.model_type,
        "weights": weight_digests(folder, digests),
        "config": canonical_config(folder.config),
        "adapter": adapters.describe(adapter, digests) if adapter else None,
        "prepare": prepare_recipe(words.max_side or MAX_SIDE),
        "pooling": pooling,
        "normalise": "l2",
        **own,
    }
    place = words._replace(
        model=str(folder.path) if folder.commit is None else words.model,
        revision=folder.commit,
        adapter=None if adapter is None else str(adapter.path) if adapter.commit is None else words.adapter,
        adapter_revision=adapter.commit if adapter else None,
        compute=words.compute or "fp32",
    )
    return recipe, place


def _refuse_idle_revision(option: str, revision: str | None, found: ModelFolder | None) -> None:
    """Refuse a revision of something that is not from the hub. Raises: ModelError."""
    if revision is not None and (found is None or found.commit is None):
        what = "no adapter is named" if found is None else f"{found.name} is a folder, which has none"
        raise ModelError(f"{option} {revision} names a revision of the hub, and {what}", f"leave {option} out")


def _with_base_of(adapter: ModelFolder, words: Words) -> Words:
    """Take the base model that an adapter names. Raises: ModelError if it names none."""
    base = adapter.config.get("base_model_name_or_path")
    if not base:
        raise ModelError(f"the adapter {words.adapter} does not name its base model", "name it with --model")
    return words._replace(model=str(base), revision=words.revision or adapter.config.get("revision"))


def _refuse_unfit(folder: ModelFolder, cls: type[Family], words: Words, pooling: str) -> None:
    """Raises: ModelError for a quantised model, and for a pooling or a prompt that the family does not know."""
    if "quantization_config" in folder.config:
        raise ModelError(
            f"{folder.name} is quantised: its vectors would be less precise than their number format",
            "use the original model, with --compute bf16 where memory is short",
        )
    if pooling not in cls.poolings:
        raise ModelError(
            f"a {folder.model_type} model has no pooling {pooling!r}", f"choose one of: {', '.join(cls.poolings)}"
        )
    if words.adapter is not None and not cls.takes_adapter:
        raise ModelError(
            f"an adapter cannot be put on {folder.name}: it comes in the layout of {folder.model_type}, and adapters "
            "name the parts of transformers' models",
            "name the model in transformers' layout that the adapter was trained on, or leave --adapter out",
        )
    if words.prompt is not None and not cls.takes_prompt:
        raise ModelError(
            f"a {folder.model_type} model does not take a prompt with a picture",
            "leave --prompt out; it is for models such as Qwen2-VL",
        )
