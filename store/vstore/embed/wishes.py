"""The wishes of a space: what its store says of the place, the download and the code of its model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vstore.embed.consent import CODE, DOWNLOAD, PLACE, PLUGIN, Wish
from vstore.embed.hf.families import FAMILIES
from vstore.embed.model_words import Words
from vstore.format.canonical import canonical
from vstore.format.recipes import space_id

if TYPE_CHECKING:
    from vstore.format.recipes import Recipe

_REMOTE = "remote"  # the family of models with code of their own
_WITHOUT_MODEL = ("builtin", "imported")


def wishes_of(recipe: Recipe, words: Words) -> list[Wish]:
    """List what a space wants of its user: where its model lies, what is downloaded, which code runs.

    words: name its model.
    """
    family = str(recipe.get("family"))
    if family in _WITHOUT_MODEL:
        return []
    if family not in FAMILIES:
        # The recipe too: a plug-in may keep the digests of its files there.
        told = canonical(words.to_json()).decode()
        return [Wish(PLUGIN, f"{family} {space_id(recipe)} {told}")] if _names_a_file(words) else []
    named = ((words.model, words.revision), (words.adapter, words.adapter_revision))
    wishes = [_of_files(name, revision) for name, revision in named if name is not None]
    if family == _REMOTE or "code" in recipe:
        wishes.append(Wish(CODE, " ".join(map(str, _code(recipe)))))
    return wishes


def _code(recipe: Recipe) -> Sequence[object]:
    code = recipe.get("code")
    return code if isinstance(code, list) else []


def _names_a_file(words: Words) -> bool:
    """Tell whether the words of a plug-in let it run code, or may name a file: `thumbnail:4` is a number."""
    rest = [str(word).rpartition(":")[2] for word in (words.model, words.adapter) if word is not None]
    return bool(words.trust_remote_code) or any("/" in word or os.path.exists(word) for word in rest)


def _of_files(name: str, revision: str | None) -> Wish:
    """Name the folder of a model, or its repository and commit."""
    from vstore.embed.hf.source.hub_name import hub_name

    found = hub_name(name)
    if revision is not None and found is not None and not os.path.exists(name):
        return Wish(DOWNLOAD, f"{found.written}@{revision}")
    return Wish(PLACE, os.path.realpath(name))


def is_of_before(wish: Wish, before: Mapping[str, str]) -> bool:
    """Tell whether a wish is one that was granted before vstore asked for consent.

    before: the files that were read for the store then: real path -> sha256.
    """
    if wish.kind == CODE:
        return bool(wish.about) and set(wish.about.split()) <= set(before.values())
    if wish.kind == PLACE and os.path.isdir(wish.about):
        # A folder may consist of links into a cache.
        return any(os.path.realpath(os.path.join(wish.about, name)) in before for name in os.listdir(wish.about))
    return False
