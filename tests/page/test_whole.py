"""The page as a whole: all views in one visit, a store of 100,000 pictures, and a store that changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.builder import HASH, Builder, key, unit_vectors
from support.folders import drawn
from support.gallery_page import HOSTILE
from support.lines import process
from support.page_server import PageServer
from support.tabs import NARROW, WIDE, Tab

from vstore import Store
from vstore.repository.acquaintance import keep_named

Serve = Callable[..., PageServer]
VIEWS = ("Search", "Snapshots", "Compare", "Duplicates", "Health")
MANY = 100_000
# Of the many pictures these have files.
REAL = (range(200), range(MANY // 2 - 100, MANY // 2 + 100), range(MANY - 200, MANY))

# Controls without a name, ids that stand twice, images without a word for those who do not see them.
UNNAMED = """() => [
  ...[...document.querySelectorAll("button, a[href], input, select, textarea")].filter((one) => one.checkVisibility()
    && !(one.innerText?.trim() || one.ariaLabel || one.title || one.labels?.length || one.placeholder
      || one.querySelector("img[alt]:not([alt=''])"))),
  ...[...document.querySelectorAll("[id]")].filter((one) => document.getElementById(one.id) !== one),
  ...document.querySelectorAll("img:not([alt])"),
].map((one) => one.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)])
def test_all_views_are_visited_by_their_links(
    width: int, dark: bool, own_library: Path, serve: Serve, open_tab: Callable[..., Tab]
) -> None:
    hostile = own_library / "pictures" / HOSTILE
    hostile.write_bytes((own_library / "pictures" / "animals" / "fish-2.jpg").read_bytes())
    (own_library / "pictures" / f"no picture {HOSTILE}").write_bytes(b"no picture")
    process("sync", "-q", cwd=own_library)
    tab = open_tab(serve(own_library / ".vstore", "--write"))
    page = tab.look("/", width=width, dark=dark)
    page.on("dialog", lambda dialog: tab.errors.append(f"dialog: {dialog.message}"))
    for name in VIEWS:
        link = page.get_by_role("navigation").get_by_role("link", name=name, exact=True)
        link.click()
        page.wait_for_selector(f"nav [aria-current]:text-is('{name}')")
        page.wait_for_selector("main :is(h1, .grid .name)")
        page.wait_for_load_state("networkidle")
        assert name.lower() in page.url or name == "Search"
        assert page.evaluate(UNNAMED) == []
        assert not tab.is_too_wide(), name
        box, bar = link.bounding_box(), page.locator("#nav").bounding_box()
        assert box and bar and bar["x"] - 1 <= box["x"] and box["x"] + box["width"] <= bar["x"] + bar["width"] + 1
        assert page.locator("img[src='x'], script:not([src])").count() == 0, "a name is text"
    page.go_back()
    page.wait_for_selector("nav [aria-current]:text-is('Duplicates')")


def test_a_hundred_thousand_thumbnails_are_scrolled(tmp_path: Path, serve: Serve, open_tab: Callable[..., Tab]) -> None:
    server = serve(of_many(tmp_path))
    assert server.get("/search")["images"] == MANY
    tab = open_tab(server)
    page = tab.go("/search")
    for share, real in zip((0, 0.5, 1), REAL, strict=True):
        page.evaluate(f"scrollTo(0, {share} * (document.documentElement.scrollHeight - innerHeight))")
        name = f"{real[-1] if share == 1 else real[0] if share == 0 else MANY // 2:06}.png"
        page.wait_for_selector(f".grid .name >> text={name}")
        page.wait_for_function(
            "(name) => { const card = [...document.querySelectorAll('.grid .card')].find((one) =>"
            " one.textContent.includes(name)); return card?.querySelector('img')?.naturalWidth > 0; }",
            arg=name,
        )
        assert page.locator(".grid .card").count() < 200, "only those around the window are there"
    page.evaluate("scrollTo(0, 0.25 * document.documentElement.scrollHeight)")
    page.wait_for_selector(".grid .card .missing")  # no file is there: its place and its name


def of_many(top: Path) -> Path:
    """Make a store of 100,000 pictures, some with files. Returns: its folder."""
    pictures = top / "pictures"
    pictures.mkdir()
    builder = Builder(top / ".vstore")
    keys = [key(number) for number in range(MANY)]
    for number in (number for real in REAL for number in real):
        data = drawn(number)
        (pictures / f"{number:06}.png").write_bytes(data)
        keys[number] = HASH.digest(data)
    builder.add_root("pictures", pictures)
    builder.add_segment(keys, unit_vectors(MANY))
    builder.add_snapshot({b"pictures/%06d.png" % number: one for number, one in enumerate(keys)})
    builder.repo.reload()
    keep_named(builder.repo, builder.repo.state.roots.values())
    return top / ".vstore"


def test_a_newer_snapshot_is_told_and_shown(own_library: Path, serve: Serve, open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(serve(own_library / ".vstore"))
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    (own_library / "pictures" / "animals" / "aardvark.png").write_bytes(drawn(1))
    with Store(own_library / ".vstore") as store:
        name = store.sync().snapshot
    page.wait_for_selector(f"#banner:has-text('The store has changed: {name} is current now.')")
    assert page.locator(".grid .name >> text=aardvark.png").count() == 0, "what is looked at stays"
    page.get_by_role("button", name="Show it").click()
    page.wait_for_selector(".grid .name >> text=aardvark.png")
    assert page.locator("#banner").inner_text() == ""
