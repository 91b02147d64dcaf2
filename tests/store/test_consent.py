"""The user's consent to what a store says of its models: kept outside every store, and asked for at each machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.quick_doctor import quick

from vstore.disk.owner import User
from vstore.embed.consent import CODE, DOWNLOAD, PLACE, PLUGIN, Consent, Wish
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.source.own_code import refuse_kernels
from vstore.embed.model_words import Words
from vstore.embed.wishes import wishes_of
from vstore.errors import ModelError, Untrusted, UsageError, VstoreError
from vstore.models.converted_folder import default_top
from vstore.store import Store

__all__ = ["quick"]
COMMIT = "0" * 40
CODE_OF_MODEL = ["1" * 64, "2" * 64]


# What is kept


def test_a_consent_is_kept_for_the_next_process_and_taken_back_by_removing_its_file(tmp_path: Path) -> None:
    wish, other = Wish(PLACE, "/models/a"), Wish(PLACE, "/models/b")
    Consent.of_user(tmp_path / "no" / "config").give([wish])
    assert Consent.of_user(tmp_path / "no" / "config").has(wish)
    assert not Consent.of_user(tmp_path / "no" / "config").has(other)
    (tmp_path / "no" / "config" / "vstore" / "models" / wish.file).unlink()
    assert not Consent.of_user(tmp_path / "no" / "config").has(wish)


def test_a_consent_is_to_one_thing_exactly(tmp_path: Path) -> None:
    consent = Consent.of_user(tmp_path)
    consent.give([Wish(CODE, " ".join(CODE_OF_MODEL))])
    for other in (Wish(CODE, CODE_OF_MODEL[0]), Wish(PLACE, " ".join(CODE_OF_MODEL)), Wish(CODE, "")):
        assert not consent.has(other)


def test_a_file_that_does_not_say_what_its_name_says_is_no_consent(tmp_path: Path) -> None:
    wish, other = Wish(PLACE, "/models/a"), Wish(PLACE, "/models/b")
    Consent.of_user(tmp_path).give([wish])
    folder = tmp_path / "vstore" / "models"
    (folder / wish.file).rename(folder / other.file)
    (folder / wish.file).write_bytes(wish.to_bytes()[:-5])
    assert not Consent.of_user(tmp_path).has(other)
    assert not Consent.of_user(tmp_path).has(wish)


def test_without_a_configuration_a_consent_holds_in_its_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    wish, consent = Wish(PLACE, "/models/a"), Consent.of_user()
    consent.give([wish])
    assert consent.has(wish)
    assert not Consent.of_user().has(wish)


@pytest.mark.parametrize("home", [".", "home", "./home"])
def test_nothing_is_read_from_the_working_folder_whatever_is_said_of_the_home(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever packed an archive may have put a configuration there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", home)
    wish = Wish(PLACE, "/models/a")
    Consent.of_user(tmp_path / home / ".config").give([wish])
    assert not Consent.of_user().has(wish)
    assert User().config_folder() is User().cache_folder() is None
    with pytest.raises(UsageError, match="no folder for caches"):
        default_top(None)


def test_where_a_consent_cannot_be_written_it_holds_in_its_process_and_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file in the way")
    wish, consent = Wish(PLACE, "/models/a"), Consent.of_user(tmp_path / "config")
    with pytest.raises(VstoreError, match="cannot write"):
        consent.give([wish])
    assert consent.has(wish)


def test_a_path_that_is_not_utf_8_can_be_allowed(tmp_path: Path) -> None:
    wish = Wish(PLACE, os.fsdecode(b"/models/\xff"))
    Consent.of_user(tmp_path).give([wish])
    assert Consent.of_user(tmp_path).has(wish)


# What a space wants


def test_the_wishes_of_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, remote = {"family": "clip"}, {"family": "remote", "code": CODE_OF_MODEL}
    assert wishes_of({"family": "builtin"}, Words()) == []
    assert wishes_of({"family": "imported"}, Words("/m", trust_remote_code=True)) == []
    assert wishes_of(clip, Words("/m", adapter="/a")) == [Wish(PLACE, "/m"), Wish(PLACE, "/a")]
    assert wishes_of(clip, Words("o/n", revision=COMMIT)) == [Wish(DOWNLOAD, f"o/n@{COMMIT}")]
    code = Wish(CODE, " ".join(CODE_OF_MODEL))
    assert wishes_of(remote, Words("o/n", revision=COMMIT)) == [Wish(DOWNLOAD, f"o/n@{COMMIT}"), code]
    # The folder where the command runs may be a stranger's.
    monkeypatch.chdir(tmp_path)
    assert wishes_of(clip, Words("o/n")) == [Wish(PLACE, str(tmp_path / "o/n"))]
    (tmp_path / "o/n").mkdir(parents=True)
    assert wishes_of(clip, Words("o/n", revision=COMMIT)) == [Wish(PLACE, str(tmp_path / "o/n"))]


@pytest.mark.parametrize(
    "recipe", [{"family": "remote"}, {"family": "remote", "code": None}, {"family": "clip", "code": []}]
)
def test_a_forged_recipe_cannot_hide_that_code_would_run(recipe: dict[str, Any]) -> None:
    assert CODE in [wish.kind for wish in wishes_of(recipe, Words("/m"))]


def test_a_plug_in_that_may_read_a_file_is_asked_for_and_one_with_a_number_is_not() -> None:
    recipe = {"family": "odd", "dim": 4}
    assert wishes_of(recipe, Words("odd:4")) == []
    for words in (Words("odd:4", trust_remote_code=True), Words("odd:/m/a.pt"), Words("odd:small:/m/a.pt")):
        assert [wish.kind for wish in wishes_of(recipe, words)] == [PLUGIN]
    one, two = (wishes_of({**recipe, "weights": [digest]}, Words("odd:/m/a.pt")) for digest in "ab")
    assert one != two


# A store of a stranger


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A store that says that the code in a folder of its own may run; its maker allowed that, at their machine."""
    model = tmp_path / "gift" / "m"
    model.mkdir(parents=True)
    (model / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    recipe = {"family": "remote", "code": CODE_OF_MODEL, "dim": 4, "model_type": "own", "weights": [], "adapter": None}
    Store.init(tmp_path / "gift" / ".vstore", recipe=recipe, name="own")
    with Store(tmp_path / "gift" / ".vstore") as store, store._repo.committing("model add"):
        space = next(iter(store._repo.state.spaces))
        place = {"model": str(model), "trust_remote_code": True}
        store._repo.publish("model add", {"spaces": {space: {"place": place}}}, about="own")
    return tmp_path / "gift" / ".vstore"


def test_the_model_of_a_store_is_not_touched_until_it_is_allowed_here(stranger: Path, tmp_path: Path) -> None:
    with Store(stranger, config=tmp_path / "me") as store:
        recipe = store._repo.recipe(next(iter(store._repo.state.spaces)))
        with pytest.raises(
            Untrusted, match=r"wants the model in .*/m, and the Python code of its model to run"
        ) as caught:
            store._embedders.load(recipe)
        assert caught.value.next_step == "if you trust it: vstore model allow own --trust-remote-code"
        assert caught.value.exit_code == 5
        with pytest.raises(Untrusted):
            store._embedders.load_on_all(recipe, _settings())
        with pytest.raises(Untrusted):
            store._embedders.load_variant(recipe, {}, _settings())
    assert not (tmp_path / "ran").exists()


def _settings() -> Any:
    from vstore.embed.model_words import Settings

    return Settings("cpu")


def test_code_is_allowed_by_its_own_option_alone(stranger: Path, tmp_path: Path) -> None:
    with Store(stranger, config=tmp_path / "me") as store:
        before = sorted(stranger.rglob("*"))
        with pytest.raises(Untrusted, match="runs code of its own") as caught:
            store.model_allow("own")
        assert caught.value.next_step.endswith("vstore model allow own --trust-remote-code")
        assert not (tmp_path / "me").exists()
        first = store.model_allow("own", trust_remote_code=True)
        again = store.model_allow(trust_remote_code=True)
        assert (first.known, again.known) == (False, True)
        assert first.allowed == (f"place {stranger.parent / 'm'}", f"code {' '.join(CODE_OF_MODEL)}")
        assert first.kept_in == str(tmp_path / "me" / "vstore" / "models")
        assert sorted(stranger.rglob("*")) == before, "nothing is written into the store"
    assert len(list((tmp_path / "me" / "vstore" / "models").iterdir())) == 2


def test_an_option_for_code_that_is_not_there_is_refused(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore", config=tmp_path / "me") as store:
        with pytest.raises(UsageError, match="runs no code of its own"):
            store.model_allow(trust_remote_code=True)
        assert store.model_allow().allowed == ()
    assert not (tmp_path / "me").exists()


def test_what_a_user_allows_is_not_allowed_for_another(stranger: Path, tmp_path: Path) -> None:
    with Store(stranger, config=tmp_path / "me") as store:
        store.model_allow("own", trust_remote_code=True)
    with Store(stranger, config=tmp_path / "you") as store, pytest.raises(Untrusted):
        store._embedders.load(store._repo.recipe(next(iter(store._repo.state.spaces))))


def test_doctor_reads_no_model_that_is_not_allowed(stranger: Path, tmp_path: Path, quick: dict[str, Any]) -> None:
    found = {one.name: one for one in Store.doctor(stranger, config=tmp_path / "me").findings}
    if found["space own"].state == "trouble":
        pytest.skip("torch is not installed, which doctor says first")
    assert found["space own"].fix == "vstore model allow own --trust-remote-code"


# Code from elsewhere


@pytest.mark.parametrize(
    "config",
    [
        {"attn_implementation": "stranger/kernel"},
        {"_attn_implementation_internal": "paged|stranger/kernel:fn"},
        {"vision_config": {"attn_implementation": {"": "eager", "text": "stranger/kernel"}}},
        {"experts_implementation": "stranger/kernel"},
    ],
)
def test_a_configuration_that_fetches_compiled_code_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"from the hub \(.*stranger/kernel.*\): that is code"):
        refuse_kernels(ModelFolder("m", Path("/m"), None, config))


def test_a_configuration_that_names_an_implementation_of_the_library_is_taken() -> None:
    refuse_kernels(ModelFolder("m", Path("/m"), None, {"attn_implementation": "sdpa", "act": "a/b", "sizes": [1]}))


# Stores of before


def test_only_files_that_a_version_of_before_read_here_vouch_for_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from vstore.disk.cache import write_cache

    monkeypatch.setattr("vstore.embed.hf.digests._SETTLED_NS", -(10**12))
    cache = tmp_path / "cache"
    cache.mkdir()
    old, new, changed = (tmp_path / name for name in ("old", "new", "changed"))
    for path in (old, new, changed):
        path.write_bytes(path.name.encode())
    digests = Digests(cache)
    digest = {path: digests.of(path) for path in (old, new, changed)}
    digests.keep()
    assert Digests(cache).of_before() == {}, "this version asks"
    known = {name: value[:5] if "new" not in name else value for name, value in digests.known.files.items()}
    write_cache(cache, "model-files", json.dumps(known).encode())
    changed.write_bytes(b"other bytes")
    assert Digests(cache).of_before() == {str(old): digest[old]}
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert Digests(cache).of_before() == ({} if os.getuid() else {str(old): digest[old]})
