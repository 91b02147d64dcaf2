"""`vstore serve`."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import click

from vstore import MissingPackage, ModelError, VstoreError
from vstore_cli.browser import open_beside
from vstore_cli.interrupts import end_soon, ending
from vstore_cli.locate import open_store, refuse_network, say_store, sudo_uid
from vstore_cli.models import offline_option, rows_device_option
from vstore_cli.output import echo_json, json_option, shown, tell
from vstore_cli.terminal.outlets import outlets

if TYPE_CHECKING:
    from vstore_page.page import Page
    from vstore_page.server import Serving

LOOPBACK = "127.0.0.1"
PORT = 8377


@click.command()
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="The port; 0 takes any."
)
@click.option(
    "--host", metavar="ADDRESS", default=LOOPBACK, show_default=True, help="Let other machines in, at this address."
)
@click.option("--no-open", is_flag=True, help="Open no browser.")
@click.option("--write", is_flag=True, help="Let the page change the store.")
@rows_device_option("A")
@offline_option
@json_option
def serve(port: int, host: str, no_open: bool, write: bool, device: str, offline: bool, as_json: bool) -> None:
    """Show the store in a browser, until Ctrl-C.

    The address is printed, and a browser opened where there is a screen. The address has a token, which is new at every
    start: who has it sees the pictures of the store. Others on this machine, and web sites, do not get in.

    Without --write the page changes nothing. With --host ADDRESS, other machines reach the page at that address of this
    machine (0.0.0.0: at all of them), and whoever is between them and this machine can read along: it is not encrypted.
    A tunnel is safer: ssh -L 8377:127.0.0.1:8377 MACHINE

    \b
    Example:
      vstore serve
      vstore serve --port 9000 --no-open
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in `search`
    page_of, serving_of = _page()
    stop = threading.Event()
    with (
        open_store(keep_model=True) as store,
        outlets(),
        page_of(store, can_write=write, device=device, offline=offline) as page,
        ending(stop),
    ):
        if write:
            refuse_network(store.folder)
            say_store(store.folder)
        if device not in ("auto", "cpu"):
            _open_on_device(page)
        serving = serving_of(page, host=host, port=port, sudo_uid=sudo_uid())

        def ready() -> None:
            _tell(serving, port, as_json=as_json)
            if not no_open:
                open_beside(serving.once)

        serving.run(stop, ready=ready)
        end_soon()


def _open_on_device(page: Page) -> None:
    """Bring the vectors of the current snapshot to a device before anybody asks. Raises: ModelError if it is not there.

    All else that is wrong the page says to whoever looks.
    """
    try:
        page.view()
    except ModelError:
        raise
    except VstoreError:
        pass


def _page() -> tuple[type[Page], type[Serving]]:
    """Load the page. Raises: MissingPackage."""
    try:
        from vstore_page.page import Page
        from vstore_page.server import Serving
    except ImportError as err:
        reason = f"the page needs two more packages ({type(err).__name__}: {err})"
        raise MissingPackage(reason, "install them with: pip install 'vstore-index[page]'") from err
    return Page, Serving


def _tell(serving: Serving, port: int, *, as_json: bool) -> None:
    """Print where the page is, and what its address means."""
    if port not in (0, serving.port):
        tell(f"Note: port {port} is in use; the page is at port {serving.port}", err=True)
    if not serving.is_local:
        where = shown(serving.host)
        if serving.host in ("0.0.0.0", "::"):
            where = "every address of this machine: put one in the place of the one below"
        tell(
            f"Note: other machines reach the page at {where}. Whoever has its address sees the pictures"
            f"{' and can change the store' if serving.can_write else ''}, and whoever is between can read along: it is "
            "not encrypted.",
            err=True,
        )
    if as_json:
        echo_json(serving)
    else:
        tell(f"The page is at {serving.address}", unbroken=[serving.address])
        tell(f"End it with Ctrl-C, or: kill {os.getpid()}", err=True)
    sys.stdout.flush()
