"""Checks the facts of pictures: the pages of every run, their order, counts and values."""

from __future__ import annotations

from functools import partial

from vstore.check.findings import Findings
from vstore.errors import VstoreError
from vstore.format.fact_pages import ROWS
from vstore.format.fact_runs import Inner, Run
from vstore.format.hashing import Hash
from vstore.format.page_tree import Fetch
from vstore.format.pages import MAXIMUM
from vstore.format.state import State


def check_facts(hash: Hash, state: State, fetch: Fetch, findings: Findings) -> None:
    """Check every run of facts. fetch: reads a blob, and checks its digest."""
    for ref in state.facts:
        findings.attempt(f"facts {ref.root.hex()}", partial(_check_run, Run(hash, fetch, ref)))


def _check_run(run: Run) -> None:
    sizes: dict[int, list[int]] = {}  # of the pages, by level
    for page in run.walk():
        if isinstance(page, Inner):
            sizes.setdefault(page.level, []).append(len(page.children))
        else:
            page.facts()  # what is read is checked
            sizes.setdefault(0, []).append(page.rows)
    for level, found in sizes.items():
        full = MAXIMUM if level else ROWS
        if any(size != full for size in found[:-1]) or (level and found == [1]):
            raise VstoreError("its pages are not cut as FORMAT.md says")
