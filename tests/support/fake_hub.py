"""A small hub on loopback, for the real client: repositories in memory, faults to order, a list of what was asked."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest


class FakeHub:
    """The hub.

    repositories: name -> commit -> file -> bytes.
    refs:         name -> branch or tag -> commit.
    asked:        method and path of each request.
    fetched:      file -> bytes sent of it, over all requests.
    refuse:       status, headers and name of an error that every request gets; None for none.
    break_after:  bytes after which a file's connection is closed, once; None for never.
    lie:          bytes by which files are shorter than the size that was told beforehand.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.refs: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.fetched: dict[str, int] = {}
        self.refuse: tuple[int, dict[str, str]] | None = None
        self.break_after: int | None = None
        self.lie = 0
        self.endpoint = ""

    def put(
        self, name: str, folder: Path, *, branch: str = "main", more: dict[str, bytes] | None = None, at: str = ""
    ) -> str:
        """Publish a folder as a commit of a branch. at: the folder in the repository. Returns: the commit."""
        files = {f"{at}{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return self.commit(name, {**files, **(more or {})}, branch)

    def commit(self, name: str, files: dict[str, bytes], branch: str = "main") -> str:
        listed = json.dumps({file: hashlib.sha1(data).hexdigest() for file, data in sorted(files.items())})
        commit = hashlib.sha1(listed.encode()).hexdigest()
        self.repositories.setdefault(name, {})[commit] = files
        self.refs.setdefault(name, {})[branch] = commit
        return commit

    def files_asked(self) -> set[str]:
        """The files of which any bytes were sent."""
        return set(self.fetched)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.refuse is not None:
            status, headers = self.hub.refuse
            self._send(status, b"", headers)
        elif path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        else:
            name, _, rest = path.strip("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            self._file(name, revision, file)

    def _commit(self, name: str, revision: str) -> str | None:
        """The commit of a revision; None after an answer that there is none."""
        if name not in self.hub.repositories:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return None
        commit = self.hub.refs[name].get(revision, revision)
        if commit not in self.hub.repositories[name]:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
            return None
        return commit

    def _api(self, path: str) -> None:
        for word in ("/revision/", "/tree/"):
            if word in path:
                name, _, revision = path.partition(word)
                break
        else:
            name, word, revision = path, "/revision/", "main"
        commit = self._commit(name, revision.partition("/")[0])
        if commit is None:
            return
        files = self.hub.repositories[name][commit]
        if word == "/tree/":
            tree = [{"type": "file", "path": f, "size": len(d), "oid": _oid(d)} for f, d in files.items()]
            self._send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"})
            return
        siblings = [{"rfilename": f, "size": len(d), "blobId": _oid(d)} for f, d in files.items()]
        info = {"id": name, "modelId": name, "sha": commit, "siblings": siblings, "tags": [], "private": False}
        self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _file(self, name: str, revision: str, file: str) -> None:
        commit = self._commit(name, revision)
        if commit is None:
            return
        data = self.hub.repositories[name][commit].get(file)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            return
        if self.hub.lie and self.command == "GET":
            data = data[: -self.hub.lie]
        begin = 0
        headers = {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        status = 200
        asked = self.headers.get("Range")
        if asked:
            begin = int(asked.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            status = 206
        self._send(status, data[begin:], headers, file)

    def _send(self, status: int, body: bytes, headers: dict[str, str], file: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if file is not None:
            if self.hub.break_after is not None and len(body) > self.hub.break_after:
                body, self.hub.break_after = body[: self.hub.break_after], None
                self.close_connection = True
            self.hub.fetched[file] = self.hub.fetched.get(file, 0) + len(body)
        self.wfile.write(body)


def _oid(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@contextmanager
def fake_hub(cache: Path, patch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Run a hub, and let the client use it with a cache of its own. patch: that of the test, as both undo in order."""
    from huggingface_hub import constants

    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "ENDPOINT", hub.endpoint)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr("time.sleep", lambda seconds: None)
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
