"""`vstore serve` in a process of its own, for tests: its address, its answers, its end."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.lines import COMMAND, Ran, environment
from support.signalled import HEEDING, wait_for

_ADDRESS = re.compile(rb"https?://[^\s\"']+")
_CALL = COMMAND[-1]


class PageServer:
    """A running `vstore serve`. Whatever happens, it does not outlive its block.

    store:   the folder of the store that it serves.
    address: as it was printed, with the token.
    origin:  the same without path and token: `http://127.0.0.1:PORT`.
    """

    def __init__(self, store: Path, *words: str, before: str = "", command: list[str] | None = None) -> None:
        """words: more options, such as `--write`. before: Python that runs in the process first."""
        self.store = store
        call = [COMMAND[0], "-c", f"{HEEDING}{before}\n{_CALL}", "--store", str(store), "serve", "--no-open"]
        self._command = command or [*call, *(() if "--port" in words else ("--port", "0")), *words]
        self._out = b""
        self._err = b""
        self.address = ""
        self.origin = ""
        self._cookie = ""

    def __enter__(self) -> PageServer:
        self._process = subprocess.Popen(
            self._command, cwd=self.store.parent, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.pid = self._process.pid
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_out, self._read_err)]
        for reader in self._readers:
            reader.start()
        try:
            wait_for(lambda: self._found() is not None or self._process.poll() is not None)
            found = self._found()
            assert found is not None, (self._out, self._err)
            self.address = found
            self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(found))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        for reader in self._readers:
            reader.join()
        self._process.__exit__(None, None, None)  # closes its pipes, and waits for it

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._out += line

    def _read_err(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._err += line

    def _found(self) -> str | None:
        """Find the address, on stdout or on stderr."""
        found = _ADDRESS.search(self._out) or _ADDRESS.search(self._err)
        return found and found[0].decode().rstrip(".,;")

    @property
    def errors(self) -> str:
        """What it has printed on stderr."""
        return self._err.decode("utf-8", "replace")

    def says(self, text: str) -> None:
        """Wait until it has printed something on stderr."""
        wait_for(lambda: text.encode() in self._err or self._process.poll() is not None)
        assert text.encode() in self._err

    def stop(self, number: int = signal.SIGINT) -> Ran:
        """Send a signal, and wait for its end."""
        self._process.send_signal(number)
        self._process.wait(60)
        for reader in self._readers:
            reader.join()
        return Ran(self._process.returncode, self._out.decode(), self._err.decode())

    # Answers, to one who has the cookie.

    @property
    def cookie(self) -> str:
        """The cookie that the token is exchanged for."""
        if not self._cookie:
            _, headers, _ = self.ask("GET", self.address.removeprefix(self.origin), {"Cookie": ""})
            self._cookie = headers["Set-Cookie"].partition(";")[0]
        return self._cookie

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send one request. Returns: its status, headers and body."""
        headers = {"Cookie": self.cookie} | headers if headers and "Cookie" not in headers else headers or {}
        if not headers:
            headers = {"Cookie": self.cookie}
        connection = http.client.HTTPConnection(urlsplit(self.origin).netloc, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path: str, status: int = 200) -> Any:
        """Get the JSON of an address."""
        found, headers, body = self.ask("GET", path, {"Accept": "application/json"})
        assert found == status, (path, found, body)
        assert headers.get_content_type() == "application/json"
        return json.loads(body)

    def post(self, path: str, value: Any, status: int = 200) -> Any:
        """Send JSON to an address, as the page itself does. Returns: the JSON of the answer."""
        headers = {"Content-Type": "application/json", "Origin": self.origin, "X-Vstore": "1"}
        found, _, body = self.ask("POST", path, headers, json.dumps(value).encode())
        assert found == status, (path, found, body)
        return json.loads(body)
