"""Expressions of --where: what is one, what is refused, and that nothing but the table is ever asked."""

from __future__ import annotations

import gc
import sqlite3
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.errors import UsageError
from vstore.where import engine
from vstore.where.engine import Engine
from vstore.where.expression import SEPARATOR, escaped, read_expression

Row = dict[str, Any]


def fitting(text: str, rows: Sequence[Row], types: Sequence[str] = ()) -> list[bool]:
    """Tell for which rows an expression is true; columns are named as in the rows."""
    expression = read_expression(text)
    names = [name.name for name in expression.names]
    with Engine(types or [""] * len(names)) as asked:
        asked.load([[row.get(name) for name in names] for row in rows])
        return [one == "1" for one in asked.fitting(expression.sql({n: i for i, n in enumerate(expression.names)}))]


@pytest.mark.parametrize(
    "text",
    [
        "camera like 'Canon%' and taken >= '2024-06' or not rating > 3",
        "max(width, height) between 100 and 5e3",
        "case when a then b else coalesce(c, 0) end",
        "a in (1, 'x', null) and b not in () and c is not null and d isnull",
        "cast(a as integer) = 5 and b collate nocase = 'x'",
        "a || 'x' glob '*[a-z]?' and b like '10\\%' escape '\\'",
        'field."my label" = 1 and fact.camera = 2 and `x` = [y z] and "a ""b""" = 3',
        "größe > 0x10",
        "date(taken) >= date('now', '-1 month')",
        "(a, b) = (1, 2)",
        "a < current_date or b < CURRENT_TIME or c < Current_Timestamp",
    ],
)
def test_an_expression_is_read(text: str) -> None:
    assert read_expression(text).text == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("1) or (1", "a parenthesis of --where closes nothing, near ') or (1'"),
        ("(a", "a parenthesis of --where is not closed, near '(a'"),
        ("a = 1;", "is one expression, and goes on near ';'"),
        ("a = 1; drop table p", "goes on near '; drop table p'"),
        ("a = 1 -- b", "takes no comments: near '-- b'"),
        ("a = 1 /* b", "takes no comments: near '/* b'"),
        ("a = ?", "cannot be read near '?'"),
        ("a = :b", "cannot be read near ':b'"),
        ("a = 'b", "a quote of --where is not closed"),
        ('a = "b', "a quote of --where is not closed"),
        ("a = 1x", "cannot be read near '1x'"),
        ("a\0b", "cannot be read near"),
        ("a = '\0'", "a quote of --where is not closed"),
        ("a = '\udcff'", "not text in UTF-8"),
        ("a = = 3", 'near "=": syntax error'),
        ("a b", 'near "b": syntax error'),
        ("a >", "--where cannot be computed: something is missing after '>', at its end"),
        ("a = 1 and", "something is missing after 'and', at its end"),
        ("length(a) > 1 and not", "something is missing after 'not', at its end"),
        ("a between 1", "something is missing after '1', at its end"),
        ("(a >)", 'near ")": syntax error'),
        ("(a >) and b", 'near ")": syntax error'),
        ("(select 1)", "SELECT is not taken"),
        ("a in (select 1)", "SELECT is not taken"),
        ("exists (values (1))", "EXISTS is not taken"),
        ("with recursive x(n) as (select 1) select n from x", "WITH is not taken"),
        ("a in b", "IN is followed by b, which is no list"),
        ("a in sqlite_master", "IN is followed by sqlite_master, which is no list"),
        ("a in json_each('[1]')", "no such function: json_each"),
        ("pragma_user_version() = 1", "no such function: pragma_user_version"),
        ("attach 'x' as y", "ATTACH is not taken"),
        ("load_extension('x')", "no such function: load_extension"),
        ("randomblob(1000000000) is null", "no such function: randomblob"),
        ("zeroblob(1000000000) is null", "no such function: zeroblob"),
        ("printf('%1000000000d', 1) is null", "no such function: printf"),
        ("readfile('/etc/passwd') is null", "no such function: readfile"),
        ("lenght(a) = 1", "no such function: lenght; did you mean length?"),
        ("count(*) > 1", "count() counts over many pictures"),
        ("group_concat(a) = ''", "group_concat() counts over many pictures"),
        ("max(a) = a", "max() of one value counts over many pictures"),
        ("row_number() over () = 1", "no such function: row_number"),
        ("min(a) over () = 1", "OVER is not taken"),
        ("lower(a, b)", "wrong number of arguments to function lower()"),
        ("a regexp 'b'", "REGEXP is not taken"),
        ("a match 'b'", "MATCH is not taken"),
        ("raise(abort, 'x')", "RAISE is not taken"),
        ("cast(a as b)", "AS is followed by no word"),
        ("a collate b", "COLLATE is followed by no word"),
        ("p.a = 1", "no such column: p.a"),
        ("main.p.a = 1", "no such column: main.p"),
        ("field. = 1", "the name of a field is missing"),
        ("has(tags)", "has() takes a field and a text"),
        ("has(tags, other)", "has() takes a field and a text"),
        ("has('a', 'b')", "has() takes a field and a text"),
        ("(1, 2)", "row value misused"),
        ('"a"(1)', "no such function"),
        ("(" * 500 + "a" + ")" * 500, "parser stack overflow"),
        (" or ".join(["a"] * 2_000), "Expression tree is too large"),
        ("not " * 5_000 + "a", "parser stack overflow"),
        ("a" * 65_537, "has 65,537 bytes"),
        ("'" + "a" * 1_000_000 + "'", "has 1,000,002 bytes"),
    ],
)
def test_what_is_no_expression_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_expression(text)
    assert said in caught.value.message and caught.value.next_step
    assert "c0" not in str(caught.value)


@pytest.mark.parametrize("text", ["not " * 5_000 + "a", " or ".join(["a"] * 2_000)])
def test_what_is_too_large_is_no_matter_of_quotes(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_expression(text)
    assert "write a simpler one" in caught.value.next_step
    with pytest.raises(UsageError, match="integer overflow") as caught:
        fitting("abs(a) > 1", [{"a": -(1 << 63)}])
    assert "smaller numbers" in caught.value.next_step


def test_the_clock_is_asked_by_a_word() -> None:
    assert fitting("a < current_date", [{"a": "2020-01-01"}, {"a": "9999-01-01"}]) == [True, False]


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="where is 5, and no text"):
        read_expression(5)  # type: ignore[arg-type]


@given(st.text("ab1 '\"`[]().,;-/*?:@$#\\|&<>=!~%\n\0é", max_size=30) | st.text(max_size=20))
def test_any_text_is_an_expression_or_a_usage_error(text: str) -> None:
    try:
        expression = read_expression(text)
    except UsageError:
        return
    with Engine([""] * len(expression.names)) as asked:
        asked.load([[None] * len(expression.names)])
        try:
            found = asked.fitting(expression.sql({name: slot for slot, name in enumerate(expression.names)}))
        except UsageError as err:
            assert "cannot be computed" in err.message
        else:
            assert found in ("0", "1")


@pytest.mark.parametrize(
    "sql",
    [
        "(SELECT 1)",
        "EXISTS (SELECT 1 FROM sqlite_master)",
        "c0 IN (SELECT name FROM sqlite_master)",
        "c0 IN (WITH RECURSIVE x(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM x) SELECT n FROM x)",
        "c0 IN sqlite_master",
        "c0 IN pragma_database_list",
        "1) UNION SELECT (1",
        "randomblob(1) IS NULL",
        "zeroblob(1) IS NULL",
        "load_extension('x')",
        "group_concat(c0) IS NULL",
        "count(*)",
        "hex(c0) = ''",
        "json_extract(c0, '$')",
    ],
)
def test_the_engine_refuses_by_itself_what_no_expression_holds(sql: str) -> None:
    with Engine([""]) as asked:
        asked.load([[1]])
        for ask in (asked.check, asked.fitting):
            with pytest.raises(UsageError):
                ask(sql)


def test_a_statement_behind_another_is_not_run() -> None:
    with Engine([""]) as asked:
        asked.load([[1]])
        with pytest.raises((UsageError, sqlite3.Warning)):
            asked.check("1) ; DROP TABLE p ; --")
        assert asked.fitting("c0 = 1") == "1"


def test_what_is_null_fits_nothing_and_not_its_opposite() -> None:
    rows: list[Row] = [{"a": None}, {"a": 1}, {"a": "x"}]
    assert fitting("a = 1", rows) == [False, True, False]
    assert fitting("not a = 1", rows) == [False, False, True]
    assert fitting("a is null", rows) == [True, False, False]
    assert fitting("a in (1, null)", rows) == [False, True, False]
    assert fitting("a not in (1, null)", rows) == [False, False, False]
    assert fitting("coalesce(a, 0) = 0", rows) == [True, False, False]
    assert fitting("null", rows) == [False] * 3 and fitting("1", rows) == [True] * 3


def test_names_are_found_by_what_they_are_and_texts_by_their_letters() -> None:
    rows: list[Row] = [{"größe": 5, "a b": "é'%"}, {"größe": 4, "a b": 'q"'}]
    assert fitting("größe > 4 and \"a b\" = 'é''%'", rows) == [True, False]
    assert fitting("[a b] like '%\"'", rows) == [False, True]


def test_types_decide_how_texts_and_numbers_compare() -> None:
    rows: list[Row] = [{"a": 9}, {"a": 100}]
    assert fitting("a > '10'", rows, ["INTEGER"]) == [False, True]
    assert fitting("a >= 2024", [{"a": "2024-01"}, {"a": "2023-12"}], ["TEXT"]) == [True, False]


def test_more_rows_than_one_question_answers() -> None:
    rows = [{"a": number} for number in range(70_001)]
    assert fitting("a % 3 = 0", rows) == [number % 3 == 0 for number in range(70_001)]
    assert fitting("1", []) == []


@given(
    st.lists(st.text(max_size=3) | st.sampled_from(["\x1f", "\x1e", "a", "\x1ea\x1f"]), max_size=4), st.text(max_size=3)
)
def test_a_list_has_its_texts_and_no_other(items: list[str], other: str) -> None:
    listed = "".join([SEPARATOR, *(escaped(item) + SEPARATOR for item in items)]).encode()
    for text in [*items, other, "".join(items), SEPARATOR.join(items)]:
        if "\0" not in text:
            quoted = text.replace("'", "''")
            assert fitting(f"has(tags, '{quoted}')", [{"tags": listed}]) == [text in items]


def test_a_text_is_had_if_it_is_equal_and_nothing_has_nothing() -> None:
    rows: list[Row] = [{"tags": "a"}, {"tags": None}, {"tags": "\x1fa\x1f"}, {"tags": 5}]
    assert fitting("has(tags, 'a')", rows) == [True, False, False, False]
    assert fitting("not has(tags, 'a')", rows) == [False, False, True, True]


VALUES = st.none() | st.integers(-5, 5) | st.text("abAB%_'é", max_size=3)
COMPARED = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])


def _compared(a: Any, how: str, b: Any) -> bool | None:
    if a is None or b is None:
        return None
    left, right = ((isinstance(one, str), one.encode() if isinstance(one, str) else one) for one in (a, b))
    return {
        "=": left == right,
        "<>": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[how]


def _liked(text: str, pattern: str) -> bool:
    """Compare as LIKE does, letter by letter, by another way than SQLite."""
    fold = [chr(ord(one) | 32) if "A" <= one <= "Z" else one for one in text]
    pattern = "".join(chr(ord(one) | 32) if "A" <= one <= "Z" else one for one in pattern)
    ends = {0}
    for one in pattern:
        if one == "%":
            ends = {end for first in ends for end in range(first, len(fold) + 1)}
        else:
            ends = {end + 1 for end in ends if end < len(fold) and one in ("_", fold[end])}
    return len(fold) in ends


def _quoted(value: Any) -> str:
    return "null" if value is None else str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


@st.composite
def questions(draw: st.DrawFn, depth: int = 3) -> tuple[str, Any]:
    """Draw an expression, and a function that tells True, False or None of a row."""
    kind = draw(st.sampled_from(["compare", "null", "in", "between", "like", *(["not", "and", "or"] if depth else [])]))
    name = draw(st.sampled_from("xyz"))
    if kind == "not":
        text, of = draw(questions(depth - 1))
        return f"not ({text})", lambda row: None if of(row) is None else not of(row)
    if kind in ("and", "or"):
        (first, a), (second, b) = draw(questions(depth - 1)), draw(questions(depth - 1))
        ends = kind == "or"

        def both(row: Row) -> bool | None:
            found = (a(row), b(row))
            return ends if ends in found else None if None in found else not ends

        return f"({first}) {kind} ({second})", both
    value, other = draw(VALUES), draw(VALUES)
    if kind == "null":
        return f"{name} is null", lambda row: row[name] is None
    if kind == "in":

        def among(row: Row) -> bool | None:
            found = [_compared(row[name], "=", one) for one in (value, other)]
            return True if True in found else None if None in found else False

        return f"{name} in ({_quoted(value)}, {_quoted(other)})", among
    if kind == "between":

        def between(row: Row) -> bool | None:
            found = (_compared(row[name], ">=", value), _compared(row[name], "<=", other))
            return False if False in found else None if None in found else True

        return f"{name} between {_quoted(value)} and {_quoted(other)}", between
    if kind == "like":
        pattern = draw(st.text("abAB%_'é", max_size=4))

        def like(row: Row) -> bool | None:
            return None if row[name] is None else _liked(str(row[name]), pattern)

        return f"{name} like {_quoted(pattern)}", like
    how = draw(COMPARED)
    return f"{name} {how} {_quoted(value)}", lambda row: _compared(row[name], how, value)


@given(questions(), st.lists(st.fixed_dictionaries(dict.fromkeys("xyz", VALUES)), max_size=6))
def test_an_expression_means_what_python_makes_of_it(question: tuple[str, Any], rows: list[Row]) -> None:
    text, of = question
    assert fitting(text, rows) == [of(row) is True for row in rows]


def test_an_expression_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.0)
    with pytest.raises(UsageError, match="--where takes longer than 0 s"):
        fitting("a like '%b%c%'", [{"a": "b" * 100}] * 50_000)


def test_patterns_that_try_all_ways_end() -> None:
    rows: list[Row] = [{"a": "a" * 65_536}]
    assert fitting("a like '" + "%a" * 400 + "%b'", rows) == [False]
    assert fitting("a glob '" + "*a" * 400 + "*b'", rows) == [False]
    with pytest.raises(UsageError, match="pattern too complex"):
        fitting("a like '" + "%a" * 600 + "'", rows)


def test_no_text_grows_without_end() -> None:
    grown = "a"
    for _ in range(6):
        grown = f"replace({grown}, 'a', 'aaaaaaaaaaaaaaaa')"
    with pytest.raises(UsageError, match="too big"):
        fitting(f"length({grown}) > 1", [{"a": "a" * 1000}])


def test_rows_with_many_long_texts_are_read() -> None:
    names = [f"f{number}" for number in range(12)]
    row = dict.fromkeys(names, "é" * 32768)
    assert fitting(" and ".join(f"length({name}) = 32768" for name in names), [row]) == [True]


def test_numbers_that_overflow_are_an_error_in_words() -> None:
    with pytest.raises(UsageError, match="integer overflow"):
        fitting("abs(a) = 1", [{"a": -(1 << 63)}])


def test_an_engine_is_used_by_one_thread_after_the_other() -> None:
    found: list[str] = []
    with Engine([""]) as asked:
        asked.load([[1], [2]])
        for _ in range(3):
            thread = threading.Thread(target=lambda: found.append(asked.fitting("c0 = 2")))
            thread.start()
            thread.join()
    assert found == ["01"] * 3


def test_an_engine_that_is_forgotten_is_closed() -> None:
    asked = Engine([""])
    connection = asked._open
    del asked
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_ctrl_c_at_a_look_at_the_clock_is_no_lack_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(["begin", "ctrl-c"])

    def clock() -> float:
        if next(looks, "") == "ctrl-c":
            raise KeyboardInterrupt
        return 0.0

    with Engine([""]) as asked:
        asked.load([[number] for number in range(1000)])
        with monkeypatch.context() as patch:
            patch.setattr(engine, "time", SimpleNamespace(monotonic=clock))
            with pytest.raises(KeyboardInterrupt):
                asked.fitting("c0 >= 0")
        assert asked.fitting("c0 >= 0") == "1" * 1000
