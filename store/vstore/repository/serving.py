"""Models that one process serves to others: searches, beside a sync or a server of this user on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from vstore.embed.embedder import Embedder
from vstore.embed.served.address import address_of
from vstore.embed.served.caller import ServedEmbedder, call
from vstore.embed.served.server import SYNC, ModelServer, claim, give_back
from vstore.errors import ModelError, VstoreError
from vstore.repository.proof import environment_of, kept_probes, prove_some, prove_text
from vstore.repository.repository import Repository

_PROOF = "tiny"  # the picture with the fewest pixels


def served(repo: Repository, space: str, load: Callable[[], Embedder]) -> ServedEmbedder | None:
    """Find the process that serves the model of a space, and prove what it gives by a picture and a text.

    load:    loads the model here: a process that ends, or hangs, costs no answer.
    Returns: None if there is none, or its vectors are not those of the space.
    """
    address = address_of(repo.layout.folder, space)
    if address is None or not address.exists():
        return None
    found = call(address, space, repo.recipe(space), load)
    if found is None:
        return None
    of = repo.state.spaces[space]
    kept = kept_probes(repo, of)
    try:
        if kept is not None:
            prove_some(of, found, kept, [_PROOF])
        prove_text(repo, of, found)
    except ModelError:
        return None  # the model that is loaded here instead names the fault, if it has one
    return found


def serve(repo: Repository, space: str, load: Callable[[], Embedder], command: str = "model serve") -> ModelServer:
    """Load a model, and serve it until the server is closed.

    command: the one that is running, for others.
    Raises: Locked if another process serves it; ModelError if no socket can be opened here; what `load` raises.
    """
    address = address_of(repo.layout.folder, space)
    if address is None:
        raise ModelError(
            "the folder for the sockets of served models, vstore-UID among the temporary files, is not yours alone",
            "remove it, or let TMPDIR name another folder for temporary files",
        )
    with contextlib.ExitStack() as undo:
        lock = claim(address, command)
        undo.callback(give_back, lock)
        embedder = load()
        try:
            server = ModelServer(address, space, embedder, environment_of(embedder), lock=lock)
        except OSError as err:
            raise ModelError(
                f"cannot open the socket {address}: {err.strerror or err}",
                "let TMPDIR name another folder for temporary files, with a short path",
            ) from err
        undo.pop_all()
        return server


@contextlib.contextmanager
def serving_beside(repo: Repository, space: str, embedder: Embedder) -> Iterator[None]:
    """Serve the model of a run to the queries beside it, if nothing is in the way of that.

    Only one that takes its turns: others may not stand a second thread.
    """
    from vstore.embed.hf.transformer import TransformerEmbedder

    with contextlib.ExitStack() as open_server:
        if isinstance(embedder, TransformerEmbedder):
            with contextlib.suppress(VstoreError):  # the run itself needs no server
                open_server.enter_context(serve(repo, space, lambda: embedder, SYNC))
        yield
