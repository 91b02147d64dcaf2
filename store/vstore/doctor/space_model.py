"""The model of a space: the libraries that it needs, and its files. Neither torch nor a model is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vstore.doctor import installed
from vstore.doctor.report import NOTE, OK, TROUBLE, Finding
from vstore.embed.faults import said
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families import FAMILIES, family_class
from vstore.embed.hf.identity import Known
from vstore.embed.model_words import Settings, Words
from vstore.embed.plugins import plugins
from vstore.errors import Untrusted, VstoreError
from vstore.format.entries import Space
from vstore.packages import FTFY, OPEN_CLIP, PEFT, TIMM, TORCH, TRANSFORMERS
from vstore.repository.permission import permitted
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.embed.consent import Consent

_WITHOUT_MODEL = {"builtin": "needs no model", "imported": "without a model; only stored pictures can be searched for"}
# By their distributions.
_PACKAGES = {
    "torch": TORCH,
    "transformers": TRANSFORMERS,
    "peft": PEFT,
    "ftfy": FTFY,
    "timm": TIMM,
    "open_clip_torch": OPEN_CLIP,
}


def model_of(repo: Repository, space: Space, consent: Consent | None = None) -> Finding:
    """Check that the model of a space could be loaded here. Reads its files. Raises: Damage."""
    title, recipe = f"space {space.name}", repo.recipe(space.id)
    family = str(recipe.get("family"))
    if family in _WITHOUT_MODEL:
        return Finding(title, OK, f"{family}: {_WITHOUT_MODEL[family]}")
    if family not in FAMILIES:
        if family in plugins():
            return Finding(title, OK, f"{family}: computed by a plug-in")
        what = f"nothing installed here computes the family {family!r}; the stored vectors stay searchable"
        return Finding(title, TROUBLE, what, "install the version or the plug-in that made the space")
    words = Words.from_json(space.place)
    return _moved(space, words) or _lacking(title, recipe) or _files(repo, space, words, consent)


def _moved(space: Space, words: Words) -> Finding | None:
    for word in ("model", "adapter"):
        where = getattr(words, word)
        if where and os.path.isabs(where) and not os.path.isdir(where):
            fix = Words.from_json({**words.to_json(), word: "DIR"}).command(space.name)
            what = f"its {word} is no longer at {where}; the stored vectors stay searchable"
            return Finding(f"space {space.name}", TROUBLE, what, fix)
    return None


def _lacking(title: str, recipe: Mapping[str, Any]) -> Finding | None:
    """Look for libraries of a model that are not installed, by their metadata."""
    if not installed.is_there("torch"):
        return Finding(title, TROUBLE, "it needs a model, and torch is not installed", TORCH.pip)
    adapter = ["peft"] if recipe.get("adapter") else []
    needed = ["torch", "transformers", *family_class(recipe["family"]).libraries, *adapter]
    missing = [name for name in needed if installed.version_of(name) is None]
    if not missing:
        return None
    steps = dict.fromkeys(_PACKAGES[name].pip if name in _PACKAGES else f"pip install {name}" for name in missing)
    what = f"its model needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed"
    return Finding(title, TROUBLE, what, next(iter(steps)) if len(steps) == 1 else "; ".join(steps))


def _files(repo: Repository, space: Space, words: Words, consent: Consent | None) -> Finding:
    """Compare the files of a model with its recipe. Those of the hub are not downloaded."""
    from vstore.embed.hf.loading import find_files
    from vstore.embed.hf.source.hub import Hub
    from vstore.embed.hf.source.hub_errors import Unfound

    title = f"space {space.name}"
    known = Known(repo.recipe(space.id), space.identity, space.name)
    try:
        permitted(repo, space, Settings(offline=True, consent=consent))
    except Untrusted as err:
        return Finding(title, NOTE, err.message, err.next_step.partition(": ")[2])
    try:
        files = find_files(known, words, Digests(repo.layout.cache), Hub(offline=True))
    except Unfound as err:
        what = f"{err.message.partition(', and nothing is downloaded')[0]}: the next run that needs it downloads it"
        return Finding(title, NOTE, what)
    except VstoreError as err:
        return Finding(title, TROUBLE, f"{err.message}; the stored vectors stay searchable", err.next_step)
    except Exception as err:  # of the libraries that compare files which have changed
        return Finding(title, TROUBLE, f"its files cannot be compared: {said(err)}", "vstore check --reembed 32")
    named = " + ".join(word for word in (words.model, words.adapter) if word)
    also = "" if files.is_original else ", in other files than the space was made from"
    return Finding(title, OK, f"{named}, computed in {words.compute or 'fp32'}{also}")
