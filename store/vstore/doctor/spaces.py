"""A store: its format, and the place of each model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vstore.doctor import installed
from vstore.doctor.report import NOTE, OK, TROUBLE, Finding
from vstore.embed.model_words import Words
from vstore.errors import VstoreError
from vstore.format.layout import NEWEST
from vstore.packages import TORCH
from vstore.repository.newest import is_between, is_newest
from vstore.repository.repository import Repository, how_to_give


def store(folder: Path) -> list[Finding]:
    """Check the format, and that each space's model is in its place. Reads only the log."""
    try:
        repo = Repository(folder)
    except VstoreError as err:
        return [Finding("store", TROUBLE, f"{folder}: {err.message}", err.next_step)]
    findings = [Finding("store", OK, f"{folder}; its cache is {repo.layout.cache}")]
    try:
        findings.append(_format(repo))
        listed = sorted(repo.state.spaces.values(), key=lambda space: space.name)
        for space in listed:
            if space.recipe:
                findings.append(_space(space.name, dict(space.place), repo.recipe(space.id)))
            else:
                findings.append(Finding(f"space {space.name}", TROUBLE, "its recipe is lost", how_to_give(space)))
    except VstoreError as err:
        findings.append(Finding("store", TROUBLE, err.message, err.next_step or "vstore check"))
    finally:
        repo.close()
    return findings


def _format(repo: Repository) -> Finding:
    if is_newest(repo):
        return Finding("format", OK, f"{repo.format}, the newest")
    if is_between(repo):
        what = f"its migration to format {NEWEST} was interrupted; nothing is lost, and every command works"
    else:
        what = f"{repo.format}; the store works as it is, and only new kinds of data need format {NEWEST}"
    return Finding("format", NOTE, what, "vstore migrate --dry-run")


def _space(name: str, place: dict[str, Any], recipe: dict[str, Any]) -> Finding:
    title = f"space {name}"
    if not place:
        return Finding(title, OK, f"{recipe.get('family')}: needs no model")
    for word in ("model", "adapter"):
        where = place.get(word)
        if where and os.path.isabs(where) and not os.path.isdir(where):
            fix = Words.from_json({**place, word: "DIR"}).command(name)
            return Finding(
                title, TROUBLE, f"its {word} is no longer at {where}; the stored vectors stay searchable", fix
            )
    if not installed.is_there("torch"):
        return Finding(title, TROUBLE, "it needs a model, and torch is not installed", TORCH.pip)
    files = " + ".join(place[word] for word in ("model", "adapter") if place.get(word))
    return Finding(title, OK, f"{files}, computed in {place.get('compute', 'fp32')}")
