"""The pages of the project hang together: links lead somewhere, and what they name is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from docs_tools.console import TOP, blocks
from docs_tools.exports import exported, groups, members
from docs_tools.site import restructured

import vstore

PAGES = [
    *sorted(path for path in TOP.glob("*.md")),
    *sorted(path for path in (TOP / "docs").rglob("*.md") if "_build" not in path.parts),
    TOP / "store/FORMAT.md",
    TOP / "benchmarks/README.md",
]
NAMES = [str(path.relative_to(TOP)) for path in PAGES]


def prose(text: str) -> str:
    """Take the code blocks out of a page."""
    return re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """List the anchors of a page's headings, as a forge makes them."""
    heads = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place) if place else page
        if page == TOP / "docs/reference/json.md" and place == "format.md":
            continue  # the site shows FORMAT.md there
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text()), target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    places = ("store/vstore", "store", "cli", "cli/vstore_cli", "cli/vstore_page", "docs", "benchmarks")
    below = [TOP, page.parent, *(TOP / place for place in places)]
    for name in re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|md|toml|sh))`", prose(page.read_text())):
        if "CHANGELOG" not in page.name and name != "utils.py":  # which must not be there
            assert any((folder / name).exists() for folder in below), name


def test_the_layers_of_the_picture_are_those_of_the_linter() -> None:
    layers = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    picture = blocks((TOP / "docs/architecture/index.md").read_text())[0].lines
    rooms = {name.strip().removeprefix("vstore.") for layer in layers for name in layer.split("|")}
    missing = {name for name in rooms if not re.search(rf"\b{name}\b", "\n".join(picture))}
    assert missing <= {"testing", "_version"}


def test_every_decision_has_a_number_its_heading_and_a_place_in_the_list() -> None:
    index = (TOP / "docs/decisions/index.md").read_text()
    pages = sorted((TOP / "docs/decisions").glob("[0-9]*.md"))
    assert len(pages) > 15
    for number, page in enumerate(pages, 1):
        text = page.read_text()
        title = re.match(rf"# {number}\. (.*)\n", text)
        assert title and page.name.startswith(f"{number:04d}-")
        assert f"| {number} | [{title[1]}]({page.name}) |" in index
        assert f"\n{page.stem}\n" in index
        for part in ("**Decision.**", "**Why.**"):
            assert part in text
        assert len(text.splitlines()) < 50, "a decision is a short page"


def test_figures_of_a_decision_name_a_benchmark_or_say_that_they_were_measured_once() -> None:
    for page in (TOP / "docs/decisions").glob("[0-9]*.md"):
        for figures in re.findall(r"\*\*Figures\.\*\*(.*?)(?:\n\n|$)", page.read_text(), re.DOTALL):
            assert "Measured once" in figures or "`benchmarks/bench_" in figures, page.name


def test_every_page_hangs_in_the_tree_of_the_site() -> None:
    docs = TOP / "docs"
    listed = {docs / "index.md"}
    for page in docs.rglob("index.md"):
        if "_build" not in page.parts:
            for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL):
                names = [line for line in tree.splitlines() if line and not line.startswith(":")]
                listed |= {page.parent / f"{name}.md" for name in names}
    assert {page for page in docs.rglob("*.md") if "_build" not in page.parts} == listed


def test_the_python_reference_shows_every_exported_name_once() -> None:
    shown = [name for names in groups().values() for name in names]
    assert sorted(shown) == sorted(exported())
    page = (TOP / "docs/reference/python.md").read_text()
    assert set(re.findall(r"^\.\. vstore-face:: (.*)$", page, re.MULTILINE)) >= set(groups())


def test_the_python_reference_shows_every_method_of_a_store_theme_by_theme() -> None:
    shown = list(members(vstore.Store))
    assert set(shown) == {name for name in dir(vstore.Store) if not name.startswith("_")} - {"FOLDER"}
    assert shown.index("init") < shown.index("sync") < shown.index("watch") < shown.index("ls") < shown.index("close")


def test_help_texts_become_restructured_text() -> None:
    assert restructured("`vstore gc` frees * of it_") == "``vstore gc`` frees \\* of it\\_"


def test_readme_and_the_site_warn_of_the_other_package() -> None:
    for name in ("README.md", "docs/index.md", "docs/howto/installing.md", "RELEASING.md"):
        assert "somebody else's" in (TOP / name).read_text(), name
