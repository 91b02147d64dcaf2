"""Search: the pictures nearest to words, pictures, or several of these, in any snapshot; and all of a snapshot."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from vstore import UsageError
from vstore_page.answers import answered, bytes_route, flag, json_route, many, number, one, view_route, whole
from vstore_page.cards import picture
from vstore_page.filters import filters_of, met_first
from vstore_page.terms import TEXT, described, operands_of, read_terms

if TYPE_CHECKING:
    from starlette.requests import Request

    from vstore import FieldRow, Hit, SnapshotRow, View
    from vstore_page.page import Page

Json = Any

_HITS = 60
_MOST = 2000  # hits
_FOLDED = 12  # near-duplicates of a hit that are listed
_FOLDERS = 2000
_VALUES = 100  # of a fact or a field, to choose from
_FIELDS = 50
_COUNTED = {"text", "int", "bool"}  # types of fields whose values are chosen from a list


def routes(page: Page) -> list[Route]:
    """Make the routes of the search."""
    return [
        view_route("/search", partial(_search, page)),
        json_route("/search/choices", partial(_choices, page)),
        _upload_route(page),
        bytes_route("/uploads/{name}", partial(_uploaded, page)),
    ]


def _search(page: Page, request: Request) -> Json:
    """Answer a query; without terms, say how many pictures there are: `/keys` has them."""
    at = one(request, "at", "current")
    terms = read_terms(many(request, "t"))
    k = whole(request, "k", _HITS, _MOST, least=1)
    limits: dict[str, Any] = {
        "min_score": number(request, "min_score"),
        "min_p": number(request, "min_p"),
        "collapse": flag(request, "collapse"),
        "exact": flag(request, "exact"),
    }
    row, begun = page.store.snapshot_named(at), time.perf_counter()
    view = page.view(row.snapshot)
    filters = filters_of(page, request, view)
    answer: dict[str, Json] = {
        **_about(page, row),
        "images": len(view),
        "where": filters.where,
        "terms": [described(term, view, page.uploads) for term in terms],
    }
    if not terms:
        is_part = any(filters.words.values())
        selection = view.select(**filters.words) if is_part else None
        answer |= {"selected": len(view) if selection is None else len(selection.keys), "hits": None}
        return answer | {"notes": [] if selection is None else list(selection.notes), "seconds": _since(begun)}
    if not answer["reads_text"] and any(term.kind == TEXT for term in terms):
        raise _no_words(page, row)
    first = met_first(request, filters)
    report = view.search(operands_of(terms, page.uploads), k=k, **limits, **filters.words)
    return answer | {
        "hits": [_hit(hit, first) for hit in report.hits],
        "notes": list(report.notes),
        "why_empty": report.why_empty,
        "flat_query": report.flat_query,
        "least": report.least,
        "alike": report.alike,
        "approximate": report.approximate,
        "recall_at_10": report.recall_at_10,
        "seconds": _since(begun),
    }


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 4)


def _about(page: Page, row: SnapshotRow) -> dict[str, Json]:
    return {
        "snapshot": row.snapshot,
        "current": row.current,
        "space_name": row.space_name,
        "reads_text": page.reads_text(row.space_name),
    }


def _no_words(page: Page, row: SnapshotRow) -> UsageError:
    others = [space for space in page.store.names(None).spaces if page.reads_text(space)]
    step = "look for a picture, or for names under Filters; words need a model that reads them: vstore model add"
    if others:
        step = f"choose a snapshot of {' or '.join(others)}, or look for a picture"
    return UsageError(f"the model of {row.space_name} reads no words", step)


def _hit(hit: Hit, first: Callable[[Sequence[bytes]], Sequence[bytes]]) -> dict[str, Json]:
    """Describe a hit. first: brings those of its paths to the front that it is to be shown by."""
    shown = picture(hit.key, first(hit.paths))
    about: dict[str, Json] = {"picture": shown, "score": round(hit.score, 6), "flat": hit.flat}
    if hit.chance is not None:
        about["chance"] = float(f"{hit.chance:.3g}")
    about["folded"] = [
        {"picture": picture(one.key, first(one.paths)), "score": round(one.score, 6)} for one in hit.collapsed[:_FOLDED]
    ]
    return about | {"folded_count": len(hit.collapsed)}


def _choices(page: Page, request: Request) -> Json:
    """Say what the pictures of a snapshot can be chosen by."""
    row = page.store.snapshot_named(one(request, "at", "current"))
    view = page.view(row.snapshot)
    folders = page.folders.of(view)
    taken = sorted(view.counts("fact.taken"))
    return {
        **_about(page, row),
        "folders": [
            {"path": name, "images": folder.images} for name, folder in list(folders.items())[:_FOLDERS] if name
        ],
        "folder_count": len(folders),
        "cameras": _counted(view, "fact.camera"),
        "formats": _counted(view, "fact.format"),
        "has_ratings": bool(view.counts("fact.rating")),
        "taken": [str(taken[0])[:10], str(taken[-1])[:10]] if taken else None,
        "fields": [_field(view, field) for field in page.store.fields_list(row.snapshot)[:_FIELDS]],
    }


def _field(view: View, field: FieldRow) -> dict[str, Json]:
    column = 'field."' + field.name.replace('"', '""') + '"'
    return {**field.to_json(), "values": _counted(view, column) if set(field.types) <= _COUNTED else []}


def _counted(view: View, column: str) -> list[dict[str, Json]]:
    """List the values of a column with how many pictures have them, the most frequent first; none if there are many."""
    counts = view.counts(column)
    if len(counts) > _VALUES:
        return []
    found = sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))
    return [{"value": str(value), "images": images} for value, images in found if not isinstance(value, bytes)]


def _upload_route(page: Page) -> Route:
    """Make the route that takes a picture to look for: nothing is written, so a page that only reads has it, too."""

    async def respond(request: Request) -> Response:
        data = await request.body()
        return await run_in_threadpool(answered, partial(_upload, page, data))

    return Route("/uploads", respond, methods=["POST"])


def _upload(page: Page, data: bytes) -> Json:
    name = page.uploads.add(data)
    return {"upload": name, **page.uploads.of(name).to_json()}


def _uploaded(page: Page, request: Request) -> Response:
    """Answer with a picture that was sent, made small."""
    thumb = page.uploads.of(request.path_params["name"]).thumb
    return Response(thumb.jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})
