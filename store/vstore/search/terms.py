"""The terms of a query: its operands, read and hashed. What a person typed may name a picture, or be a text."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vstore.counts import as_number
from vstore.errors import ModelError, UsageError, VstoreError
from vstore.format.recipes import Recipe, reads_text
from vstore.pictures.elsewhere import FETCH, program_of_link, program_of_pointer
from vstore.pictures.picture_file import read_regular, read_up_to
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted
from vstore.repository.addresses import file_of_address, refuse_address
from vstore.repository.repository import Repository
from vstore.repository.stored_paths import prefixes_of
from vstore.search.operand import Operand
from vstore.search.wanted import Wanted, is_picture, key_of, operands_of, unit_vector
from vstore.search.wording import names_picture, refuse_pattern, refuse_video

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats
    from vstore.search.open_snapshot import OpenSnapshot

_LARGEST = 1 << 30  # bytes of a picture to search with
_GIVEN = (b"/dev/fd/", b"/dev/stdin", b"/proc/self/fd/")  # names of what the shell opened for this process


class Term(NamedTuple):
    """One operand, read and hashed.

    operand: the operand; of a typed word, as it was taken.
    data:    the bytes of its picture; None for one that is in the snapshot alone, too.
    key:     the key of its picture.
    vector:  the vector that was given, float32 (n,) of norm 1; its width is not known to be right.
    """

    operand: Operand
    data: bytes | None
    key: bytes | None
    vector: Floats | None = None

    @property
    def is_picture(self) -> bool:
        """It is a picture, and no text or vector."""
        return self.key is not None or self.data is not None or self.operand.picture is not None

    @property
    def name(self) -> str:
        """Name its picture for a message."""
        if self.operand.picture is not None:
            return "the picture of {} x {} pixels".format(*self.operand.picture.size)
        if self.operand.image is None and self.key is not None:
            return f"the picture {self.key.hex()}" if self.operand.data is None else "the picture that was given"
        return os.fsdecode(self.operand.image or b"")


class Terms(NamedTuple):
    """The terms of a query.

    terms: one for each operand.
    notes: how words that a person typed were taken, where that may surprise.
    """

    terms: list[Term]
    notes: tuple[str, ...]


def read_terms(repo: Repository, wanted: Wanted | Iterable[Wanted], at: str | OpenSnapshot) -> Terms:
    """Read what a query looks for.


    at:     the snapshot, which may hold a picture that is nowhere else; one that a view holds may be collected.
    Raises: UsageError, VstoreError if one cannot be read; SnapshotNotFound.
    """
    operands = operands_of(wanted, repo.hash.size)
    for operand in operands:
        _refuse_unusable(operand)
    reader = _Reader(repo, at)
    terms = [reader.read(operand) for operand in operands]
    return Terms(terms, tuple(reader.notes))


def _refuse_unusable(operand: Operand) -> None:
    weight = as_number(operand.weight)
    if weight == 0:
        raise UsageError("a weight of 0 has no effect", "give one above or below 0")
    if not math.isfinite(weight):
        raise UsageError(f"{repr(operand.weight)[:100]} is not a valid weight", "give a number above or below 0")
    given = [
        name for name in ("image", "text", "key", "picture", "vector", "data") if getattr(operand, name) is not None
    ]
    if not given:
        raise UsageError("an operand has neither a picture nor a text", "give it one: Operand(1.0, image='cat.jpg')")
    if len(given) > 1:
        raise UsageError(
            f"an operand has several things to search for: {', '.join(given)}", "give each an Operand of its own"
        )
    if operand.text is not None and not isinstance(operand.text, str):
        raise UsageError(f"{repr(operand.text)[:100]} is no text", "give a str; a picture is given as image=")
    if operand.image is not None and not isinstance(operand.image, (str, bytes, os.PathLike)):
        raise UsageError(
            f"{repr(operand.image)[:100]} is no path", "give a str or a Path; a picture is given as picture="
        )
    if operand.data is not None and not isinstance(operand.data, bytes):
        raise UsageError(f"{repr(operand.data)[:100]} is no content of a file", "give bytes, as Path.read_bytes does")
    if operand.picture is not None and not is_picture(operand.picture):
        raise UsageError(
            f"{repr(operand.picture)[:100]} is no picture of Pillow", "open a file with PIL.Image.open, or give image="
        )


class _Reader:
    """Reads operands for the search of one snapshot."""

    def __init__(self, repo: Repository, at: str | OpenSnapshot) -> None:
        self._repo = repo
        self._at = at
        self._text: bool | None = None
        self.notes: list[str] = []

    def read(self, operand: Operand) -> Term:
        if operand.key is not None:
            return Term(operand, None, key_of(operand.key, self._repo.hash.size))
        if operand.data is not None:
            return Term(operand, operand.data, self._repo.hash.digest(operand.data))
        if operand.vector is not None:
            return Term(operand, None, None, unit_vector(operand.vector))
        if operand.image is None and operand.text is not None and operand.typed:
            image = self._picture_meant(operand.text)
            operand = operand._replace(image=image, text=operand.text if image is None else None)
        if operand.image is None:
            return Term(operand, None, None)
        try:
            word = os.fsencode(operand.image)
        except UnicodeEncodeError as err:
            raise UsageError(f"no file can have the name {operand.image!r}", "name another file") from err
        return self._picture(operand, word)

    def _picture(self, operand: Operand, word: bytes) -> Term:
        if b"\0" in word:
            raise UsageError(f"there is no picture {os.fsdecode(word)}", "name a picture file")
        if not word.startswith(_GIVEN):
            refuse_address(os.fsdecode(word))
        path = self._on_disk(file_of_address(word))
        if path is None:
            key = self._stored(word)
            if key is None:
                raise self._absent(word)
            self.notes.append(f"{os.fsdecode(word)} is not on disk; it is taken as the snapshot has it")
            return Term(operand, None, key)
        data = _read(path)
        if path != file_of_address(word):
            self.notes.append(f"{os.fsdecode(word)} is taken as {os.fsdecode(path)}")
        return Term(operand._replace(image=path), data, self._repo.hash.digest(data))

    def _picture_meant(self, word: str) -> bytes | None:
        """Tell which picture a typed word means, by its path; None for a text.

        Where the space reads no text, any word for a picture is one. Where it does, a word is one that ends as the name
        of a picture does, and is a file or a path of the snapshot.

        Raises: UsageError if it is an address, a folder or a pattern; or where it can be no text, and is no picture.
        """
        refuse_address(word)
        try:
            path = os.fsencode(word)
        except UnicodeEncodeError:  # half a character is in no name
            return None
        if b"\0" in path:
            return None
        found = self._on_disk(path)
        is_file = found is not None and os.path.isfile(found)
        if (is_file or self._may_be_stored(word)) and (names_picture(word) or not self._reads_text()):
            self.notes.append(
                f"{word} is taken as the picture" + ("" if self._reads_text() else ": this space reads no text")
            )
            return path
        refuse_pattern(word)
        if found is not None and not is_file and "/" in word:
            raise _folder(word)
        if is_file:
            refuse_video(word)
        is_name = names_picture(word) and not any(map(str.isspace, word))
        if self._reads_text():
            if is_file or is_name:
                self.notes.append(f"{word} is read as text; for the picture, write ./{word}")
        elif is_name:
            raise self._absent(path)
        return None

    def _may_be_stored(self, word: str) -> bool:
        """Tell whether a word is a path of the snapshot. Only one with a slash is looked up: `cat` is a text."""
        return "/" in word and self._stored(os.fsencode(word)) is not None

    def _on_disk(self, path: bytes) -> bytes | None:
        """Find what a path names: as it stands, or from the folder that holds the store. None if there is nothing."""
        if os.path.lexists(path) or path.startswith(_GIVEN):
            return path
        beside = os.path.join(self._repo.base, path)
        return beside if not path.startswith((b"./", b"../")) and os.path.lexists(beside) else None

    def _stored(self, path: bytes) -> bytes | None:
        """Find the key of a path in the snapshot."""

        def look() -> bytes | None:
            try:
                if not isinstance(self._at, str):
                    return self._at.find(self._repo, path)
                snapshot = self._repo.snapshot(self._at)
                tree = self._repo.tree(snapshot)
                keys = (tree.get(one) for one in prefixes_of(self._repo, snapshot, tree, path))
                return next((key for key in keys if key is not None), None)
            except UsageError:
                return None  # neither in a folder that is synced nor in the snapshot

        return self._repo.reading(look)

    def _reads_text(self) -> bool:
        """Tell whether the space of the snapshot may read text: what its recipe does not say is not known yet."""
        if self._text is None:
            try:
                self._text = reads_text(self._repo.reading(self._recipe))
            except ModelError:  # its recipe is lost
                self._text = False
        return self._text

    def _recipe(self) -> Recipe:
        if not isinstance(self._at, str):
            return self._at.recipe(self._repo)
        return self._repo.recipe(self._repo.snapshot(self._at).space)

    def _absent(self, word: bytes) -> UsageError:
        """Make the error for a picture that is nowhere; the nearest name in its folder is said."""
        from vstore.near_files import did_you_mean, find_by_name, near_files  # few names are mistyped

        name = os.fsdecode(word)
        try:
            refuse_pattern(name)
        except UsageError as err:
            return err
        find = f"look for it with: {find_by_name(name)}"
        near = near_files(word)
        meant = next((one for one in map(os.fsdecode, near) if names_picture(one)), None)
        if meant is not None:
            return UsageError(f"there is no picture {name}", find, instead=(name, meant))
        return UsageError(f"there is no picture {name}", did_you_mean(near, find))


def _read(path: bytes) -> bytes:
    name = os.fsdecode(path)
    refuse_video(name)
    try:
        data = _given(path) if path.startswith(_GIVEN) else read_regular(path, _LARGEST)
    except IsADirectoryError as err:
        raise _folder(name) from err
    except (FileNotFoundError, NotADirectoryError) as err:
        if os.path.islink(path) and (program := program_of_link(os.fsdecode(os.readlink(path)))):
            raise _elsewhere(name, program) from err
        raise UsageError(f"there is no picture {name}", "name a picture file") from err
    except OSError as err:
        raise VstoreError(f"cannot read {name}: {err.strerror or err}", "name a picture file") from err
    if program := program_of_pointer(data):
        raise _elsewhere(name, program)
    return data


def _given(path: bytes) -> bytes:
    """Read what the shell opened, to its end: `vstore search <(curl …)`. Raises: OSError."""
    with open(path, "rb", buffering=0) as file:
        return read_up_to(file, _LARGEST)


def _folder(name: str) -> UsageError:
    step = f"name a picture file; to search in a folder: --under {quoted(name)}"
    return UsageError(f"{name} is a folder", step)


def _elsewhere(name: str, program: str) -> VstoreError:
    return VstoreError(f"the content of {name} is not here but in {program}", f"get it first: {FETCH[program]}")
