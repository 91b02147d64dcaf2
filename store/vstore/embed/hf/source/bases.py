"""The base that an adapter names: often a path of the machine that trained it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.find import find_adapter, find_model
from vstore.embed.hf.source.hub import Hub
from vstore.embed.hf.source.model_folder import ModelFolder, weight_digests
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.hf.source.quantised import refuse_quantised_base
from vstore.embed.model_words import Words, quoted
from vstore.errors import ModelError

_CACHED = re.compile(r"models--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{40})/?$")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MODELSCOPE = re.compile(r"modelscope/(?:hub/)?(?:models/)?([^/]+)/([^/]+)/?$")


def base_of(adapter: ModelFolder) -> str:
    """Take the base that an adapter names. Raises: ModelError if it names none, one that is not here or quantised."""
    base = str(adapter.config.get("base_model_name_or_path") or "")
    if not base:
        raise ModelError(f"the adapter {adapter.name} does not name its base model", "name it with --model")
    refuse_quantised_base(adapter, base)
    is_path = base.startswith((".", "/", "~")) or base.count("/") != 1 or "\\" in base
    if is_path and not Path(base).is_dir():
        message = f"the adapter {adapter.name} was trained on {base!r}, a folder of another machine"
        cached, scope = _CACHED.search(base), _MODELSCOPE.search(base)
        if cached:
            raise OtherWords(message, "name its base", model=f"{cached[1]}/{cached[2]}", revision=cached[3])
        if scope:
            known = f"{scope[1]}/{scope[2].replace('___', '.')}"
            raise OtherWords(message, "name its base, which by that path is this one", model=known)
        raise OtherWords(message, "name its base in place of BASE", model="BASE")
    return base


def place_of_base(base: str) -> str:
    """Find where the base that an adapter names may be had: a folder here, a hub id, or else the word BASE."""
    return base if os.path.isdir(base) else _hub_id(base) or "BASE"


def require_base(words: Words, weights: Sequence[str], digests: Digests) -> None:
    """Make sure that an adapter was not trained on another base than the model of the current space.

    words:   the model of the space, and the adapter.
    weights: the digests of the model's weights.
    Raises:  ModelError.
    """
    found = other_base(words, weights, digests)
    if found is None:
        return
    base, revision = found
    there = place_of_base(base)
    raise OtherWords(
        f"the adapter {words.adapter} was trained on {base!r}{f' ({revision})' if revision else ''}, and the "
        f"current space has the model {words.model}",
        f"if that is the same model under another name, add --model {quoted(str(words.model))} to your command; else "
        f"name the adapter's base{' in place of BASE' if there == 'BASE' else ''}",
        model=there,
        **({"revision": revision} if revision and _hub_id(base) else {}),
    ).completed(words)


def other_base(words: Words, weights: Sequence[str], digests: Digests) -> tuple[str, str] | None:
    """Find the base that an adapter names, if it is another model than the one it is put on.

    They are compared by their digests where the adapter's base is a folder here, else by their names: the adapter may
    come from another machine.
    words:   the model and the adapter.
    weights: the digests of the model's weights.
    Returns: the base and its revision, which may be empty; None if they are the same, or the adapter cannot be found,
             or names no base.
    """
    assert words.model is not None and words.adapter is not None
    try:
        adapter = find_adapter(words.adapter, words.adapter_revision, hub=Hub(offline=True))
    except ModelError:
        return None  # which says more when it is looked for itself
    base, revision = (str(adapter.config.get(name) or "") for name in ("base_model_name_or_path", "revision"))
    same = _is_same(base, words.model, weights, digests) and _may_be_same(revision, words.revision)
    return None if not base or same else (base, revision)


def _is_same(base: str, model: str, weights: Sequence[str], digests: Digests) -> bool:
    """Compare two names of models: by the files where both are folders, else by what the names say."""
    if os.path.isdir(base):
        if os.path.realpath(base) == os.path.realpath(model):
            return True
        try:
            return weight_digests(find_model(base), digests) == list(weights)
        except ModelError:
            return False  # a folder that holds no model any more
    one, other = _hub_id(base), _hub_id(model)
    if one and other:
        return one.casefold() == other.casefold()
    return _title(one or base) == _title(other or model)


def _may_be_same(one: str, other: str | None) -> bool:
    """Tell whether two revisions may be one: only commits say that they are not."""
    return one == other or not (_COMMIT.fullmatch(one) and _COMMIT.fullmatch(other or ""))


def _hub_id(name: str) -> str:
    """Find the hub id that a name is, or that a path in a cache stands for; empty where it is another path."""
    cached, scope = _CACHED.search(name), _MODELSCOPE.search(name)
    if cached:
        return f"{cached[1]}/{cached[2]}"
    if scope:
        return f"{scope[1]}/{scope[2].replace('___', '.')}"
    is_id = name.count("/") == 1 and not name.startswith((".", "/", "~")) and not os.path.isdir(name)
    return name if is_id else ""


def _title(name: str) -> str:
    """Take the last part of a name, as folders of models are called like their repositories."""
    return re.split(r"[/\\\\]", name.rstrip("/\\"))[-1].casefold()
