"""Checking facts: pages, order, counts, cuts and values of every run."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.builder import HASH, Builder, key
from support.facts import made
from support.lost import lose

from vstore.check.report import CheckReport
from vstore.format import fact_cut, fact_pages, fact_runs, facts
from vstore.format.fact_pages import encode_facts
from vstore.format.fact_runs import Run, new_run
from vstore.format.facts import Fact
from vstore.format.pages import FACTS, Child, encode_inner
from vstore.format.run_entry import RunRef
from vstore.store import Store


def check(builder: Builder, *, read_data: bool = False) -> CheckReport:
    with Store(builder.repo.layout.folder) as store:
        return store.check(read_data=read_data)


def problems(builder: Builder) -> list[tuple[str, str]]:
    """Check a store, and list what is wrong."""
    report = check(builder)
    assert report.ok is not bool(report.problems)
    return [(problem.file, problem.what) for problem in report.problems]


def put(builder: Builder, root: bytes, rows: int, pages: Mapping[bytes, bytes]) -> str:
    """List a run, whatever it is. Returns: how a problem names it."""
    with builder.repo.committing("test"):
        builder.repo.publish("seal", {"facts": {"7": RunRef(root, rows).to_json()}}, blobs=pages)
    return f"facts {root.hex()}"


def leaf(some: list[Fact]) -> tuple[Child, bytes]:
    page = encode_facts(some, 16)
    return Child(some[0].key, HASH.digest(page), len(some)), page


def put_inner(builder: Builder, *leaves: list[Fact], level: int = 1) -> str:
    """List a run with a root over these leaves."""
    below = [leaf(some) for some in leaves]
    root = encode_inner([child for child, _ in below], level, FACTS)
    pages = {HASH.digest(page): page for page in (root, *(page for _, page in below))}
    return put(builder, HASH.digest(root), sum(map(len, leaves)), pages)


@pytest.mark.parametrize("rows", [1, 1024, 1025, 5000])
def test_sound_facts_are_no_problem(builder: Builder, rows: int) -> None:
    builder.add_facts(made(1, range(rows)))
    builder.add_facts([Fact(key(1), 2, {})])
    assert check(builder).ok and check(builder, read_data=True).ok


def test_runs_of_several_levels_are_cut_as_format_says(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fact_pages, fact_runs, fact_cut):
        monkeypatch.setattr(module, "ROWS", 4)
    for module in (fact_runs, fact_cut):
        monkeypatch.setattr(module, "MAXIMUM", 3)
    for rows in (4, 5, 12, 13, 37, 40):
        builder.add_facts(made(rows, range(rows)))
    assert problems(builder) == []
    monkeypatch.setattr(fact_runs, "MAXIMUM", 2)
    builder.add_facts(made(50, range(50)))
    name = f"facts {builder.repo.state.facts[-1].root.hex()}"
    assert problems(builder) == [(name, "its pages are not cut as FORMAT.md says")]


def test_each_lost_page_is_a_problem_of_its_run_alone(builder: Builder) -> None:
    for number in range(3):
        builder.add_facts(made(number, range(2000)))
    repo = builder.repo
    damaged = [run.root for run in repo.state.facts[:2]]
    *_, leaf_of_second = Run(repo.hash, repo.packs.get, repo.state.facts[1]).digests()
    repo.close()
    lose(repo, damaged[0], leaf_of_second)
    assert [file for file, _ in problems(builder) if file.startswith("facts")] == [f"facts {d.hex()}" for d in damaged]


def test_a_run_that_has_another_number_of_facts_than_the_log_says_is_a_problem(builder: Builder) -> None:
    new = new_run(HASH, made(1, range(5)))
    assert new is not None
    name = put(builder, new.ref.root, 6, new.pages)
    assert problems(builder) == [(name, "a page of facts does not match what names it")]


def test_pages_that_are_not_cut_as_format_says_are_a_problem(builder: Builder) -> None:
    found = made(1, range(1030))
    for leaves in ([found[:1000], found[1000:]], [found[:1024]]):
        name = put_inner(builder, *leaves)
        assert problems(builder) == [(name, "its pages are not cut as FORMAT.md says")]


def test_leaves_out_of_order_are_a_problem(builder: Builder) -> None:
    found = made(1, range(1040))
    # The first leaf ends behind the beginning of the second.
    name = put_inner(builder, [*found[:1023], found[1039]], found[1023:1039])
    assert problems(builder) == [(name, "the pages of a run of facts are out of order")]


def test_a_value_that_cannot_be_read_is_a_problem(builder: Builder) -> None:
    page = encode_facts([Fact(key(1), 1, {facts.CAMERA: "made up"})], 16).replace(b"made up", b"made \xffp")
    name = put(builder, HASH.digest(page), 1, {HASH.digest(page): page})
    ((file, what),) = problems(builder)
    assert file == name and "utf-8" in what


def test_a_page_of_another_kind_is_a_problem(builder: Builder) -> None:
    name = put(builder, HASH.digest(b"vp0\0"), 1, {HASH.digest(b"vp0\0"): b"vp0\0"})
    ((file, what),) = problems(builder)
    assert file == name and "does not begin as FORMAT.md says" in what
