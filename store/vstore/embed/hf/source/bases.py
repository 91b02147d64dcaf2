"""The base that an adapter names: often a path of the machine that trained it."""

from __future__ import annotations

import re
from pathlib import Path

from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.hf.source.quantised import refuse_quantised_base
from vstore.errors import ModelError

_CACHED = re.compile(r"models--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{40})/?$")
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
