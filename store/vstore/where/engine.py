"""The engine: a private SQLite database in memory, with one table, that can compute expressions and nothing else."""

from __future__ import annotations

import re
import time
import weakref
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from vstore.errors import UsageError
from vstore.turns import Finished

if TYPE_CHECKING:
    import sqlite3

_NAMED = """
    abs coalesce date datetime glob ifnull iif instr julianday length like lower ltrim max min nullif replace round
    rtrim strftime substr substring time trim typeof upper
"""
FUNCTIONS = frozenset(_NAMED.split())
SECONDS = 5.0  # that an expression may take
_RUN = 32_768  # rows of one question: its answer, a character a row, must not be longer than any text
_LONGEST = 262_144  # bytes of a text that SQLite makes: a field has 65,536
_STEPS = 200  # of SQLite's machine between two looks at the clock; no cost was seen
_OWN = frozenset(("group_concat",))
_CLOCK = frozenset(("current_date", "current_time", "current_timestamp"))  # words without parentheses
_sqlite = Finished(SECONDS + 1)  # forks wait: SQLite has locks of the whole process, and no child can free these
_AGGREGATE = re.compile(r"misuse of aggregate(?: function)?:? (\w+)\(\)")


_TYPES = ("TEXT", "INTEGER", "REAL", "")


def _schema(types: Sequence[str]) -> str:
    columns = "".join(f", c{slot} {kind}" for slot, kind in enumerate(types))
    return f"CREATE TABLE p (n INTEGER PRIMARY KEY{columns})"


class Engine:
    """A table with the columns c0, c1, …, and what may be asked about it. For one thread at a time.

    types: of the columns, as SQLite names them; empty for any.
    rows:  how many it has.
    """

    def __init__(self, types: Sequence[str]) -> None:
        import sqlite3

        with _sqlite:
            self._open = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            weakref.finalize(self, self._open.close)  # whoever forgets a table cannot be asked to close it
            self._open.execute("PRAGMA trusted_schema = OFF")
            self._open.execute("PRAGMA temp_store = MEMORY")
            self._open.execute(_schema(types))
        self.types = types
        self.rows = 0

    @classmethod
    def of_image(cls, image: bytes | memoryview, rows: int) -> Engine | None:
        """Open a table of one column that `image` wrote; None if it is none with so many rows."""
        import sqlite3

        engine = cls([""])
        try:
            with _sqlite:
                engine._open.deserialize(image)
                written = [sql for (sql,) in engine._open.execute("SELECT sql FROM sqlite_schema")]
                kind = next((kind for kind in _TYPES if written == [_schema([kind])]), None)
                if kind is None:
                    return None
                counted = engine._open.execute("SELECT count(*), min(n), max(n) FROM p").fetchone()
        except (sqlite3.Error, MemoryError, OverflowError):
            return None
        engine.types, engine.rows = [kind], rows
        return engine if counted == (rows, 1, rows) else None

    def image(self) -> bytes:
        """Write the table as an SQLite database."""
        with _sqlite:
            return self._open.serialize()

    def values(self) -> list[Any]:
        """List the values of its first column. Raises: UsageError."""
        import sqlite3

        with _sqlite:
            self._open.set_authorizer(None)
            try:
                return [value for (value,) in self._open.execute("SELECT c0 FROM p ORDER BY n")]
            except sqlite3.Error as err:
                raise _in_words(str(err)) from err

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with _sqlite:
            self._open.close()

    def load(self, rows: Iterable[Sequence[object]]) -> None:
        """Add rows, numbered from 0 on. They hold a value of each column."""
        marks = ", ?" * len(self.types)
        with _sqlite:
            self._open.execute("BEGIN")
            self.rows += max(0, self._open.executemany(f"INSERT INTO p VALUES (NULL{marks})", rows).rowcount)
            self._open.execute("COMMIT")

    def check(self, expression: str) -> None:
        """Let SQLite read an expression, and refuse what is none. Raises: UsageError."""
        with _sqlite:
            self._limit(FUNCTIONS | _CLOCK)
            self._ask(f"SELECT 1 FROM p WHERE ( {expression} ) LIMIT 0", ())

    def fitting(self, expression: str, late: float | None = None) -> str:
        """Tell for which rows an expression is true.

        late:    when to give up, by the clock of `time.monotonic`; None means after `SECONDS`.
        Returns: a character a row: `1` if it is, `0` if it is false or nothing.
        Raises:  UsageError if it takes too long, or cannot be computed.
        """
        with _sqlite:
            return self._fitting(expression, time.monotonic() + SECONDS if late is None else late)

    def _fitting(self, expression: str, late: float) -> str:
        self.check(expression)  # as the user's own: what this one may do besides, it may not
        self._limit(FUNCTIONS | _CLOCK | _OWN)
        ask = (
            f"SELECT group_concat(CASE WHEN ( {expression} ) THEN '1' ELSE '0' END, '') FROM p WHERE n BETWEEN ? AND ?"
        )
        self._open.set_progress_handler(lambda: time.monotonic() > late, _STEPS)
        try:
            return "".join(
                self._ask(ask, (first, min(first + _RUN, self.rows + 1) - 1), late)
                for first in range(1, self.rows + 1, _RUN)
            )
        finally:
            self._open.set_progress_handler(None, _STEPS)

    def _ask(self, sql: str, numbers: Sequence[int], late: float = 0.0) -> Any:
        import sqlite3

        try:
            found = self._open.execute(sql, numbers).fetchone()
        except sqlite3.Error as err:
            if str(err) == "interrupted":
                if time.monotonic() <= late:  # Ctrl-C ended the look at the clock
                    raise KeyboardInterrupt from err
                raise UsageError(
                    f"--where takes longer than {SECONDS:g} s",
                    "write a simpler one; like and glob are slow on long texts",
                ) from err
            raise _in_words(str(err)) from err
        except MemoryError as err:
            raise UsageError("--where needs too much memory", "write a simpler one") from err
        return None if found is None else found[0]

    def _limit(self, functions: frozenset[str]) -> None:
        """Allow one question about the table, with these functions; SQLite asks before it reads or calls anything."""
        import sqlite3

        for limit, most in (
            (sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST),
            (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 500),
            (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 1),
            (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 100),
            (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
            (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
            (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2),
            (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0),
            (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
        ):
            self._open.setlimit(limit, most)
        self._open.set_authorizer(_authorizer(self._open, functions))


def _authorizer(connection: sqlite3.Connection, functions: frozenset[str]) -> Any:
    import sqlite3

    asked = 0

    def allow(action: int, first: str | None, second: str | None, base: str | None, inside: str | None) -> int:
        nonlocal asked
        if action == sqlite3.SQLITE_SELECT:
            asked += 1
            is_ours = asked == 1
        elif action == sqlite3.SQLITE_READ:
            is_ours = first == "p"
        else:
            is_ours = action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in functions
        return sqlite3.SQLITE_OK if is_ours else sqlite3.SQLITE_DENY

    return allow


def _in_words(said: str) -> UsageError:
    """Say what SQLite has against an expression."""
    if found := _AGGREGATE.search(said):
        name = found[1].lower()
        return UsageError(
            f"{name}() of one value counts over many pictures, and --where judges each by itself",
            f"give {name}() two values or more, or leave it out",
        )
    if said.startswith("no such table"):
        name = said.partition(": ")[2]
        return UsageError(f"IN is followed by {name}, which is no list", "write a list: camera in ('Canon', 'Nikon')")
    if said.startswith("not authorized"):
        return UsageError("--where does what no expression may", "compare columns, texts and numbers")
    if any(words in said for words in ("too large", "too big", "too many", "overflow")):
        return UsageError(f"--where cannot be computed: {said}", "write a simpler one, or smaller numbers")
    return UsageError(
        f"--where cannot be computed: {said}",
        "texts stand in 'single quotes', and names that hold spaces in \"double quotes\"",
    )
