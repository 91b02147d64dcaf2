"""The comparison of the base that an adapter names with the model that it is put on.

A fitting shape proves nothing: two models of one size take each other's adapters.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.bases import commit_of, hub_id_of, place_of_base, title_of
from vstore.embed.hf.source.find import find_adapter, find_model
from vstore.embed.hf.source.hub import Hub
from vstore.embed.hf.source.model_folder import weight_digests
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.hf.source.quantised import original_of
from vstore.embed.model_words import Words
from vstore.errors import ModelError
from vstore.quoting import quoted

_HERE_ALONE = Hub(offline=True)


class Kin(Enum):
    """The way in which the base of an adapter is the model that it is put on."""

    SAME = "its weights have the same digests, or it has the same hub id"
    VOUCHED = "the adapter of another space of this model names the same base"
    ALIKE = "the last part of its name is the same"
    OTHER = "nothing says that it is"


class Sibling(NamedTuple):
    """A space whose adapter may name the same base.

    name:    of the space; empty for the one that is being added again, of which nothing is said.
    weights: digests of its model's weights.
    words:   name its model and its adapter.
    """

    name: str
    weights: list[str]
    words: Words


class TrainedOn(NamedTuple):
    """The base that an adapter names.

    base:     a folder or a hub id.
    revision: of it; may be empty.
    kin:      its relation to the model that the adapter is put on.
    by:       the space that vouches for it; may be empty.
    """

    base: str
    revision: str
    kin: Kin
    by: str = ""

    def note(self, model: str) -> str | None:
        """Write what is to be said of a model that the adapter is put on; None if nothing is."""
        if self.kin is Kin.VOUCHED and self.by:
            return f"the adapter names the base {self.base}, as that of the space {self.by} does: it is put on {model}"
        if self.kin is Kin.ALIKE:
            return f"the adapter names the base {self.base}: by its name that is {model}"
        if self.kin is Kin.OTHER:
            return (
                f"warning: the adapter says that it was trained on {self.base}, and it is put on {model}: if that is "
                "another model, the vectors mean nothing, even where all shapes fit"
            )
        return None


def trained_on(
    words: Words, weights: Sequence[str], digests: Digests, siblings: Iterable[Sibling] = ()
) -> TrainedOn | None:
    """Compare the base that an adapter names with the model that it is put on. Nothing is fetched.

    words:    the model and the adapter.
    weights:  the digests of the model's weights.
    siblings: spaces that may vouch.
    Returns:  None if the adapter cannot be found here, or names no base.
    """
    assert words.model is not None and words.adapter is not None
    said = _said(words)
    if said is None or not said[0]:
        return None
    base, revision = said
    is_here = os.path.isdir(base)
    if _may_be_same(revision or commit_of(base), words.revision or commit_of(words.model)):
        if _is_same(base, revision, words.model, weights, digests):
            return TrainedOn(base, revision, Kin.SAME)
        if not is_here:
            by = next((one.name for one in siblings if one.weights == list(weights) and _said(one.words) == said), None)
            if by is not None:
                return TrainedOn(base, revision, Kin.VOUCHED, by)
            if _is_alike(base, words.model):
                return TrainedOn(base, revision, Kin.ALIKE)
    return TrainedOn(base, revision, Kin.OTHER)


def require_base(words: Words, weights: Sequence[str], digests: Digests, siblings: Iterable[Sibling]) -> None:
    """Make sure that an adapter was not trained on another base than the model of the current space.

    words:    the model of the space, and the adapter.
    weights:  the digests of the model's weights.
    siblings: spaces that may vouch.
    Raises:   ModelError.
    """
    found = trained_on(words, weights, digests, siblings)
    if found is None or found.kin is not Kin.OTHER:
        return
    there = place_of_base(found.base)
    message = (
        f"the adapter {words.adapter} was trained on {found.base!r}"
        f"{f' ({found.revision})' if found.revision else ''}, and the current space has the model {words.model}"
    )
    if os.path.isdir(there):  # its weights are other ones
        step = f"name its base, or --model {quoted(str(words.model))} if you mean that one all the same"
        raise OtherWords(message, step, model=there).completed(words)
    else_there = "the adapter's base" if there == "BASE" else quoted(there)
    step = f"if that is the same model under another name, name both; else write {else_there} in its place"
    raise OtherWords(message, step, model=words.model, revision=words.revision).completed(words)


def _said(words: Words) -> tuple[str, str] | None:
    """Read the base and the revision that an adapter names; None if it is not here, which its own search says."""
    try:
        adapter = find_adapter(str(words.adapter), words.adapter_revision, hub=_HERE_ALONE)
    except ModelError:
        return None
    base, revision = (str(adapter.config.get(name) or "") for name in ("base_model_name_or_path", "revision"))
    return base, revision


def _is_same(base: str, revision: str, model: str, weights: Sequence[str], digests: Digests) -> bool:
    """Tell whether two names are one model: one place, one repository, or the same weights."""
    if os.path.isdir(base) and os.path.realpath(base) == os.path.realpath(model):
        return True
    one, other = hub_id_of(base), hub_id_of(model)
    if one and other:
        return one.casefold() == other.casefold()
    if not os.path.isdir(base) and not one:
        return False
    try:
        there = find_model(one or base, revision or commit_of(base) or None, text=False, hub=_HERE_ALONE)
        return weight_digests(there, digests) == list(weights)
    except ModelError:
        return False  # a folder that holds no model any more, or a repository that was not downloaded


def _is_alike(base: str, model: str) -> bool:
    """Tell whether two names end alike, as folders of models are called like their repositories.

    A quantised base stands for its original, whoever quantised it.
    """
    one, other = hub_id_of(base), hub_id_of(model)
    original = original_of(one or base)
    return not (one and other and original is None) and title_of(original or one or base) == title_of(other or model)


def _may_be_same(one: str | None, other: str | None) -> bool:
    """Tell whether two revisions may be one: only commits say that they are not."""
    return one == other or not (commit_of(one) and commit_of(other))
