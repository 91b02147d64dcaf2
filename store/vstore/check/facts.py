"""Checks the facts of pictures: the pages of every run, their order, counts and values."""

from __future__ import annotations

from functools import partial

from vstore.check.findings import Findings
from vstore.errors import VstoreError
from vstore.format.fact_cut import FactCut
from vstore.format.fact_pages import FactPage
from vstore.format.fact_runs import Run
from vstore.format.hashing import Hash
from vstore.format.page_tree import Fetch
from vstore.format.state import State


def check_facts(hash: Hash, state: State, fetch: Fetch, findings: Findings) -> None:
    """Check every run of facts. fetch: reads a blob, and checks its digest."""
    for ref in state.facts:
        findings.attempt(f"facts {ref.root.hex()}", partial(_check_run, Run(hash, fetch, ref)))


def _check_run(run: Run) -> None:
    cut = FactCut()
    for page in run.walk():
        cut.note(page)
        if isinstance(page, FactPage):
            page.facts()  # what is read is checked
    if not cut.is_right:
        raise VstoreError("its pages are not cut as FORMAT.md says")
