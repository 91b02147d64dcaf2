"""Models that no space can have are refused before anything is loaded, with the cause and another way."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from support.embedders import recipe_of
from support.zoo import Zoo
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from vstore.embed.hf.families import FAMILIES, family_class
from vstore.embed.hf.source.unsupported import KINDS
from vstore.errors import ModelError


def with_config(zoo: Zoo, to: Path, **values: object) -> Path:
    """A folder with weights of a CLIP and a changed config.json."""
    folder = Path(shutil.copytree(zoo["clip"], to))
    old = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**old, **values}))
    return folder


@pytest.mark.parametrize(
    ("model_type", "architecture", "why", "instead"),
    [
        ("colpali", "ColPaliForRetrieval", "many vectors for a picture", "one vector for a picture, such as"),
        ("qwen2_vl", "ColQwen2", "many vectors for a picture", "one vector for a picture, such as"),
        ("idefics3", "ColIdefics3", "many vectors for a picture", "one vector for a picture, such as"),
        ("blip", "BlipForConditionalGeneration", "writes texts about pictures", "trained for retrieval, such as"),
        ("llava", "LlavaForConditionalGeneration", "writes texts about pictures", "trained for retrieval, such as"),
        ("clip_text_model", "CLIPTextModelWithProjection", "reads texts alone", "with its picture side, such as"),
        ("siglip_text_model", "SiglipTextModel", "reads texts alone", "with its picture side, such as"),
    ],
)
def test_a_kind_without_vectors_of_pictures_is_refused_with_why_and_another_way(
    zoo: Zoo, tmp_path: Path, model_type: str, architecture: str, why: str, instead: str
) -> None:
    folder = with_config(zoo, tmp_path / "m", model_type=model_type, architectures=[architecture])
    with pytest.raises(ModelError, match=why) as caught:
        recipe_of(folder)
    assert instead in caught.value.next_step


def test_the_refused_types_are_types_of_transformers_and_of_no_family() -> None:
    refused = {name for kind in KINDS for name in kind.types}
    assert refused <= set(CONFIG_MAPPING_NAMES) | {"siglip2_text_model"}
    taken = {name for family in FAMILIES for name in family_class(family).model_types}
    assert not refused & taken


def test_the_table_of_an_unknown_type_names_each_supported_type_once_by_family(zoo: Zoo, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a model of the type 'detr'") as caught:
        recipe_of(with_config(zoo, tmp_path / "m", model_type="detr", architectures=["DetrModel"]))
    groups = re.findall(r"(?:^|; )([^;(]+) \(([^)]+)\)", caught.value.next_step.removeprefix("supported types: "))[:-1]
    named = [name for _, types in groups for name in types.split(", ")]
    taken = [name for family in FAMILIES for name in family_class(family).model_types]
    assert sorted(named) == sorted(taken)
    assert len(set(named)) == len(named)
    assert "CLIP" in dict(groups)
