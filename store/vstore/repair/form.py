"""Finds out the form of a damaged store: by its file FORMAT or, if that is lost, by its other files."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vstore.disk import durable, inside
from vstore.disk.file import File
from vstore.disk.footer import FOOTER_SIZE, Footer
from vstore.disk.oplog import Tip
from vstore.disk.salvage import insisted
from vstore.errors import Damage, NoStore
from vstore.format.layout import NEWEST, Layout
from vstore.format.manifest import Manifest
from vstore.repair.findings import SEGMENT, files
from vstore.repository.form import Form, read_form

_TAIL = 100  # bytes of a record: its last line is in them


class FoundForm(NamedTuple):
    """The form of a store.

    form:     the form.
    is_sound: FORMAT says so; otherwise other files do.
    """

    form: Form
    is_sound: bool


def find_form(folder: Path) -> FoundForm:
    """Find out the form of a store. Raises: NoStore, FormatTooNew; Damage if no file tells it."""
    layout = inside.layout_of(folder)
    try:
        return FoundForm(insisted(partial(read_form, folder)), is_sound=True)
    except NoStore:
        if not inside.is_folder(layout.refs):
            raise
    except Damage:
        pass
    form = _form_of_segments(layout) or _form_of_records(layout)
    if form is None:
        raise Damage(
            f"{layout.format} is lost, and cannot be rebuilt from other files", "restore the store from a backup"
        )
    return FoundForm(form, is_sound=False)


def find_format(format: int, tip: Tip, manifests: Collection[Manifest], *, is_sound: bool) -> int:
    """Find out the format of a store: the newest of what FORMAT, the newest sound record and manifests say.

    format:   that of FORMAT, if it is sound.
    is_sound: FORMAT is.
    Where nothing tells it, it is the newest: what it reads and writes holds every older state too.
    """
    known = [format] if is_sound else []
    known += [tip.format] if tip.number else []
    known += [2 if any(manifest.store for manifest in manifests) else 1] if manifests else []
    return max(known, default=NEWEST)


def _form_of_segments(layout: Layout) -> Form | None:
    for path in files(layout.segments, SEGMENT):
        try:
            with insisted(partial(File, path)) as file:
                footer = Footer.from_bytes(file.pread(FOOTER_SIZE, max(0, file.size - FOOTER_SIZE)))
        except (Damage, OSError, ValueError):
            continue
        return Form(durable.nonce(), "xxh3_128" if footer.key_size == 16 else "sha256", footer.dtype)
    return None


def _form_of_records(layout: Layout) -> Form | None:
    for name in sorted(inside.names_if_any(layout.refs)):
        if not name.endswith(".json"):
            continue
        # No vector was ever stored, so that nothing depends on the dtype; the last line of a record is a digest in hex.
        with File(layout.refs / name) as file:
            tail = file.pread(_TAIL, max(0, file.size - _TAIL))
        digits = len(tail.rstrip(b"\n").rpartition(b"\n")[2])
        if digits in (32, 64):
            return Form(durable.nonce(), "xxh3_128" if digits == 32 else "sha256", "float16")
    return None
