"""Named tuples that are quick to define are as those of `typing`."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing

import pytest

from vstore.quick_tuple import NamedTuple


class Quick(NamedTuple):
    """A pair.

    one: required.
    two: not.
    """

    one: int
    two: str = "b"

    @property
    def both(self) -> str:
        """Both at once."""
        return f"{self.one}{self.two}"

    @classmethod
    def of(cls, one: int) -> Quick:
        return cls(one)


class Usual(typing.NamedTuple):
    """A pair.

    one: required.
    two: not.
    """

    one: int
    two: str = "b"


def test_a_quick_named_tuple_is_as_one_of_typing() -> None:
    for name in ("_fields", "_field_defaults", "__doc__", "__module__", "__bases__", "__slots__"):
        assert getattr(Quick, name) == getattr(Usual, name), name
    assert Quick.__qualname__ == Quick.__name__ == "Quick"
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Usual).parameters) == ["one", "two"]
    assert typing.get_type_hints(Quick) == typing.get_type_hints(Usual) == {"one": int, "two": str}
    assert Quick(1) == Usual(1) == (1, "b")
    assert repr(Quick(1)) == "Quick(one=1, two='b')"
    assert (Quick.of(3).both, Quick(1)._replace(two="c").both) == ("3b", "1c")
    assert pickle.loads(pickle.dumps(Quick(2, "x"))) == copy.copy(Quick(2, "x")) == Quick(2, "x")


def test_a_quick_named_tuple_is_replaced_in_as_one_of_python_3_13() -> None:
    assert Quick.__replace__(Quick(1), two="c") == Quick(1, "c")
    with pytest.raises(ValueError, match="unexpected field names"):
        Quick.__replace__(Quick(1), three=3)


def test_a_quick_named_tuple_does_what_one_of_typing_does() -> None:
    for kind in (Quick, Usual):
        assert kind._make([1, "c"]) == kind(two="c", one=1) == (1, "c")
        assert kind(1)._asdict() == {"one": 1, "two": "b"}
        assert kind.__match_args__ == ("one", "two")
        with pytest.raises(
            TypeError, match=rf"{kind.__name__}.__new__\(\) missing 1 required positional argument: 'one'"
        ):
            kind(two="c")  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="unexpected keyword argument 'three'"):
            kind(1, three=3)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="Expected 2 arguments, got 1"):
            kind._make([1])
        with pytest.raises(
            (TypeError, ValueError), match=r"unexpected field names: \['three'\]"
        ):  # from 3.13 on the first
            kind(1)._replace(three=3)  # type: ignore[call-arg]
        with pytest.raises(AttributeError):
            kind(1).one = 2  # type: ignore[misc]
        with pytest.raises(AttributeError):
            kind(1).three = 2  # type: ignore[attr-defined]


def test_a_quick_named_tuple_compiles_nothing_for_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **named: object) -> typing.NoReturn:
        raise AssertionError

    monkeypatch.setattr("builtins.eval", refuse)
    monkeypatch.setattr("builtins.compile", refuse)

    class Pair(NamedTuple):
        left: int
        right: int

    assert Pair(1, right=2) == (1, 2)


class Several:
    class One(NamedTuple):
        only: bytes

    class Many(NamedTuple):
        count: int  # type: ignore[assignment]
        b: int
        c: int
        d: int = 4
        e: int = 5


def test_quick_named_tuples_keep_their_own_names_of_fields() -> None:
    assert (Several.One(b"x").only, Several.Many(1, 2, 3, e=6)) == (b"x", (1, 2, 3, 4, 6))
    assert (Several.Many(1, 2, 3).count, Several.Many(1, 2, 3).e) == (1, 5)
    assert repr(Several.Many(1, 2, 3)) == "Many(count=1, b=2, c=3, d=4, e=5)"
