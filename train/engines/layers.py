"""Layers of BERT and DistilBERT with as little beside the matrix products as there can be, to be trained on a CPU.

What is multiplied is rounded once, as autocast would have it, not anew for each product. Query, key and value are one
product. In the last layer only the first token is computed, as nothing else is read of it. What is added up over the
layers, and the norms, are in the format of what comes in: float32.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers.models.bert.modeling_bert import BertLayer
from transformers.models.distilbert.modeling_distilbert import TransformerBlock

from core.encoder import NAMES
from core.errors import RecipeError
from train.engines import dropout

KINDS = {BertLayer: "bert", TransformerBlock: "distilbert"}


def install(model: nn.Module) -> None:
    """Have those layers of a model compute this way that are of these kinds; its parameters stay where they are."""
    found = [each for each in model.modules() if type(each) in KINDS]
    for each in found:
        each.forward = Layer(each, first_alone=each is found[-1])


@torch.no_grad()
def look_evenly(model: nn.Module) -> None:
    """Have each token look at all tokens alike in the last layer, until training knows better.

    Encoders of sentences are trained so that the mean of all tokens' states stands for the text; no training has had
    the first token's say much of it. So it starts from a mean of what is to be read in them.

    Raises RecipeError where no layer is of the kinds that are known here.
    """
    found = [each for each in model.modules() if type(each) in KINDS]
    if not found:
        raise RecipeError("training.even_start: this encoder's layers are of no kind that is known here; leave it out.")
    query = found[-1].get_submodule(NAMES[KINDS[type(found[-1])]].query)
    for each in query.parameters():
        each.zero_()


class Layer:
    """The way forward through a layer of transformers."""

    def __init__(self, layer: nn.Module, *, first_alone: bool) -> None:
        bert, names = isinstance(layer, BertLayer), NAMES[KINDS[type(layer)]]
        parts = [layer.get_submodule(each) for each in (names.query, names.key, names.value)]
        self._query = Joined(parts[:1]) if first_alone else None
        self._others = Joined(parts[1:] if first_alone else parts)
        self._attended, self._wide, self._narrow = (
            Joined([layer.get_submodule(each)]) for each in (names.attended, names.wide, names.narrow)
        )
        self._norm, self._last = (layer.get_submodule(each) for each in (names.norm, names.last_norm))
        attention = layer.get_submodule("attention.self" if bert else "attention")
        width: int = attention.attention_head_size  # type: ignore[assignment]
        self._heads = len(parts[0].get_parameter("weight")) // width, width
        self._of_weights: nn.Dropout = attention.dropout  # type: ignore[assignment]
        # DistilBERT drops nothing of what attention gives.
        self._drop = layer.get_submodule("attention.output.dropout") if bert else nn.Identity()
        self._last_drop = layer.get_submodule("output.dropout" if bert else "ffn.dropout")
        self._bend = layer.get_submodule("intermediate.intermediate_act_fn" if bert else "ffn.activation")

    def __call__(self, x: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, **__: Any) -> torch.Tensor:
        """(n, tokens, d) -> (n, tokens or 1, d); the mask is the same for every token that looks."""
        of_products = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        with torch.autocast("cpu", enabled=False):
            rounded = x.to(of_products)
            projected = [self._others(rounded)]
            if self._query is not None:
                x = x[:, :1]
                projected.insert(0, self._query(rounded[:, :1]))
            mask = None if attention_mask is None else attention_mask[:, :, :1]
            share = self._of_weights.p if self._of_weights.training else 0.0
            found = dropout.attend(projected, self._heads, mask, share)
            x = self._norm(x + self._drop(self._attended(found)))
            after = self._narrow(self._bend(self._wide(x.to(of_products))))
            last: torch.Tensor = self._last(x + self._last_drop(after))
        return last


class Joined:
    """Linear layers that read the same, as one product."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        self._parts = parts
        self._as_of: object = None
        self._kept: tuple[torch.Tensor, torch.Tensor] | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(…, d) -> (…, m), where m is what all of them give, one after the other."""
        parameters = [each.get_parameter(name) for name in ("weight", "bias") for each in self._parts]
        if any(each.requires_grad for each in parameters):
            weight, bias = _rounded(parameters, x.dtype)
        else:
            as_of = x.dtype, [(each.data_ptr(), each._version) for each in parameters]
            if self._kept is None or self._as_of != as_of:
                self._kept, self._as_of = _rounded(parameters, x.dtype), as_of
            weight, bias = self._kept
        return _Product.apply(x, weight, bias, *parameters)  # type: ignore[no-any-return, no-untyped-call]


@torch.no_grad()
def _rounded(parameters: Sequence[torch.Tensor], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights, and the biases that follow them, one below the other."""
    found, half = [each.to(dtype) for each in parameters], len(parameters) // 2
    return (found[0], found[1]) if half == 1 else (torch.cat(found[:half]), torch.cat(found[half:]))


class _Product(torch.autograd.Function):
    """x Wᵀ + b, with W and b made of the parameters that follow them, which the gradients are of."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *parameters: torch.Tensor
    ) -> torch.Tensor:
        ctx.sizes = [len(each) for each in parameters[len(parameters) // 2 :]]
        ctx.save_for_backward(x, weight)
        if _by_onednn(x):  # PyTorch's own writes the bias first, and adds the product to it
            found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
            return found
        return nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad = grads[0].flatten(0, -2)
        of_x = (grad @ weight).view(x.shape) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[3:]):
            return of_x, None, None, *[None] * 2 * len(ctx.sizes)
        x = x.flatten(0, -2)
        turned = _by_onednn(x) and x.shape[1] > grad.shape[1]  # or the product reads it across
        of_weight = (_turned(grad) if turned else grad.t()) @ x
        return of_x, None, None, *torch.split(of_weight, ctx.sizes), *torch.split(grad.sum(0), ctx.sizes)


def _by_onednn(x: torch.Tensor) -> bool:
    """Not everything that PyTorch multiplies is multiplied by oneDNN on every processor."""
    return x.dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _turned(x: torch.Tensor) -> torch.Tensor:
    """(n, m) -> (m, n), as oneDNN copies it: four times as fast as PyTorch."""
    found: torch.Tensor = x.to_mkldnn().transpose(0, 1).to_dense()
    return found
