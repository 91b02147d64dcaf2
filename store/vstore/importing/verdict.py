"""What becomes of each row once its picture is known, or is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.format.entries import FileRef, Import
from vstore.importing.matching import AMBIGUOUS, EDITED, MATCHED, MISSING
from vstore.importing.meeting import Meeting
from vstore.importing.old import Old
from vstore.importing.report import DUPLICATED, UNFIT, Row, short
from vstore.importing.vectors import AGREE, Source, cosine
from vstore.repository.leftovers import LeftRow, same_vectors
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows


class Verdict(NamedTuple):
    """Entry by entry, and which vectors go where.

    aliases: stored path -> key. winners: row -> key, for the segment. left: rows that wait for their pictures.
    known:   entries whose picture had a vector already.
    torn:    pairs of one picture that have several vectors: then the order of the rows is broken.
    """

    rows: list[Row]
    aliases: dict[bytes, bytes]
    winners: dict[int, bytes]
    left: dict[int, LeftRow]
    known: int
    torn: list[str]


class Judge:
    """Decides with what a space holds already in view."""

    def __init__(self, repo: Repository, space: str) -> None:
        self._repo = repo
        self._stored: dict[bytes, tuple[FileRef, int]] = {}
        self._rows: dict[str, Rows] = {}
        for ref in repo.state.segments(space):
            for row, key in enumerate(repo.segment(ref).key_list()):
                self._stored.setdefault(key, (ref, row))

    def decide(self, old: Old, met: Meeting) -> Verdict:
        """Say what becomes of each row; of a picture that has several rows, the first has it."""
        verdict = Verdict([], {}, {}, {}, 0, [])
        known = 0
        first_of: dict[bytes, int] = {}
        for number, (entry, answer) in enumerate(zip(old.entries, met.answers, strict=True)):
            row = old.rows_of[number]
            told = old.number(row)
            key = met.keys.get(number) if answer.state == MATCHED else None
            if row in old.seen.unfit:
                verdict.rows.append(Row(told, entry.path, UNFIT, "its vector holds NaN, infinity, or only zeros"))
                continue
            if key is None:
                verdict.rows.append(Row(told, entry.path, answer.state, answer.reason, answer.files))
                if answer.state in (AMBIGUOUS, MISSING, EDITED):
                    verdict.left[row] = LeftRow(told, entry.path, answer.state, answer.reason)
                continue
            verdict.aliases[met.prefix + answer.files[0]] = key
            state, reason = MATCHED, answer.reason
            before = first_of.setdefault(key, row)
            if before != row:
                state, reason = DUPLICATED, f"the same picture as row {old.number(before)}"
                if not _are_one(old.source, row, before):
                    verdict.torn.append(f"rows {old.number(before)} and {told} ({short(entry.path)})")
            elif key in self._stored:
                known += 1
                if not self._is_stored_so(old.source, row, key):
                    verdict.torn.append(f"row {told} ({short(entry.path)}) and what the store has")
            else:
                verdict.winners[row] = key
            verdict.rows.append(Row(told, entry.path, state, reason, answer.files, key.hex()))
        return verdict._replace(known=known)

    def _is_stored_so(self, source: Source, row: int, key: bytes) -> bool:
        ref, at = self._stored[key]
        segment = self._repo.segment(ref)
        if ref.name not in self._rows:
            segment.verify()
            self._rows[ref.name] = segment.rows()
        return cosine(source.block(row, row + 1)[0], self._rows[ref.name][at]) >= AGREE


def settle_embedded_anew(repo: Repository, resumed: Import, verdict: Verdict) -> None:
    """Let rows go whose picture was found by its bytes alone: it is in the current snapshot under another name, and was
    embedded anew, with the very vector that waits."""
    current = repo.state.current_snapshot
    if current is None or current.space != resumed.space or not verdict.left:
        return
    paths = {key: path for path, key in repo.tree(current)}
    places = {found.row: at for at, found in enumerate(verdict.rows)}
    for row, key in same_vectors(repo, resumed, sorted(verdict.left), paths.keys()).items():
        left = verdict.left.pop(row)
        reason = f"its picture is here as {short(paths[key])}, and was embedded anew"
        verdict.rows[places[left.row]] = Row(left.row, left.path, DUPLICATED, reason, (), key.hex())


def _are_one(source: Source, one: int, other: int) -> bool:
    a, b = source.block(one, one + 1)[0], source.block(other, other + 1)[0]
    return bool(a.tobytes() == b.tobytes() or cosine(a, b) >= AGREE)
