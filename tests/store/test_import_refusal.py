"""The reasons not to believe an old index, decided without a disk."""

from __future__ import annotations

from vstore.importing.matching import AMBIGUOUS, EDITED, MATCHED, MISSING, NOWHERE, SEVERAL
from vstore.importing.refusal import NAMED, contradiction, nothing_found
from vstore.importing.report import FIRST, ImportReport, Row
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
    found = contradiction(verdict(MATCHED, torn=torn))
    assert found is not None and found.what.startswith(f"{NAMED + 2} pairs of vectors differ")
    assert found.what.endswith("; the order of the rows is broken")
    assert torn[NAMED - 1] in found.what and torn[NAMED] not in found.what
    assert contradiction(verdict(MATCHED)) is None


def test_a_path_that_is_listed_twice_is_another_fault() -> None:
    found = contradiction(verdict(MATCHED)._replace(twice=("rows 0 and 9 (a.jpg)",)))
    assert found is not None
    assert found.what == "1 path is listed twice, with different vectors: rows 0 and 9 (a.jpg)"


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
    found = verdict(MISSING)
    refusal = nothing_found(found, report(found), resumed=False)
    assert refusal is not None and refusal.what == "the only row has no picture (1 missing): 0.png: a reason"
    edited = verdict(EDITED)
    assert "--trust-edited" in nothing_found(edited, report(edited), resumed=False).step  # type: ignore[union-attr]


def test_where_only_names_are_found_the_step_is_to_look_at_them() -> None:
    found = verdict(MISSING)
    refusal = nothing_found(found, report(found)._replace(near=1), resumed=False)
    assert refusal is not None and "--by-name" in refusal.step


def test_rows_that_wait_are_grouped_by_the_reason_with_the_first_of_each() -> None:
    rows = tuple(Row(n, b"%d.png" % n, MISSING, "…", why=NOWHERE) for n in range(FIRST + 2))
    several = Row(9, b"9.png", AMBIGUOUS, "2 files match it", (b"a/9.png", b"b/9.png"), why=SEVERAL)
    found = report(verdict())._replace(rows_of=(*rows, several, Row(10, b"10.png", MATCHED, "…")))
    assert [(waiting.why, waiting.rows, len(waiting.first)) for waiting in found.waiting()] == [
        (SEVERAL, 1, 1),
        (NOWHERE, FIRST + 2, FIRST),
    ]
    value = found.to_json()["waiting"]
    assert [some["rows"] for some in value] == [1, FIRST + 2]
    assert value[0]["first"][0]["files"] == ["a/9.png", "b/9.png"]


def test_a_resumed_import_may_find_nothing() -> None:
    found = verdict(MISSING)
    assert nothing_found(found, report(found), resumed=True) is None


def test_an_empty_index_is_refused_even_when_it_is_resumed() -> None:
    found = verdict()
    refusal = nothing_found(found, report(found), resumed=True)
    assert refusal is not None and refusal.what == "the old index is empty"
