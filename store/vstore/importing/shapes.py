"""The shapes of a list of pictures in JSON: paths, objects, lists by name, settings beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vstore.errors import UsageError
from vstore.format.list_columns import Columns, is_numbering
from vstore.importing.listing import Entry, Listing, encoded, is_number, seconds, whole

# In the order in which they are believed: a place comes before a mere name.
PATH_FIELDS = (
    "image_path", "img_path", "path", "filepath", "file_path", "full_path", "image_file", "file", "image", "img",
    "filename", "file_name", "image_name", "fname", "src", "source", "uri", "name",
)  # fmt: skip
LIST_FIELDS = (
    "image_paths", "img_paths", "paths", "images", "files", "filepaths", "file_paths", "image_files", "filenames",
    "file_names", "image_names", "metadata", "items", "entries", "records", "data", "rows",
)  # fmt: skip
ROW_FIELDS = ("row", "row_id", "index", "idx", "faiss_id", "vector_id", "embedding_index", "embedding_id", "id", "")
SIZE_FIELDS = ("size", "file_size", "filesize", "bytes", "size_bytes")
TIME_FIELDS = ("mtime", "modified", "modified_at", "file_mtime", "last_modified", "date_modified")

VECTOR_FIELDS = (
    "vectors", "vector", "embeddings", "embedding", "image_embeddings", "image_embedding", "features", "feature",
    "img_emb", "emb", "arr_0",
)  # fmt: skip

_KINDS = (str, dict)

Complaint = Callable[..., UsageError]


class Shapes:
    """A reader of values: lists and objects become a list of pictures."""

    def __init__(self, wrong: Complaint, rows: int, path_field: str | None) -> None:
        """wrong: makes the error that says why the file cannot be read, and the next step.

        rows:       number of vectors; of several lists in one value, the one of this length is meant.
        path_field: the field that holds the paths, if it has an unusual name.
        """
        self._wrong = wrong
        self._rows = rows
        self._wanted = path_field
        self._paths = PATH_FIELDS if path_field is None else (path_field,)

    @property
    def path_names(self) -> tuple[str, ...]:
        """The names under which a path is looked for, the likeliest first."""
        return self._paths

    def path_field(self, names: Iterable[str]) -> str | None:
        """Choose the field that holds the paths; None if no name is known."""
        return self._field(names, self._paths)

    def listing(self, value: Any, notes: tuple[str, ...] = ()) -> Listing:
        """Take a JSON value. Raises: UsageError."""
        if isinstance(value, list):
            return self.of_list(value, notes)
        if isinstance(value, dict):
            return self._object(value, notes)
        raise self._wrong(f"it holds a {type(value).__name__} instead of a list")

    def of_list(self, values: list[Any], notes: tuple[str, ...] = ()) -> Listing:
        """Take a list of paths, or of objects. Raises: UsageError."""
        if all(isinstance(value, str) for value in values):
            return Listing([Entry(encoded(value)) for value in values], {}, notes=notes)
        if all(isinstance(value, dict) for value in values):
            return self.of_objects(values, notes)
        odd = next(
            n for n, value in enumerate(values) if type(value) is not type(values[0]) or type(value) not in _KINDS
        )
        raise self._wrong(f"entry {odd} is neither a path nor an object with one, or differs from those before it")

    def _object(self, value: dict[str, Any], notes: tuple[str, ...]) -> Listing:
        if value and all(is_number(name) for name in value):
            listed = self.of_list(list(value.values()), notes)
            return listed._replace(numbers={"its keys": [int(name) for name in value]}, explicit=True)
        if value and all(type(row) is int for row in value.values()) and len(value) == self._rows:
            entries = [Entry(encoded(path)) for path in value]
            return Listing(entries, {"its values": list(value.values())}, True, notes)
        return self._holder(value, notes)

    def _holder(self, value: dict[str, Any], notes: tuple[str, ...]) -> Listing:
        """Find the list in an object that holds settings too."""
        names = (self._wanted,) if self._wanted in value else (*LIST_FIELDS, *self._paths)
        lower = {name.lower(): name for name in reversed(list(value))}
        found: dict[str, Listing] = {}
        complaint: UsageError | None = None
        for name in names:
            real = lower.get(str(name).lower())
            if real is None or not isinstance(value[real], (list, dict)) or real in found:
                continue
            try:
                found[real] = self.listing(value[real], (*notes, f"the pictures are those of {real!r}"))
            except UsageError as err:
                complaint = complaint or err
        fitting = {name: listing for name, listing in found.items() if len(listing.entries) == self._rows} or found
        if not fitting:
            if complaint is not None:
                raise complaint
            raise self._wrong(
                f"no field has a known name for the list of pictures: {', '.join(map(repr, list(value)[:20]))}",
                "name the field with --path-field",
            )
        first = next(iter(fitting.values()))
        others = [name for name, listing in fitting.items() if _paths_of(listing) != _paths_of(first)]
        if others:
            raise self._wrong(
                f"it holds several lists of {len(first.entries)}: {', '.join(map(repr, fitting))}",
                "say which one with --path-field",
            )
        return first if first.columns.said else first._replace(columns=_beside(value, fitting))

    def of_objects(self, values: Sequence[Mapping[str, Any]], notes: tuple[str, ...] = ()) -> Listing:
        """Take objects, each with a path among its fields. Raises: UsageError."""
        if not values:
            return Listing([], {}, notes=notes)
        names = list(values[0])
        path = self.path_field(names)
        if path is None:
            raise self._wrong(
                f"no field has a known name for a path: {', '.join(map(repr, names[:20]))}",
                "name the field with --path-field",
            )
        size, mtime = self._field(names, SIZE_FIELDS), self._field(names, TIME_FIELDS)
        entries = []
        for number, value in enumerate(values):
            said = value.get(path)
            if not isinstance(said, str):
                raise self._wrong(f"entry {number} has no {path!r}, or one that is not text")
            entries.append(
                Entry(
                    encoded(said),
                    whole(value.get(size)) if size else None,
                    seconds(value.get(mtime)) if mtime else None,
                )
            )
        used = {path, *(name for name in names if _holds_vectors(name, values[0].get(name)))}
        used |= {name for name in (size,) if name and all(_none_or(whole, value.get(name)) for value in values)}
        used |= {name for name in (mtime,) if name and all(_none_or(seconds, value.get(name)) for value in values)}
        numbers: dict[str, list[int]] = {}
        for field in ROW_FIELDS:
            name = self._field(names, (field,))
            rows = [whole(value.get(name)) for value in values] if name is not None else []
            if rows and None not in rows:
                numbers[name or "the unnamed column"] = rows  # type: ignore[assignment]  # no None is in it
                used |= {name or ""} if is_numbering(rows) else set()
        columns = Columns(values, frozenset(used))
        return Listing(entries, numbers, notes=(*notes, f"their paths are those of {path!r}"), columns=columns)

    def _field(self, names: Iterable[str], known: Sequence[str]) -> str | None:
        lower = {name.lower(): name for name in reversed(list(names))}
        return next((lower[name.lower()] for name in known if name.lower() in lower), None)


def _beside(value: Mapping[str, Any], lists: Mapping[str, Listing]) -> Columns:
    """Take the other lists of an object as columns: those in the form and of the length of the list of paths."""
    paths = value[next(iter(lists))]
    numbers = [str(number) for number in paths] if isinstance(paths, dict) else None
    said: list[dict[str, Any]] = [{} for _ in paths]
    for name, column in value.items():
        if name in lists or type(column) is not type(paths) or len(column) != len(paths):
            continue
        if numbers is None:
            values = column
        elif column.keys() == paths.keys():
            values = [column[number] for number in numbers]
        else:
            continue
        if values and _holds_vectors(name, values[0]):
            continue
        for entry, one in zip(said, values, strict=True):
            entry[name] = one
    return Columns(said) if any(said) else Columns()


def _none_or(read: Callable[[Any], float | None], value: Any) -> bool:
    return value is None or read(value) is not None


def _holds_vectors(name: str, value: Any) -> bool:
    return name.lower() in VECTOR_FIELDS and isinstance(value, list) and all(type(one) in (int, float) for one in value)


def _paths_of(listing: Listing) -> list[bytes]:
    return [entry.path for entry in listing.entries]
