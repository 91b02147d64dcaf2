"""The cut of a run of facts, which is by number alone: every page of a level is full, but the last. Pure."""

from __future__ import annotations

from vstore.format.fact_pages import ROWS, FactPage
from vstore.format.fact_runs import Inner
from vstore.format.pages import MAXIMUM


class FactCut:
    """The sizes of the pages of a run, noted in order."""

    def __init__(self) -> None:
        self._sizes: dict[int, list[int]] = {}  # facts or children, by level

    def note(self, page: FactPage | Inner) -> None:
        """Add a page, as `Run.walk` yields them."""
        if isinstance(page, Inner):
            self._sizes.setdefault(page.level, []).append(len(page.children))
        else:
            self._sizes.setdefault(0, []).append(page.rows)

    @property
    def is_right(self) -> bool:
        """The pages noted are cut as FORMAT.md says."""
        return all(
            set(sizes[:-1]) <= {MAXIMUM if level else ROWS} and not (level and sizes == [1])
            for level, sizes in self._sizes.items()
        )
