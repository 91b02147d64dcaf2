"""The facts of FORMAT.md: its tables, numbers, names in code, and its example; not its wording."""

from __future__ import annotations

import json
import re
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from support.tables import cells

PROSE = {  # columns that explain: their wording may change
    "a crash after it leaves", "content", "found again by", "held for", "if it is taken", "in recipes of models",
    "meaning", "meaning in policy 2", "rest of the key", "step", "what", "what is lost", "when", "written",
}  # fmt: skip
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?:^ *\|.*\n)+", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")


def tokens(text: str) -> list[str]:
    """List the names in code and the numbers of a text, sorted. Names of modules, tests and commands are wording."""
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"sections? \d+(( and |-|, )\d+)*", "", text)
    code = [" ".join(span.split()) for span in _CODE.findall(text)]
    numbers = _NUMBER.findall(_CODE.sub(" ", text))
    return sorted([span for span in code if not re.search(r"\.py|^vstore |^tests/|^docs/|^pytest", span)] + numbers)


def tables(text: str) -> list[Any]:
    """Take the tables out of a text. Of cells with prose only the tokens count."""
    found = []
    for table in _TABLE.findall(text):
        head, _, *rows = [cells(line) for line in table.splitlines()]
        found.append(
            [head]
            + [[tokens(cell) if name in PROSE else cell for name, cell in zip(head, row, strict=True)] for row in rows]
        )
    return found


def facts(text: str) -> dict[str, Any]:
    """Take the facts out of each numbered section of a page."""
    found: dict[str, Any] = {}
    for part in re.split(r"^(?=## \d+\. )", text, flags=re.MULTILINE)[1:]:
        number = part.split(".")[0].removeprefix("## ")
        body = part.split("\n", 1)[1]
        bare = _FENCE.sub("", body)
        found[number] = {
            "tables": tables(bare),
            "tokens": tokens(_TABLE.sub("", bare)),
            "blocks": [[kind, sha256(block.encode()).hexdigest()] for kind, block in _FENCE.findall(body)],
        }
    return found


def single(section: dict[str, Any]) -> list[str]:
    """List the facts of a section one by one: the rows of its tables in their order, its tokens, its blocks."""
    rows = [
        f"row {' | '.join(table[0])}: {json.dumps(row, ensure_ascii=False)}"
        for table in section["tables"]
        for row in table[1:]
    ]
    return rows + section["tokens"] + [" ".join(block) for block in section["blocks"]]


def changed(before: dict[str, Any], now: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """List the facts of each section that went and that came since, as `format-2-facts.json` holds them."""
    found = {}
    for section in now:
        old, new = (Counter(single(page[section]) if section in page else []) for page in (before, now))
        gone, added = list((old - new).elements()), list((new - old).elements())
        if gone or added:
            found[section] = {"gone": gone, "added": added}
    return found


def main() -> None:
    """Write `format-2-facts.json` again, after a change of FORMAT.md that is meant."""
    store = Path(__file__).parents[1] / "store"
    before = json.loads((store / "format-1-facts.json").read_text())
    now = facts((store.parents[1] / "store/FORMAT.md").read_text())
    moved = {section: before[section] for section in ("13", "14")}
    text = json.dumps(changed(before, {**now, **moved}), indent=1, ensure_ascii=False)
    (store / "format-2-facts.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
