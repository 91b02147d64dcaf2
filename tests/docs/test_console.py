"""Every console block of README and docs/ runs as it stands, or says why it is not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_tools.console import RUNNABLE, SHELLS, TOP, Block, Differs, Session, blocks, missing, pages, refresh, run_page

PAGES = {str(page.relative_to(TOP)): page for page in pages()}
WITH_BLOCKS = [name for name, page in PAGES.items() if any(block.runs for block in blocks(page.read_text()))]


@pytest.mark.parametrize("name", WITH_BLOCKS)
def test_the_commands_of_a_page_print_what_it_shows(name: str) -> None:
    lacking = missing(PAGES[name])
    if lacking:
        pytest.skip(f"{', '.join(lacking)} is not installed")
    before, after = refresh(PAGES[name])
    assert after.split("\n") == before.split("\n"), "run `make docs-output`"


@pytest.mark.parametrize("name", PAGES)
def test_commands_stand_in_console_blocks_and_those_that_are_not_run_have_a_reason(name: str) -> None:
    text = PAGES[name].read_text()
    assert not re.search(r"^ +`{3}", text, re.MULTILINE), "an indented block is not seen by the tests"
    for block in blocks(text):
        assert block.language not in SHELLS, f"line {block.at}: write ```console or ```python"
        for directive in ("not run", "not compared"):
            assert len(block.directives.get(directive, "a reason")) > 5, f"line {block.at}: give the reason"
        if block.language == "console":
            assert list(block.steps()), f"line {block.at}: no command"
        if {"not run", "not compared", "exit"} & block.directives.keys():
            assert block.language in RUNNABLE


def test_the_tour_and_a_page_with_a_model_are_among_them() -> None:
    assert {"README.md", "docs/tutorial.md"} <= set(WITH_BLOCKS)
    assert sum(block.runs for page in PAGES.values() for block in blocks(page.read_text())) > 30


# The machinery itself


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def test_a_page_is_brought_up_to_date_and_stays_as_it_is_where_only_times_differ(session: Session) -> None:
    page = "```console\n$ echo one\ntwo\n$ echo 2026-01-01 00:00:00 3 s\n2020-02-02 02:02:02 8 s\n```\n"
    assert run_page(page, session) == page.replace("two", "one")


def test_a_command_that_fails_is_named(session: Session) -> None:
    with pytest.raises(Differs, match="`false` exits with 1, not 0"):
        run_page("```console\n$ false\n```\n", session)
    page = "<!-- exit: 5 -->\n```console\n$ (exit 5)\n```\n"
    assert run_page(page, session) == page


def test_commands_follow_one_another_in_one_folder(session: Session) -> None:
    page = (
        "<!-- run: mkdir there -->\n```console\n$ cd there\n$ pwd\nx\n```\n"
        "<!-- file: a/b.txt -->\n```text\nhello\n```\n"
        "```console\n$ cat \\\n    a/b.txt\n```\n```python\nprint('said')\n```\n<!-- output -->\n```text\n```\n"
    )
    after = run_page(page, session)
    assert "$ pwd\n/home/ada/there\n" in after
    assert "$ cat \\\n    a/b.txt\nhello\n" in after
    assert "<!-- output -->\n```text\nsaid\n```" in after


def test_what_is_not_run_and_not_compared_stays(session: Session) -> None:
    page = (
        "<!-- not run: it would end the world -->\n```console\n$ exit 7\n```\n"
        "<!-- not compared: it is random -->\n```console\n$ echo one\ntwo\n```\n"
    )
    assert run_page(page, session) == page
    assert [block.runs for block in blocks(page)] == [False, True]


def test_a_directive_counts_for_the_block_below_it_alone() -> None:
    first, second = blocks("<!-- exit: 3 -->\n```console\n$ a\n```\n\nText\n\n```console\n$ b\n```\n")
    assert (first.directives, second.directives) == ({"exit": "3"}, {})
    (only,) = blocks("<!-- exit: 3 -->\n\nText\n\n```console\n$ b\n```\n")
    assert isinstance(only, Block) and only.directives == {}
