"""The kernels by which torch computes a model on the CPU: the quickest of those that it brings, in fp32.

They round otherwise in the last bits, as another number of threads does: a recipe says nothing about them.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Product = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]

_TOLERANCE = 1e-4  # of sums of 96 products of numbers about 1: fp32 differs by 1e-5


def choose_kernels(model: Any) -> None:
    """Choose the kernels of a model on the CPU. Its weights keep their values, names and types.

    Convolutions get their weights in the order in which oneDNN computes: torch would copy pictures to and fro. Where
    MKL has slow products of matrices, those of oneDNN, which is part of torch, take their place. CLIP's activation is
    computed in one new array instead of three.
    """
    import torch
    from transformers.activations import QuickGELUActivation

    product = onednn_product() if has_slow_products(_processor(), _instructions(), torch.__config__.show()) else None
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight.dtype == torch.float32:
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        elif type(module) is torch.nn.Linear and module.weight.dtype == torch.float32 and product is not None:
            take_product(module, product)
        elif type(module) is QuickGELUActivation:
            module.forward = _quick_gelu


def take_product(module: torch.nn.Linear, product: Product) -> None:
    """Compute a linear layer by another product of matrices."""
    module.forward = functools.partial(_linear, module, product)


def _linear(module: torch.nn.Linear, product: Product, values: torch.Tensor) -> torch.Tensor:
    return product(values, module.weight, module.bias)  # both asked for now: they may be replaced


def _quick_gelu(input: torch.Tensor) -> torch.Tensor:
    return (1.702 * input).sigmoid_().mul_(input)  # as transformers computes it, to the bit


def has_slow_products(processor: str, instructions: str, config: str) -> bool:
    """Tell whether torch's products of matrices are slower than those of oneDNN.

    MKL takes the kernels for AVX-512 on processors of Intel alone. On those of AMD that have it, oneDNN takes half
    the time; at AVX2 both take the same (docs/decisions/0035).

    processor:    the maker is named in it. instructions: those that torch uses. config: of its build.
    """
    return "AuthenticAMD" in processor and instructions == "AVX512" and "BLAS_INFO=mkl" in config


def onednn_product() -> Product | None:
    """Find the product of oneDNN for a linear layer; None where torch has none that is right."""
    import torch

    try:
        find = torch.ops.mkldnn._linear_pointwise.default  # what torch.compile makes of a linear layer

        def product(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
            found: torch.Tensor = find(values, weight, bias, "none", [], "")
            return found

        return product if torch.backends.mkldnn.is_available() and is_right(product) else None
    except (AttributeError, RuntimeError):  # it is no promise of torch
        return None


def is_right(product: Product) -> bool:
    """Tell whether a product gives what torch gives."""
    import torch

    # Numbers about 1 that need no generator: the user's one stays where it is.
    values = torch.arange(2 * 40 * 96, dtype=torch.float32).mul(0.7).sin().view(2, 40, 96)
    weight, bias = torch.arange(64 * 96, dtype=torch.float32).mul(1.3).cos().view(64, 96), torch.arange(64.0).sin()
    with torch.inference_mode():
        for some in (values, values.transpose(0, 1), values[:, :1]):
            for one in (bias, None):
                right = torch.nn.functional.linear(some, weight, one)
                found = product(some, weight, one)
                if found.shape != right.shape or not torch.allclose(found, right, rtol=0, atol=_TOLERANCE):
                    return False
    return True


def _instructions() -> str:
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def _processor() -> str:
    """Name the processor with its maker."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next((line for line in file if line.startswith("vendor_id")), "")
    except OSError:
        return platform.processor()  # on Windows its maker is at the end
