"""Pages in the user's browser: a file that stays, or a page that is handed over and lies nowhere.

A browser may not read temporary folders, nor hidden ones (Snap, Flatpak), and one may run on another system (WSL): so a
page without a file is asked for at an address of this machine, which nobody can guess, and which is gone soon after.
"""

from __future__ import annotations

import hmac
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from vstore import VstoreError

HERE = "127.0.0.1"
_PATIENCE = 60.0  # seconds for a browser to start, and ask
_LINGER = 2.0  # seconds after it has asked: some desktops look at an address first, and then start the browser
_STEP = "write the page to a file: --html FILE; then open that"


def show_file(page: str) -> None:
    """Show a file in the user's browser. Raises: VstoreError if none can be started."""
    _open(Path(page).resolve().as_uri(), f"the page is in {page}: open it yourself")


def show_once(page: bytes, *, sudo_uid: int | None = None) -> None:
    """Show a page in the user's browser. It ends once the browser has the page.

    sudo_uid: the user who became root: the browser is theirs.
    Raises: VstoreError if none can be started, or none asks for it.
    """
    with _served(page, sudo_uid) as server:
        _open(server.address, _STEP)
        if not server.wait():
            raise VstoreError(f"no browser asked for the page within {_PATIENCE:.0f} seconds", _STEP)


def open_beside(address: str) -> None:
    """Open a browser beside a command that goes on, if there is a screen: one for terminals would take its terminal.

    address: good for one use, as every user of this machine can see it.
    """
    if not _has_screen():
        return
    # Browsers print what they like, and some are waited for until they are closed.
    words: dict[str, Any] = {
        **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL),
        "start_new_session": True,
    }
    call = [sys.executable, "-I", "-m", "webbrowser", address]
    threading.Thread(target=subprocess.run, args=(call,), kwargs=words, name="browser", daemon=True).start()


def _has_screen() -> bool:
    """Tell whether a browser would have a window."""
    return sys.platform != "linux" or any(map(os.environ.get, ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")))


def _open(address: str, step: str) -> None:
    import webbrowser

    # Without a screen, it is a browser for terminals that is started: into a pipe it writes what nobody can use.
    has_place = _has_screen() or (sys.stdin.isatty() and sys.stdout.isatty())
    if not has_place or not webbrowser.open(address):
        raise VstoreError("no browser can be started here", step)


@contextmanager
def _served(page: bytes, sudo_uid: int | None) -> Iterator[_Server]:
    server = _Server(page, sudo_uid)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="page", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Hands one page to who knows its address. All accounts see that, in a command line: others do not get the page.

    taken: somebody took it.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, page: bytes, sudo_uid: int | None) -> None:
        from vstore_page.accounts import ours

        super().__init__((HERE, 0), _Answer)
        self.page = page
        self.ours = ours(sudo_uid)
        self.host = f"{HERE}:{self.server_address[1]}"
        self.path = f"/{secrets.token_urlsafe(32)}"
        self.address = f"http://{self.host}{self.path}"
        self.taken = threading.Event()

    def wait(self) -> bool:
        """Wait until somebody took the page, and for those who ask again at once. Returns: whether anybody did."""
        is_taken = self.taken.wait(_PATIENCE)
        if is_taken:
            time.sleep(_LINGER)
        return is_taken

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away."""


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        from vstore_page.accounts import account_of

        if self.headers.get_all("Host") != [self.server.host]:  # a name of somebody else leads here
            self.send_error(421)
        elif not hmac.compare_digest(self.path.encode(), self.server.path.encode()):
            self.send_error(404)
        elif account_of(self.connection) not in self.server.ours:
            self.send_error(403)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(self.server.page)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.send_header("X-Frame-Options", "DENY")
            self.end_headers()
            self.wfile.write(self.server.page)
            self.server.taken.set()

    def version_string(self) -> str:
        return "vstore"

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
