"""The state: the fold of the log up to one record. Pure: no disk, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from vstore.errors import Damage
from vstore.format.canonical import Document, Json
from vstore.format.entries import FileRef, Root, Snapshot, Space, listed_packs
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from vstore.format.rest_entry import Import
    from vstore.format.retired import Retired
    from vstore.format.run_entry import RunRef


def merge_patch(target: Document, *patches: Document) -> dict[str, Json]:
    """Apply JSON Merge Patches (RFC 7386), one after another: objects merge, null deletes, everything else replaces.

    An object is copied once, however many patches change it: a log of thousands of records is folded this way.
    """
    merged = dict(target)
    inner: dict[str, list[Document]] = {}
    for patch in patches:
        for name, value in patch.items():
            if isinstance(value, dict):
                inner.setdefault(name, []).append(value)
                continue
            inner.pop(name, None)
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = value
    for name, some in inner.items():
        old = merged.get(name)
        merged[name] = merge_patch(old if isinstance(old, dict) else {}, *some)
    return merged


class Spaces(Mapping[str, Space]):
    """The spaces of a state, by id. Each is read when asked for: a look-up does not grow with their number."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def __getitem__(self, id: str) -> Space:
        """Look up a space. Raises: Damage if it is not there, as what names a space needs it."""
        if id not in self._document:
            raise Damage(f"the log names the space {id[:12]} and does not list it", "run: vstore check")
        return Space.from_json(id, self._document[id])

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    def __contains__(self, id: object) -> bool:
        return id in self._document

    def get(self, id: str, default: None = None) -> Space | None:  # type: ignore[override]  # no other default
        return self[id] if id in self else default  # noqa: SIM401  # that is this method


class State(NamedTuple):
    """The fold of the log up to one record. document: the JSON object that records patch."""

    document: Document

    @property
    def current(self) -> str | None:
        return self.document.get("current")

    @property
    def current_snapshot(self) -> Snapshot | None:
        """The current snapshot, if there is one."""
        entry = None if self.current is None else self.document.get("snapshots", {}).get(self.current)
        return None if self.current is None or entry is None else Snapshot.from_json(self.current, entry)

    @property
    def next_v(self) -> int:
        return int(self.document.get("next_v", 1))

    @property
    def start_space(self) -> str | None:
        return self.document.get("start_space")

    @property
    def current_space(self) -> str | None:
        """The id of the space of the current snapshot, or else of the first sync; None if there is no space."""
        current = self.current_snapshot
        return current.space if current else self.start_space

    @property
    def hold(self) -> str | None:
        """The snapshot that holds syncing, or None."""
        return self.document.get("hold")

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.document.get("tags", {}))

    @property
    def absorbed(self) -> dict[str, str]:
        """The new prefix of a label's paths, by the old label."""
        return dict(self.document.get("absorbed", {}))

    @property
    def roots(self) -> dict[str, Root]:
        return {label: Root.from_json(label, value) for label, value in self.document.get("roots", {}).items()}

    @property
    def retired(self) -> dict[str, list[Retired]]:
        """The folders that labels meant in earlier snapshots, by label."""
        listed = self.document.get("retired")
        if not listed:
            return {}
        from vstore.format.retired import Retired  # most stores have none

        return {label: [Retired.from_json(one) for one in folders] for label, folders in listed.items()}

    @property
    def spaces(self) -> Spaces:
        """The spaces, by id. To look up one that is not there raises Damage."""
        return Spaces(self.document.get("spaces", {}))

    @property
    def imports(self) -> dict[str, Import]:
        """The rests of imports, by id."""
        rests = self.document.get("imports")
        if not rests:
            return {}
        from vstore.format.rest_entry import Import  # most stores have none

        return {id: Import.from_json(id, value) for id, value in rests.items()}

    def segments(self, space: str) -> list[FileRef]:
        """List the segments of a space, in the order of precedence."""
        places = self.document.get("segments", {}).get(space, {})
        return [FileRef(*places[place]) for place in sorted(places, key=int)]

    def segment_lists(self) -> dict[str, list[FileRef]]:
        """List the segments of every space with a list, known or not: space id -> segments."""
        return {space: self.segments(space) for space in self.document.get("segments", {})}

    def all_segments(self) -> list[FileRef]:
        """List the segments of all spaces. A segment of two spaces comes twice."""
        return [ref for refs in self.segment_lists().values() for ref in refs]

    @property
    def facts(self) -> list[RunRef]:
        """List the runs of facts, in the order of their places."""
        from vstore.format.run_entry import RunRef  # few commands read facts

        places = self.document.get("facts", {})
        return [RunRef.from_json(places[place]) for place in sorted(places, key=int)]

    @property
    def packs(self) -> list[FileRef]:
        return [FileRef(name, *value) for name, value in self.document.get("packs", {}).items()]

    def file_names(self) -> set[str]:
        """Collect the names of all segments and packs."""
        return {ref.name for ref in [*self.packs, *self.all_segments()]}

    @property
    def window(self) -> dict[str, Document]:
        """The entries of the snapshots in the state itself, by name. All others stand in the tree `snapshots`."""
        return dict(self.document.get("snapshots", {}))

    @property
    def listed(self) -> int:
        """The number from which on a snapshot of this store stands in the state alone."""
        return int(self.document.get("listed", 1))

    def is_pending(self, name: str) -> bool:
        """Tell whether a snapshot, if there is one of this name, stands in the state alone."""
        return "/" not in name and int(name[1:]) >= self.listed

    def root(self, tree: str) -> bytes | None:
        """Find the root of a tree of the state: `snapshots`, `history` or `decisions`; None if it is empty."""
        digest = self.document.get("trees", {}).get(tree)
        return None if digest is None else bytes.fromhex(digest)

    def blobs(self) -> set[bytes]:
        """Collect the digests of the blobs named by spaces and imports."""
        found: set[str] = set()
        for value in self.document.get("spaces", {}).values():
            found.update(value[name] for name in ("recipe", "probes") if value.get(name))
        for value in self.document.get("imports", {}).values():
            found.update((value["names"], *value["vectors"]))
        return set(map(bytes.fromhex, found))

    def packs_changed(self, added: Iterable[FileRef], gone: Iterable[FileRef]) -> dict[str, Json]:
        """Give the changes of `packs` if some come and others go."""
        return {**dict.fromkeys(ref.name for ref in gone), **listed_packs(added)}

    def segments_changed(self, space: str, refs: Sequence[FileRef]) -> dict[str, Json]:
        """Give the changes of `segments` after which the segments of a space are these, in this order."""
        old = self.document.get("segments", {}).get(space, {})
        return {space: places_changed(old, [list(ref) for ref in refs])}

    def facts_changed(self, runs: Sequence[RunRef]) -> dict[str, Json]:
        """Give the changes of `facts` after which the runs are these, in this order.

        Of equal ones, as a merge or a rewrite may make them, the last stays: what the others say, it says later.
        """
        last = {run.root: place for place, run in enumerate(runs)}
        kept = [run.to_json() for place, run in enumerate(runs) if last[run.root] == place]
        return places_changed(self.document.get("facts", {}), kept)

    def after(self, changes: Document) -> State:
        """Give the state after more changes."""
        return State(merge_patch(self.document, changes))


def places_changed(old: Document, listed: Sequence[list[Json]]) -> dict[str, Json]:
    """Give the changes to a list by places after which it holds these, in this order. The first item names each.

    What stays keeps its place; what replaces neighbours takes the first of theirs; what is new takes the next after
    the last. So a record names only what changed. If that would not give the order, all get new places.
    """
    placed = {value[0]: int(place) for place, value in old.items()}
    stay = {value[0] for value in listed}
    free = sorted(place for name, place in placed.items() if name not in stay)
    places: list[int] = []
    for name, *_ in listed:
        last = places[-1] if places else -1
        place = placed.get(name)
        if place is None:
            place = next((n for n in free if n > last), max((last, *placed.values())) + 1)
        places.append(place)
    if any(a >= b for a, b in pairwise(places)):
        places = list(range(len(listed)))
    new = {str(place): value for place, value in zip(places, listed, strict=True)}
    changed = {place: value for place, value in new.items() if old.get(place) != value}
    return {**dict.fromkeys(old.keys() - new.keys()), **changed}
