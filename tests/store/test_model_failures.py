"""Pictures that a model fails on: the picture is at fault only where the model's probes still pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.folders import World, plain
from support.stores import quick_folder

from vstore.disk.catalogue import Catalogue
from vstore.embed.hf.families import FAMILIES
from vstore.embed.machine import machine_of
from vstore.embed.model_words import Settings, Words
from vstore.embed.text_cache import cache_text, text_name
from vstore.errors import ModelError, VstoreError
from vstore.intake.doubts import DOUBTS
from vstore.pictures.decoding import prepare as decode
from vstore.pictures.preparation import Preparation
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder
from vstore_cli.main import run

Colour = tuple[int, int, int]
BAD = (1, 0, 0)


def known(report: Any) -> dict[str, tuple[str, bool]]:
    """Map the failures: path below the root -> kind, and whether an earlier run knew."""
    return {os.fsdecode(f.path).partition("/")[2]: (f.kind, f.known) for f in report.failed}


class Frail(FakeEmbedder):
    """Fails as it is told to.

    sick:   gives NaN from so many pictures on; None never.
    healed: how many sick answers it has given, after which it is well.
    raises: colours over which it raises an error, and the error.
    nan:    colours that have no vector.
    """

    device = "cuda:1"

    def __init__(self, *, nan: Sequence[Colour] = (), raises: Mapping[Colour, Exception] | None = None) -> None:
        super().__init__()
        self.nan = nan
        self.raises = dict(raises or {})
        self.sick: int | None = None
        self.passing = 0
        self.batches: list[int] = []
        self.environment: dict[str, Any] = {"device": "cuda (H200)", "torch": "2"}

    def embed_images(self, pictures: Sequence[Image.Image]) -> Any:
        self.batches.append(len(pictures))
        rows = super().embed_images(pictures)
        for row, picture in zip(rows, pictures, strict=True):
            colour: Any = picture.getpixel((0, 0))
            if colour in self.raises:
                raise self.raises[colour]
            if colour in self.nan:
                row[:] = np.nan
        if self.passing:
            self.passing -= 1
            rows[:] = np.nan
        if self.sick is not None and self.embedded > self.sick:
            rows[:] = np.nan
        return rows


@pytest.fixture
def frail(tmp_path: Path) -> World:
    return World(tmp_path, Frail())


def of(world: World) -> Frail:
    assert isinstance(world.fake, Frail)
    return world.fake


# A device that is sick


def test_a_sick_device_stops_the_run_and_no_picture_is_remembered_as_failed(frail: World) -> None:
    frail.put({f"{number:02}.png": number for number in range(20)})
    of(frail).sick = 0
    with pytest.raises(ModelError) as caught:
        frail.sync()
    assert caught.value.exit_code == 13
    assert "on cuda:1 does not work" in caught.value.message
    assert "So no picture is at fault" in caught.value.message and "--device" in caught.value.next_step
    of(frail).sick = None
    report = frail.sync()
    assert (report.embedded, report.failed) == (20, ())


def test_what_was_finished_before_the_device_fell_sick_is_kept(frail: World) -> None:
    frail.put({f"{number:02}.png": number for number in range(40)})
    of(frail).sick = 16
    with pytest.raises(ModelError, match="no usable vector"):
        frail.sync()
    of(frail).sick = None
    report = frail.sync()
    assert (report.recovered, report.embedded, report.paths, report.failed) == (16, 24, 40, ())
    assert report.without_pixels == 16, "the killed run kept their vectors alone"


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_device_that_falls_sick_at_the_end_is_found_out_by_few_pictures(frail: World, count: int) -> None:
    frail.put({f"{number:02}.png": number for number in range(16 + count)})
    of(frail).sick = 16
    with pytest.raises(ModelError, match="cuda:1"):
        frail.sync()
    of(frail).sick = None
    report = frail.sync()
    assert (report.recovered, report.embedded, report.failed) == (16, count, ())


def test_a_row_that_fails_once_costs_no_picture(frail: World) -> None:
    frail.put({f"{number:02}.png": number for number in range(5)})
    of(frail).passing = 1
    report = frail.sync()
    assert (report.embedded, report.failed) == (5, ())


def test_a_picture_is_at_fault_where_the_probes_pass_and_the_run_goes_on(frail: World) -> None:
    of(frail).nan = [(n, 0, 0) for n in range(1, 30)]
    frail.put({f"bad{number}.png": plain((number, 0, 0)) for number in range(1, 30)})
    frail.put({f"{number:02}.png": number for number in range(40)})
    report = frail.sync()
    assert (report.embedded, len(report.failed), report.paths) == (40, 29, 40)
    assert known(frail.sync()) == {f"bad{number}.png": ("model", True) for number in range(1, 30)}


def test_the_probes_are_asked_once_for_several_pictures(frail: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("vstore.repository.health.require_sound", lambda *_, met, **__: asked.append(met))
    of(frail).nan = [(n, 0, 0) for n in range(1, DOUBTS + 2)]
    frail.put({f"bad{number}.png": plain((number, 0, 0)) for number in range(1, DOUBTS + 2)})
    frail.put({f"x{number:02}.png": number for number in range(16)})  # no batch fails as a whole
    frail.sync()
    assert len(asked) <= 2, asked


# Errors


def test_an_error_over_one_picture_costs_that_picture(frail: World) -> None:
    of(frail).raises = {BAD: ValueError("its shape\nis odd")}
    frail.put({"bad.png": plain(BAD), **{f"{number:02}.png": number for number in range(30)}})
    report = frail.sync()
    assert (report.embedded, report.paths) == (30, 30)
    [failure] = report.failed
    assert (failure.kind, failure.reason) == ("model", "the model failed on it: ValueError: its shape is odd")
    assert known(frail.sync()) == {"bad.png": ("model", True)}
    for path, key in frail.aliases().items():
        assert key == frail.key((frail.pictures / path.partition("/")[2]).read_bytes())


def test_an_error_over_every_picture_stops_the_run_with_its_cause(
    frail: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = RuntimeError("a library is broken")
    monkeypatch.setattr(Frail, "of", lambda *_: (_ for _ in ()).throw(broken))
    frail.put({f"{number:02}.png": number for number in range(100)})
    with pytest.raises(ModelError) as caught:
        frail.sync()
    assert "RuntimeError: a library is broken" in caught.value.message and caught.value.__cause__ is broken
    assert "vstore doctor" in caught.value.next_step
    assert frail.fake.calls < 40, "it is found out early"
    monkeypatch.undo()
    assert frail.sync().embedded == 100


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory"), ModelError("it is tired")])
def test_want_of_memory_and_our_own_errors_are_no_pictures(frail: World, error: Exception) -> None:
    of(frail).raises = {BAD: error}
    frail.put({"bad.png": plain(BAD), "a.png": 1})
    with pytest.raises(type(error)) as caught:
        frail.sync()
    assert caught.value is error


def test_an_error_while_the_model_is_loaded_is_no_pictures(frail: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(recipe: Any) -> Any:
        raise TypeError("a mistake of ours")

    frail.put({"a.png": 1})
    with Store(frail.folder, load_embedder=load) as store, pytest.raises(TypeError, match="ours"):
        store.sync([frail.pictures])


class Prepared(Frail):
    """Prepares pictures, and fails on some.

    failing: colour -> how often `prepare` fails on it.
    """

    batch_size = 4
    in_flight = 2

    def __init__(self, failing: Mapping[Colour, float]) -> None:
        super().__init__()
        self.failing = dict(failing)

    def prepare(self, picture: Image.Image) -> Image.Image:
        colour: Any = picture.getpixel((0, 0))
        if self.failing.get(colour, 0) > 0:
            self.failing[colour] -= 1
            raise ZeroDivisionError("a side of 0")
        return picture

    def is_full(self, inputs: Sequence[Any]) -> bool:
        return len(inputs) >= 4

    def start(self, inputs: Sequence[Any]) -> Callable[[], Any]:
        return lambda: self.embed_images(inputs)

    def first_of(self, started: Sequence[Any]) -> int:
        return len(started) - 1

    def close(self) -> None:
        pass


@pytest.mark.parametrize("times", [1, 2, float("inf")])
def test_an_error_of_the_processor_costs_one_picture_and_is_tried_once_more(tmp_path: Path, times: float) -> None:
    world = World(tmp_path, Prepared({BAD: times}))
    many = {f"{number:03}.png": number for number in range(60)}
    world.put({"a.png": 1000, "b.png": 1001, **many, "zz.png": plain(BAD)})
    report = world.sync()
    assert known(report) == ({} if times == 1 else {"zz.png": ("model", False)})
    assert report.embedded == (63 if times == 1 else 62)
    if times > 1:
        assert report.failed[0].reason == "the model failed on it: ZeroDivisionError: a side of 0"


class Several(Prepared):
    """A pipeline over several devices: the second batch cannot be computed on any, and the others are finished."""

    in_flight = 5
    has_ended = False

    def __init__(self, end: Exception) -> None:
        super().__init__({})
        self.started = 0
        self.end = end
        self.elsewhere_asked: list[int] = []

    def start(self, inputs: Sequence[Any]) -> Callable[[], Any]:
        self.started += 1
        number = self.started

        def vectors() -> Any:
            if number == 2:
                raise OSError("the device is gone")
            return self.embed_images(inputs)

        return vectors

    def first_of(self, started: Sequence[Any]) -> int:
        return 0

    def elsewhere(self, inputs: Sequence[Any], before: Any) -> Callable[[], Any]:
        self.elsewhere_asked.append(len(inputs))
        self.has_ended = True

        def vectors() -> Any:
            raise self.end

        return vectors

    def killers(self, started: Any) -> dict[int, str]:
        return {}

    def prove(self, met: str) -> bool:
        return False


@pytest.mark.parametrize("end", [ModelError("no device is left"), RuntimeError("no device is left")])
def test_what_other_devices_had_finished_when_the_last_one_was_lost_is_kept(tmp_path: Path, end: Exception) -> None:
    fake = Several(end)
    world = World(tmp_path, fake)
    world.put({f"{number:02}.png": number for number in range(20)})
    with pytest.raises(type(end), match="no device is left"):
        world.sync()
    assert fake.elsewhere_asked == [2]
    world.fake = Frail()
    report = world.sync()
    assert (report.recovered, report.embedded) == (16, 4)


# What is remembered


def test_a_failure_is_tried_again_where_the_environment_of_the_model_is_another(frail: World) -> None:
    of(frail).nan = [BAD]
    frail.put({"bad.png": plain(BAD), "a.png": 1})
    frail.sync()
    frail.put({"b.png": 2})
    report = frail.sync()
    assert (known(report), report.retried) == ({"bad.png": ("model", True)}, 0)
    of(frail).nan = []
    for environment in ({"device": "cpu", "torch": "2"}, {"device": "cpu", "torch": "2"}):
        of(frail).environment = environment
        frail.put({f"{environment['device']}{len(frail.paths())}.png": 3 + len(frail.paths())})  # loads the model
        report = frail.sync()
        assert (report.failed, report.embedded, report.retried, report.retried_embedded) in [
            ((), 2, 1, 1),
            ((), 1, 0, 0),
        ]
    assert "pictures/bad.png" in frail.paths()


def test_a_failure_of_another_machine_is_tried_again_though_nothing_else_is_new(
    frail: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    of(frail).nan = [BAD]
    frail.put({"bad.png": plain(BAD), "a.png": 1})
    frail.sync()
    loaded = frail.loaded
    assert known(frail.sync()) == {"bad.png": ("model", True)}
    assert frail.loaded == loaded
    monkeypatch.setattr("vstore.repository.embedders.Embedders.machine", lambda *_: "another")
    report = frail.sync()
    assert (known(report), report.retried, report.retried_embedded) == ({"bad.png": ("model", False)}, 1, 0)
    report = frail.sync()
    assert (known(report), report.retried) == ({"bad.png": ("model", True)}, 0)


def test_a_failure_that_an_earlier_version_remembered_is_tried_again_once(frail: World) -> None:
    frail.put({"bad.png": plain(BAD), "good.png": plain((2, 0, 0)), "a.png": 1})
    of(frail).nan = [BAD, (2, 0, 0)]
    frail.sync()
    [space] = frail.repo.state.spaces
    catalogue = Catalogue.open(frail.folder / "catalogue", frail.repo.store_id, write=True)
    assert catalogue is not None
    from vstore.disk.facts import MODEL_FAILURE, space_key

    with catalogue, catalogue.batch() as batch:
        for picture in (plain(BAD), plain((2, 0, 0))):
            name = space_key(MODEL_FAILURE, space, bytes.fromhex(frail.key(picture)))
            batch._put(name, b"model\0the model gave no usable vector for it")
    of(frail).nan = [BAD]
    report = frail.sync()
    assert (known(report), report.retried, report.retried_embedded) == ({"bad.png": ("model", False)}, 2, 1)
    assert "pictures/good.png" in frail.paths()
    assert frail.sync().retried == 0


@pytest.mark.parametrize("family", ["builtin", *FAMILIES, "of-a-plug-in"])
def test_the_machine_is_named_without_loading_anything(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = {"family": family}
    one = machine_of(recipe, Words(), Settings())
    assert one == machine_of(recipe, Words(), Settings(batch_size=7)) and len(one) == 16
    if family in FAMILIES:
        others = [
            machine_of(recipe, Words(compute="bf16"), Settings()),
            machine_of(recipe, Words(), Settings("cpu")),
            machine_of(recipe, Words(), Settings(compile=True)),
        ]
        monkeypatch.setattr("vstore.embed.machine._gpus", lambda: ["Model: NVIDIA H200"])
        others.append(machine_of(recipe, Words(), Settings()))
        monkeypatch.setattr("vstore.embed.machine._version", lambda name: "99")
        others.append(machine_of(recipe, Words(), Settings()))
        assert len({one, *others}) == 6
    monkeypatch.setattr("vstore.embed.machine.__version__", "99")
    assert machine_of(recipe, Words(), Settings()) != one


# --retry-failed


def test_retry_failed_tries_all_again_and_says_how_many_have_a_vector(frail: World) -> None:
    of(frail).nan = [BAD, (2, 0, 0)]
    frail.put({"bad.png": plain(BAD), "odd.png": plain((2, 0, 0)), "no.png": b"no picture", "a.png": 1})
    assert len(frail.sync().failed) == 3
    of(frail).nan = [BAD]
    report = frail.status(retry_failed=True)
    assert (report.retried, report.failed) == (3, ())
    report = frail.sync(retry_failed=True)
    assert known(report) == {"bad.png": ("model", False), "no.png": ("not_an_image", False)}
    assert (report.embedded, report.retried, report.retried_embedded) == (1, 3, 1)
    assert (report.to_json()["retried"], report.to_json()["retried_embedded"]) == (3, 1)
    report = frail.sync()
    assert known(report) == {"bad.png": ("model", True), "no.png": ("not_an_image", True)}
    assert (report.retried, report.snapshot) == (0, None)


def test_a_failure_that_passed_is_forgotten(frail: World) -> None:
    of(frail).nan = [BAD]
    frail.put({"bad.png": plain(BAD), "a.png": 1})
    frail.sync()
    of(frail).nan = []
    frail.sync(retry_failed=True)
    [space] = frail.repo.state.spaces
    catalogue = Catalogue.open(frail.folder / "catalogue", frail.repo.store_id, write=False)
    assert catalogue is not None
    with catalogue:
        assert catalogue.model_failure(space, bytes.fromhex(frail.key(plain(BAD)))) is None


def test_the_command_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.put({"no.png": b"no picture", "a.png": 1})
    world.store.close()
    monkeypatch.setattr("vstore.repository.embedders.Embedders.load_on_all", lambda *_: world.fake)
    words = ["sync", "--store", str(world.folder)]
    assert run([*words, str(world.pictures)]) == 3
    assert run(words) == 0
    assert "--retry-failed tries it again" in capsys.readouterr().out
    assert run([*words, "--retry-failed"]) == 3
    assert "Tried 1 picture again that failed before: 0 have a vector now." in capsys.readouterr().out


# Other commands that embed


class Reading(Frail):
    """Embeds texts, too."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, Any] = {}

    def embed_texts(self, texts: Sequence[str]) -> Any:
        found = [self.texts.get(text, np.ones(8, np.float32)) for text in texts]
        for row in found:
            if isinstance(row, Exception):
                raise row
        return np.stack(found)


@pytest.fixture
def reading(tmp_path: Path) -> World:
    world = World(tmp_path, Reading())
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    return world


def test_a_search_on_a_sick_device_names_it_and_not_the_picture(reading: World, tmp_path: Path) -> None:
    query = tmp_path / "query.png"
    query.write_bytes(plain(BAD))
    operand = Operand(1.0, os.fsencode(query))
    of(reading).nan = [BAD]
    with pytest.raises(VstoreError, match=r"cannot search with .*query\.png: the model gave no usable") as caught:
        reading.store.search([operand])
    assert not isinstance(caught.value, ModelError)
    of(reading).nan, of(reading).raises = [], {BAD: ValueError("its shape")}
    with pytest.raises(VstoreError, match=r"query\.png: the model failed on it: ValueError: its shape"):
        reading.store.search([operand])
    of(reading).raises, of(reading).sick = {}, 0
    with pytest.raises(ModelError, match=r"on cuda:1 does not work"):
        reading.store.search([operand])
    of(reading).sick = None
    of(reading).passing = 1
    assert len(reading.store.search([operand]).hits) == 2


@pytest.mark.parametrize("what", [np.full(8, np.nan, np.float32), np.zeros(8, np.float32), ValueError("odd")])
def test_a_text_without_a_vector_is_not_kept_and_the_probes_say_who_is_at_fault(reading: World, what: Any) -> None:
    fake: Any = reading.fake
    fake.texts = {"a cat": what}
    operand = Operand(1.0, None, "a cat")
    with pytest.raises(VstoreError, match="cannot search for the text 'a cat': the model") as caught:
        reading.store.search([operand])
    assert not isinstance(caught.value, ModelError)
    fake.texts = {"a cat": what, "a photo of a red car": what}  # the probe
    with pytest.raises(ModelError, match="on cuda:1 does not work: with the text 'a cat'"):
        reading.store.search([operand])
    fake.texts = {}
    assert len(reading.store.search([operand]).hits) == 2


def test_a_text_vector_that_an_earlier_version_kept_of_a_sick_device_is_not_believed(reading: World) -> None:
    [space] = reading.repo.state.spaces
    name = text_name(space, reading.fake.recipe, "a cat")
    cache_text(reading.repo.layout.cache, name, np.full(8, np.nan, np.float32))
    assert len(reading.store.search([Operand(1.0, None, "a cat")]).hits) == 2


def test_a_repair_on_a_sick_device_takes_no_picture_from_a_snapshot(frail: World) -> None:
    frail.put({f"{number:02}.png": number for number in range(40)})
    frail.sync()
    [space] = frail.repo.state.spaces
    [ref] = frail.repo.state.segments(space)
    (frail.repo.layout.folder / "segments" / ref.name).unlink()
    frail.store.close()
    of(frail).embedded, of(frail).sick = 0, 16
    report = repaired(frail)
    assert any("does not work" in line and "24 pictures" in line for line in report.left), report.left
    assert len(frail.paths()) == 40
    assert report.embedded == 16
    of(frail).sick = None
    report = repaired(frail)
    assert (report.embedded, report.left) == (24, ())
    assert len(frail.paths()) == 40 and len(stored(frail)) == 40


def test_a_repair_goes_on_where_the_model_fails_on_one_picture(frail: World) -> None:
    frail.put({"bad.png": plain(BAD), **{f"{number:02}.png": number for number in range(20)}})
    frail.sync()
    [space] = frail.repo.state.spaces
    [ref] = frail.repo.state.segments(space)
    (frail.repo.layout.folder / "segments" / ref.name).unlink()
    frail.store.close()
    of(frail).raises = {BAD: ValueError("its shape")}
    assert repaired(frail).embedded == 20


def repaired(world: World) -> Any:
    return Store.repair(world.folder, load_embedder=world.load)


def test_a_check_on_a_sick_device_blames_no_stored_vector(frail: World) -> None:
    frail.put({"bad.png": plain(BAD), **{f"{number:02}.png": number for number in range(19)}})
    frail.sync()
    of(frail).sick = 0
    with pytest.raises(ModelError, match="on cuda:1 does not work"):
        frail.store.check(reembed=20)
    of(frail).sick = None
    of(frail).passing = 1
    report = frail.store.check(reembed=20).reembed
    assert report is not None and report.fits and not report.off
    of(frail).raises = {BAD: ValueError("its shape")}
    report = frail.store.check(reembed=20).reembed
    assert report is not None and [path for path, _ in report.off] == [b"pictures/bad.png"]


# Whatever fails, no vector gets another picture's key

COUNT = 23


# An example is two syncs of 23 pictures, and takes a third of a second.
EXAMPLES = int(os.environ.get("VSTORE_EXAMPLES", "15"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_each_vector_is_that_of_its_key_however_batches_fail(data: st.DataObject) -> None:
    batch, flight = data.draw(st.integers(1, 9), "batch"), data.draw(st.integers(1, 4), "in flight")
    shape = st.sets(st.integers(0, COUNT - 1), max_size=6)
    nan, raising, failing = data.draw(shape, "nan"), data.draw(shape, "raising"), data.draw(shape, "failing")
    odd = iter(data.draw(st.lists(st.sampled_from(["", "nan", "raise", "none"]), max_size=12), "faults that pass"))
    order = data.draw(st.randoms(use_true_random=False), "order")

    class Random(Prepared):
        batch_size, in_flight = batch, flight

        def prepare(self, picture: Image.Image) -> Any:
            number: Any = picture.getpixel((0, 0))
            if number[0] in failing:
                raise KeyError(number)
            return picture

        def is_full(self, inputs: Sequence[Any]) -> bool:
            return len(inputs) >= batch

        def embed_images(self, pictures: Sequence[Image.Image]) -> Any:
            rows = FakeEmbedder.embed_images(self, pictures)
            fault = next(odd, "") if self.running else ""
            for row, picture in zip(rows, pictures, strict=True):
                number: Any = picture.getpixel((0, 0))
                if picture.size == (30, 20) and number[0] in raising:
                    raise IndexError("a shape")
                if (picture.size == (30, 20) and number[0] in nan) or fault == "none":
                    row[:] = np.nan
            if fault == "raise":
                raise OSError("it passes")
            if fault == "nan":
                rows[order.randrange(len(rows))] = np.inf
            return rows

        def first_of(self, started: Sequence[Any]) -> int:
            return order.randrange(len(started))

        running = False

        def start(self, inputs: Sequence[Any]) -> Callable[[], Any]:
            def vectors() -> Any:
                self.running = True
                try:
                    return self.embed_images(inputs)
                finally:
                    self.running = False

            return vectors

    with quick_folder() as top:
        world = World(top, Random({}))
        world.put({f"{number:02}.png": plain((number, 0, 0)) for number in range(COUNT)})
        report = world.sync()
        hopeless = {f"{number:02}.png" for number in nan | raising | failing}
        assert hopeless <= known(report).keys()
        assert report.embedded + len(report.failed) == COUNT
        list(odd)  # what failed twice by chance is well from now on
        assert known(world.sync(retry_failed=True)) == dict.fromkeys(hopeless, ("model", False))
        for path, row in stored(world).items():
            picture = decode((world.top / path).read_bytes(), Preparation())[0]
            assert np.abs(row - world.fake.of(picture)).max() < 1e-3, path
        assert len(world.paths()) == COUNT - len(hopeless)
        world.store.close()


def stored(world: World) -> dict[str, Any]:
    """The stored vector of each path."""
    repo = world.repo
    found: dict[bytes, Any] = {}
    for space in repo.state.spaces:
        for ref in repo.state.segments(space):
            segment = repo.segment(ref)
            found |= dict(zip(segment.key_list(), np.array(segment.rows(), np.float32), strict=True))
    return {path.decode(): found[key] for path, key in world.tree()}
