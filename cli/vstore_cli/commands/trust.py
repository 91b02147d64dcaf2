"""`vstore trust`."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import click

from vstore_cli.locate import config, find_store, no_store, store_at
from vstore_cli.output import count, echo_json, json_option, say, shown, tell

if TYPE_CHECKING:
    from vstore import TrustReport


@click.command()
@click.argument("folder", required=False, metavar="[STORE-DIR]")
@click.option("--remove", is_flag=True, help="Take the trust back.")
@click.option("--list", "list_only", is_flag=True, help="List the stores that you trust.")
@json_option
def trust(folder: str | None, remove: bool, list_only: bool, as_json: bool) -> None:
    """Trust a store that belongs to another user, so that your commands may write into it.

    A store of another user is searched and listed, but nothing is written into it: whoever can write there sees what
    you write, and can change it at any moment. What you trust is kept in your own configuration
    (~/.config/vstore/trusted), for as long as the folder belongs to the same user. STORE-DIR is the nearest store by
    default. For one command alone add --trust to it; for processes without a configuration, the environment variable
    VSTORE_TRUST names the folders of stores, separated by colons, or * for every store.

    \b
    Example:
      vstore trust /srv/pictures/.vstore
      vstore trust --list
      vstore trust --remove /srv/pictures/.vstore
    """
    from vstore import Store

    if list_only:
        report = Store.trust(folder, remove=remove, list_only=True, config=config())
    else:
        found = find_store() if folder is None else store_at(folder)
        if found is None:
            raise no_store()
        report = Store.trust(found, remove=remove, config=config())
    if as_json:
        echo_json(report)
    elif list_only:
        for one in report.stores:
            tell(f"{shown(one.store)}  of {shown(one.owner)}")
        tell(f"You trust {count(len(report.stores), 'store')} of other users.", err=True)
    else:
        _tell(report, remove=remove)


def _tell(report: TrustReport, *, remove: bool) -> None:
    store = shown(report.store or "")
    if report.own:
        tell(f"The store {store} is your own: you may write into it as it is. Nothing was changed.")
    elif remove:
        tell(f"You trust the store {store} no longer." if report.changed else f"You did not trust the store {store}.")
    else:
        tell(f"You trust the store {store} of {shown(report.owner)}{'' if report.changed else ', as before'}.")
        say(f"Take it back with: vstore trust --remove {quote(store)}")
