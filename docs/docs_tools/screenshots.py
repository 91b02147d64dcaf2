"""Screenshots of the page for README and the docs, from the sample pictures: into `docs/images`, light and dark.

`PYTHONPATH=store:cli:tests:docs python -m docs_tools.screenshots` needs Chromium and Playwright. `--check` writes
nothing, and exits 1 where README or a page shows a picture that it does not make.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

TOP = Path(__file__).resolve().parents[2]
IMAGES = TOP / "docs" / "images"
COLOURS = 256  # of a picture: the sample pictures have few, and the files stay small

if TYPE_CHECKING:
    from support.tabs import Tab


class Shot(NamedTuple):
    """A view to be shown.

    name:    of its files.
    path:    its address; `KEY` stands for the key of a sunset.
    ready:   what is there once it is complete.
    themes:  light, dark.
    width:   of the window.
    """

    name: str
    path: str
    ready: str
    themes: tuple[str, ...]
    width: int = 1100


SHOTS = (
    Shot("page-search", "/search?t=%2B1:key:KEY&k=10", ".grid .mark", ("light", "dark")),
    Shot("page-diff", "/diff?a=v2&b=v3", "main img", ("dark",)),
    Shot("page-duplicates", "/duplicates", ".group img", ("light",)),
    Shot("page-narrow", "/search", ".grid img", ("dark",), 400),
)
HEIGHT = 690  # of the window
# Waits until all pictures in the window are decoded.
_SHOWN = """() => Promise.all([...document.images]
  .filter((one) => one.getBoundingClientRect().top < innerHeight)
  .map((one) => one.decode().catch(() => 0)))"""


def files() -> list[str]:
    """Name the files that are made."""
    return [f"{shot.name}-{theme}.png" for shot in SHOTS for theme in shot.themes]


def main() -> int:
    """Make the screenshots, or check that those are made that the docs show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        wrong = unknown()
        print(*wrong, sep="\n")
        return 1 if wrong else 0
    sys.path[:0] = [str(TOP / name) for name in ("store", "cli", "tests")]
    take()
    return 0


def unknown() -> list[str]:
    """List the pictures of the page that README and docs name and nobody makes, or nobody made, and those unused."""
    made = set(files())
    pages = [TOP / "README.md", *(TOP / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"images/(page-[\w-]+\.png)", page.read_text())}
    there = {path.name for path in IMAGES.glob("page-*.png")}
    return sorted({*(named - made), *(named - there), *(there - made), *(made - named)})


def take() -> None:
    """Take all screenshots."""
    from support.page_library import build
    from support.page_server import PageServer
    from support.tabs import opened_tab, running_browser

    from vstore import Store

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        home = build(Path(scratch))
        with Store(home / ".vstore") as store:
            key = store.show(home / "pictures/landscapes/sunset-2.jpg").key.hex()
        with (
            PageServer(home / ".vstore") as server,
            running_browser() as browser,
            opened_tab(browser, server, Path(scratch), device_scale_factor=1) as tab,
        ):
            for shot in SHOTS:
                for theme in shot.themes:
                    (IMAGES / f"{shot.name}-{theme}.png").write_bytes(_picture(tab, shot, theme, key))


def _picture(tab: Tab, shot: Shot, theme: str, key: str) -> bytes:
    """Take one screenshot. Returns: a small PNG."""
    from PIL import Image

    tab.go(shot.path.replace("KEY", key)).wait_for_selector(shot.ready)  # the first time takes longer, and says so
    page = tab.look(shot.path.replace("KEY", key), dark=theme == "dark", width=shot.width, height=HEIGHT)
    page.wait_for_selector(shot.ready)
    page.evaluate(_SHOWN)
    with Image.open(io.BytesIO(page.screenshot(animations="disabled"))) as whole:
        small = whole.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
