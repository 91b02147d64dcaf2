"""The fate of each row, once the file of its picture was looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.format.entries import FileRef
from vstore.format.rest_entry import Import
from vstore.importing.agreement import AGREE, cosine
from vstore.importing.matching import AMBIGUOUS, EDITED, MATCHED, MISSING, MOVED, NAME, NAMESAKE
from vstore.importing.old_index import Old
from vstore.importing.pairing import Pairing
from vstore.importing.report import DUPLICATED, UNFIT, Row, short
from vstore.importing.source import Source
from vstore.repository.candidates import same_vectors
from vstore.repository.leftovers import LeftRow
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows


class Verdict(NamedTuple):
    """The fate of all rows.

    rows:    one for each entry, for the report.
    aliases: stored path -> key.
    winners: row -> key, for the segment.
    left:    the rows that wait for their pictures.
    known:   number of entries whose picture already had a vector.
    torn:    pairs of rows with the same picture and different vectors: the order of the rows is broken.
    twice:   pairs of rows with the same path and different vectors.
    by_name: the rows whose picture was known by its name alone.
    moved:   number of rows whose picture lies where the list moved.
    near:    number of rows without a picture, whose name a file has that is no other row's.
    """

    rows: list[Row]
    aliases: dict[bytes, bytes]
    winners: dict[int, bytes]
    left: dict[int, LeftRow]
    known: int
    torn: list[str]
    by_name: frozenset[int] = frozenset()
    moved: int = 0
    near: int = 0
    twice: tuple[str, ...] = ()


class Judge:
    """A judge of rows, who knows the vectors that a space already holds."""

    def __init__(self, repo: Repository, space: str) -> None:
        self._repo = repo
        self._stored: dict[bytes, tuple[FileRef, int]] = {}
        self._rows: dict[str, Rows] = {}
        for ref in repo.state.segments(space):
            for row, key in enumerate(repo.segment(ref).key_list()):
                self._stored.setdefault(key, (ref, row))

    def decide(self, old: Old, pairing: Pairing) -> Verdict:
        """Decide the fate of each row; of several rows with one picture, the first gets it."""
        verdict = Verdict(rows=[], aliases={}, winners={}, left={}, known=0, torn=[])
        known = 0
        by_name: set[int] = set()
        moved = near = 0
        first_of: dict[bytes, int] = {}
        path_of: dict[int, bytes] = {}
        twice: list[str] = []
        for number, (entry, answer) in enumerate(zip(old.entries, pairing.answers, strict=True)):
            row = old.rows_of[number]
            told = old.number(row)
            key = pairing.keys.get(number) if answer.state == MATCHED else None
            if row in old.seen.unfit:
                verdict.rows.append(Row(told, entry.path, UNFIT, "it has no vector, or one of NaN, infinity or zeros"))
                continue
            if key is None:
                near += answer.why == NAMESAKE
                verdict.rows.append(Row(told, entry.path, answer.state, answer.reason, answer.files, why=answer.why))
                if answer.state in (AMBIGUOUS, MISSING, EDITED):
                    verdict.left[row] = LeftRow(told, entry.path, answer.state, answer.reason)
                continue
            by_name |= {row} if answer.how == NAME else set()
            moved += answer.how == MOVED
            verdict.aliases[pairing.prefix + answer.files[0]] = key
            state, reason = MATCHED, answer.reason
            before = first_of.setdefault(key, row)
            path_of.setdefault(row, entry.path)
            if before != row:
                state, reason = DUPLICATED, f"the same picture as row {old.number(before)}"
                if not _are_one(old.source, row, before):
                    same = path_of[before] == entry.path
                    (twice if same else verdict.torn).append(
                        f"rows {old.number(before)} and {told} ({short(entry.path)})"
                    )
            elif key in self._stored:
                known += 1
                if not self._is_stored_so(old.source, row, key):
                    verdict.torn.append(f"row {told} ({short(entry.path)}) and the vector in the store")
            else:
                verdict.winners[row] = key
            verdict.rows.append(Row(told, entry.path, state, reason, files=answer.files, key=key.hex()))
        return verdict._replace(known=known, by_name=frozenset(by_name), moved=moved, near=near, twice=tuple(twice))

    def _is_stored_so(self, source: Source, row: int, key: bytes) -> bool:
        ref, at = self._stored[key]
        segment = self._repo.segment(ref)
        if ref.name not in self._rows:
            segment.verify()
            self._rows[ref.name] = segment.rows()
        return cosine(source.block(row, row + 1)[0], self._rows[ref.name][at]) >= AGREE


def settle_embedded_again(repo: Repository, resumed: Import, verdict: Verdict) -> None:
    """Drop waiting rows whose picture was embedded again meanwhile.

    Such a picture is in the current snapshot under another name, with the vector that waits.
    """
    current = repo.state.current_snapshot
    if current is None or current.space != resumed.space or not verdict.left:
        return
    paths = {key: path for path, key in repo.tree(current)}
    places = {found.row: at for at, found in enumerate(verdict.rows)}
    for row, key in same_vectors(repo, resumed, sorted(verdict.left), paths.keys()).items():
        left = verdict.left.pop(row)
        reason = f"its picture exists as {short(paths[key])} and was embedded again"
        verdict.rows[places[left.row]] = Row(left.row, left.path, DUPLICATED, reason, files=(), key=key.hex())


def _are_one(source: Source, one: int, other: int) -> bool:
    a, b = source.block(one, one + 1)[0], source.block(other, other + 1)[0]
    return bool(a.tobytes() == b.tobytes() or cosine(a, b) >= AGREE)
