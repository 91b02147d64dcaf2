"""What is known of the files of a scan: who writes it, and what the catalogue remembers of it."""

from __future__ import annotations

import ast
from pathlib import Path

import vstore.intake.survey
from vstore.intake.stat_cache import facts_of, head_of, is_clean, is_settled, keys_and_states, subfolders_in, value_of
from vstore.intake.survey import FAILED, GONE, KNOWN, LOOSE, TOO_LARGE, TROUBLE, UNKNOWN, Chunk, Survey
from vstore.pictures.folder import FileStat, files_of, pack_row, packed

SIZE = 4  # bytes of a key
SOURCE = Path(vstore.intake.survey.__file__).parents[1]


def key(number: int) -> bytes:
    return bytes([number] * SIZE)


def head(*names: str, subfolders: tuple[bytes, ...] = ()) -> bytes:
    (found,) = packed(names, b"".join(pack_row(100 + at, 1, 2, 3) for at in range(len(names))), subfolders)
    return found


def chunk(*names: str, only: bool = False, doubtful: bool = False) -> Chunk:
    return Chunk(b"pictures/a", 0, b"/pictures/a", head(*names), key_size=SIZE, only=only, doubtful=doubtful)


def surveyed(*names: str, **states: int) -> Survey:
    """A survey of one run of files; those of which a state is given have the key of their number."""
    survey = Survey([])
    run = chunk(*names)
    facts: dict[FileStat, tuple[bytes, int]] = {}
    for number, _, file in run.files():
        if file.name.decode() in states:
            facts[file] = (key(number), states[file.name.decode()])
    survey.add(run, facts, proven=True)
    return survey


def test_only_known_and_failed_files_are_remembered() -> None:
    states = {"a": KNOWN, "b": FAILED, "c": LOOSE, "d": TROUBLE, "e": TOO_LARGE, "f": GONE}
    survey = surveyed(*states, "g", **states)
    (run,) = survey.chunks
    assert [run.state(n) for n in range(len(run))] == [KNOWN, FAILED, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]
    assert [run.key(n) for n in range(len(run))] == [key(0), key(1), None, None, None, None, None]
    assert survey.large == {b"pictures/a/e"}
    assert [item.path for item in survey.unread()] == [b"pictures/a/" + name for name in (b"c", b"d", b"e", b"f", b"g")]
    assert survey.unread_count() == 5


def test_what_reading_gave_is_learnt() -> None:
    survey = surveyed("a", "b", "c")
    first, second, third = survey.unread()
    survey.learn(first, KNOWN, key(7))
    survey.learn(second, TROUBLE, None)
    survey.learn(third, TROUBLE, key(9))  # it was hashed, and could not be decoded for a reason that may pass
    (run,) = survey.chunks
    assert [run.key(n) for n in range(3)] == [key(7), None, None]
    assert list(survey.unread()) == []
    assert run.count(TROUBLE) == 2


def test_failures_come_and_go() -> None:
    survey = surveyed("a", "b", "c", a=KNOWN, b=FAILED, c=KNOWN)
    assert list(survey.failed_keys()) == [key(1)]
    survey.learn_failures({key(2)})
    assert list(survey.failed_keys()) == [key(2)]
    survey.learn_failures(())
    assert (list(survey.failed_keys()), survey.chunks[0].count(KNOWN)) == ([], 3)


def test_one_file_of_each_picture_is_embedded_unless_it_is_stored() -> None:
    survey = surveyed("a", "b", a=KNOWN, b=FAILED)
    more = Chunk(b"pictures/b", 0, b"/pictures/b", head("c", "d", "e"), key_size=SIZE, only=False, doubtful=False)
    facts = {file: (key(5 if number < 2 else 6), KNOWN) for number, _, file in more.files()}
    survey.add(more, facts, proven=False)
    asked: list[bytes] = []

    def wants(wanted: bytes) -> bool:
        asked.append(wanted)
        return wanted != key(6)

    found = [item.path for item in survey.unembedded(wants)]
    assert found == [b"pictures/a/b", b"pictures/b/c"]
    assert asked == [key(1), key(5), key(6)], "a proven picture has a vector, and one picture is asked for once"


def test_a_value_gives_back_what_was_known() -> None:
    survey = surveyed("a", "b", a=KNOWN, b=KNOWN)
    (run,) = survey.chunks
    value = value_of(run)
    assert head_of(value) == run.head
    assert is_clean(value, run.head) and not is_clean(value, head("a", "c")) and not is_clean(None, run.head)
    keys, states = keys_and_states(value, len(run) * SIZE)
    assert (keys, states) == (key(0) + key(1), bytes([KNOWN, KNOWN]))
    assert facts_of([None, value], SIZE) == {file: (key(n), KNOWN) for n, file in enumerate(files_of(run.head))}
    assert facts_of([value[:-1]], SIZE) == {}, "a value of another make says nothing"
    again = Survey([])
    again.add_clean(chunk("a", "b"), keys, states, proven=False)
    assert value_of(again.chunks[0]) == value


def test_a_value_is_settled_only_if_every_key_is_known() -> None:
    assert is_settled(value_of(surveyed("a", a=KNOWN).chunks[0]))
    assert not is_settled(value_of(surveyed("a", "b", a=KNOWN).chunks[0]))
    assert not is_settled(value_of(surveyed("a", a=FAILED).chunks[0]))
    assert not is_settled(value_of(chunk(doubtful=True)))
    assert is_settled(value_of(chunk()))


def test_a_value_names_the_subfolders() -> None:
    run = Chunk(b"a", 0, b"/a", head("x", subfolders=(b"one", b"two")), key_size=SIZE, only=False, doubtful=False)
    assert subfolders_in([value_of(run)]) == {b"one", b"two"}


def test_nobody_but_the_survey_writes_what_is_known_of_files() -> None:
    """Two parties write a survey, by its methods: the surveyor adds, the ingest learns."""
    adding, learning = set(), set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("_states", "_stored", "_keys"):
                inner = ast.unparse(node.value)
                assert inner == "self" or path.name == "survey.py", f"{path}: {ast.unparse(node)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = f"{ast.unparse(node.func.value).rpartition('.')[2].lstrip('_')}.{node.func.attr}"
                if called in ("survey.add", "survey.add_clean"):
                    adding.add(path.name)
                if called in ("survey.learn", "survey.learn_failures"):
                    learning.add(path.name)
    assert adding == {"surveyor.py"}
    assert learning == {"ingest.py", "pairing.py"}
