"""The kernels of a model on the CPU: the quickest ones of torch, with the same vectors."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from support.embedders import embedder
from support.zoo import Zoo

from vstore.embed.hf.kernels import choose_kernels, has_slow_products, is_right, onednn_product, take_product

AMD, INTEL = "vendor_id\t: AuthenticAMD", "vendor_id\t: GenuineIntel"
MKL, OPENBLAS = "..., BLAS_INFO=mkl, BUILD_TYPE=Release", "..., BLAS_INFO=open, BUILD_TYPE=Release"


def layers(model: Any) -> list[Any]:
    return [module for module in model.modules() if type(module) is torch.nn.Linear]


def counting() -> tuple[list[int], Any]:
    """A product of matrices of any machine, and the number of its calls."""
    calls = [0]

    def product(values: Any, weight: Any, bias: Any) -> Any:
        calls[0] += 1
        return torch.nn.functional.linear(values, weight, bias)

    return calls, product


@pytest.mark.parametrize(
    ("processor", "instructions", "config", "slow"),
    [
        (AMD, "AVX512", MKL, True),
        ("AMD64 Family 26 Model 2 Stepping 1, AuthenticAMD", "AVX512", MKL, True),
        (AMD, "AVX2", MKL, False),
        (AMD, "AVX512", OPENBLAS, False),
        (INTEL, "AVX512", MKL, False),
        ("", "AVX512", MKL, False),
    ],
)
def test_mkl_is_slow_on_amd_with_avx_512_alone(processor: str, instructions: str, config: str, slow: bool) -> None:
    assert has_slow_products(processor, instructions, config) is slow


def test_the_product_of_onednn_is_taken_where_that_of_mkl_is_slow(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    product = onednn_product()
    if product is None:
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr("vstore.embed.hf.kernels.has_slow_products", lambda *facts: True)
    made = embedder(zoo["clip"])
    assert all("forward" in vars(layer) for layer in layers(made.model))
    monkeypatch.setattr("vstore.embed.hf.kernels.has_slow_products", lambda *facts: False)
    plain = embedder(zoo["clip"])
    assert not any("forward" in vars(layer) for layer in layers(plain.model))
    values = torch.randn(3, 7, layers(plain.model)[0].in_features)
    for quick, slow in zip(layers(made.model), layers(plain.model), strict=True):
        if slow.in_features == values.shape[-1]:
            assert torch.allclose(quick(values), slow(values), atol=1e-5)


@pytest.mark.parametrize("name", ["clip", "siglip", "dinov2", "convnext", "swin", "resnet", "qwen2_5_vl"])
def test_the_vectors_stay_the_same(zoo: Zoo, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.embedder_suite import pictures

    monkeypatch.setattr("vstore.embed.hf.loading.choose_kernels", lambda model: None)
    made = embedder(zoo[name])
    before = made.embed_images(pictures())
    weights = {key: value.clone() for key, value in made.model.state_dict().items()}
    choose_kernels(made.model)
    product = onednn_product() or counting()[1]
    for layer in layers(made.model):
        take_product(layer, product)
    # NaN for a picture that is too long for the model.
    assert np.allclose(made.embed_images(pictures()), before, rtol=0, atol=1e-5, equal_nan=True)
    after = made.model.state_dict()
    assert list(after) == list(weights)
    assert all(torch.equal(after[key], value) for key, value in weights.items())


@pytest.mark.parametrize("name", ["resnet", "clip"])
def test_convolutions_have_their_weights_in_the_order_of_onednn(zoo: Zoo, name: str) -> None:
    found = [one for one in embedder(zoo[name]).model.modules() if isinstance(one, torch.nn.Conv2d)]
    assert found
    assert all(one.weight.is_contiguous(memory_format=torch.channels_last) for one in found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_activation_of_clip_is_that_of_transformers_to_the_bit(zoo: Zoo, dtype: torch.dtype) -> None:
    from transformers.activations import QuickGELUActivation

    found = [one for one in embedder(zoo["clip"]).model.modules() if isinstance(one, QuickGELUActivation)]
    assert found
    assert all("forward" in vars(one) for one in found)
    values = torch.linspace(-20, 20, 5000).view(10, 500).to(dtype)
    before = values.clone()
    assert torch.equal(found[0](values), QuickGELUActivation()(values))
    assert torch.equal(values, before)


def test_a_layer_computes_with_the_weights_that_it_has_now() -> None:
    layer = torch.nn.Linear(4, 3)
    calls, product = counting()
    take_product(layer, product)
    other = copy.deepcopy(layer)
    layer.weight.data = torch.zeros(3, 4)
    with torch.inference_mode():
        assert torch.equal(layer(torch.ones(2, 4)), layer.bias.expand(2, 3))
        assert not torch.equal(other(torch.ones(2, 4)), layer(torch.ones(2, 4)))
    assert calls == [3]


class Padded(torch.nn.Conv2d):
    """A convolution as timm has one for models of TensorFlow."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(input, (0, 1, 0, 1))
        return torch.nn.functional.conv2d(padded, self.weight, self.bias, self.stride)


def test_convolutions_of_a_class_of_its_own_have_that_order_too() -> None:
    layer = Padded(3, 8, 3, stride=2)
    values = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = layer(values)
        choose_kernels(torch.nn.Sequential(layer))
        assert layer.weight.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(layer(values), before, atol=1e-5)


def test_layers_of_another_kind_or_dtype_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.embed.hf.kernels.has_slow_products", lambda *facts: True)
    attention = torch.nn.MultiheadAttention(8, 2)  # its last layer is of a class of its own
    model = torch.nn.ModuleList([attention, torch.nn.Linear(4, 3).to(torch.bfloat16), torch.nn.Conv3d(3, 4, 2)])
    choose_kernels(model)
    assert not any("forward" in vars(one) for one in model.modules())


def test_a_product_that_is_not_right_is_refused() -> None:
    linear = torch.nn.functional.linear
    assert is_right(linear)
    assert not is_right(lambda values, weight, bias: linear(values, weight))
    assert not is_right(lambda values, weight, bias: linear(values, weight, bias).flatten(0, 1))
    assert not is_right(lambda values, weight, bias: linear(values.bfloat16(), weight.bfloat16()).float())


def test_a_torch_without_the_product_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert onednn_product() is None


def test_a_compiled_model_has_the_kernels_that_torch_chooses(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.embed.hf.kernels.has_slow_products", lambda *facts: True)
    made = embedder(zoo["clip"], compile=True)
    assert not any("forward" in vars(layer) for layer in layers(made.model))
