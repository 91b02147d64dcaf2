"""The form of a state: types, names and numbers as FORMAT.md allows them. Pure.

A state may come from a stranger. Names of it become paths below the store, numbers become sizes in memory, and prefixes
are followed. Entries of snapshots are looked at when they are read (`Snapshot.from_json`): there may be thousands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from vstore.errors import Damage
from vstore.format.canonical import Document, Json, path_from_json
from vstore.format.names import LONGEST_PATH, is_digest, is_label, is_number, is_place, is_snapshot, is_stored_path
from vstore.format.segment_header import LARGEST_DIM

_LONGEST_PATTERN = 4_096  # characters
_MOST_PATTERNS = 100_000
_MOST_STEPS = 255  # from an old label to the one of today: each was a wider folder
_WORDS: dict[str, type] = {  # of the place of a model
    **dict.fromkeys(("model", "adapter", "revision", "adapter_revision", "compute"), str),
    **dict.fromkeys(("prompt", "query_prompt", "preset", "pooling", "colour", "decode"), str),
    **dict.fromkeys(("max_side", "prepare"), int),
    "trust_remote_code": bool,
}
_LISTS, _FLAGS = ("exclude", "include"), ("follow_symlinks", "one_file_system", "ignore_inode", "ignore_ctime")


def require_state(document: Document, number: int, *, gaps: bool = False) -> None:
    """Make sure that the fold of the log is a state.

    number: of its last record.
    gaps:   records are missing: of some entries only later changes are left.
    Raises: Damage.
    """
    try:
        _look_at(document, gaps)
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        raise Damage(
            f"the state after record {number} is none that FORMAT.md allows: {_words(err)}",
            "no vstore writes such a store: take a sound copy of it, from where it comes",
        ) from err


def _words(err: Exception) -> str:
    text = str(err) if isinstance(err, ValueError) else repr(err)
    return text if len(text) <= 300 else text[:300] + " …"


def _look_at(document: Document, gaps: bool) -> None:
    for field in ("current", "hold"):
        if field in document:
            _require(is_snapshot(document[field]), field, document[field])
    if "start_space" in document:
        _require(is_digest(document["start_space"], 64), "start_space", document["start_space"])
    for field in ("next_v", "listed"):
        if field in document:
            _require(is_number(document[field], 1, 1 << 62), field, document[field])
    for tag, name in _object(document, "tags").items():
        _require(is_snapshot(name) and tag.isprintable(), f"the tag {tag!r}", name)
    for name, entry in _object(document, "snapshots").items():
        _require(is_snapshot(name) and isinstance(entry, dict), "a snapshot", name)
    for kind, look in (("spaces", _space), ("roots", _root), ("imports", _import)):
        for name, entry in _object(document, kind).items():
            try:
                look(name, entry)
            except KeyError:
                if not gaps:
                    raise
    _absorbed(_object(document, "absorbed"))
    _retired(_object(document, "retired"))
    _files(document)
    for tree, root in _object(document, "trees").items():
        _require(_is_hex(root), f"the tree {tree!r}", root)
    _facts(_object(document, "facts"), gaps)


def _facts(facts: Document, gaps: bool) -> None:
    for place, run in facts.items():
        _require(is_place(place), "the place of facts", place)
        root, rows = run
        _require(_is_hex(root) and is_number(rows), "a run of facts", run)
    # It would be read as often as it is named. A lost record may have been the one that moved it.
    if not gaps and len({root for root, _ in facts.values()}) != len(facts):
        raise ValueError("a run of facts is listed twice")


def _files(document: Document) -> None:
    for name, value in _object(document, "packs").items():
        size, check = value
        _require(name[32:] == ".pack" and is_digest(name[:32], 32), "the name of a pack", name)
        _require(is_number(size) and is_digest(check, 16), f"the pack {name}", value)
    for space, places in _object(document, "segments").items():
        _require(is_digest(space, 64), "the space of segments", space)
        for place, value in places.items():
            name, size, check, rows = value
            _require(is_place(place), "the place of a segment", place)
            _require(type(name) is str and name[32:] == ".faiss" and is_digest(name[:32], 32), "a segment", name)
            _require(is_number(size) and is_digest(check, 16) and is_number(rows, 1), f"the segment {name}", value)
        if len({value[0] for value in places.values()}) != len(places):
            raise ValueError(f"a segment of the space {space} is listed twice")


def _space(id: str, space: Document) -> None:
    _require(is_digest(id, 64), "the id of a space", id)
    for field in ("name", "status"):
        text = space[field]
        _require(type(text) is str and text.isprintable() and 0 < len(text) <= 1000, f"{field} of the space {id}", text)
    _require(is_number(space["dim"], 1, LARGEST_DIM), f"the numbers of a row of the space {id}", space["dim"])
    for field in ("recipe", "probes", "identity"):
        if field in space:
            _require(_is_hex(space[field]), f"{field} of the space {id}", space[field])
    place = space.get("place", {})
    _require(type(place) is dict, f"the model of the space {id}", place)
    for word, value in place.items():
        fits = type(value) is _WORDS.get(word, type(value)) and not (type(value) is str and "\0" in value)
        _require(fits, f"{word} of the model of the space {id}", value)
    _require(type(space.get("by_name", [])) is list, f"by_name of the space {id}", space.get("by_name"))
    for key in space.get("by_name", []):
        _require(_is_hex(key), f"a key of the space {id}", key)


def _root(label: str, root: Document) -> None:
    _require(is_label(label), "a label", label)
    place = path_from_json(root["place"])
    _require(0 < len(place) <= LONGEST_PATH and b"\0" not in place, f"the place of {label!r}", place)
    _require(type(root["relative"]) is bool, f"relative of {label!r}", root["relative"])
    options: Document = root.get("options", {})
    for field in _LISTS:
        given = options.get(field, [])
        _require(type(given) is list and len(given) <= _MOST_PATTERNS, f"{field} of {label!r}", given)
        for pattern in given:
            _require(type(pattern) is str and len(pattern) <= _LONGEST_PATTERN, f"a pattern of {label!r}", pattern)
    off = options.get("off", [])
    _require(type(off) is list and all(type(name) is str for name in off), f"off of {label!r}", off)
    for field in _FLAGS:
        _require(type(options.get(field, False)) is bool, f"{field} of {label!r}", options.get(field))


def _retired(retired: Document) -> None:
    for label, folders in retired.items():
        _require(is_label(label), "a label of before", label)
        _require(type(folders) is list, f"the folders that {label!r} had", folders)
        for one in folders:
            place = path_from_json(one["place"])
            _require(0 < len(place) <= LONGEST_PATH and b"\0" not in place, f"a place that {label!r} had", place)
            _require(type(one["relative"]) is bool, f"relative of a place that {label!r} had", one["relative"])
            if "before" in one:
                fits = is_number(one["from"], 1, 1 << 62) and is_number(one["before"], one["from"] + 1, 1 << 62)
                _require(fits, f"the snapshots of a folder that {label!r} had", one)


def _import(id: str, rest: Document) -> None:
    _require(is_digest(rest["space"], 64) and is_label(rest["root"]), f"the import {id!r}", rest)
    _require(is_number(rest["rows"]) and is_number(rest["written"], -(1 << 63)), f"the rows of {id!r}", rest)
    _require(_is_text(rest["time"]) and _is_hex(rest["names"]), f"the names of {id!r}", rest)
    _require(type(rest["vectors"]) is list and all(map(_is_hex, rest["vectors"])), f"the vectors of {id!r}", rest)
    for old, new in rest.get("moved", []):
        path_from_json(old), path_from_json(new)


def _absorbed(absorbed: Mapping[str, Json]) -> None:
    """Make sure that each old label leads to one of today, by a path that is not too long."""
    for label, prefix in absorbed.items():
        _require(is_label(label), "an old label", label)
        _require(type(prefix) is str and is_stored_path(os.fsencode(prefix)), f"the place of {label!r}", prefix)
    lead: dict[str, tuple[int, int]] = {}  # label: steps to the one of today, bytes that its path grows by
    for label in absorbed:
        chain = []
        while label in absorbed and label not in lead:
            lead[label] = (0, 0)
            chain.append(label)
            label = absorbed[label].partition("/")[0]
        if label in chain:
            raise ValueError(f"the old labels {' > '.join([*map(repr, chain[:5]), repr(label)])} go in a circle")
        for old in reversed(chain):
            steps, grown = lead.get(absorbed[old].partition("/")[0], (0, 0))
            lead[old] = steps + 1, grown + len(os.fsencode(absorbed[old]))
            if steps >= _MOST_STEPS or lead[old][1] > LONGEST_PATH:
                raise ValueError(f"the old label {old!r} leads to a path that is too long")


def _object(document: Document, field: str) -> dict[str, Json]:
    value = document.get(field, {})
    if type(value) is not dict:
        raise ValueError(f"{field} is {_shown(value)}")
    return value


def _require(holds: bool, what: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{what} is {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + " …"


def _is_hex(value: object) -> bool:
    return is_digest(value, 32) or is_digest(value, 64)


def _is_text(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= 1000
