"""The result of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

from vstore.brief import briefly
from vstore.format.canonical import Json
from vstore.search.hit import Hit

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from vstore.gallery.write import GalleryReport
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.repository.acquaintance import PictureSource

_COLUMNS = {
    "key": "text", "score": "float", "path": "path", "file": "path", "paths": "paths", "flat": "bool",
    "chance": "float", "collapsed": "int",
}  # fmt: skip


@briefly
class SearchReport(Sequence[Hit]):
    """The result of a search: a sequence of its hits. Nothing in it changes.

    snapshot:   the snapshot searched.
    hits:       the pictures found, best first.
    flat_query: a picture of the query is of one colour: nothing but its colour is searched for.
    notes:      how words that a person typed were taken, where that may surprise; and of how many pictures no facts
                were known that an expression names.
    least:      the score that `min_p` means for this query; None without it.
    alike:      the score from which near-duplicates were folded under a better hit; None if they were not.
    approximate: an index was asked for the rows worth a score: it may have missed some pictures.
    recall_at_10: the share of the ten nearest pictures that the index finds, as measured; None if it was not asked.
    """

    # No dataclass: importing that takes longer than a search.
    _fields = ("snapshot", "hits", "flat_query", "notes", "least", "alike", "approximate", "recall_at_10")
    __slots__ = (*_fields, "_source")

    snapshot: str
    hits: tuple[Hit, ...]
    flat_query: bool
    notes: tuple[str, ...]
    least: float | None
    alike: float | None
    approximate: bool
    recall_at_10: float | None
    _source: PictureSource | None

    def __init__(
        self,
        snapshot: str,
        hits: tuple[Hit, ...],
        flat_query: bool = False,
        notes: tuple[str, ...] = (),
        least: float | None = None,
        alike: float | None = None,
        approximate: bool = False,
        recall_at_10: float | None = None,
        *,
        source: PictureSource | None = None,
    ) -> None:
        """
        source: the way to its pictures, to show them; None where nobody may look.
        """
        values = (snapshot, hits, flat_query, notes, least, alike, approximate, recall_at_10, source)
        for name, value in zip((*self._fields, "_source"), values, strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a report does not change: {name}")

    __delattr__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()  # in another process, names alone are shown

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, SearchReport) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, at: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[at]

    def __str__(self) -> str:
        return "\n".join(map(str, self.hits))

    @property
    def why_empty(self) -> str:
        """Say that nothing was found, and why; empty if something was."""
        if self.hits:
            return ""
        if self.least is None:
            return f"No picture of {self.snapshot} matches."
        return f"Nothing relevant found in {self.snapshot}: no picture scores {self.least:.3f} or more."

    def _repr_html_(self) -> str:
        """Show the pictures in a notebook."""
        from vstore.search.html import shown

        return shown(self.hits, self._remarks(), self._source, self.why_empty)

    def to_html(
        self, out: AnyPath, *, title: str = "Search", links: bool = True, progress: Progress | None = None
    ) -> GalleryReport:
        """Write the pictures to a page of its own, which needs no other file and loads nothing.

        out:    a new file.
        title:  stands above the pictures.
        links:  a click on a picture opens its file; so the page tells where it is.
        Raises: UsageError if `out` exists, or its folder does not; DiskTrouble, Damage; VstoreError if no process can
                be started, which decodes them.
        """
        from vstore.search.html import write_hits

        return write_hits(
            self.hits,
            self._remarks(),
            self._source,
            out,
            snapshot=self.snapshot,
            title=title,
            links=links,
            nothing=self.why_empty,
            progress=progress,
        )

    def _remarks(self) -> tuple[str, ...]:
        flat = ("the query picture is of one colour: what is found is like it in colour alone",) * self.flat_query
        return (*self.notes, *flat)

    def to_arrow(self) -> pyarrow.Table:
        """Make a table of Arrow, a row for each hit. See the guide for programs. Raises: MissingPackage."""
        from vstore import tables

        return tables.to_arrow(_COLUMNS, self._rows())

    def to_pandas(self) -> pandas.DataFrame:
        """Make a data frame of pandas, with the columns of `to_arrow`. Raises: MissingPackage."""
        from vstore import tables

        return tables.to_pandas(_COLUMNS, self._rows())

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        for hit in self.hits:
            yield hit.key.hex(), hit.score, hit.paths[0], hit.file, hit.paths, hit.flat, hit.chance, len(hit.collapsed)

    def to_json(self) -> dict[str, Json]:
        value = dict(zip(self._fields, self._values(), strict=True))
        value |= {"hits": [hit.to_json() for hit in self.hits], "notes": list(self.notes)}
        for name in ("least", "alike"):
            score = getattr(self, name)
            value[name] = None if score is None else round(score, 6)
        for name in ("notes", "least", "alike", "approximate", "recall_at_10"):
            if value[name] in (None, [], False):
                del value[name]
        return value
