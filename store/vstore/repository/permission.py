"""The user's permission for the model of a space: asked for before anything that the store says of it is done.

A store says where its model lies, what is downloaded, and which code runs. All three are the user's to decide, at each
machine (`embed.consent`). A store that was used here before consent was asked for keeps its models, without a question.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.embed.model_words import Settings, Words
from vstore.errors import DiskTrouble, ModelError, ReadOnly, Untrusted
from vstore.format.entries import Space
from vstore.quoting import quoted
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.embed.consent import Consent, Wish


def permitted(repo: Repository, space: Space, settings: Settings) -> Settings:
    """Make sure that this user consented to what a space wants for its model.

    Returns: the settings for its model: without a download to which the user has not consented.
    Raises:  Untrusted, Damage; ModelError if the recipe is lost.
    """
    from vstore.embed.consent import DOWNLOAD, Consent

    consent = settings.consent or Consent()
    missing = [wish for wish in wishes(repo, space) if not consent.has(wish)]
    if missing:
        missing = _not_of_before(repo, missing, consent)
    if all(wish.kind == DOWNLOAD and _is_here(wish) for wish in missing):
        return settings._replace(offline=settings.offline or bool(missing))
    raise _refusal(space, [wish for wish in missing if wish.kind != DOWNLOAD or not _is_here(wish)])


def is_permitted(repo: Repository, space: Space, settings: Settings) -> bool:
    """Tell whether this user consented to what a space wants. Raises: Damage; ModelError if the recipe is lost."""
    try:
        permitted(repo, space, settings)
    except Untrusted:
        return False
    return True


def wishes(repo: Repository, space: Space) -> list[Wish]:
    """List what a space wants of its user. Raises: Damage; ModelError if the recipe is lost."""
    from vstore.embed.wishes import wishes_of

    return wishes_of(repo.recipe(space.id), Words.from_json(space.place))


def give(consent: Consent, to: Sequence[Wish]) -> None:
    """Keep consents that follow from what the user did: where they cannot be kept, they hold in this process."""
    with contextlib.suppress(DiskTrouble, ReadOnly):
        consent.give(to)


def _not_of_before(repo: Repository, missing: Sequence[Wish], consent: Consent) -> list[Wish]:
    """Consent to the models of before, for which nobody was asked. Returns: the other wishes."""
    from vstore.embed.hf.digests import Digests
    from vstore.embed.wishes import is_of_before

    before = Digests(repo.layout.cache).of_before()
    old = [wish for wish in missing if is_of_before(wish, before)]
    give(consent, old)
    return [wish for wish in missing if wish not in old]


def _is_here(wish: Wish) -> bool:
    """Tell whether the weights of a repository were downloaded before."""
    from vstore.embed.hf.source.hub import Hub, Wanted, fetch
    from vstore.embed.hf.source.hub_name import hub_name

    name, _, commit = wish.about.rpartition("@")
    found = hub_name(name)
    if found is None:
        return False
    for what in ("model", "adapter"):
        with contextlib.suppress(ModelError):
            fetch(Wanted(found, commit, what), Hub(offline=True))
            return True
    return False


def _refusal(space: Space, missing: Sequence[Wish]) -> Untrusted:
    """Make the error for wishes to which the user has not consented."""
    from vstore.embed.consent import CODE

    parts = [_told(wish, space) for wish in missing]
    runs = any(wish.kind == CODE for wish in missing) or space.place.get("trust_remote_code")
    option = " --trust-remote-code" if runs else ""
    return Untrusted(
        f"the space {space.name!r} wants {', and '.join(parts)}; the store says so, which may be a stranger's, and you "
        "have not allowed it at this machine",
        f"if you trust it: vstore model allow {quoted(space.name)}{option}",
    )


def _told(wish: Wish, space: Space) -> str:
    from vstore.embed.consent import CODE, DOWNLOAD, PLACE

    if wish.kind == PLACE:
        return f"the model in {wish.about}"
    if wish.kind == DOWNLOAD:
        return f"the download of {wish.about}"
    if wish.kind == CODE:
        return "the Python code of its model to run, which can do all that you can do on this computer"
    return f"its plug-in to load {space.place.get('model') or wish.about}"
