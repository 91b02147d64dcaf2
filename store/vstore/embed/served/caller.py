"""An embedder whose model another process has loaded."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore._version import __version__
from vstore.embed.embedder import Embedder, text_side
from vstore.embed.served.messages import receive, send

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.format.recipes import Recipe

_GREETING = 5.0  # seconds until a caller gives up on a process that does not say what it serves
_PATIENCE = 120.0  # seconds until it gives up on an answer: a large batch of another run may come first
_FAULTS = (OSError, EOFError, ValueError)


class Server(NamedTuple):
    """A process that serves a model.

    address:  of its socket.
    expected: what it must say of itself before it is asked anything.
    """

    address: Path
    expected: dict[str, Any]

    @contextlib.contextmanager
    def connected(self) -> Iterator[tuple[socket.socket, dict[str, Any]]]:
        """Connect to it. Yields: the connection, and what it says of itself. Raises: one of `_FAULTS`."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as to:
            to.settimeout(_GREETING)
            to.connect(os.fspath(self.address))
            greeting, _ = receive(to)
            if any(greeting.get(name) != value for name, value in self.expected.items()):
                raise ValueError("another model, or another version of vstore")
            to.settimeout(_PATIENCE)
            yield to, greeting


class ServedEmbedder:
    """An embedder that asks the process which has the model. If that one fails, it loads the model itself."""

    def __init__(
        self, server: Server, recipe: Recipe, environment: dict[str, Any], load: Callable[[], Embedder]
    ) -> None:
        """
        server:      has the model.
        recipe:      of the space.
        environment: of the embedder in that process.
        load:        loads the model here.
        """
        self.recipe = recipe
        self.dim: int = recipe["dim"]
        self._server = server
        self._environment = environment
        self._load = load
        self._own: Embedder | None = None

    @property
    def environment(self) -> dict[str, Any]:
        return self._environment if self._own is None else getattr(self._own, "environment", {})

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        """Embed prepared pictures. Returns: float32 (n, dim), norm 1; NaN in a row that could not be computed."""
        import numpy as np

        rows = [self._ask({"size": picture.size}, picture.tobytes(), 1) for picture in pictures]
        found = [row for row in rows if row is not None]
        if len(found) == len(pictures):
            return np.concatenate(found) if found else np.empty((0, self.dim), np.float32)
        return self._here().embed_images(pictures)

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Embed texts. Returns: float32 (n, dim), norm 1."""
        rows = self._ask({"texts": list(texts)}, b"", len(texts))
        if rows is not None:
            return rows
        side = text_side(self._here())
        assert side is not None  # both processes say so before anything is asked
        return side(texts)

    def _ask(self, request: dict[str, Any], raw: bytes, count: int) -> Floats | None:
        """Ask the other process for some vectors. Returns: float32 (count, dim); None if it does not answer."""
        import numpy as np

        if self._own is not None:
            return None
        with contextlib.suppress(*_FAULTS), self._server.connected() as (to, _):
            send(to, request, raw)
            answer, body = receive(to)
            if answer.get("rows") == count:
                return np.frombuffer(body, "<f4").astype(np.float32).reshape(count, self.dim)
        return None

    def _here(self) -> Embedder:
        if self._own is None:
            self._own = self._load()
        return self._own


def call(address: Path, space: str, recipe: Recipe, load: Callable[[], Embedder]) -> ServedEmbedder | None:
    """Call the process that serves the model of a space.

    address: of its socket.
    recipe:  of the space.
    load:    loads the model here, for the case that the process ends.
    Returns: None if no process serves it, or only one of another version of vstore.
    """
    reads_text = recipe.get("text", True) is not None
    server = Server(address, {"vstore": __version__, "space": space, "dim": recipe["dim"], "text": reads_text})
    with contextlib.suppress(*_FAULTS), server.connected() as (to, greeting):
        environment = greeting.get("environment")
        if isinstance(environment, dict):
            send(to, {"begins": True})
            receive(to)
            return ServedEmbedder(server, recipe, environment, load)
    return None
