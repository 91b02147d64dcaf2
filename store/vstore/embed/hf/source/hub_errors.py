"""The errors of the hub's client, told by their cause with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vstore.disk.trouble import FULL
from vstore.embed.hf.source.hub_name import HubName
from vstore.errors import DiskTrouble, ModelError, VstoreError
from vstore.quoting import quoted

_LOG_IN = "hf auth login"
_NO_ROOM = "Not enough free disk space"  # the client's own words


class Unfound(ModelError):
    """A name of the hub of which nothing is here, and of which the hub says nothing: a misspelt path may be meant."""


def explain(err: BaseException, hub: HubName, what: str, revision: str | None) -> VstoreError:
    """Make the error of ours for an error of the client. what: `model` or `adapter`."""
    from huggingface_hub import constants, errors

    causes = list(_causes(err))
    page = f"{constants.ENDPOINT}/{hub.repository}"
    found: Any
    for found in causes:
        if getattr(found, "errno", None) in FULL or _NO_ROOM in str(found):
            return full(hub, None)
        if isinstance(found, errors.GatedRepoError):
            return ModelError(
                f"the {what} {hub.repository} is gated: its owners give it to those who accept their licence",
                f"accept it at {page}, log in with: {_LOG_IN}, and run the command again",
            )
        if isinstance(found, errors.RevisionNotFoundError):
            return ModelError(
                f"the {what} {hub.repository} has no revision {revision!r}",
                f"choose a branch or a tag: {page}/tree/main",
            )
        # To those who are not logged in the hub says 401 of a name that it does not have.
        if isinstance(found, errors.RepositoryNotFoundError) or _status(found) == 401:
            return Unfound(
                f"there is no {what} {hub.repository} on the hub and no such folder here, or it is private",
                f"check the name at {page}; for a private one, log in with: {_LOG_IN}",
            )
    for found in causes:
        if _status(found):
            return _of_status(_status(found), found.response, hub, what)
    if any(isinstance(found, errors.OfflineModeIsEnabled) for found in causes):
        return offline(hub, what, revision)
    short = next((one for one in causes if "Consistency check failed" in str(one)), None)
    if short is not None:
        return ModelError(
            f"the download of {hub.repository} is not whole: {_line(short).partition('Consistency check failed: ')[2]}",
            "run the command again: files that are whole are kept; if it comes again, a proxy changes the files",
        )
    reason = _line(causes[-1])
    return Unfound(
        f"the {what} {hub.repository} is not a folder here, and it could not be fetched from the hub "
        f"({constants.ENDPOINT}): {reason}",
        "check the network, and HTTPS_PROXY, NO_PROXY and HF_ENDPOINT where they are set, and run it again: whole "
        f"files are kept; or download it elsewhere: {_elsewhere(hub, what, revision)}",
    )


def offline(hub: HubName, what: str, revision: str | None, *, is_begun: bool = False) -> ModelError:
    """Make the error for a model that would have to be downloaded, where that is not wanted.

    is_begun: an earlier download has some of its files, and no weights.
    """
    from huggingface_hub import constants

    there = "is not whole" if is_begun else "is not"
    return Unfound(
        f"the {what} {hub.repository} is not a folder here, {there} among the earlier downloads in "
        f"{constants.HF_HUB_CACHE}, and nothing is downloaded, as --offline or HF_HUB_OFFLINE says",
        f"run the command once without them, or download it elsewhere: {_elsewhere(hub, what, revision)}",
    )


def _elsewhere(hub: HubName, what: str, revision: str | None) -> str:
    """Write the step that takes a model to a machine without a network."""
    place = hub.repository.partition("/")[2]
    inner = ["--include", f"{hub.folder}/*"] if hub.folder else []
    at = [] if revision is None else ["--revision", revision]
    command = " ".join(map(quoted, ["hf", "download", hub.repository, *inner, *at, "--local-dir", place]))
    named = f"./{place}/{hub.folder}" if hub.folder else f"./{place}"
    return f"{command}, then copy that folder here, and name it: --{what} {quoted(named)}"


def full(hub: HubName, size: int | None) -> DiskTrouble:
    """Make the error for a disk that has no room for a download. size: bytes that are missing, if known."""
    from huggingface_hub import constants

    needs = "" if size is None else f", which needs {size / 1e6:,.0f} MB"
    return DiskTrouble(
        f"there is no room in {constants.HF_HUB_CACHE} for {hub.repository}{needs}",
        "free some space there, or choose another place with HF_HUB_CACHE=DIR, and run the command again: whole files "
        "are kept",
    )


def _of_status(status: int, response: Any, hub: HubName, what: str) -> ModelError:
    from huggingface_hub import constants

    failed = f"the {what} {hub.repository} could not be fetched: the hub answers"
    if status == 429:
        wait = response.headers.get("Retry-After")
        return ModelError(
            f"{failed} that too much was asked of it (429)",
            f"wait {wait + ' seconds' if wait else 'some minutes'} and run the command again; those who are logged in "
            f"may ask more: {_LOG_IN}",
        )
    if status == 403:
        return ModelError(
            f"{failed} that you may not read it (403)",
            f"log in as somebody who may: {_LOG_IN}; a token in HF_TOKEN needs the right to read it",
        )
    if status >= 500:
        return ModelError(f"{failed} with trouble of its own ({status})", "run the command again later")
    return ModelError(f"{failed} {status}", f"check the name and HF_ENDPOINT, which is {constants.ENDPOINT} now")


def _status(err: Any) -> int:
    """Find the status of the answer that an error is about; 0 if there was none."""
    return int(getattr(getattr(err, "response", None), "status_code", 0) or 0)


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while err is not None and id(err) not in seen:
        seen.add(id(err))
        yield err
        err = err.__cause__ or err.__context__


def _line(err: BaseException) -> str:
    return " ".join(str(err).split())[:300] or type(err).__name__
