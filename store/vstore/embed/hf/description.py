"""The description of a model: its recipe, worked out from its files."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from vstore.closeness import instead
from vstore.embed.hf import adapters
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.family import Family, TextFamily
from vstore.embed.hf.source.bases import base_of
from vstore.embed.hf.source.find import find_adapter, find_model
from vstore.embed.hf.source.hub import ONLINE, Hub
from vstore.embed.hf.source.hub_files import has_text_side
from vstore.embed.hf.source.model_folder import ModelFolder, canonical_config, weight_digests
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.hf.text import tokenizer_digests
from vstore.embed.model_words import Words
from vstore.embed.prepared import prepared_for, require_fitting
from vstore.errors import ModelError
from vstore.format.recipes import space_id

COMPUTES = ("fp32", "bf16")
_NO_TEXT = (
    "no text side: search by words is not possible, as the model's tokenizer files are missing (tokenizer.json, "
    "tokenizer_config.json); with them in its folder another space can be made"
)


def describe(
    words: Words,
    digests: Digests,
    hub: Hub = ONLINE,
    *,
    known: Container[str] = (),
    note: Callable[[str], None] = lambda text: None,
) -> tuple[dict[str, Any], Words]:
    """Work out the recipe of a model and its adapter from their files; nothing is loaded.

    known:   ids of spaces: if an earlier version of vstore described these words as one of them, so does this.
    note:    receives a line for each thing done without being asked for.
    Returns: the recipe, and the words by which exactly this model is found again.
    Raises:  ModelError.
    """
    from vstore.embed.hf.families import family_of

    if words.compute not in (None, *COMPUTES):
        raise ModelError(f"unknown compute {words.compute!r}", f"choose one of: {', '.join(COMPUTES)}")
    trusted = words.trust_remote_code or False
    require_fitting(words)
    words, folder, adapter = _found(words, trusted, hub)
    cls = family_of(folder, trust_code=trusted)
    if trusted and cls.name != "remote":
        note(
            f"--trust-remote-code changes nothing: {folder.name} is computed by libraries, and no code of its own runs"
        )
    pooling = _pooling(folder, cls, words.pooling)
    _refuse_unfit(folder, cls, words)
    try:
        settled = cls.settle(folder, words, note)
        own = cls.describe(folder, settled, digests)
        plain = own if settled == words else cls.describe(folder, words, digests)
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise ModelError(
            f"the configuration of {folder.name} is not valid: {err!r}", "copy or download the model again"
        ) from err
    is_without_text = issubclass(cls, TextFamily) and own.get("text", True) is None
    if is_without_text and has_text_side(folder.config) and not tokenizer_digests(folder, digests):
        note(_NO_TEXT)
    recipe: dict[str, Any] = {
        "family": cls.name,
        "version": adapters.version(adapter.config) if adapter else 1,
        "model_type": folder.model_type,
        "weights": weight_digests(folder, digests),
        "config": canonical_config(folder.config),
        "adapter": adapters.describe(adapter, digests) if adapter else None,
        "pooling": pooling,
        "normalise": "l2",
    }
    before = {**recipe, **plain, "prepare": prepared_for({}, words._replace(prepare=1, colour=None, decode=None))}
    is_newer = words.prepare == 2 or words.colour is not None or words.decode is not None
    of_before = [] if is_newer else cls.before(before, words)
    older = next((one for one in of_before if space_id(one) in known), None)
    recipe = {**recipe, **own, "prepare": prepared_for(own, words)} if older is None else older
    place = (settled if older is None else words)._replace(
        model=str(folder.path) if folder.commit is None else words.model,
        revision=folder.commit,
        adapter=None if adapter is None else str(adapter.path) if adapter.commit is None else words.adapter,
        adapter_revision=adapter.commit if adapter else None,
        compute=words.compute or "fp32",
        # The folder within does not say it.
        pooling=words.pooling or _said_pooling(folder, cls),
    )
    return recipe, place


def _found(words: Words, trusted: bool, hub: Hub) -> tuple[Words, ModelFolder, ModelFolder | None]:
    """Find the files that words name.

    Returns: the words with their model, the model, its adapter.
    Raises:  ModelError.
    """
    try:
        adapter = find_adapter(words.adapter, words.adapter_revision, hub=hub) if words.adapter else None
        _refuse_idle_revision("--adapter-revision", words.adapter_revision, adapter)
        if adapter is not None:
            adapters.refuse_other_kinds(adapter)
        said = words.revision
        if words.model is None:
            assert adapter is not None
            words = words._replace(model=base_of(adapter), revision=said or adapter.config.get("revision"))
        assert words.model is not None
        folder = find_model(words.model, words.revision, code=trusted, hub=hub)
        _refuse_idle_revision("--revision", said, folder)
    except OtherWords as err:
        raise err.completed(words) from err
    return words, folder, adapter


def _refuse_idle_revision(option: str, revision: str | None, found: ModelFolder | None) -> None:
    """Refuse a revision of something that is not from the hub. Raises: ModelError."""
    if revision is not None and (found is None or found.commit is None):
        what = "no adapter is named" if found is None else f"{found.name} is a folder, which has none"
        raise ModelError(f"{option} {revision} names a revision of the hub, and {what}", f"leave {option} out")


def _pooling(folder: ModelFolder, cls: type[Family], wanted: str | None) -> str:
    """Choose a model's pooling. Raises: ModelError for one that it does not have."""
    poolings = cls.poolings_for(folder)
    if wanted is not None and wanted not in poolings:
        raise ModelError(
            f"the model {folder.name} ({folder.model_type}) has no pooling {wanted!r}",
            f"choose one of: {', '.join(poolings)}",
            instead=instead(wanted, poolings),
        )
    return wanted or _said_pooling(folder, cls) or poolings[0]


def _said_pooling(folder: ModelFolder, cls: type[Family]) -> str | None:
    """Find the pooling that a model's modules say; None if they say nothing. Raises: ModelError for another one."""
    if folder.pooling is None:
        return None
    found = {"lasttoken": "last", "mean": "mean", "cls": "cls"}.get(folder.pooling)
    if found is None or found not in cls.token_poolings:
        raise ModelError(
            f"{folder.name} pools the tokens of its model by {folder.pooling}, and vstore takes no such vector from a "
            f"{folder.model_type} model",
            "write a plug-in (examples/plugin in the sources)",
        )
    return found


def _refuse_unfit(folder: ModelFolder, cls: type[Family], words: Words) -> None:
    """Raises: ModelError for a prompt that the family does not take."""
    if words.adapter is not None and not cls.takes_adapter:
        raise ModelError(
            f"an adapter cannot be put on {folder.name}: it comes in the layout of {folder.model_type}, and adapters "
            "name the parts of transformers' models",
            "name the model in transformers' layout that the adapter was trained on, or leave --adapter out",
        )
    said = {"--prompt": words.prompt, "--query-prompt": words.query_prompt, "--preset": words.preset}
    option = next((option for option, value in said.items() if value is not None), None)
    if option is not None and not cls.takes_prompt:
        raise ModelError(
            f"a {folder.model_type} model does not take a prompt with a picture: nothing but the picture goes into it, "
            "and nothing but the words into its text side, if it has one",
            f"leave {option} out; it is for models such as Qwen2-VL. Words that go with every search, such as 'a photo "
            "of', are written into it",
        )
