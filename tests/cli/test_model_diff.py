"""`vstore model diff`: two spaces compared, in words and as a document."""

from __future__ import annotations

import json
import re

import pytest
from support.lines import Line

from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder


@pytest.fixture
def two(line: Line) -> Line:
    """Twenty pictures in the spaces `fake-1` and `fake-2`, whose vectors have nothing in common."""
    line.put({f"my photos/{number}.png": number for number in range(20)})
    fakes = [FakeEmbedder("fake-1"), FakeEmbedder("fake-2", 12)]
    Store.init(line.store, recipe=fakes[0].recipe)
    add_space(Repository(line.store), fakes[1].recipe, "fake-2")
    by_name = {fake.recipe["name"]: fake for fake in fakes}
    with Store(line.store, load_embedder=lambda recipe: by_name[recipe["name"]]) as store:
        store.sync([line.home / "my photos"])
        store.sync(space="fake-2")
    return line


def test_the_figure_its_chance_and_the_pictures_that_changed_most(two: Line) -> None:
    with Store(two.store) as store:
        report = store.model_diff("fake-1", "fake-2", changed=1)
    (one,) = report.changed
    lost = [near.path for near in one.a if near.key not in {other.key for other in one.b}]
    ran = two("model", "diff", "fake-1", "fake-2", "--changed", "1")
    assert ran.lines[:5] == [
        "fake-1 (v1) and fake-2 (v2): 20 pictures in both",
        f"overlap@10: {100 * report.overlap:.1f} % (of all 20 pictures)",
        "by chance:  52.6 %",
        "The neighbours of these changed most:",
        f"  {one.path.decode()}: {round(10 * one.overlap)} of 10 are the same",
    ]
    assert ran.lines[5].startswith(f"    - {', '.join(path.decode() for path in lost[:3])} and {len(lost) - 3} more")
    assert re.match(r"    \+ my photos/", ran.lines[6])
    assert ran.err == ""


def test_a_sample_says_its_bounds(two: Line) -> None:
    lines = two("model", "diff", "v1", "v2", "--sample", "5", "--changed", "0").lines
    assert re.fullmatch(r"overlap@10: [\d.]+ % \([\d.]+ % to [\d.]+ % of all; a sample of 5 pictures\)", lines[1])
    assert len(lines) == 3


def test_the_document_is_that_of_the_report(two: Line) -> None:
    with Store(two.store) as store:
        wanted = json.loads(json.dumps(store.model_diff("v1", "fake-2", sample=7, changed=3).to_json()))
    found = two("model", "diff", "v1", "fake-2", "--sample", "7", "--changed", "3", "--json").json
    assert found.pop("store") == str(two.store)
    assert found == wanted


def test_its_spaces_and_snapshots_are_completed_and_mistakes_say_what_to_do(two: Line) -> None:
    error = two("model", "diff", "fake-1", "fake2", "--json", code=1).error
    assert (error["code"], error["message"]) == ("no_such_snapshot", "no space and no snapshot 'fake2' in this store")
    assert error["next"].startswith("did you mean: vstore model diff fake-1 fake-2 --json; the spaces here are: fake-1")
    assert "both of the space 'fake-1'" in two("model", "diff", "v1", "fake-1", code=2).err
    assert "--sample is 0, and no count of pictures" in two("model", "diff", "v1", "v2", "--sample", "0", code=2).err
    assert "an argument is empty" in two("model", "diff", "v1", "", code=2).err
    assert "did you mean: vstore model diff v1 v2" in two("model", "compare", "v1", "v2", code=2).err
