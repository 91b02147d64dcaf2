"""Options of an import: the words of a caller, and the record of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vstore.embed.declared import declared
from vstore.embed.model_words import Words
from vstore.embed.typed_words import ModelWords
from vstore.errors import UsageError
from vstore.format.recipes import Recipe
from vstore.importing.old_index import Named
from vstore.paths import AnyPath, as_bytes, optional


class ImportWords(ModelWords, total=False):
    """Options of `Store.import_index`. The words of a model declare the model that made the vectors, if known:
    the space is only *claimed* to be that, and the model is not loaded.

    faiss:          a FAISS index.
    metadata:       the list of pictures.
    embeddings:     the vectors as `.npy`; or as `.npz`, Parquet or JSON lines, which may hold the list too.
    clip_retrieval: the output folder of clip-retrieval.
    rclip:          rclip's database.
    root:           the folder of the pictures.
    recipe:         the recipe of the model, instead of its words.
    as_label:       the name under which the store keeps the folder's paths.
    as_space:       the name of the embedding space.
    path_field:     the field or column of the paths in the list.
    rows_by:        the field that numbers the rows, or `order`.
    fields:         the columns of the list to keep as fields; by default all.
    no_fields:      keep none.
    by_name:        take pictures that share only the name with a path of the list.
    trust_edited:   accept that pictures newer than the index were not edited.
    force:          go on although the files contradict each other.
    report:         a file for the fate of every row, as JSON.
    resume:         the id of an import: match the rows it set aside again.
    message:        a note for the snapshot.
    wait:           wait for another process that is changing the store.
    max_file_size:  in bytes; larger files are not read.
    """

    faiss: AnyPath | None
    metadata: AnyPath | None
    embeddings: AnyPath | None
    clip_retrieval: AnyPath | None
    rclip: AnyPath | None
    root: AnyPath | None
    recipe: Recipe | None
    as_label: str | None
    as_space: str | None
    path_field: str | None
    rows_by: str | None
    fields: Sequence[str]
    no_fields: bool
    by_name: bool
    trust_edited: bool
    force: bool
    report: AnyPath | None
    resume: str | None
    message: str
    wait: bool
    max_file_size: int


class ImportOptions(NamedTuple):
    """The words of `ImportWords` with their defaults, and with the model resolved.

    named:   the files of the old index.
    place:   the place of the declared model.
    dry_run: change nothing.
    """

    named: Named = Named()
    root: bytes | None = None
    recipe: Recipe | None = None
    place: Mapping[str, Any] = {}  # never changed
    as_label: str | None = None
    as_space: str | None = None
    path_field: str | None = None
    rows_by: str | None = None
    fields: Sequence[str] = ()
    no_fields: bool = False
    by_name: bool = False
    trust_edited: bool = False
    force: bool = False
    dry_run: bool = False
    report: Path | None = None
    resume: str | None = None
    message: str = ""
    wait: bool = False
    max_file_size: int = 256 << 20

    @classmethod
    def of(cls, words: ImportWords, *, dry_run: bool, cache: Path) -> ImportOptions:
        """Read the words of a caller. cache: the store's, for digests of the model's files.

        Raises: UsageError if they name a model in part, or twice; ModelError if it is missing.
        """
        given: dict[str, Any] = dict(words)
        recipe, place = declared(Words.taken_from(given), given.pop("recipe", None), cache)
        named = Named(**{name: optional(given.pop(name, None)) for name in Named._fields})
        if isinstance(given.get("fields"), str):
            raise UsageError("fields is one text", "give a list of names: fields=[…]")
        root, report = given.pop("root", None), optional(given.pop("report", None))
        folder = None if root is None else as_bytes(root)
        return cls(**given, named=named, root=folder, recipe=recipe, place=place, report=report, dry_run=dry_run)
