"""The reports of `model` commands."""

from __future__ import annotations

from typing import Any, NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json


@briefly
class ModelRow(NamedTuple):
    """One line of `model list`.

    space:      id of the space.
    space_name: its name.
    status:     claimed or verified.
    family:     of its recipe; empty if the recipe is lost.
    dim:        numbers per vector.
    model:      folder or hub id, or None.
    adapter:    folder or hub id, or None.
    compute:    fp32, bf16, or None.
    rows:       stored vectors.
    snapshots:  names of its snapshots.
    current:    the current snapshot, or the first sync, is in this space.
    """

    space: str
    space_name: str
    status: str
    family: str
    dim: int
    model: str | None
    adapter: str | None
    compute: str | None
    rows: int
    snapshots: tuple[str, ...]
    current: bool

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["snapshots"] = list(self.snapshots)
        return value


@briefly
class ModelDetail(NamedTuple):
    """The details of one space.

    row:        its line in `model list`.
    recipe:     everything that decides its vectors.
    place:      the words by which its model is found.
    made_with:  the device, dtype and versions that its probes were embedded with.
    prepare:    number of the preparation of its pictures; None of an import without a model.
    newer:      the command that adds a space of a newer preparation of the same model, or None.
    max_side:   pixels of the longer side to which pictures are shrunk, or None.
    short_side: pixels of the shorter side to which they are shrunk; None where the longer side alone decides.
    model_side: pixels of a side of the largest square that the model sees; None where its files do not say.
    reads_text: pictures can be looked for by words; where the model was not loaded yet, perhaps.
    """

    row: ModelRow
    recipe: dict[str, Any]
    place: dict[str, Any]
    made_with: dict[str, Any]
    prepare: int | None = None
    newer: str | None = None
    max_side: int | None = None
    short_side: int | None = None
    model_side: int | None = None
    reads_text: bool = False

    def to_json(self) -> dict[str, Json]:
        fields = self._asdict()
        del fields["row"]
        return {**self.row.to_json(), **fields}


@briefly
class ModelAdded(NamedTuple):
    """The results of adding a space.

    space:      id of the space.
    space_name: its name.
    dim:        numbers per vector.
    known:      the space existed, and the place of its model was updated.
    inherited:  options taken from the current space.
    notes:      things done that nobody asked for, for people.
    next:       the command that fills the space.
    """

    space: str
    space_name: str
    dim: int
    known: bool
    inherited: tuple[str, ...]
    notes: tuple[str, ...]
    next: str

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value |= {"inherited": list(self.inherited), "notes": list(self.notes)}
        return value


@briefly
class ModelAllowed(NamedTuple):
    """The results of allowing the model of a space at this machine.

    space:      id of the space.
    space_name: its name.
    allowed:    what the store may do: lines of a kind (place, download, code, plug-in) and what exactly.
    known:      all of it was allowed before.
    kept_in:    the folder of the user's consents; None if the space wants nothing and there is no such folder.
    """

    space: str
    space_name: str
    allowed: tuple[str, ...]
    known: bool
    kept_in: str | None

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "allowed": list(self.allowed)}


class ModelUsed(NamedTuple):
    """The results of making a space current.

    space:      id of the space.
    space_name: its name.
    snapshot:   the new snapshot, or None.
    current:    the current snapshot.
    """

    space: str
    space_name: str
    snapshot: str | None
    current: str

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class ModelDropped(NamedTuple):
    """The results of dropping a space.

    space:      id of the space.
    space_name: its name.
    rows:       vectors that were dropped with it.
    dry_run:    nothing was changed.
    """

    space: str
    space_name: str
    rows: int
    dry_run: bool

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class ModelServed(NamedTuple):
    """The results of serving a model.

    space:      id of the space.
    space_name: its name.
    searches:   that used it.
    """

    space: str
    space_name: str
    searches: int

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class ConvertedFile(NamedTuple):
    """A file of weights that was converted.

    source:  its path in the folder of the model.
    sha256:  of the source, in hex.
    target:  the new file's path in the new folder.
    tensors: number of its tensors.
    """

    source: str
    sha256: str
    target: str
    tensors: int

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


@briefly
class ModelConverted(NamedTuple):
    """The results of converting pickled weights.

    source:  folder or hub id.
    commit:  of a hub model, or None.
    output:  the new folder.
    adapter: it holds an adapter.
    known:   it was converted before, and is used as it is.
    files:   the converted files.
    """

    source: str
    commit: str | None
    output: str
    adapter: bool
    known: bool
    files: tuple[ConvertedFile, ...]

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["files"] = [one.to_json() for one in self.files]
        return value
