"""A plan as a file that people read and edit: groups of files, of which each stays or is moved away. Pure."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vstore.errors import UsageError
from vstore.format.canonical import Json, named, named_path, refuse_large
from vstore.format.hashing import HASHES
from vstore.plans.moves import path_of
from vstore.plans.report import Unmoved

FORMAT = 1
LONGEST = 1 << 28  # bytes
KEEP, MOVE = "keep", "move"
_ID = r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}"
_HINT = (
    "keep: the file stays; move: it goes to .vstore-trash/ID in its folder. Change words, or take lines away; files of "
    "a group are moved only while one that is kept is there."
)


class PlanFile(NamedTuple):
    """A file of a group.

    do:   `keep` or `move`.
    path: its stored path.
    key:  the hash of its bytes.
    size: in bytes.
    why:  why it stays, for people.
    row:  where it stands in the plan.
    """

    do: str
    path: bytes
    key: bytes
    size: int
    why: str = ""
    row: str = ""


class PlanGroup(NamedTuple):
    """Copies of one picture.

    alike: how, for people: `same bytes`, `near`, …
    score: the least cosine of two of them; None for identical ones.
    files: those that stay, and those that go.
    """

    alike: str
    score: float | None
    files: tuple[PlanFile, ...]


class Plan(NamedTuple):
    """A plan.

    id:       names its trash folders.
    store:    the id of its store.
    hash:     by which files got their keys.
    snapshot: from which it was made.
    time:     when.
    groups:   the groups.
    faults:   rows that cannot be read.
    """

    id: str
    store: str
    hash: str
    snapshot: str
    time: str
    groups: tuple[PlanGroup, ...]
    faults: tuple[Unmoved, ...] = ()


def written(plan: Plan) -> bytes:
    """Write a plan as JSON, a file a line."""
    head = {
        "vstore_plan": FORMAT,
        "id": plan.id,
        "store": plan.store,
        "hash": plan.hash,
        "snapshot": plan.snapshot,
        "time": plan.time,
        "how": _HINT,
    }
    lines = [f" {_text(name)}: {_text(value)}," for name, value in head.items()]
    return "\n".join(["{", *lines, ' "groups": [', ",\n".join(map(_group, plan.groups)), " ]", "}", ""]).encode()


def _group(group: PlanGroup) -> str:
    files = ",\n".join(f"    {_text(_file(file))}" for file in group.files)
    score = "" if group.score is None else f' "score": {group.score:.6f},'
    return f'  {{"alike": {_text(group.alike)},{score} "files": [\n{files}\n  ]}}'


def _file(file: PlanFile) -> dict[str, Json]:
    value = {"do": file.do, **named_path(file.path), "key": file.key.hex(), "size": file.size}
    return {**value, **({"why": named("why", file.why)["why"]} if file.why else {})}  # it may name a file


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def parsed(data: bytes, name: str) -> Plan:
    """Read a plan. Rows that cannot be read are faults.

    name:   of its file, for messages.
    Raises: UsageError for anything else than a plan.
    """
    again = "make one with: vstore dupes --plan FILE"
    try:
        refuse_large(data, LONGEST)
        value = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise UsageError(f"{name} is not a plan: {err}", f"correct it, or {again}") from err
    if not isinstance(value, dict) or not isinstance(value.get("vstore_plan"), int):
        raise UsageError(f"{name} is not a plan of vstore", again)
    if value["vstore_plan"] != FORMAT:
        raise UsageError(f"{name} has format {value['vstore_plan']}, and this version reads {FORMAT}", again)
    texts = [value.get(field) for field in ("id", "store", "hash", "snapshot", "time")]
    if not all(isinstance(text, str) for text in texts) or not isinstance(value.get("groups"), list):
        raise UsageError(f"{name} lacks its id, store, hash, snapshot, time or groups", again)
    if not re.fullmatch(_ID, value["id"]) or value["hash"] not in HASHES:
        raise UsageError(f"{name} has the id {value['id']!r} and the hash {value['hash']!r}", again)
    faults: list[Unmoved] = []
    size = HASHES[value["hash"]].size
    groups = [_parsed_group(group, f"groups[{at}]", size, faults) for at, group in enumerate(value["groups"])]
    id, store, name_of_hash, snapshot, time = map(str, texts)
    return Plan(id, store, name_of_hash, snapshot, time, tuple(groups), tuple(faults))


def _parsed_group(value: Json, row: str, size: int, faults: list[Unmoved]) -> PlanGroup:
    if not isinstance(value, dict) or not isinstance(value.get("files"), list):
        faults.append(Unmoved(b"", "it is no group with files", row))
        return PlanGroup("", None, ())
    files = []
    for at, one in enumerate(value["files"]):
        place = f"{row}.files[{at}]"
        try:
            files.append(_parsed_file(one, place, size))
        except _Fault as fault:
            faults.append(Unmoved(fault.path, str(fault), place))
    return PlanGroup(str(value.get("alike", "")), None, tuple(files))


class _Fault(Exception):
    """A row that cannot be read. path: what it names."""

    def __init__(self, words: str, path: bytes = b"") -> None:
        super().__init__(words)
        self.path = path


def _parsed_file(value: Json, row: str, size: int) -> PlanFile:
    try:
        path = path_of(value, "path")
    except (AttributeError, KeyError, TypeError, ValueError, binascii.Error):
        raise _Fault("it names no path") from None
    if value.get("do") not in (KEEP, MOVE):
        raise _Fault(f"it says neither {KEEP} nor {MOVE}", path)
    try:
        key = bytes.fromhex(value["key"])
    except (KeyError, TypeError, ValueError):
        key = b""
    if len(key) != size:
        raise _Fault(f"its key is not {2 * size} hex digits", path)
    return PlanFile(value["do"], path, key, value.get("size") if isinstance(value.get("size"), int) else 0, row=row)


def paths_to_move(groups: Sequence[PlanGroup]) -> Iterator[bytes]:
    """Yield the paths of the files that go."""
    yield from (file.path for group in groups for file in group.files if file.do == MOVE)
