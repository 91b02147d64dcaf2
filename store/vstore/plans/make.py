"""Makes a plan of groups of copies: the first file of each that may stay does, and the others go."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from vstore.clock import now
from vstore.disk import durable
from vstore.format.entries import Root
from vstore.plans.companions import Names, is_raw
from vstore.plans.document import KEEP, MOVE, Plan, PlanFile, PlanGroup
from vstore.plans.heeded import Heeded
from vstore.plans.places import Places, store_identity
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Gone, Unfit, moment, opened, split
from vstore.repository.decisions import newest_decisions
from vstore.repository.repository import Repository


class Copies(NamedTuple):
    """Copies of one picture, the best first.

    alike: how, for people.
    score: the least cosine of two of them; None for identical ones.
    files: their stored paths, in the labels of today, and keys; those that come first are kept rather.
    why:   why the first is the best, for people.
    """

    alike: str
    score: float | None
    files: Sequence[tuple[bytes, bytes]]
    why: str


def plan_of(repo: Repository, snapshot: str, groups: Iterable[Copies]) -> Plan:
    """Make a plan. Nothing is moved, and of pictures nothing is read but the stats of their files.

    Raises: Damage if the decisions are; SystemLimit.
    """
    number = f"{time.strftime('%Y%m%d', time.gmtime())}-{durable.nonce()[:8]}"
    store = store_identity(repo)

    def opener(root: Root) -> TrashFolder:
        return TrashFolder(repo.place(root), number.encode(), store=store)

    with Places(repo, opener) as places:
        heeded = Heeded(newest_decisions(repo))
        drawn = [group for copies in groups if (group := _planned(places, copies, heeded)) is not None]
        folders = _Folders(places)
        drawn = _keep_raw(drawn, folders)
        drawn = _with_sidecars(repo, drawn, folders)
        kept = tuple(group for group in drawn if any(file.do == MOVE for file in group.files))
    return Plan(number, repo.store_id, repo.hash.name, snapshot, now(), kept)


def _planned(places: Places, copies: Copies, heeded: Heeded) -> PlanGroup | None:
    """Let the first file that may stay do so, and the others go, but for what was decided.

    Returns: None if fewer than two are there.
    """
    order = {key: at for at, key in enumerate(heeded.in_order([*dict.fromkeys(key for _, key in copies.files)]))}
    linked = {places.target_of_link(path) for path, _ in copies.files}
    looks = [(path, key, _looked(places, path)) for path, key in sorted(copies.files, key=lambda file: order[file[1]])]
    names = Counter((found.st_dev, found.st_ino) for _, _, found in looks if isinstance(found, os.stat_result))
    devices: dict[tuple[int, int, int], set[int]] = {}
    for _, _, found in looks:
        if isinstance(found, os.stat_result):
            devices.setdefault(moment(found), set()).add(found.st_dev)
    files: list[PlanFile] = []
    best: bytes | None = None
    for path, key, found in looks:
        if isinstance(found, Gone):
            continue
        if isinstance(found, Unfit):
            files.append(PlanFile(KEEP, path, key, 0, found.reason))
            continue
        name, why = (found.st_dev, found.st_ino), ""
        if best is None:
            best, why = key, copies.why if path == copies.files[0][0] else "the first of them that may stay"
        elif names[name] > 1:  # nothing is won if one of them goes, and it may be the same file in two folders
            why = "another name of a file of this group"
        elif len(devices[moment(found)]) > 1:
            why = "it may be a file of this group, seen through another mount"
        elif name in linked:
            why = "a link of this group leads to it"
        else:
            why = heeded.why_it_stays(key, best)
        files.append(PlanFile(KEEP if why else MOVE, path, key, found.st_size, why))
    return PlanGroup(copies.alike, copies.score, tuple(files)) if len(names) > 1 else None


def _looked(places: Places, path: bytes) -> os.stat_result | Unfit:
    try:
        return places.look(path)
    except Unfit as unfit:
        return unfit


class _Folders:
    """The names in the folders of stored paths, each listed once."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._names: dict[bytes, Names] = {}

    def beside(self, path: bytes) -> Names:
        """Give the names in the folder of a stored path; none if it cannot be listed."""
        folder = path.rpartition(b"/")[0]
        if folder not in self._names:
            self._names[folder] = Names(self._listed(path))
        return self._names[folder]

    def _listed(self, path: bytes) -> list[bytes]:
        try:
            trash, rest = self.places.find(path)
            with opened(trash.root, split(rest)[:-1]) as fd:
                return [os.fsencode(name) for name in os.listdir(fd)]
        except (Unfit, OSError):
            return []


def _keep_raw(groups: list[PlanGroup], folders: _Folders) -> list[PlanGroup]:
    """Let each RAW file stay beside which a picture of its name stays, until none is left to be moved."""
    going = {file.path for group in groups for file in group.files if file.do == MOVE}
    why: dict[bytes, str] = {}
    raws = sorted(path for path in going if is_raw(path.rpartition(b"/")[2]))
    found = True
    while found:
        found = False
        for path in raws:
            folder, slash, name = path.rpartition(b"/")
            stays = [one for one in folders.beside(path).pictures_like(name) if folder + slash + one not in going]
            if path in going and stays:
                going.remove(path)
                why[path] = f"{os.fsdecode(stays[0])} stays, and shares its name"
                found = True
    return [
        group._replace(
            files=tuple(
                file._replace(do=KEEP, why=why[file.path]) if file.path in why and file.do == MOVE else file
                for file in group.files
            )
        )
        for group in groups
    ]


def _with_sidecars(repo: Repository, groups: list[PlanGroup], folders: _Folders) -> list[PlanGroup]:
    """Add the sidecars of files that go, if no file stays that they may be about."""
    going = {file.path for group in groups for file in group.files if file.do == MOVE}
    taken: set[bytes] = set()

    def added(group: PlanGroup) -> Iterator[PlanFile]:
        for file in group.files:
            yield file
            folder, slash, name = file.path.rpartition(b"/")
            names = folders.beside(file.path)
            for one in names.sidecars_of(name) if file.do == MOVE else ():
                path = folder + slash + one
                if path not in taken and all(folder + slash + other in going for other in names.owners_of(one)):
                    taken.add(path)
                    sidecar = _sidecar(repo, folders.places, path)
                    if sidecar is not None:
                        yield sidecar

    return [group._replace(files=tuple(added(group))) for group in groups]


def _sidecar(repo: Repository, places: Places, path: bytes) -> PlanFile | None:
    """Read a sidecar; None if it is no plain file."""
    from vstore.disk.file_hash import hash_file
    from vstore.plans.way import open_file

    try:
        trash, rest = places.find(path)
        *above, name = split(rest)
        with opened(trash.root, above, barred=trash.store) as folder:
            size = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
            key = hash_file(open_file(folder, name), repo.hash.new()).digest()
    except (Unfit, OSError):
        return None
    return PlanFile(MOVE, path, key, size)
