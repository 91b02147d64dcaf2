"""Values that an adapter_config.json cannot have are refused by their field, before anything is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.adapters import rewrite, save_adapter, save_kind
from support.embedders import embedder
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.source.adapter_config import read_adapter_config
from vstore.embed.model_words import Words
from vstore.errors import ModelError

NAN, INF = float("nan"), float("inf")
DEEP: list[Any] = []
for _ in range(60):
    DEEP = [DEEP]
WRONG: dict[str, list[Any]] = {
    "r": ["8", 0, -1, 8.5, True, NAN, [8], {}, 1 << 40],
    "lora_alpha": ["16", NAN, INF, 0, True, [1], {}, 1e300],
    "lora_dropout": ["0.1", -1, 2, NAN, [], True],
    "target_modules": [3, True, ["q_proj", 3], ["q_proj", None], [["q_proj"]], {"q_proj": 1}, "(q_proj", [""]],
    "exclude_modules": [3, [3], "*", {}],
    "rank_pattern": [["q_proj"], "q_proj", 3, {"q_proj": "4"}, {"q_proj": 0}, {"q_proj": NAN}, {"(": 4}, {"": 4}],
    "alpha_pattern": [["q_proj"], 3, {"q_proj": "4"}, {"q_proj": NAN}, {"q_proj": True}, {"*": 4}],
    "modules_to_save": [3, "visual_projection", [3], {"a": 1}, True, ["("]],
    "peft_type": [3, ["LORA"], {}, True],
    "base_model_name_or_path": [3, ["x"], {"x": 1}, True, NAN],
    "revision": [3, ["main"], True],
    "auto_mapping": [3, "CLIPModel", ["CLIPModel"]],
    "task_type": [3, ["FEATURE_EXTRACTION"]],
    "bias": [3, "some", True, ["all"]],
    "use_rslora": ["false", 1, [], {}],
    "use_dora": ["true", 1.0],
    "lora_bias": ["no"],
    "fan_in_fan_out": ["false", 3],
    "inference_mode": ["true"],
    "init_lora_weights": [3, ["pissa"], {}],
    "layers_to_transform": ["1", -1, [-1], [1.5], True, {}],
    "layers_pattern": [3, [3], {}],
    "loftq_config": [3, "x", ["x"]],
    "eva_config": [3, "x"],
    "ensure_weight_tying": ["x"],
    "a_field_of_tomorrow": [NAN, [1, {"x": INF}], DEEP],
}
CASES = [(field, value) for field, values in WRONG.items() for value in values]


def name_of(value: Any) -> str:
    return str(value)[:20]


@pytest.mark.parametrize(("field", "value"), CASES, ids=name_of)
def test_a_value_that_a_field_cannot_have_is_refused_by_its_field(
    zoo: Zoo, tmp_path: Path, field: str, value: Any
) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", **{field: value})
    with pytest.raises(ModelError) as caught:
        embedder(zoo["clip"], odd)
    said = str(caught.value)
    assert f"the adapter_config.json of the adapter {odd} says {field}: {json.dumps(value)[:30]}" in said, said
    assert f"correct {field} there" in caught.value.next_step
    assert "doctor" not in said and "model again" not in said and len(said) < 500


@pytest.mark.parametrize("value", [None, ""])
def test_an_adapter_that_does_not_say_its_kind(zoo: Zoo, tmp_path: Path, value: Any) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", peft_type=value)
    with pytest.raises(ModelError, match=r"does not say what kind of adapter it is \(peft_type\)") as caught:
        embedder(None, odd)
    assert '"peft_type": "LORA"' in caught.value.next_step


def test_a_kind_in_small_letters_is_told_as_peft_writes_it(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", peft_type="lora")
    with pytest.raises(ModelError, match="of the type lora") as caught:
        embedder(zoo["clip"], odd)
    assert caught.value.next_step == 'write "peft_type": "LORA" in its adapter_config.json, as peft does'


def test_the_kind_is_refused_before_the_base_is_looked_for(zoo: Zoo, tmp_path: Path) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", peft_type="VERA", base_model_name_or_path="/nowhere/model")
    with pytest.raises(ModelError, match="of the type VERA"):
        embedder(None, odd)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[]", "it holds a list, not an object"),
        (b'"LORA"', "it holds a text, not an object"),
        (b"null", "it holds a null, not an object"),
        (b"", "cannot be read"),
        (b'{"r": 8,', "cannot be read"),
        (b'{"r": "\xff\xfe"}', "cannot be read"),
        (b"[" * 1_000_000, "it nests too deep"),
        (b'{"a":' * 100_000, "it nests too deep"),
        (b'{"r": ' + b"9" * 10_000 + b"}", "cannot be read"),
    ],
    ids=name_of,
)
def test_a_file_that_is_no_configuration_is_the_adapters(zoo: Zoo, tmp_path: Path, content: bytes, why: str) -> None:
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd")
    (odd / "adapter_config.json").write_bytes(content)
    with pytest.raises(ModelError, match=why) as caught:
        embedder(zoo["clip"], odd)
    assert f"{odd}/adapter_config.json" in caught.value.message
    assert caught.value.next_step.startswith("copy adapter_config.json into it again, or ")


def test_nothing_is_left_of_a_space_that_was_refused(
    zoo: Zoo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(tmp_path, capsys)
    store = tmp_path / "store"
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", lora_alpha=NAN)
    said = shell.bad(13, "init", "--store", store, "--model", zoo["clip"], "--adapter", odd)
    assert "lora_alpha: NaN" in said and not store.exists()
    shell.good("init", "--store", store, "--model", zoo["clip"], "--name", "plain")
    assert "lora_alpha: NaN" in shell.bad(13, "model", "add", "odd", "--adapter", odd, "--store", store)
    assert [row["space_name"] for row in shell.json("model", "list", "--store", store)] == ["plain"]


@pytest.mark.parametrize(("word", "wanted"), [("r", 5), ("rank_pattern", {"q_proj": 5})])
def test_a_rank_that_the_weights_do_not_have_is_told_before_it_is_made(
    zoo: Zoo, tmp_path: Path, word: str, wanted: Any
) -> None:
    """A rank of millions would take the machine's memory before its shape is looked at."""
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", **{word: wanted})
    with pytest.raises(ModelError, match=r"adapter_config.json says a rank of 5 for .*q_proj, and its weights have 4"):
        embedder(zoo["clip"], odd)
    huge = {"q_proj": 2_000_000_000} if word == "rank_pattern" else 2_000_000_000
    odd = rewrite(zoo.adapter("clip"), tmp_path / "huge", **{word: huge})
    with pytest.raises(ModelError, match="a rank of 2000000000"):
        embedder(zoo["clip"], odd)


def test_fields_that_peft_does_not_know_are_said(zoo: Zoo, tmp_path: Path) -> None:
    from vstore.embed.hf.description import describe
    from vstore.embed.hf.digests import Digests
    from vstore.embed.hf.loading import load
    from vstore.embed.model_words import Settings

    said: list[str] = []
    odd = rewrite(zoo.adapter("clip"), tmp_path / "odd", use_tomorrow=True, idle_tomorrow=False, runtime_config={})
    recipe, place = describe(Words(str(zoo["clip"]), str(odd)), Digests())
    load(recipe, place, Settings("cpu"), Digests(), note=said.append)
    (line,) = [one for one in said if "tomorrow" in one]
    assert line.startswith("warning: ") and "use_tomorrow: true" in line and "idle_tomorrow" not in line


def test_what_peft_and_people_write_is_taken(zoo: Zoo, tmp_path: Path) -> None:
    kinds = [
        save_kind(tmp_path / kind, zoo["vit"], kind, cls=transformers.ViTModel) for kind in ("LoHa", "LoKr", "IA3")
    ]
    own = save_adapter(tmp_path / "own", zoo["clip"], ["q_proj"], layers_to_transform=[0], layers_pattern="layers")
    for folder in (*kinds, own, zoo.adapter("clip", "dora")):
        assert read_adapter_config(str(folder), folder)["peft_type"]
    by_hand = rewrite(
        own, tmp_path / "hand", lora_alpha=8.0, rank_pattern=None, alpha_pattern={}, modules_to_save=[], bias=None,
        init_lora_weights="gaussian", loftq_config=None, revision="", target_modules=None, eva_config=None,
    )  # fmt: skip
    assert read_adapter_config("x", by_hand)["lora_alpha"] == 8.0
    off = rewrite(own, tmp_path / "off", lora_alpha=0, alpha_pattern={"q_proj": 8})
    assert read_adapter_config("x", off)["lora_alpha"] == 0
    both = tmp_path / "bom"
    rewrite(own, both)
    text = (both / "adapter_config.json").read_text()
    (both / "adapter_config.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert embedder(zoo["clip"], both) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from(["", "q_proj", "(", "all", "LORA"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["", "q_proj", "*"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(sorted(WRONG)), value=JSON)
def test_any_value_in_any_field_is_taken_or_refused(zoo: Zoo, tmp_path: Path, field: str, value: Any) -> None:
    odd = tmp_path / "odd"
    if not odd.exists():
        rewrite(zoo.adapter("clip"), odd)
    config = json.loads((zoo.adapter("clip") / "adapter_config.json").read_text())
    (odd / "adapter_config.json").write_text(json.dumps({**config, field: value}))
    try:
        embedder(zoo["clip"], odd)
    except ModelError as err:
        assert str(odd) in str(err) and err.next_step
