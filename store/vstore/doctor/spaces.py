"""A store: its format, and the model of each space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vstore.doctor.report import NOTE, OK, TROUBLE, Finding
from vstore.doctor.space_model import model_of
from vstore.errors import ForeignStore, VstoreError
from vstore.format.layout import NEWEST
from vstore.repository.newest import is_between, is_newest
from vstore.repository.objects import how_to_give
from vstore.repository.ownership import NO_CACHE, refuse_foreign
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.owner import User
    from vstore.embed.consent import Consent


def store(folder: Path, consent: Consent | None = None, user: User | None = None) -> list[Finding]:
    """Check the format, and that the model of each space could be loaded here. Writes nothing into the store."""
    try:
        repo = Repository(folder, user=user)
    except VstoreError as err:
        return [
            Finding(
                "store",
                TROUBLE,
                err.message if str(folder) in err.message else f"{folder}: {err.message}",
                err.next_step,
            )
        ]
    findings = [Finding("store", OK, f"{folder}; {_cache(repo)}")]
    try:
        findings += _owner(repo)
        findings.append(_format(repo))
        listed = sorted(repo.state.spaces.values(), key=lambda space: space.name)
        for space in listed:
            if space.recipe:
                findings.append(model_of(repo, space, consent))
            else:
                findings.append(Finding(f"space {space.name}", TROUBLE, "its recipe is lost", how_to_give(space)))
    except VstoreError as err:
        findings.append(Finding("store", TROUBLE, err.message, err.next_step or "vstore check"))
    finally:
        repo.close()
    return findings


def _cache(repo: Repository) -> str:
    cache = repo.layout.cache
    return "no folder for its cache can be made" if cache == NO_CACHE else f"its cache is {cache}"


def _owner(repo: Repository) -> list[Finding]:
    """Tell whose store it is, if it is another user's."""
    try:
        refuse_foreign(repo.layout, repo.user)
    except ForeignStore as err:
        return [Finding("owner", NOTE, err.message, err.next_step)]
    return []


def _format(repo: Repository) -> Finding:
    if is_newest(repo):
        return Finding("format", OK, f"{repo.format}, the newest")
    if is_between(repo):
        what = f"its migration to format {NEWEST} was interrupted; nothing is lost, and every command works"
    else:
        what = f"{repo.format}; the store works as it is, and only new kinds of data need format {NEWEST}"
    return Finding("format", NOTE, what, "vstore migrate --dry-run")
