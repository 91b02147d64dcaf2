"""Duplicates: groups of pictures to look through, page by page and one by one, and what is decided about them."""

from __future__ import annotations

import math
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from vstore import Picture, UsageError
from vstore_page.answers import NotFound, flag, key_of, one, view_route, whole, word, write_route
from vstore_page.cards import picture
from vstore_page.filters import narrowed, text
from vstore_page.groups import Asked, Groups, Working, keys_of

if TYPE_CHECKING:
    from typing import Literal

    from starlette.requests import Request
    from starlette.routing import Route

    from vstore import Group
    from vstore_page.groups import Done, Listing
    from vstore_page.page import Page

Json = Any

PAGE = 20  # groups of a page
_MOST = 100  # pictures of a group that are told, and files of a picture
_FEW = 6  # of them on a page of groups
_TIERS = ("bytes", "pixels", "near")
_FACTS = ("width", "height", "format", "taken", "camera")


def routes(page: Page) -> list[Route]:
    """Make the routes of duplicates."""
    groups = Groups(page)
    return [
        view_route("/duplicates", partial(_duplicates, page, groups)),
        write_route(page, "/duplicates/decide", partial(_decide, groups)),
        write_route(page, "/duplicates/undo", partial(_undo, groups)),
    ]


def _duplicates(page: Page, groups: Groups, request: Request) -> Json:
    """Tell of a page of groups, or of the one that is named; or how far they are found."""
    asked = _asked(page, request)
    tier = one(request, "tier")
    if tier not in ("", *_TIERS):
        raise UsageError(f"tier is {tier!r:.60}", f"give one of: {', '.join(_TIERS)}")
    named = one(request, "group")
    key = key_of(named) if named else None
    listing = groups.of(asked, again=flag(request, "again"))
    if isinstance(listing, Working):
        return {"snapshot": asked.at, "working": listing._asdict()}
    numbers = [at for at, group in enumerate(listing.report.groups) if tier in ("", group.tier)]
    value = _about(listing, numbers)
    if key is None:
        pages = max(1, math.ceil(len(numbers) / PAGE))
        at = whole(request, "page", 1, 10**9, least=1)
        first = (min(at, pages) - 1) * PAGE
        rows = [
            _row(listing, number, first + place, most=_FEW)
            for place, number in enumerate(numbers[first : first + PAGE])
        ]
        return {**value, "page": min(at, pages), "pages": pages, "rows": rows}
    number = listing.find(key)
    if number is None or number not in numbers:
        raise NotFound("no such group is left: it was decided, or its pictures are others now", "go back to all groups")
    place = numbers.index(number)
    row = _row(listing, number, place, most=_MOST)
    for shown in row["pictures"]:
        facts = page.store.show_key(bytes.fromhex(shown["key"]), at=asked.at).facts
        shown["facts"] = {name: facts[name] for name in _FACTS if name in facts}
    return {**value, "page": place // PAGE + 1, "row": row, **_neighbours(listing, numbers, place)}


def _asked(page: Page, request: Request) -> Asked:
    """Read what is asked for. No path of a client is looked up on the disk: `under` is a word about stored paths."""
    near: float | Literal["auto"] | None = "auto"
    given = one(request, "near")
    if given == "none":
        near = None
    elif given:
        try:
            near = float(given)
        except ValueError:
            near = math.nan
        if not 0 < near <= 1:
            raise UsageError(f"near is {given!r:.60}", "give a score above 0, up to 1, or none")
    where, under = one(request, "where").strip(), one(request, "under").strip("/")
    if under:
        is_below = f"(path = {text(under)} or substr(path, 1, {len(under) + 1}) = {text(f'{under}/')})"
        where = narrowed(is_below, where)
    loose, bursts = flag(request, "loose"), flag(request, "bursts")
    return Asked(
        at=page.store.snapshot_named(one(request, "at", "current")).snapshot,
        near=near,
        loose=loose and near is not None,
        bursts=bursts and near is not None,
        where=where,
    )


def _about(listing: Listing, numbers: list[int]) -> dict[str, Json]:
    report = listing.report
    tiers = dict.fromkeys(_TIERS, 0)
    for group in report.groups:
        tiers[group.tier] += 1
    return {
        "snapshot": report.snapshot,
        "working": None,
        "list": listing.id,
        "near": report.near,
        "one_in": report.one_in,
        "loose": report.loose,
        "bursts": report.bursts,
        "flat": report.flat,
        "left_out": report.decided,
        "notes": list(report.notes),
        "tiers": tiers,
        "groups": len(numbers),
        "decided": sum(number in listing.done for number in numbers),
        "copies": sum(report.groups[number].copies for number in numbers),
        "wasted": sum(report.groups[number].wasted for number in numbers),
        "can_undo": bool(listing.stack),
    }


def _neighbours(listing: Listing, numbers: list[int], place: int) -> dict[str, Json]:
    """Name the groups beside one; `open`: the next one about which something is to be decided, round the end."""

    def key(at: int | None) -> Json:
        return None if at is None else listing.report.groups[numbers[at]].key.hex()

    round_the_end = (*range(place + 1, len(numbers)), *range(place))
    return {
        "before": key(place - 1 if place else None),
        "after": key(place + 1 if place + 1 < len(numbers) else None),
        "open": key(next((at for at in round_the_end if numbers[at] not in listing.done), None)),
    }


def _row(listing: Listing, number: int, place: int, *, most: int) -> dict[str, Json]:
    """Tell of a group. place: its place among those that are shown. most: pictures of it, and files of one."""
    group = listing.report.groups[number]
    done = listing.done.get(number)
    keys = keys_of(group)
    return {
        "key": group.key.hex(),
        "number": place + 1,
        "tier": group.tier,
        "least": None if group.least is None else round(group.least, 6),
        "burst": group.burst,
        "files": len(group.paths),
        "copies": group.copies,
        "wasted": group.wasted,
        "done": None if done is None else _done(done),
        "picture_count": len(keys),
        "pictures": _pictures(group, most),
    }


def _done(done: Done) -> dict[str, Json]:
    return {"verb": done.verb, "stay": [key.hex() for key in done.stay], "is_new": done.number is not None}


def _pictures(group: Group, most: int) -> list[dict[str, Json]]:
    """Tell of the pictures of a group, and of their files. The best of each part is suggested to stay."""
    best = {found.path: found.why for found in group.best}
    keys, parts = {found.key for found in group.best}, {found.part for found in group.best}
    return [
        {
            **picture(like.key, like.paths),
            "score": round(like.score, 6),
            "tier": like.tier,
            "burst": like.burst,
            "part": like.part,
            "suggested": like.key in keys or like.part not in parts,
            "files": [_file(group, path, best.get(path)) for path in like.paths[:most]],
        }
        for like in (group.pictures or (Picture(group.key, 1.0, group.paths),))[:most]
    ]


def _file(group: Group, path: bytes, best: str | None) -> dict[str, Json]:
    """Tell of a file. best: why it is the best one of its part; None if it is not."""
    folder, name = os.path.split(path.decode("utf-8", "replace"))
    found = group.files.get(path)
    about = {"size": None, "modified": None} if found is None else found.to_json()
    is_link = found is not None and found.is_link
    return {
        "name": name,
        "folder": folder,
        **about,
        "is_link": is_link,
        "trouble": group.troubles.get(path),
        "best": best,
    }


def _decide(groups: Groups, page: Page, sent: dict[str, Json]) -> Json:
    """Decide about a group: `keep` some of its pictures over the others, or all; or all are `different`."""
    listing = groups.named(word(sent, "list"))
    number = listing.find(key_of(word(sent, "group")))
    if number is None:
        raise NotFound("no such group is in this list", "reload the page")
    verb, stay = word(sent, "verb"), sent.get("stay", [])
    if verb not in ("keep", "different"):
        raise UsageError(f"{verb!r:.60} is no decision of this page", "decide one of: keep, different")
    if not isinstance(stay, list) or not all(isinstance(key, str) for key in stay):
        raise UsageError("the pictures that stay are no list of keys")
    known = keys_of(listing.report.groups[number])
    kept = {key_of(key) for key in stay}
    if not kept.issubset(known):
        raise UsageError("a picture that is to stay is not of this group", "reload the page")
    if bool(kept) != (verb == "keep"):
        raise UsageError("keep needs a picture that stays, and different none")
    done = groups.decide(listing, number, verb, [key for key in known if key in kept])
    return {"done": _done(done), "can_undo": bool(listing.stack)}


def _undo(groups: Groups, page: Page, sent: dict[str, Json]) -> Json:
    """Take back the last decision that was made about a group of a list."""
    listing = groups.named(word(sent, "list"))
    number = groups.undo(listing)
    done = listing.done.get(number)
    return {
        "group": listing.report.groups[number].key.hex(),
        "done": None if done is None else _done(done),
        "can_undo": bool(listing.stack),
    }
