"""The reasons not to believe an old index, decided without a disk."""

from __future__ import annotations

from vstore.importing.matching import EDITED, MATCHED, MISSING
from vstore.importing.refusal import NAMED, broken_order, nothing_found
from vstore.importing.report import ImportReport, Row
from vstore.importing.verdict import Verdict


def verdict(*states: str, torn: list[str] | None = None) -> Verdict:
    rows = [Row(number, b"%d.png" % number, state, "a reason") for number, state in enumerate(states)]
    aliases = {row.path: b"key" for row in rows if row.state == MATCHED}
    return Verdict(rows=rows, aliases=aliases, winners={}, left={}, known=0, torn=torn or [])


def report(of: Verdict) -> ImportReport:
    return ImportReport(
        import_id=None,
        snapshot=None,
        current=None,
        id=None,
        space="",
        space_name="",
        status="claimed",
        root=None,
        vectors_from="old.faiss",
        dim=8,
        rows=len(of.rows),
        added=0,
        known=0,
        kept_bits=0,
        normalised=0,
        left=0,
        dry_run=False,
        seconds=0.0,
        notes=(),
        rows_of=tuple(of.rows),
    )


def test_equal_pictures_with_different_vectors_break_the_order() -> None:
    torn = [f"rows {number} and {number + 1}" for number in range(NAMED + 2)]
    found = broken_order(verdict(MATCHED, torn=torn))
    assert found is not None and found.startswith(f"{NAMED + 2} pairs of vectors differ")
    assert torn[NAMED - 1] in found and torn[NAMED] not in found
    assert broken_order(verdict(MATCHED)) is None


def test_an_index_with_one_picture_is_taken() -> None:
    found = verdict(MISSING, MATCHED)
    assert nothing_found(found, report(found), resumed=False) is None


def test_an_index_without_pictures_is_refused_with_the_counts_and_a_step() -> None:
    found = verdict(MISSING, MISSING)
    refusal = nothing_found(found, report(found), resumed=False)
    assert refusal is not None and refusal.what == (
        "none of the 2 rows has a picture (2 missing): 0.png: a reason; 1.png: a reason"
    )
    assert "--root" in refusal.step
    edited = verdict(EDITED)
    assert "--trust-edited" in nothing_found(edited, report(edited), resumed=False).step  # type: ignore[union-attr]


def test_a_resumed_import_may_find_nothing() -> None:
    found = verdict(MISSING)
    assert nothing_found(found, report(found), resumed=True) is None


def test_an_empty_index_is_refused_even_when_it_is_resumed() -> None:
    found = verdict()
    refusal = nothing_found(found, report(found), resumed=True)
    assert refusal is not None and refusal.what == "the old index is empty"
