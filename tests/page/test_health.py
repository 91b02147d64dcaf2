"""The view of health: what could not be read, the spaces, the bytes, a check, and what runs meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Route
from support.folders import drawn
from support.gallery_page import HOSTILE
from support.lines import TOP, process
from support.page_server import PageServer
from support.signalled import Running
from support.stores import found, to_found
from support.tabs import NARROW, Tab

from vstore import Store
from vstore.disk.lock import Lock
from vstore.progress import Stage

Serve = Callable[..., PageServer]


def broken(library: Path, names: list[str]) -> None:
    """Put files into a library that no decoder takes, and sync."""
    for name in names:
        (library / "pictures" / name).write_bytes(b"no picture")
    assert process("sync", "-q", cwd=library).code == 3


def test_the_json_of_health_is_what_the_store_says(page_server: PageServer, library: Path) -> None:
    health = page_server.get("/health")
    assert health["running"] is None and health["complaint"] is None and health["check"] is None
    assert health["failed"] == {"total": 0, "from": 0, "entries": []}
    assert health["stats"] == json.loads(process("stats", "--json", cwd=library).out)
    assert health["spaces"] == json.loads(process("model", "list", "--json", cwd=library).out)


def test_pictures_that_could_not_be_read_are_listed_in_parts(own_library: Path, serve: Serve) -> None:
    broken(own_library, [f"broken {n}.jpg" for n in range(5)])
    server = serve(own_library / ".vstore")
    found = server.get("/health?from=1&count=3")["failed"]
    assert (found["total"], found["from"]) == (5, 1)
    assert [entry["path"] for entry in found["entries"]] == [f"pictures/broken {n}.jpg" for n in (1, 2, 3)]
    assert {entry["kind"] for entry in found["entries"]} == {"not_an_image"}
    assert server.get("/health?from=9")["failed"] == {"total": 5, "from": 9, "entries": []}
    assert server.get("/health?count=501", status=400)["error"]["code"] == "usage"


def test_a_check_is_asked_for_and_kept(own_library: Path, serve: Serve) -> None:
    server = serve(own_library / ".vstore")
    report = server.get("/health/check")
    assert report["ok"] is True and report["snapshots"] == 3
    assert server.get("/health")["check"] == report
    pack = next((own_library / ".vstore" / "packs").iterdir())
    os.truncate(pack, pack.stat().st_size - 1)
    report = server.get("/health/check")
    assert report["ok"] is False and report["problem_count"] == len(report["problems"]) > 0


def test_what_runs_is_in_the_state_of_the_page(own_library: Path, serve: Serve) -> None:
    server = serve(own_library / ".vstore")
    assert server.get("/state")["running"] is None
    for seed in range(64):
        (own_library / "pictures" / f"{seed}.png").write_bytes(drawn(seed))
    with Running(own_library, "sync", "pictures") as running:
        found = server.get("/state")["running"]
        assert (found["pid"], found["command"], found["unit"]) == (running.pid, "sync", "files")
        assert server.get("/health")["running"]["pid"] == running.pid
        running.signal(signal.SIGKILL)
        running.wait()
    assert server.get("/state")["running"] is None


def test_the_view_shows_a_healthy_store(tab: Tab) -> None:
    page = tab.go("/health")
    page.wait_for_selector("h1:text('Health')")
    text = page.inner_text("main")
    assert "None: the newest sync read all that it met." in text
    assert page.locator(".spaces .chip.good").inner_text() == "verified"
    assert page.locator(".disk tr").count() >= 4
    page.get_by_role("button", name="Check now").click()
    page.wait_for_selector("text=No damage found.")
    assert page.locator(".runs").inner_text() == ""


def test_the_index_of_a_space_is_shown(own_library: Path, serve: Serve, open_tab: Callable[..., Tab]) -> None:
    with Store(own_library / ".vstore") as store:
        page = open_tab(serve(own_library / ".vstore")).go("/health")
        assert page.wait_for_selector(".spaces .index").inner_text() == "not needed"
        built = store.index_build(exact_below=0).now
        page.reload()
        text = page.wait_for_selector(".spaces .index").inner_text()
        assert "finds 1.000 of the ten nearest" in text and f"{built.size / 1024:.1f} KiB" in text
        assert "not asked" not in text
        store.index_build(exact_below=1 << 30)
        page.reload()
        assert "not asked: all are compared" in page.wait_for_selector(".spaces .index").inner_text()
        store.index_build(exact_below=0)
        store.index_drop()
        page.reload()
        assert "not needed" in page.wait_for_selector(".spaces .index").inner_text()


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_narrow_window(tab: Tab, dark: bool) -> None:
    page = tab.look("/health", width=NARROW, dark=dark)
    page.wait_for_selector(".disk")
    tab.shot(f"health-narrow-{'dark' if dark else 'light'}", full_page=True)
    assert not tab.is_too_wide()


def test_a_bar_fills_its_height(tab: Tab) -> None:
    page = tab.go("/health")
    page.wait_for_selector(".disk meter")
    page.evaluate("() => { const one = document.querySelector('.disk meter'); one.value = one.max; }")
    with Image.open(BytesIO(page.locator(".disk meter").first.screenshot())) as picture:
        column = [picture.getpixel((picture.width // 2, y)) for y in range(picture.height)]
    assert column.count(column[len(column) // 2]) >= 7, column  # it may begin between two rows


def test_failed_pictures_are_shown_with_folder_and_reason(
    own_library: Path, serve: Serve, open_tab: Callable[..., Tab]
) -> None:
    broken(own_library, [*(f"{n:03}.jpg" for n in range(60)), f"{HOSTILE}.jpg"])
    tab = open_tab(serve(own_library / ".vstore"))
    page = tab.go("/health")
    page.wait_for_selector(".failed tbody tr")
    assert page.locator(".failed tbody tr").count() == 50
    page.get_by_role("button", name="More").click()
    page.wait_for_selector(".failed tbody tr:nth-child(61)")
    odd = page.locator(".failed tbody tr").first.inner_text()
    assert '"><script>alert(1)<img src=x onerror=alert(2)>' in odd, "as text, and not as HTML"
    first = page.locator(".failed tbody tr").nth(1).inner_text()
    assert "000.jpg" in first and str(own_library / "pictures") in first
    assert "No picture that can be read" in first and "not_an_image" not in first.replace(" ", "_")


def test_kinds_of_failures_are_words(tab: Tab) -> None:
    """Every kind that FORMAT.md lists has words of its own; one of a newer version stands as it is."""
    listed = re.search(r"Kinds of failure \*\(tested\)\*: ((?:`\w+`\s?)+)", (TOP / "store/FORMAT.md").read_text())
    assert listed
    kinds = [*re.findall(r"\w+", listed[1]), "of_a_newer_version"]
    assert "needs_extra" in kinds

    def failing(route: Route) -> None:
        answer = route.fetch()
        entries = [{"path": f"pictures/{kind}.jpg", "file": None, "reason": "so", "kind": kind} for kind in kinds]
        route.fulfill(response=answer, json=answer.json() | {"failed": {"total": len(kinds), "entries": entries}})

    tab.answer("**/health?*", failing)
    rows = tab.go("/health").locator(".failed tbody tr td:last-child .small")
    rows.last.wait_for()
    *said, newer = rows.all_inner_texts()
    assert newer == "of_a_newer_version"
    assert len(set(said)) == len(kinds) - 1
    assert all(" " in words and words[0].isupper() for words in said), said


def test_a_running_sync_is_shown_and_goes(own_library: Path, serve: Serve, open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(serve(own_library / ".vstore"))
    with Lock(own_library / ".vstore" / "locks", "ingest") as lock:
        lock.acquire(0, "sync")
        stage = Stage("reading", 1000)
        stage.files = 250
        lock.tell(stage)
        page = tab.go("/health")
        page.wait_for_selector(".runs progress")
        assert "Running now: sync, reading" in page.inner_text(".runs")
        assert "250 of 1,000 files" in page.inner_text(".runs")
    page.wait_for_selector(".runs:empty", state="attached")


def test_damage_that_a_check_finds_and_what_a_repair_took_out_are_shown(
    own_library: Path, serve: Serve, open_tab: Callable[..., Tab]
) -> None:
    store = own_library / ".vstore"
    segments = [path for path in (store / "segments").rglob("*") if path.is_file()]
    segment = min(segments, key=lambda path: path.stat().st_size)  # of what the newest sync met: it is still there
    segment.chmod(0o644)
    segment.write_bytes(segment.read_bytes()[:-100])
    tab = open_tab(serve(store))
    page = tab.go("/health")
    page.get_by_role("button", name="Check now").click()
    page.wait_for_selector(".note.bad:has-text('found.')")
    told = page.locator("section", has_text="Check now").inner_text()
    assert segment.name in told and "vstore repair" in told, "what is damaged, and what to do"
    assert process("repair", "-q", cwd=own_library).code == 0
    page = tab.go("/health")
    page.wait_for_selector("text=A repair took 1 damaged file out of use")
    page.get_by_role("button", name="Check now").click()
    page.wait_for_selector("text=No damage found.")


def test_a_space_that_nobody_has_verified_says_how_to(
    tmp_path: Path, serve: Serve, open_tab: Callable[..., Tab]
) -> None:
    to_found(tmp_path)
    found(tmp_path)  # imports an index
    tab = open_tab(serve(tmp_path / ".vstore"))
    page = tab.go("/health")
    page.wait_for_selector(".spaces tbody tr")
    assert page.locator(".spaces .chip:not(.now)").inner_text() == "claimed"
    assert "vstore check --reembed 32" in page.inner_text("main")
