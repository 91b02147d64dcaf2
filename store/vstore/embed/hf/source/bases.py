"""The base that an adapter names: often a path of the machine that trained it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.hf.source.quantised import refuse_quantised_base
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
    return base if os.path.isdir(base) else hub_id_of(base) or "BASE"


def commit_of(name: str | None) -> str:
    """Find the commit that a revision is, or that a path in a cache stands for; empty where there is none."""
    cached = _CACHED.search(name or "")
    return cached[3] if cached else name if name and _COMMIT.fullmatch(name) else ""


def hub_id_of(name: str) -> str:
    """Find the hub id that a name is, or that a path in a cache stands for; empty where it is another path."""
    cached, scope = _CACHED.search(name), _MODELSCOPE.search(name)
    if cached:
        return f"{cached[1]}/{cached[2]}"
    if scope:
        return f"{scope[1]}/{scope[2].replace('___', '.')}"
    is_id = name.count("/") == 1 and not name.startswith((".", "/", "~")) and not os.path.isdir(name)
    return name if is_id else ""


def title_of(name: str) -> str:
    """Take the last part of a name, as folders of models are called like their repositories."""
    return re.split(r"[/\\\\]", name.rstrip("/\\"))[-1].casefold()
