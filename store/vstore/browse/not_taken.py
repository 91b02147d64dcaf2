"""The reasons why a sync takes a file in no snapshot, by what its listing would say of it."""

from __future__ import annotations

import os
from typing import NamedTuple

from vstore.errors import UsageError, VstoreError
from vstore.format.entries import Root, Snapshot
from vstore.pictures import passed_over as kinds
from vstore.pictures.elsewhere import ABSENT
from vstore.pictures.extras import needs
from vstore.pictures.formats import EXTENSIONS, OPTIONAL
from vstore.pictures.left_out import WORDS, taking_in
from vstore.pictures.passed_over import PassedOver, kind_of
from vstore.pictures.scan import Scan
from vstore.quoting import quoted
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import identity
from vstore.repository.repository import Repository


class NotTaken(NamedTuple):
    """A reason, and what to do.

    reason: one line for people.
    next:   what to do; may be empty.
    """

    reason: str
    next: str


def by_its_name(file: bytes) -> NotTaken | None:
    """Say why no sync would take a file that is in no synced folder; None if its name is that of a picture."""
    name = os.fsdecode(os.path.basename(file))
    if name.startswith("."):
        return NotTaken("its name begins with a dot, so syncs do not look at it", "give it another name")
    if name[name.rfind(".") :].lower() in EXTENSIONS:
        return None
    return _of_kind(*kind_of(name, EXTENSIONS), name)


def by_listing(repo: Repository, snapshot: Snapshot, path: bytes) -> NotTaken | None:
    """Say why syncs do not take the file of a stored path of today; None if the next one will.

    Raises: Damage, FileNotFoundError.
    """
    label, _, under = path.partition(b"/")
    root = repo.state.roots.get(os.fsdecode(label))
    folders = KnownFolders(repo)
    if root is None or not under or not folders.is_known(root):
        return None
    try:
        return _listed(repo, root, under, folders) or _unread(repo, snapshot, path)
    except VstoreError as err:
        if isinstance(err, UsageError) or err.code == "untrusted":
            return NotTaken(err.message, err.next_step)
        raise


def _listed(repo: Repository, root: Root, under: bytes, folders: KnownFolders) -> NotTaken | None:
    """List the folder of a file as a sync would, and say why the file is passed over."""
    place, options = repo.place(root), repo.scan_options(root)
    own = identity(os.fsencode(repo.layout.folder))
    skip = [] if own is None else [own]
    scan = Scan(place, options, EXTENSIONS, under=under, skip=skip, fence=folders.fence(root))
    listed = list(scan)
    if scan.hidden:
        hidden = os.fsdecode(os.path.join(place, scan.hidden))
        step = "give it another name" if os.path.basename(hidden).startswith(".") else _bring_back(root)
        return NotTaken(f"syncs do not look at {hidden}: {scan.why_hidden}", step)
    passed: PassedOver = dict(scan.passed)
    for folder in listed:
        kinds.add(passed, folder.passed, b"")
    troubles = [*scan.troubles, *(one for folder in listed for one in folder.troubles)]
    absent = next((one for one in troubles if one.kind == ABSENT), None)
    if absent is not None:
        return NotTaken(absent.reason, "")
    for (kind, name), (_, first) in passed.items():
        if kind in WORDS:
            above = os.fsdecode(os.path.join(place, first))
            step = f"vstore sync {quoted(os.fsdecode(place))} --exclude {quoted(taking_in(name))}"
            return NotTaken(f"it lies in {above}: {WORDS[kind]} are left out by default", f"take them in with: {step}")
        return _of_kind(kind, name, os.fsdecode(under))
    if troubles:
        return NotTaken(troubles[0].reason, "")
    if listed and any(folder.count for folder in listed):
        return None
    reason = "it lies in a folder that syncs do not enter: it is behind a link, on another disk, or the store's own"
    return NotTaken(reason, "enter links with: vstore sync --follow-symlinks; other disks with --cross-file-systems")


def _of_kind(kind: str, name: str, file: str) -> NotTaken:
    """Say why a file of a kind is passed over. name: as `passed_over` has it."""
    glob = f"*.{name}" if name and name.isalnum() else os.path.basename(file)
    include = f"if it is a picture, take it in with: vstore sync FOLDER --include {quoted(glob)}"
    if kind == kinds.EXTRA or f".{name}" in OPTIONAL:
        package = OPTIONAL.get(f".{name}") or next(one for one in OPTIONAL.values() if name in one.extras)
        return NotTaken(needs(package).reason, "")
    if kind == kinds.PICTURE:
        return NotTaken(f"vstore does not read pictures of this kind ({name})", "")
    if kind == kinds.BROKEN:
        return NotTaken("it is a link that leads nowhere", "")
    if kind == kinds.LINK:
        return NotTaken(
            "it is a link to a folder, or out of its folder", "enter links with: vstore sync --follow-symlinks"
        )
    return NotTaken("its name is not that of a picture, so syncs pass it over", include)


def _bring_back(root: Root) -> str:
    return f"remove its pattern from .vstoreignore, or with --no-exclude; vstore root list names those of {root.label}"


def _unread(repo: Repository, snapshot: Snapshot, path: bytes) -> NotTaken | None:
    """Look up whether the newest sync met the file, and could not read it."""
    from vstore.browse.failed import unread_files  # the catalogue is read for it

    found = unread_files(repo, snapshot.space, repo.tree(repo.state.current_snapshot), [path])
    one = next((one for one in found if one.path == path and one.kind == "too_large"), None)
    return None if one is None else NotTaken(one.reason, "")
