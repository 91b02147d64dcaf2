"""Folders that are not there: the folder that a misspelt path may mean, and what lies where it was looked for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from vstore.embed.hf.source.checkpoints import checkpoints_in
from vstore.embed.hf.source.hub_name import hub_name
from vstore.embed.hf.source.other_words import OtherWords
from vstore.errors import ModelError

_MODEL = ("config.json", "open_clip_config.json", "modules.json")
_ADAPTER = ("adapter_config.json",)
_ALIKE = 0.75  # of difflib; `qwen-2vl` is 0.94 to `qwen2-vl`, `clip-base` 0.76 to `siglip2-base`
_PAGE = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+)/([\w.-]+)(?:/tree/([^/]+)(?:/(.+?))?)?/?")
_SHOWN = 5  # folders that a message names
_LOOKED_AT = 1000  # folders of a place; nobody keeps so many models in one


class Place(NamedTuple):
    """The end of a path up to which it exists.

    folder: the last part that is there, as it was written.
    rest:   the parts that are not.
    """

    folder: str
    rest: tuple[str, ...]


def is_written_as_a_path(name: str) -> bool:
    """Tell whether a name means a folder here, as it begins as a path, or with a folder that is here."""
    first = name.partition("/")[0]
    return name.startswith(("/", "~")) or first in (".", "..") or (first != name and os.path.isdir(first))


def no_such_folder(name: str, what: str) -> ModelError:
    """Make the error for a path at which nothing is. what: `model` or `adapter`."""
    page = _PAGE.fullmatch(name)
    if page is not None:
        owner, title, revision, inner = page.groups()
        words: dict[str, str | None] = {what: f"hf://{owner}/{title}/{inner}" if inner else f"{owner}/{title}"}
        if revision is not None:
            words["revision" if what == "model" else f"{what}_revision"] = revision
        return OtherWords(f"{name} is a page of the hub", f"name the {what} by its hub id", **words)
    if name.startswith("hf://"):
        return ModelError(
            f"{name} is no name of a {what} on the hub", "write hf://OWNER/NAME or hf://OWNER/NAME/FOLDER"
        )
    found = _place(os.path.expanduser(name))
    where = f": {os.path.join(found.folder, found.rest[0])} is not there" if len(found.rest) > 1 else ""
    message = f"there is no {what} folder {name}{where}"
    nearest = nearest_folder(name, what)
    if nearest is not None:
        return OtherWords(message, "the nearest name is this one", **{what: nearest})
    there = _models_in(found.folder or ".", what)
    if there:
        more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
        place = "this folder" if found.folder in ("", ".") else found.folder
        message += f"; {place} holds {', '.join(there[:_SHOWN])}{more}"
    if hub_name(name) is not None:
        return ModelError(message, f"check the path; if you mean the one on the hub, write --{what} hf://{name}")
    return ModelError(
        message,
        "check the path; a hub id has the form OWNER/NAME, such as google/siglip2-base-patch16-224, or "
        "hf://OWNER/NAME/FOLDER for a folder in it",
    )


def nearest_folder(name: str, what: str) -> str | None:
    """Find the folder of a model or an adapter that a misspelt path means; None if none is near.

    what:    `model` or `adapter`.
    Returns: its path, written as the misspelt one.
    """
    found = _place(os.path.expanduser(name))
    folder = found.folder
    for part in found.rest:
        inner = _nearest(part, _folders(folder or "."))
        if inner is None:
            return None
        folder = os.path.join(folder, inner)
    return folder if _is_a(what, Path(folder)) else None


def _place(name: str) -> Place:
    """Find out how far a path exists."""
    parts = [part for part in name.split("/") if part]
    folder = "/" if name.startswith("/") else ""
    while parts and os.path.isdir(os.path.join(folder, parts[0])):
        folder = os.path.join(folder, parts.pop(0))
    return Place(folder, tuple(parts))


def _nearest(part: str, names: list[str]) -> str | None:
    """Find the name that a part of a path means: there as it is, with other letters' cases, or nearly."""
    from difflib import get_close_matches

    lower = {name.lower(): name for name in reversed(names) if numbers(name) == numbers(part)}
    near = get_close_matches(part.lower(), lower, n=1, cutoff=_ALIKE)
    return part if part in names else lower[near[0]] if near else None


def numbers(name: str) -> list[str]:
    """Take the numbers out of a name: with others, checkpoint-100 or dinov3, it names another thing."""
    return re.findall(r"\d+", name)


def _folders(place: str) -> list[str]:
    try:
        with os.scandir(place) as found:
            names = [one.name for _, one in zip(range(_LOOKED_AT), found, strict=False) if one.is_dir()]
    except OSError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def _models_in(place: str, what: str) -> list[str]:
    return [name for name in _folders(place) if _is_a(what, Path(place, name))]


def _is_a(what: str, folder: Path) -> bool:
    """Tell whether a folder holds a model or an adapter, or the checkpoints of one."""
    names = _ADAPTER if what == "adapter" else _MODEL
    try:
        return any((folder / name).is_file() for name in names) or checkpoints_in(folder) is not None
    except OSError:
        return False
