"""Lists the spaces of a store, and shows one."""

from __future__ import annotations

from collections.abc import Sequence

from vstore.embed.hf.families import FAMILIES
from vstore.embed.model_words import BUILTIN, Words
from vstore.embed.probes import Probes
from vstore.embed.sight import sight
from vstore.format.entries import Space
from vstore.format.recipes import Recipe, reads_text
from vstore.models.report import ModelDetail, ModelRow
from vstore.pictures.preparation import NEWEST
from vstore.repository.repository import Repository


def model_list(repo: Repository) -> list[ModelRow]:
    """List all spaces by name. Reads only the log and the recipes. Raises: Damage."""
    named = _snapshots(repo)
    spaces = sorted(repo.state.spaces.values(), key=lambda space: space.name)
    return [_row(repo, space, named.get(space.id, ())) for space in spaces]


def model_show(repo: Repository, name: str) -> ModelDetail:
    """Show one space. Raises: UsageError, Damage."""
    space = repo.space(name)
    made_with = Probes.from_bytes(repo.packs.get(space.probes)).environment if space.probes else {}
    recipe = repo.recipe(space.id) if space.recipe else {}
    prepare = recipe.get("prepare", {})
    seen = sight(recipe)
    return ModelDetail(
        row=_row(repo, space, _snapshots(repo).get(space.id, ())),
        recipe=recipe,
        place=dict(space.place),
        made_with=made_with,
        prepare=prepare.get("policy"),
        newer=_newer(space, recipe) if prepare.get("policy", NEWEST) < NEWEST else None,
        max_side=prepare.get("max_side"),
        short_side=prepare.get("short_side"),
        model_side=None if seen is None else seen.side,
        reads_text=bool(recipe) and reads_text(recipe),
    )


def _newer(space: Space, recipe: Recipe) -> str | None:
    """Write the command that adds a space of the newest preparation; None for models that say themselves how."""
    if recipe["family"] == BUILTIN:
        return Words(BUILTIN, prepare=NEWEST).command(f"{BUILTIN}-{NEWEST}")
    if recipe["family"] not in FAMILIES:
        return None
    words = Words.from_json(space.place)._replace(prepare=NEWEST, max_side=None)
    return words.command(f"{space.name}-prepared-{NEWEST}")


def _snapshots(repo: Repository) -> dict[str, list[str]]:
    """Name the kept snapshots of each space, by its id."""
    named: dict[str, list[str]] = {}
    for snapshot in repo.listing.kept():
        named.setdefault(snapshot.space, []).append(snapshot.name)
    return named


def _row(repo: Repository, space: Space, snapshots: Sequence[str]) -> ModelRow:
    """Describe a space. snapshots: the names of its kept ones."""
    state = repo.state
    return ModelRow(
        space=space.id,
        space_name=space.name,
        status=space.status,
        family=str(repo.recipe(space.id).get("family")) if space.recipe else "",
        dim=space.dim,
        model=space.place.get("model"),
        adapter=space.place.get("adapter"),
        compute=space.place.get("compute"),
        rows=sum(ref.rows for ref in state.segments(space.id)),
        snapshots=tuple(snapshots),
        current=state.current_space == space.id,
    )
