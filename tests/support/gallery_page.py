"""The pages that `to_html` writes, as a browser reads them."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path

HOSTILE = os.fsdecode(b'"><script>alert(1)<img src=x onerror=alert(2)> \xe9\x1b[31m \xe2\x80\xaegpj.png')


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.text = file.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


def harmless(page: Page) -> None:
    """Nothing in a page is loaded or run, and no rule of its policy is broken by it."""
    (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert {tag for tag, _ in page.found} <= {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "main", "ul", "li", "a", "div",
        "span", "img", "details", "summary", "footer",
    }  # fmt: skip
    for tag, attributes in page.found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:image/jpeg;base64,", "file:///", "data:"))
    assert all(one.get("alt") for one in page.all("img"))
