"""Allows the model of a space at this machine: the user consents to what the store says of it."""

from __future__ import annotations

from vstore.embed.consent import CODE, Consent
from vstore.errors import ReadOnly, Untrusted, UsageError
from vstore.models.report import ModelAllowed
from vstore.quoting import quoted
from vstore.repository.permission import wishes
from vstore.repository.repository import Repository


def model_allow(
    repo: Repository, name: str | None, consent: Consent, *, trust_remote_code: bool = False
) -> ModelAllowed:
    """Consent to the place, the download and the code of a space's model. The store is not changed.

    name:   of the space; the current one by default.
    Raises: UsageError; Untrusted if it has code of its own, and that is not trusted; Damage, ModelError, DiskTrouble,
            ReadOnly.
    """
    space = repo.space(name or repo.state.current_space or "")
    wanted = wishes(repo, space)
    runs = any(wish.kind == CODE for wish in wanted) or bool(space.place.get("trust_remote_code"))
    if runs and not trust_remote_code:
        raise Untrusted(
            f"the model of the space {space.name!r} ({space.place.get('model')}) runs code of its own, which can do "
            "all that you can do on this computer",
            f"read it; if you trust it: vstore model allow {quoted(space.name)} --trust-remote-code",
        )
    if trust_remote_code and not runs:
        raise UsageError(f"the model of the space {space.name!r} runs no code of its own", "leave the option out")
    if wanted and consent.folder is None:
        raise UsageError(
            "this user has no folder for configurations, in which the consent would be kept",
            "set XDG_CONFIG_HOME to a folder",
        )
    new = [wish for wish in wanted if not consent.has(wish)]
    try:
        consent.give(new)
    except ReadOnly as err:
        raise ReadOnly(err.message, "set XDG_CONFIG_HOME to a folder that you can write") from err
    return ModelAllowed(
        space=space.id,
        space_name=space.name,
        allowed=tuple(f"{wish.kind} {wish.about}" for wish in wanted),
        known=not new,
        kept_in=None if consent.folder is None else str(consent.folder),
    )
