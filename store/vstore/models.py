"""Embedding spaces of a store: listed, shown, added, made current, dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from vstore.disk import durable
from vstore.disk.journal import journals
from vstore.embed.model_words import Settings, Words
from vstore.embed.probes import Probes
from vstore.errors import ModelError, Refused, UsageError
from vstore.format.canonical import Json
from vstore.format.entries import Import, Snapshot, Space
from vstore.format.layout import why_not_a_name
from vstore.format.recipes import space_id
from vstore.repository import spaces
from vstore.repository.leftovers import as_of
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot

_NAMED = 10  # missing paths that an error names


class ModelRow(NamedTuple):
    """One line of `model list`. rows: vectors stored; snapshots: kept ones of this space.

    family: empty where the recipe is lost.
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


class ModelDetail(NamedTuple):
    """One space: its line, its recipe, where its model is, what its probes were embedded with."""

    row: ModelRow
    recipe: dict[str, Any]
    place: dict[str, Any]
    made_with: dict[str, Any]

    def to_json(self) -> dict[str, Json]:
        return {**self.row.to_json(), "recipe": self.recipe, "place": self.place, "made_with": self.made_with}


class ModelAdded(NamedTuple):
    """A space that was added, or (known) was there and learnt where its model is now. notes: what was done unasked."""

    space: str
    space_name: str
    dim: int
    known: bool
    inherited: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value |= {"inherited": list(self.inherited), "notes": list(self.notes)}
        return value


class ModelUsed(NamedTuple):
    """What `model use` made current. snapshot: the one that was written, or None."""

    space: str
    space_name: str
    snapshot: str | None
    current: str

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class ModelDropped(NamedTuple):
    """A space that was dropped, and how many vectors with it."""

    space: str
    space_name: str
    rows: int
    dry_run: bool

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def model_list(repo: Repository) -> list[ModelRow]:
    """All spaces, in the order in which they were named. Reads the log and the recipes alone."""
    return [_row(repo, space) for space in sorted(repo.state.spaces.values(), key=lambda space: space.name)]


def model_show(repo: Repository, name: str) -> ModelDetail:
    """One space. Raises: UsageError."""
    space = repo.space(name)
    made_with = Probes.from_bytes(repo.packs.get(space.probes)).environment if space.probes else {}
    recipe = repo.recipe(space.id) if space.recipe else {}
    return ModelDetail(_row(repo, space), recipe, dict(space.place), made_with)


def _row(repo: Repository, space: Space) -> ModelRow:
    state = repo.state
    current = state.current_snapshot
    return ModelRow(
        space.id,
        space.name,
        space.status,
        str(repo.recipe(space.id).get("family")) if space.recipe else "",
        space.dim,
        space.place.get("model"),
        space.place.get("adapter"),
        space.place.get("compute"),
        sum(ref.rows for ref in state.segments(space.id)),
        tuple(snapshot.name for snapshot in state.snapshots() if snapshot.space == space.id),
        (current.space if current else state.start_space) == space.id,
    )


def model_add(
    repo: Repository, name: str, words: Words, settings: Settings, note: Callable[[str], None] = lambda text: None
) -> ModelAdded:
    """Add a space: find its model, load it, prove its adapter, embed its probes. What is current stays current.

    What the words leave open is taken from the current space, as an upgrade changes one thing. A model that the store
    has as a space already is not added again: the space learns where it lies now.
    Raises: UsageError, ModelError.
    """
    why_not = why_not_a_name(name)
    if why_not:
        raise UsageError(why_not, "choose another name")
    if words.model is None and words.adapter is None:
        raise UsageError("nothing was named that could be added", "add --model NAME_OR_DIR, --adapter DIR, or both")
    merged = words if words.model is not None else words.over(_current_words(repo))
    inherited = tuple(
        f"--{field.replace('_', '-')} {value}"
        for field, value in merged.to_json().items()
        if getattr(words, field) is None and value is not False
    )
    notes: list[str] = []

    def say(text: str) -> None:
        notes.append(text)
        note(text)

    if inherited:
        say("taken from the current space: " + " ".join(inherited))
    made = spaces.make(merged, settings, say, repo.layout.cache)
    id = space_id(made.recipe)

    def found() -> tuple[Space | None, bool]:
        known = repo.state.spaces.get(id)
        return known, known is not None and spaces.has_drifted(repo, known, made)

    known, has_drifted = repo.reading(found)
    if known is not None and has_drifted:
        if known.name == name:
            raise ModelError(
                f"the model gives other vectors than when the space {name!r} was made of it, with the same files",
                "give what it is now a name of its own",
            )
        # The libraries compute otherwise than they did: with the same files it is another space all the same.
        libraries = {k: v for k, v in made.probes.environment.items() if k not in ("compute", "device")}
        made.recipe["computed_by"] = libraries
        say("the same files give other vectors now than they did: this is a space of its own")
        id = space_id(made.recipe)
        known = repo.state.spaces.get(id)
    if known is not None and known.name != name:
        raise UsageError(
            f"this very model is here already, as the space {known.name!r}",
            f"sync it with: vstore sync --space {known.name}",
        )
    spaces.add(repo, name, made)
    return ModelAdded(id, name, int(made.recipe["dim"]), known is not None, inherited, tuple(notes))


def _current_words(repo: Repository) -> Words:
    """What was said of the current space's model; nothing where it has none."""
    state = repo.state
    current = state.current_snapshot
    space = state.spaces.get((current.space if current else state.start_space) or "")
    return Words.from_json(space.place) if space else Words()


def model_use(repo: Repository, name: str, message: str = "") -> ModelUsed:
    """Make a space current: a new snapshot of the current one's paths. Embeds nothing, needs no model.

    Raises: UsageError; ModelError if pictures have no vector there yet, naming some.
    """
    with repo.committing("model use"):
        space = repo.space(name)
        current = repo.state.current_snapshot
        repo.refuse_held()
        if current is None:
            raise UsageError(
                "there is no snapshot yet whose pictures could be looked for in another space",
                f"make the first one with: vstore sync PATH --space {space.name}",
            )
        if current.space == space.id:
            return ModelUsed(space.id, space.name, None, current.name)
        tree = repo.mapped_tree(current)
        stored = {key for ref in repo.state.segments(space.id) for key in repo.segment(ref).key_list()}
        missing = [path for path, key in tree if key not in stored]
        if missing:
            some = ", ".join(path.decode("utf-8", "replace") for path in missing[:_NAMED])
            raise ModelError(
                f"{len(missing)} of the {len(tree)} pictures have no vector in the space {space.name!r} yet: {some}",
                f"embed them with: vstore sync --space {space.name}; {current.name} stays current until that is done",
            )
        snapshot, changes, blobs = new_snapshot(repo, space.id, tree, current.images, current, message)
        changes["packs"] = repo.add_pack(blobs)
        repo.publish("model use", changes, about=f"{snapshot.name}: {space.name}")
        return ModelUsed(space.id, space.name, snapshot.name, snapshot.name)


def model_drop(repo: Repository, name: str, *, dry_run: bool = False) -> ModelDropped:
    """Forget a space and its vectors; `vstore gc` frees the bytes. Cannot be undone.

    What an import left over goes too, unless another space adopted its vectors: it waits for that one then.
    Raises: Refused while a kept snapshot is of this space, or it is where the first sync starts; Locked.
    """
    with repo.lock("ingest") as lock:
        lock.acquire(0.0, "model drop")
        with repo.committing("model drop"):
            space = repo.space(name)
            used: list[Snapshot] = [s for s in repo.state.snapshots() if s.space == space.id]
            if used:
                some = ", ".join(snapshot.name for snapshot in used[:_NAMED])
                raise Refused(
                    f"the space {space.name!r} is needed by {len(used)} kept snapshots: {some}",
                    "forget them first (vstore snapshot forget), or keep the space",
                )
            heirs = {f.id: _heir(repo, f) for f in repo.state.imports.values() if f.space == space.id}
            left = [repo.state.imports[id] for id, heir in heirs.items() if heir is None]
            rows = sum(ref.rows for ref in repo.state.segments(space.id)) + sum(found.rows for found in left)
            current = repo.state.current_snapshot
            changes: dict[str, Json] = {"spaces": {space.id: None}, "segments": {space.id: None}}
            if heirs:  # vectors of a space that is not there any more can be joined to no picture
                changes["imports"] = {id: None if heir is None else {"space": heir} for id, heir in heirs.items()}
            if repo.state.start_space == space.id:
                if current is None:
                    raise Refused(
                        f"the first sync of this store starts in the space {space.name!r}",
                        "sync with --space another one first",
                    )
                changes["start_space"] = current.space
            if not dry_run:
                repo.publish("model drop", changes, about=f"{space.name}: {rows} vectors")
        if not dry_run:
            for path in journals(repo.layout.journal):
                if path.name.startswith(space.id):
                    durable.remove(path)  # what a killed run left of this space would be kept for ever
        return ModelDropped(space.id, space.name, rows, dry_run)


def _heir(repo: Repository, found: Import) -> str | None:
    """The space that adopted the vectors of an import; of several, the current one."""
    current = repo.state.current_snapshot
    others = sorted(repo.state.spaces, key=lambda id: (current is None or id != current.space, id))
    return next((id for id in others if id != found.space and as_of(repo, found, id).space == id), None)
