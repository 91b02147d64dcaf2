"""The table of recommended models, and their short names as words of `--model`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vstore.embed.builtin import DEFAULT_RECIPE
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.model_words import BUILTIN, Words
from vstore.embed.recommended import BY_NAME, RECOMMENDED, RecommendedModel
from vstore.embed.short_names import with_full_name
from vstore.errors import ModelError
from vstore.format.layout import why_not_a_space

TOP = Path(__file__).resolve().parents[2]
FROM_THE_HUB = [row for row in RECOMMENDED if row.name != BUILTIN]
# Their main branches hold no safetensors: an example that names one of them ends in an error.
PICKLES_ALONE = ("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch16")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("row", FROM_THE_HUB, ids=lambda row: row.name)
def test_a_row_names_one_commit_of_one_repository(row: RecommendedModel) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", row.model)
    assert row.revision is not None and re.fullmatch(r"[0-9a-f]{40}", row.revision)
    assert row.bytes > 100_000_000
    assert why_not_a_space(row.name) is None, "a space gets the short name"


def test_there_is_one_for_each_purpose() -> None:
    assert len(BY_NAME) == len({row.purpose for row in RECOMMENDED}) == len({row.model for row in RECOMMENDED})
    for word in ("words, small", "words, large", "many languages", "look-alikes", "copies"):
        assert any(word in row.purpose for row in RECOMMENDED)
    assert {row.texts for row in RECOMMENDED if "words" in row.purpose} == {True}


def test_the_builtin_embedder_is_what_the_table_says() -> None:
    row = BY_NAME[BUILTIN]
    assert (row.dim, row.bytes, row.revision, row.texts) == (DEFAULT_RECIPE["dim"], 0, None, False)


@pytest.mark.parametrize("row", FROM_THE_HUB, ids=lambda row: row.name)
def test_a_short_name_stands_for_the_id_and_the_commit(row: RecommendedModel) -> None:
    said: list[str] = []
    words = with_full_name(Words(row.name, compute="bf16"), said.append)
    assert words == Words(row.model, revision=row.revision, compute="bf16", preset=row.preset)
    preset = f", --preset {row.preset}" if row.preset else ""
    assert said == [f"{row.name} stands for {row.model} at {row.revision} ({row.licence}){preset}"]


def test_a_prompt_or_a_preset_that_was_asked_for_is_taken() -> None:
    (row,) = [row for row in FROM_THE_HUB if row.preset is not None]
    for asked in (Words(row.name, prompt="a"), Words(row.name, preset="gme")):
        said: list[str] = []
        assert with_full_name(asked, said.append) == asked._replace(model=row.model, revision=row.revision)
        assert "--preset" not in said[0]


def test_a_revision_that_was_asked_for_is_taken() -> None:
    said: list[str] = []
    assert with_full_name(Words("dinov2-base", revision="main"), said.append).revision == "main"
    assert "at main" in said[0]


def test_a_folder_wins_and_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "dinov2-base").mkdir()
    (tmp_path / "my-model").mkdir()
    said: list[str] = []
    assert with_full_name(Words("dinov2-base"), said.append) == Words("dinov2-base")
    assert len(said) == 1 and "the folder here" in said[0] and "--model facebook/dinov2-base" in said[0]
    assert with_full_name(Words("my-model"), said.append) == Words("my-model")
    assert len(said) == 1


@pytest.mark.parametrize(
    "name", [None, BUILTIN, "./siglip2-base", "/siglip2", "~/x", "a/b", "family:rest", "siglip2/", ""]
)
def test_other_words_are_left_alone(name: str | None) -> None:
    assert with_full_name(Words(name)) == Words(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("siglip2-bsae", "siglip2-base"),
        ("SigLIP2-Base", "siglip2-base"),
        ("siglip2-so400m-patch14-384", "siglip2-so400m"),
        ("Qwen3-VL-Embedding-2B", "qwen3-vl-embedding-2b"),
        ("dinov2", "dinov2-base"),
        ("builtin-1", BUILTIN),
    ],
)
def test_a_misspelt_name_gets_the_nearest_one(name: str, meant: str) -> None:
    with pytest.raises(OtherWords) as caught:
        with_full_name(Words(name))
    assert f"there is no model folder {name}" in str(caught.value)
    assert caught.value.words == Words(meant)


def test_a_name_like_none_leads_to_the_table() -> None:
    with pytest.raises(ModelError, match="vstore model recommend"):
        with_full_name(Words("resnet"))


def test_no_example_names_a_repository_that_holds_pickles_alone() -> None:
    readers = [TOP / "README.md", *(TOP / "docs").rglob("*.md"), *(TOP / "docs/man").glob("*.1")]
    own = TOP / "store/vstore/embed/recommended.py"  # says so
    for file in [*readers, *(TOP / "store").rglob("*.py"), *(TOP / "cli").rglob("*.py")]:
        if file != own and "_build" not in file.parts:
            text = file.read_text(encoding="utf-8").replace("\\", "")
            assert not [name for name in PICKLES_ALONE if name in text], file


def test_the_first_model_of_readme_and_of_the_help_is_a_recommended_one() -> None:
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    commands = (TOP / "cli/vstore_cli/commands/init.py").read_text(encoding="utf-8")
    for text in (readme, commands):
        first = re.search(r"vstore init .*--model ([\w./-]+)", text)
        assert first is not None and first[1] in BY_NAME
