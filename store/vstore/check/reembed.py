"""Embeds a sample of pictures again, and compares the vectors with the stored ones.

If they do not match, the likely causes are tried one by one.
"""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.check.adopt import Adopted, adopt
from vstore.check.findings import Problem
from vstore.check.request import Sample
from vstore.check.trials import FITS, Trial, Trials, best_of, mixture, rounded
from vstore.embed.rows import require_width
from vstore.errors import ModelError, UsageError
from vstore.format.canonical import Json
from vstore.format.entries import Snapshot, Space
from vstore.format.recipes import Recipe, space_id
from vstore.progress import Stages
from vstore.quoting import quoted
from vstore.repository.files import UNKNOWN, Files
from vstore.repository.pixel_facts import same_pixels
from vstore.repository.repository import Repository
from vstore.repository.sampling import SampledPicture, sample_pictures

SHARE = 32  # one picture in so many may be off: a decoder that changed, a file that was saved again


@briefly
class ReembedReport(NamedTuple):
    """The result of a sample.

    snapshot:         the snapshot of the pictures.
    space:            the id of its space.
    space_name:       the name of its space.
    status:           the status of the space, afterwards.
    asked:            pictures embedded.
    needed:           matches required.
    fits:             the best trial has enough matches.
    trials:           the declared recipe first, then the likely causes.
    best:             the name of the best trial.
    off:              stored paths and cosines of the pictures without a match by the declared recipe.
    adopted:          the name of the space made of the best recipe.
    adopted_snapshot: its snapshot, now current.
    next:             the command to adopt the best recipe, if it matches and is another one.
    unread:           pictures passed over: their file is missing or changed.
    mixed:            two trials that together match nearly every picture, if no single one does; else empty.
    by_name:          pictures of the sample that an import knew by their names alone; they come first.
    strangers:        those of them that have the vector of another picture; with one of them nothing fits.
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
    by_name: int = 0
    strangers: int = 0

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        """Make the JSON form. where: finds the files of the pictures."""
        value = self._asdict()
        value["trials"] = [trial.to_json() for trial in self.trials]
        value["off"] = [{**where.named(path), "cosine": rounded(cosine)} for path, cosine in self.off]
        return value


class _Subject(NamedTuple):
    snapshot: Snapshot
    space: Space
    declared: Recipe
    pictures: list[SampledPicture]
    unread: int


def reembed(repo: Repository, sample: Sample, stages: Stages) -> ReembedReport:
    """Embed a sample of the current snapshot again and compare it with the stored vectors.

    If they match, a claimed space becomes verified.
    Raises: UsageError, ModelError, SnapshotNotFound, Damage.
    """
    if sample.pictures < 1:
        raise UsageError("a sample has at least one picture", "say how many: --reembed 32")
    subject = repo.reading(lambda: _open(repo, sample))
    snapshot, space, declared, pictures, unread = subject
    if not pictures:
        raise UsageError(
            f"none of the pictures of {snapshot.name} can be read from its folder", "check that its disk is mounted"
        )
    needed = len(pictures) - len(pictures) // SHARE
    trials = Trials(repo, pictures, sample.load, stages).run(declared, needed, sample.adopt)
    best = best_of(trials)
    named = {number for number, picture in enumerate(pictures) if picture.key in space.by_name}
    strangers = sum(not best.cosines[number] >= FITS for number in named) if best.fitting else 0
    fits = best.fitting >= needed and not strangers
    own = space_id(best.recipe) == space.id
    if fits and own and space.status != "verified":
        with repo.committing("check"):
            repo.publish("verify", {"spaces": {space.id: {"status": "verified"}}}, about=space.name)
    adopted = None if sample.adopt is None else _adopted(repo, sample, subject, best, fits=fits, own=own)
    cosines = trials[0].cosines
    return ReembedReport(
        snapshot=snapshot.name,
        space=space.id,
        space_name=space.name,
        status=repo.state.spaces[space.id].status,
        asked=len(pictures),
        needed=needed,
        fits=fits,
        trials=tuple(trials),
        best=best.name,
        off=tuple((p.path, c) for p, c in zip(pictures, cosines, strict=True) if not c >= FITS),
        adopted=adopted.space if adopted else None,
        adopted_snapshot=adopted.snapshot if adopted else None,
        next=f"vstore check --reembed {sample.pictures} --adopt {quoted(best.name)}"
        if fits and not own and not adopted
        else "",
        unread=unread,
        mixed=() if fits else mixture(trials, needed),
        by_name=len(named),
        strangers=strangers,
    )


def _open(repo: Repository, sample: Sample) -> _Subject:
    snapshot = repo.snapshot("current")
    space = repo.state.spaces[snapshot.space]
    declared = sample.recipe or repo.recipe(space.id)
    if declared.get("family") == "imported":
        raise ModelError(
            f"the space {space.name!r} was imported without a model, so there is nothing to embed with",
            f"say which model made it: vstore check --reembed {sample.pictures} --model MODEL",
        )
    step = "name the model that made these vectors"
    require_width(declared["dim"], space.dim, f"the space {space.name!r}", step=step)
    copies = same_pixels(repo, repo.recipe(space.id)) if space.recipe else set()
    return _Subject(snapshot, space, declared, *sample_pictures(repo, snapshot, sample.pictures, space.by_name, copies))


def _adopted(repo: Repository, sample: Sample, subject: _Subject, best: Trial, *, fits: bool, own: bool) -> Adopted:
    if not fits or best.name != sample.adopt:
        matching = best.fitting if best.name == sample.adopt else 0
        raise ModelError(
            f"{sample.adopt} matches only {matching} of {len(subject.pictures)} pictures",
            "these vectors were not made in that way; see the table: vstore check --reembed 32",
        )
    if own:
        raise UsageError(f"{sample.adopt} is already the recipe of {subject.space.name!r}", "there is nothing to adopt")
    return adopt(repo, subject.snapshot, subject.space, best, place=sample.place or subject.space.place)


def problems_of(repo: Repository, report: ReembedReport) -> list[Problem]:
    """Report the mismatched rows of a sample as problems of a trusted space."""
    keys = dict(iter(repo.tree(repo.snapshot(report.snapshot))))
    problems = []
    for path, cosine in report.off:
        found = _stored_at(repo, report.space, keys[path])
        if found is None:
            continue  # a check without any option says so already
        name, row = found
        met = f"cosine {cosine:.4f}" if cosine == cosine else "it cannot be embedded"
        problems.append(
            Problem(
                file=f"segments/{name}",
                what=f"row {row} is not what the model of the space {report.space_name} gives for its picture ({met})",
                rows=(row, row),
                paths=(path,),
                next="see which model is installed; a space holds the vectors of one model alone",
            )
        )
    return problems


def _stored_at(repo: Repository, space: str, key: bytes) -> tuple[str, int] | None:
    """Find the winning segment and row of a key."""
    for ref in repo.state.segments(space):
        listed = repo.segment(ref).key_list()
        if key in listed:
            return ref.name, listed.index(key)
    return None
