"""Does a model give the vectors that a space is said to have? A sample is embedded anew; if it does not fit, the likely
causes are tried one by one.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.check.report import Problem
from vstore.embed.embedder import Embedder
from vstore.embed.variations import Variation, Varied, preparations
from vstore.errors import ModelError, UsageError, VstoreError
from vstore.format.canonical import Json, canonical, named_path
from vstore.format.entries import Snapshot, Space, listed_segments
from vstore.format.recipes import Recipe, space_id
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import preparation_of
from vstore.progress import Progress, Silent
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]

FITS = 0.999  # cosine from which two vectors are those of one picture and one model
SHARE = 32  # one picture in so many may be off: a decoder that changed, a file that was saved anew
BATCH = 8
DECLARED = "as-declared"


class Trial(NamedTuple):
    """How one recipe does. cosines: one per picture of the sample, nan where it could not be embedded."""

    name: str
    about: str
    recipe: Mapping[str, Any]
    cosines: tuple[float, ...]
    error: str = ""

    @property
    def fitting(self) -> int:
        return sum(cosine >= FITS for cosine in self.cosines)

    @property
    def median(self) -> float:
        known = [cosine for cosine in self.cosines if cosine == cosine]
        return statistics.median(known) if known else float("nan")

    @property
    def least(self) -> float:
        return min((cosine for cosine in self.cosines if cosine == cosine), default=float("nan"))

    def to_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "about": self.about,
            "fitting": self.fitting,
            "cosines": [_rounded(cosine) for cosine in self.cosines],
            "error": self.error,
            "recipe": dict(self.recipe),
        }


class ReembedReport(NamedTuple):
    """What a sample said.

    asked, needed: pictures, and how many of them must fit. trials: the declared recipe first, then the likely causes.
    best:    the trial that fits, or fits best. off: stored paths of the pictures that do not fit the declared recipe.
    status:  of the space, afterwards. adopted: the name of the space that was made of the best recipe.
    next:    the command that adopts the best recipe, where it fits and is another one.
    mixed:   where none fits, the names of two trials of which nearly every picture fits one; else empty.
    """

    snapshot: str
    space: str
    space_name: str
    status: str
    asked: int
    needed: int
    fits: bool
    trials: tuple[Trial, ...]
    best: str
    off: tuple[tuple[bytes, float], ...]
    adopted: str | None
    adopted_snapshot: str | None
    next: str
    unread: int
    mixed: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["trials"] = [trial.to_json() for trial in self.trials]
        value["off"] = [{**named_path(path), "cosine": _rounded(cosine)} for path, cosine in self.off]
        return value


def _rounded(cosine: float) -> float | None:
    return round(cosine, 6) if cosine == cosine else None  # JSON has no nan


class _Picture(NamedTuple):
    key: bytes
    path: bytes
    file: bytes
    row: Array


class Sample(NamedTuple):
    """A request to embed pictures of the current snapshot again.

    pictures: how many to embed.
    load:     loads the model of a recipe.
    recipe:   of a model other than the space's own, or of one that an import did not declare.
    place:    the words by which that model is found.
    adopt:    the name of a trial: if it fits, a space of its recipe is made that lists the same segments, with a
              snapshot over the same aliases.
    """

    pictures: int
    load: Callable[[Recipe], Embedder]
    recipe: Recipe | None = None
    place: Mapping[str, Any] = {}  # never changed
    adopt: str | None = None


def reembed(repo: Repository, wanted: Sample, progress: Progress | None = None) -> ReembedReport:
    """Embed a sample of the current snapshot again and compare it with the stored vectors.

    Where it fits, a claimed space becomes verified.
    Raises: UsageError, ModelError, SnapshotNotFound, Damage.
    """
    count, load, recipe, place, adopt = wanted
    if count < 1:
        raise UsageError("a sample has at least one picture", "say how many: --reembed 32")

    def sampled() -> tuple[_Run, Snapshot, Space, Recipe, list[_Picture], int]:
        snapshot = repo.snapshot("current")
        space = repo.state.spaces[snapshot.space]
        declared = recipe or repo.recipe(space.id)
        if declared.get("family") == "imported":
            raise ModelError(
                f"the space {space.name!r} was imported without a model, so there is nothing to embed with",
                f"say which model made it: vstore check --reembed {count} --model MODEL",
            )
        if declared["dim"] != space.dim:
            raise ModelError(
                f"the model gives vectors of {declared['dim']} numbers, the space {space.name!r} has {space.dim}",
                "it is not the model that made these vectors",
            )
        run = _Run(repo, snapshot, load, progress or Silent())
        return run, snapshot, space, declared, *run.sample(count)

    run, snapshot, space, declared, sample, unread = repo.reading(sampled)
    if not sample:
        raise UsageError(
            f"none of the pictures of {snapshot.name} can be read from its folder", "check that its disk is mounted"
        )
    needed = len(sample) - len(sample) // SHARE
    trials = run.trials(declared, sample, needed, adopt)
    first = trials[0]
    best = max(trials, key=lambda trial: (trial.fitting, _ranked(trial.median)))
    fits = best.fitting >= needed
    own = space_id(best.recipe) == space.id
    made: tuple[str, str] | None = None
    if fits and own and space.status != "verified":
        with repo.committing("check"):
            repo.publish("verify", {"spaces": {space.id: {"status": "verified"}}}, about=space.name)
    if adopt is not None:
        if not fits or best.name != adopt:
            raise ModelError(
                f"{adopt} fits {best.fitting if best.name == adopt else 0} of {len(sample)} pictures only",
                "it is not how these vectors were made; look at the table: vstore check --reembed 32",
            )
        if own:
            raise UsageError(f"{adopt} is the recipe of {space.name!r} already", "there is nothing to adopt")
        made = _adopt(repo=repo, snapshot=snapshot, space=space, best=best, place=place or space.place)
    off = tuple((p.path, c) for p, c in zip(sample, first.cosines, strict=True) if not c >= FITS)
    return ReembedReport(
        snapshot=snapshot.name,
        space=space.id,
        space_name=space.name,
        status=repo.state.spaces[space.id].status,
        asked=len(sample),
        needed=needed,
        fits=fits,
        trials=tuple(trials),
        best=best.name,
        off=off,
        adopted=made[0] if made else None,
        adopted_snapshot=made[1] if made else None,
        next=f"vstore check --reembed {count} --adopt {best.name}" if fits and not own and not made else "",
        unread=unread,
        mixed=() if fits else _mixed(trials, needed),
    )


def _mixed(trials: Sequence[Trial], needed: int) -> tuple[str, ...]:
    """Two recipes that gave these vectors between them: some scripts treat a picture otherwise in another batch."""

    def together(pair: tuple[Trial, Trial]) -> int:
        return sum(max(both) >= FITS for both in zip(*(trial.cosines for trial in pair), strict=True))

    pairs = itertools.combinations([trial for trial in trials if trial.fitting], 2)
    best = max(pairs, key=together, default=None)
    return () if best is None or together(best) < needed else (best[0].name, best[1].name)


class _Run:
    def __init__(
        self, repo: Repository, snapshot: Snapshot, load: Callable[[Recipe], Embedder], progress: Progress
    ) -> None:
        self._repo = repo
        self._snapshot = snapshot
        self._load = load
        self._progress = progress

    def sample(self, count: int) -> tuple[list[_Picture], int]:
        """Pictures whose file is there, unchanged, and decodes. Which ones the snapshot's id decides: anybody who asks
        again gets the same. Returns them, and how many were passed over."""
        repo = self._repo
        paths: dict[bytes, list[bytes]] = {}
        for path, key in repo.tree(self._snapshot):
            paths.setdefault(key, []).append(path)
        salt = bytes.fromhex(self._snapshot.id)
        found: list[tuple[bytes, bytes, bytes]] = []
        unread = 0
        for key in sorted(paths, key=lambda key: repo.hash.digest(salt + key)):
            readable = next((pair for path in paths[key] if (pair := self._readable(key, path)) is not None), None)
            if readable is None:
                unread += 1
                continue
            found.append((key, *readable))
            if len(found) == count:
                break
        rows = self._rows({key for key, _, _ in found})
        return [_Picture(key, path, file, rows[key]) for key, path, file in found], unread

    def _readable(self, key: bytes, path: bytes) -> tuple[bytes, bytes] | None:
        file = self._repo.file_of(path)
        if file is None or self._bytes(key, file) is None:
            return None
        return path, file

    def _bytes(self, key: bytes, file: bytes) -> bytes | None:
        try:
            with open(file, "rb") as opened:
                data = opened.read()
        except OSError:
            return None
        return data if self._repo.hash.digest(data) == key else None

    def _rows(self, keys: set[bytes]) -> dict[bytes, Array]:
        import numpy as np

        rows: dict[bytes, Array] = {}
        for ref in self._repo.state.segments(self._snapshot.space):
            segment = self._repo.segment(ref)
            wanted = [(row, key) for row, key in enumerate(segment.key_list()) if key in keys and key not in rows]
            if wanted:
                segment.verify()
                mapped = segment.rows()
                rows.update((key, np.array(mapped[row])) for row, key in wanted)
        return rows

    def trials(self, declared: Recipe, sample: list[_Picture], needed: int, adopt: str | None) -> list[Trial]:
        """The declared recipe and, if it does not fit, one variation after the other; with `adopt`, that one alone."""
        embedder = self._load(declared)
        as_declared = Variation(DECLARED, "the declared model", declared)
        if adopt in (None, DECLARED):
            trials = [self._trial(as_declared, sample, embedder)]
            if adopt is not None or trials[0].fitting >= needed:
                return trials
        else:
            trials = []
        variations = [*_of_family(embedder), *preparations(declared)]
        if adopt is not None:
            variations = [one for one in variations if one.name == adopt]
            if not variations:
                raise UsageError(f"{adopt!r} is no likely cause that is known", "see: vstore check --reembed 32")
        for one in variations:
            # The model is the same where only the pictures are prepared otherwise.
            same = {**one.recipe, "prepare": None} == {**declared, "prepare": None}
            trials.append(self._trial(one, sample, embedder if same else None))
        return trials

    def _trial(self, variation: Variation, sample: list[_Picture], embedder: Embedder | None) -> Trial:
        self._progress.stage(f"embed: {variation.name}", len(sample))
        try:
            embedder = embedder or (variation.load() if variation.load else self._load(variation.recipe))
            cosines = tuple(self._cosines(variation.recipe, sample, embedder))
            return Trial(variation.name, variation.about, variation.recipe, cosines)
        except VstoreError as err:
            if variation.name == DECLARED:
                raise
            nothing = (float("nan"),) * len(sample)
            return Trial(
                name=variation.name, about=variation.about, recipe=variation.recipe, cosines=nothing, error=err.message
            )

    def _cosines(self, recipe: Recipe, sample: list[_Picture], embedder: Embedder) -> Iterator[float]:
        import numpy as np

        preparation = preparation_of(recipe)
        for at in range(0, len(sample), BATCH):
            part = sample[at : at + BATCH]
            prepared: dict[int, Any] = {}
            for number, picture in enumerate(part):
                data = self._bytes(picture.key, picture.file)
                if data is not None:
                    try:
                        prepared[number] = prepare(data, preparation)[0]
                    except PictureFailure:
                        continue
            rows = dict(zip(prepared, embedder.embed_images(list(prepared.values())), strict=True)) if prepared else {}
            for number, picture in enumerate(part):
                row = rows.get(number)
                if row is None or row.shape != picture.row.shape:
                    yield float("nan")
                    continue
                a, b = row.astype(np.float64), picture.row.astype(np.float64)
                yield float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
            self._progress.advance(len(part))


def _of_family(embedder: Embedder) -> Sequence[Variation]:
    return embedder.variations() if isinstance(embedder, Varied) else ()


def _ranked(number: float) -> float:
    return number if number == number else -2.0


def _adopt(
    repo: Repository, snapshot: Snapshot, space: Space, best: Trial, place: Mapping[str, Any]
) -> tuple[str, str]:
    """Make a space of the best recipe that lists the same files, and a snapshot of it over the same aliases."""
    recipe = canonical(best.recipe)
    identity = space_id(best.recipe)
    with repo.committing("check"):
        state = repo.state
        known = state.spaces.get(identity)
        if known is not None:
            raise UsageError(
                f"a space of this recipe is here already: {known.name!r}",
                f"make it current with: vstore model use {known.name}",
            )
        if state.current != snapshot.name:
            raise UsageError(f"{state.current} became current meanwhile", "run the command again")
        taken = {other.name for other in state.spaces.values()}
        wanted = space.name if best.name == DECLARED else f"{space.name}-{best.name}"
        usual = str(best.recipe.get("name", wanted)) if best.name == DECLARED else wanted
        name = next(n for n in (usual, *(f"{usual}-{i}" for i in range(2, 10_000))) if n not in taken)
        entry = Space(
            id=identity, name=name, status="verified", recipe=repo.hash.digest(recipe), dim=space.dim, place=place
        )
        why = f"{space.name}: {best.about}"
        made, changes, blobs = new_snapshot(
            repo=repo, space=identity, tree=repo.tree(snapshot), images=snapshot.images, parent=snapshot, message=why
        )
        changes["spaces"] = {identity: entry.to_json()}
        changes["segments"] = {identity: listed_segments(state.segments(space.id))}
        changes["packs"] = repo.add_pack({**blobs, repo.hash.digest(recipe): recipe})
        repo.publish("model use", changes, about=f"{name}: {best.name}")
        # That these files are this space's too stands in no footer, only in the log: so it stands in two records.
        repo.publish("verify", {}, about=name, whole=True)
    return name, made.name


def off_rows(repo: Repository, sample: ReembedReport) -> list[Problem]:
    """What a sample says of a space that was believed: rows that its model does not give."""
    keys = dict(iter(repo.tree(repo.snapshot(sample.snapshot))))
    problems = []
    for path, cosine in sample.off:
        found = _stored(repo, sample.space, keys[path])
        if found is None:
            continue  # a check without any option says so already
        name, at = found
        what = f"row {at} is not what the model of the space {sample.space_name} gives for its picture"
        step = "see which model is installed; a space holds the vectors of one model alone"
        problems.append(
            Problem(
                file=f"segments/{name}", what=f"{what} (cosine {cosine:.4f})", rows=(at, at), paths=(path,), next=step
            )
        )
    return problems


def _stored(repo: Repository, space: str, key: bytes) -> tuple[str, int] | None:
    """The segment and row that win for a key."""
    for ref in repo.state.segments(space):
        listed = repo.segment(ref).key_list()
        if key in listed:
            return ref.name, listed.index(key)
    return None
