"""Makes an empty store with its first embedding space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vstore.brief import briefly
from vstore.disk.owner import User
from vstore.embed.model_words import Settings, Words
from vstore.errors import UsageError
from vstore.progress import Progress, Stages
from vstore.repository.add_space import add_space
from vstore.repository.create import create_store, refuse_existing


@briefly
class InitReport(NamedTuple):
    """A new store.

    store:      its folder.
    id:         its id.
    hash:       the hash of its pictures.
    dtype:      the number format of its vectors.
    space:      the id of its embedding space.
    space_name: the name of the space.
    notes:      things done that nobody asked for, and warnings, for people.
    """

    store: str
    id: str
    hash: str
    dtype: str
    space: str
    space_name: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**self._asdict(), "notes": list(self.notes)}


def init(
    folder: Path,
    words: Words,
    *,
    hash: str = "xxh3_128",
    store_dtype: str = "float16",
    recipe: Mapping[str, Any] | None = None,
    name: str | None = None,
    settings: Settings | None = None,
    user: User | None = None,
    note: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> InitReport:
    """Make an empty store for one embedding space: that of the model, else of the recipe, else the built-in one.

    user:   the user for whom it is made; by default one who trusts no other.
    note:   receives a line for each thing done without being asked for.
    Raises: UsageError if there is one already; ForeignStore; ModelError, and nothing is made then.
    """
    from vstore.embed.builtin import DEFAULT_RECIPE

    made = None
    notes: list[str] = []

    def say(text: str) -> None:
        notes.append(text)
        note(text)

    if words.model is not None or words.adapter is not None:
        from vstore.embed.hf.source.other_words import whole_commands
        from vstore.embed.short_names import with_full_name
        from vstore.repository.model_space import make, name_for

        refuse_existing(folder, words, user)
        wanted = name
        name = name_for(words, wanted)
        command = whole_commands(lambda found: _command(name_for(found, wanted), found))
        with command, Stages(progress).loading(name):
            made = make(with_full_name(words, say), settings or Settings(), say)
    refuse_without_model(words)
    repo = create_store(folder, hash, store_dtype, user=user)
    try:
        if made is not None:
            from vstore.repository.model_space import add

            assert name is not None
            add(repo, name, made)
        else:
            chosen = DEFAULT_RECIPE if recipe is None else recipe
            add_space(repo, chosen, name or str(chosen["name"]))
        space = next(iter(repo.state.spaces.values()))
        return InitReport(
            store=str(repo.layout.folder),
            id=repo.store_id,
            hash=repo.hash.name,
            dtype=repo.dtype,
            space=space.id,
            space_name=space.name,
            notes=tuple(notes),
        )
    finally:
        repo.close()


def refuse_without_model(words: Words) -> None:
    """Refuse what is to be known of a model that is not named. Raises: UsageError."""
    if words.model is None and words.adapter is None and words != Words():
        options = ", ".join(f"--{option.replace('_', '-')}" for option in words.to_json())
        raise UsageError(f"{options} without a model", "name one with --model NAME_OR_DIR")


def _command(name: str, words: Words) -> str:
    return words.command(name).replace("vstore model add", "vstore init --name", 1)
