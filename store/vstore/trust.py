"""Trusts a store of another user at this machine, or takes the trust back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from vstore.brief import briefly
from vstore.disk import inside
from vstore.disk.owner import User, foreign, name_of
from vstore.disk.trusted import Trusted, distrust, folder_of, trust, trusted
from vstore.errors import NoStore, ReadOnly, UsageError
from vstore.format.canonical import Json
from vstore.near_files import did_you_mean
from vstore.repository.discovery import is_store, near_stores

_STEP = "set XDG_CONFIG_HOME to a folder that you can write, or name the store in VSTORE_TRUST"


class TrustedStore(NamedTuple):
    """A store of another user that this user trusts.

    store: its folder.
    uid:   the id of its owner.
    owner: the name of its owner, for people.
    """

    store: str
    uid: int
    owner: str


@briefly
class TrustReport(NamedTuple):
    """The results of `trust`.

    store:   the real folder of the store; None where they are listed only.
    owner:   the name of its owner, for people; empty if there is no such folder.
    own:     it is this user's own, and needs no trust.
    trusted: this user trusts it now.
    changed: whether that is new.
    stores:  all stores that this user trusts now.
    kept_in: the folder of the user's configuration where this is kept; None if there is none.
    """

    store: str | None
    owner: str
    own: bool
    trusted: bool
    changed: bool
    stores: tuple[TrustedStore, ...]
    kept_in: str | None

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "stores": [store._asdict() for store in self.stores]}


def change(folder: Path | None, user: User, *, remove: bool = False, list_only: bool = False) -> TrustReport:
    """Trust a store, take the trust back, or list the stores that are trusted.

    Raises: UsageError for contradictory words; what `trust_store` and `distrust_store` raise.
    """
    if list_only:
        if remove or folder is not None:
            raise UsageError("all trusted stores are listed: no store is named, and none removed", "leave that out")
        return list_trusted(user)
    if folder is None:
        raise UsageError("no store is named", "name its folder: vstore trust STORE-DIR")
    return distrust_store(folder, user) if remove else trust_store(folder, user)


def list_trusted(user: User) -> TrustReport:
    """List the stores that a user trusts."""
    return _report(user, None, own=False, changed=False)


def trust_store(folder: Path, user: User) -> TrustReport:
    """Trust a store of another user from now on, for as long as it belongs to that user.

    Raises: NoStore; UsageError if the user has no configuration; DiskTrouble, ReadOnly, Damage.
    """
    if not is_store(folder):
        raise NoStore(
            f"there is no store at {folder}",
            did_you_mean(near_stores(folder), "name the folder of a store: vstore trust STORE-DIR"),
        )
    layout = inside.layout_of(folder)
    store = _found(folder)
    config = user.config_folder()
    is_known = store in trusted(config)
    if is_known or foreign(layout, user._replace(trust=False)) is None:
        return _report(user, store, own=not is_known, changed=False)
    if config is None:
        raise UsageError("this user has no folder for configurations, in which the trust would be kept", _STEP)
    try:
        trust(config, store)
    except ReadOnly as err:
        raise ReadOnly(err.message, _STEP) from err
    return _report(user, store, own=False, changed=True)


def distrust_store(folder: Path, user: User) -> TrustReport:
    """Take back the trust in a store, which may be gone. Raises: DiskTrouble, ReadOnly."""
    config = user.config_folder()
    real = Path(os.path.realpath(folder))
    found = [store for store in trusted(config) if store.folder == real]
    for store in found:
        assert config is not None
        distrust(config, store)
    return _report(user, found[0] if found else _found(folder), own=False, changed=bool(found))


def _found(folder: Path) -> Trusted:
    """Look up the real folder of a store, and its owner: -1 if it is gone."""
    real = Path(os.path.realpath(folder))
    try:
        return Trusted(real, inside.look_at_any(real).st_uid)
    except OSError:
        return Trusted(real, -1)


def _report(user: User, store: Trusted | None, *, own: bool, changed: bool) -> TrustReport:
    config = user.config_folder()
    known = trusted(config)
    return TrustReport(
        store=None if store is None else str(store.folder),
        owner="" if store is None or store.owner < 0 else name_of(store.owner),
        own=own,
        trusted=store in known,
        changed=changed,
        stores=tuple(TrustedStore(str(one.folder), one.owner, name_of(one.owner)) for one in known),
        kept_in=None if config is None else str(folder_of(config)),
    )
